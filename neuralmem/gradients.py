"""Gradients by hand of the equations that run at every time step: fewer and larger calls (chapters 1 to 3).

Above each equation stands its gradient, for which autograd would take a dozen small steps or more. A call costs
microseconds whatever it computes, which is most of a small batch's time; a large batch gains because an (N, N) or an
(N, W) tensor is passed over fewer times. Letters: B batch, N slots, W word size, R and H heads.
"""

from typing import Any

import torch
from torch import Tensor

from .tape import Later, Outer, Own, by_hand, watched

EPSILON = 1e-6  # inside the square root of a norm: rows shorter than 1e-3 count as short, and no gradient exceeds 1e3
ATEN = torch.ops.aten


def _cell_gradient(to_hidden, to_cell, gates, cell, hidden, new, opened, candidate, shown):
    enter, forget, leave = opened.chunk(3, -1)
    to_cell = to_cell + ATEN.tanh_backward(to_hidden * leave, shown)
    to_opened = torch.cat([to_cell * candidate, to_cell * cell, to_hidden * shown], -1)
    to_candidate = ATEN.tanh_backward(to_cell * enter, candidate)
    return torch.cat([ATEN.sigmoid_backward(to_opened, opened), to_candidate], -1), to_cell * forget


@by_hand(_cell_gradient, results=2)
def lstm_cell(gates: Tensor, cell: Tensor) -> Any:
    """Hidden state and cell (B, D) of an LSTM from its gates (B, 4·D): input, forget, output, candidate; and the cell.

    c' = f c + i tanh(g), h = o tanh(c') (Hochreiter & Schmidhuber 1997). Chapter 3.
    """
    width = cell.shape[-1]
    opened, candidate = torch.sigmoid(gates[:, : 3 * width]), torch.tanh(gates[:, 3 * width :])
    enter, forget, leave = opened.chunk(3, -1)
    new = torch.addcmul(forget * cell, enter, candidate)
    shown = torch.tanh(new)
    return leave * shown, new, opened, candidate, shown


def _content_gradient(to_weighting, memory, keys, strengths, weighting, similarity, slots, heads, units):
    to_scores = torch._softmax_backward_data(to_weighting, weighting, -1, weighting.dtype)
    to_strengths = (to_scores * similarity).sum(-1)
    scaled = (to_scores * strengths.unsqueeze(-1)).div_(slots)
    to_slots = (scaled * similarity).sum(-2, keepdim=True).div_(slots)
    to_heads = (strengths * to_strengths).unsqueeze(-1)
    to_keys = torch.bmm(scaled, memory).addcmul_(units, to_heads, value=-1).div_(heads)
    return Outer(scaled, units, memory, to_slots.mT), to_keys, to_strengths


@by_hand(_content_gradient)
def content(memory: Tensor, keys: Tensor, strengths: Tensor) -> Any:
    """C[h] = softmax_n(strengths[h] · k[h]·M[n] / (|k[h]| |M[n]|)): memory (B, N, W), keys (B, H, W) -> (B, H, N)."""
    slots, heads = norm(memory).mT, norm(keys)  # (B, 1, N), (B, H, 1)
    units = keys / heads
    similarity = torch.bmm(units, memory.mT) / slots
    return torch.softmax(similarity * strengths.unsqueeze(-1), -1), similarity, slots, heads, units


def norm(rows: Tensor) -> Tensor:
    """The length of each row, a little more than 0 for a row of zeros: (..., W) -> (..., 1)."""
    return torch.linalg.vector_norm(rows, dim=-1, keepdim=True).square().add_(EPSILON).sqrt_()


def _turn_gradient(to_turned, content, previous, gates, shifts, turned, windows):
    slots = to_turned.shape[-1]
    to_blended = _weighed(_windows(to_turned, shifts.shape[-1]), shifts)
    to_shifts = torch.bmm(to_turned.reshape(-1, 1, slots), windows.flatten(0, 1)).view_as(shifts).flip(-1)
    to_content = to_blended * gates.unsqueeze(-1)
    to_gates = (to_blended * (content - previous)).sum(-1)
    return to_content, to_blended - to_content, to_gates, to_shifts


@by_hand(_turn_gradient)
def turn(content: Tensor, previous: Tensor, gates: Tensor, shifts: Tensor) -> Any:
    """Interpolate, then shift (Graves et al. 2014, eqs. 7 and 8): (B, H, N) twice, (B, H), (B, H, S) -> (B, H, N)."""
    windows = _windows(torch.lerp(previous, content, gates.unsqueeze(-1)), shifts.shape[-1])
    return _weighed(windows, shifts.flip(-1)), windows


def around(weightings: Tensor, shifts: Tensor) -> Tensor:
    """out[n] = sum_j w[n - j] s[j], around the ring: (B, H, N), (B, H, S) -> (B, H, N)."""
    return _weighed(_windows(weightings, shifts.shape[-1]), shifts.flip(-1))


def _weighed(windows, weights):
    """The sum of each window, weighed: (B, H, N, S), (B, H, S) -> (B, H, N)."""
    return (windows * weights.unsqueeze(-2)).sum(-1)


def _windows(weightings, width):
    """(..., N) -> (..., N, S): the `width` neighbours of each slot, around the ring, from the lowest."""
    reach, slots = width // 2, weightings.shape[-1]
    if reach > slots or watched(weightings.device.type):  # more than once around; and vmap knows no `unfold`
        return torch.stack([weightings.roll(reach - place, -1) for place in range(width)], -1)
    ends = weightings[..., slots - reach :], weightings, weightings[..., :reach]
    return torch.cat(ends, -1).unfold(-1, width, 1)


def _sharpen_gradient(to_sharp, weightings, gammas, sharp, logs, floored):
    to_scores = torch._softmax_backward_data(to_sharp, sharp, -1, sharp.dtype)
    to_weightings = to_scores * gammas.unsqueeze(-1) / floored
    return to_weightings * (weightings == floored), (to_scores * logs).sum(-1)


@by_hand(_sharpen_gradient)
def sharpen(weightings: Tensor, gammas: Tensor) -> Any:
    """softmax(gamma · log w), of (B, H, N) and (B, H): w^gamma / sum w^gamma (Graves et al. 2014, eq. 9)."""
    floored = weightings.clamp_min(max(1e-20, torch.finfo(weightings.dtype).tiny))
    logs = floored.log()
    return torch.softmax(gammas.unsqueeze(-1) * logs, -1), logs, floored


def _usage_gradient(
    to_usage, to_retained, free_gates, reads, usage, writes, used, retained, kept, blank, free, untouched
):
    inside = to_usage * retained
    to_kept = _others(kept) * torch.addcmul(to_retained, to_usage, 1 - free * untouched).unsqueeze(1)
    to_writes = _others(blank) * (inside * free).unsqueeze(1)
    return -(to_kept * reads).sum(-1), -to_kept * free_gates.unsqueeze(-1), inside * untouched, to_writes


@by_hand(_usage_gradient, results=2)
def use(free_gates: Tensor, reads: Tensor, usage: Tensor, writes: Tensor) -> Any:
    """Usage after a write, and what of each slot is retained after the reads (Graves et al. 2016, Methods).

    psi = prod_r (1 - f[r] w_r[r]), u' = (1 - (1 - u) prod_h (1 - w_h))·psi: free_gates (B, R), reads (B, R, N), usage
    (B, N), writes (B, H, N) -> (B, N) twice.
    """
    kept, blank, free = 1 - free_gates.unsqueeze(-1) * reads, 1 - writes, 1 - usage
    retained, untouched = product(kept), product(blank)
    return (1 - free * untouched) * retained, retained, kept, blank, free, untouched


def product(factors: Tensor) -> Tensor:
    """Product over the heads, axis 1, by multiplication: its gradient is exact at zeros too."""
    result, *others = factors.unbind(1)
    for factor in others:
        result = result * factor
    return result


def _others(factors):
    """For each head, axis 1, the product of the factors of all others, without a division."""
    parts = factors.unbind(1)
    if len(parts) == 1:
        return torch.ones_like(factors)
    before, after = [parts[0]], [parts[-1]]
    for part, last in zip(parts[1:-1], parts[-2:0:-1], strict=True):
        before.append(before[-1] * part)
        after.append(after[-1] * last)
    middle = [one * other for one, other in zip(before[:-1], after[-2::-1], strict=True)]
    return torch.stack([after[-1], *middle, before[-1]], 1)


def _allocation_gradient(to_allocation, usage, order, allocation, ordered, before):
    slopes = to_allocation.squeeze(1).gather(-1, order)
    least = ordered.clamp_min(1e-30)  # a product over all others, as a quotient that is right at the first zero, too
    before = torch.cat([before[:, :1], torch.cumprod(least[:, :-1], -1)], -1)
    later = (slopes * (1 - ordered) * before)[:, 1:].flip(-1).cumsum(-1).flip(-1)  # of all that come after
    later = torch.cat([later, torch.zeros_like(least[:, :1])], -1) / least
    return torch.zeros_like(usage).scatter(-1, order, later - slopes * before), None


@by_hand(_allocation_gradient)
def allocate(usage: Tensor, order: Tensor) -> Any:
    """a[phi_j] = (1 - u[phi_j]) prod_{i<j} u[phi_i]: usage (B, N) and phi (B, N), the slots in order -> (B, 1, N)."""
    ordered = usage.gather(-1, order)
    before = torch.cumprod(torch.cat([torch.ones_like(ordered[:, :1]), ordered[:, :-1]], -1), -1)
    return torch.zeros_like(usage).scatter(-1, order, (1 - ordered) * before).unsqueeze(1), ordered, before


def _write_gradient(gradient, memory, writes, erase, add, written):
    heads, to_writes, to_erase = range(writes.shape[1]), [], []
    room = torch.empty_like(gradient)  # one tensor for all that is as large, where there is one head
    for head in heads:
        faded = torch.mul(gradient, memory, out=room)
        for other in heads:
            if other != head:
                faded = torch.addcmul(faded, faded * erase[:, other, None], writes[:, other, :, None], value=-1)
        to_writes.append(torch.bmm(erase[:, head, None], faded.mT))
        to_erase.append(torch.bmm(writes[:, head, None], faded))
    to_memory = gradient
    for head in heads:
        faded = torch.mul(to_memory, erase[:, head, None], out=room if head == 0 else None)
        to_memory = torch.addcmul(to_memory, faded, writes[:, head, :, None], value=-1, out=faded)
    to_writes, to_erase = (parts[0] if len(heads) == 1 else torch.cat(parts, 1) for parts in (to_writes, to_erase))
    return Own(to_memory), torch.bmm(add, gradient.mT).sub_(to_writes), to_erase.neg_(), torch.bmm(writes, gradient)


@by_hand(_write_gradient)
def write(memory: Tensor, writes: Tensor, erase: Tensor, add: Tensor) -> Any:
    """M'[n] = M[n]·prod_h (1 - w[h, n] e[h]) + sum_h w[h, n] v[h] (Graves et al. 2014, eqs. 3 and 4): one (B, N, W)."""
    result = memory
    for head in range(writes.shape[1]):
        result = torch.addcmul(result, result * erase[:, head, None], writes[:, head, :, None], value=-1)
    if not watched(memory.device.type):
        return (result.baddbmm_(writes.mT, add),)
    for head in range(writes.shape[1]):  # for a compiler, which makes one loop of it and of what stands above
        result = torch.addcmul(result, writes[:, head, :, None], add[:, head, None])
    return (result,)


def _links_gradient(
    to_link, to_precedence, to_forward, to_backward, previous, precedence, writes, reads, link, new, forward, backward
):
    batch, heads, slots = writes.shape
    whole = (batch * heads, slots, slots)
    row, column, before = writes.reshape(-1, slots, 1), writes.reshape(-1, 1, slots), precedence.reshape(-1, 1, slots)
    reads = reads.unsqueeze(1).expand_as(forward)
    ahead, back, seen = (one.reshape(-1, one.shape[2], slots) for one in (to_forward, to_backward, reads))
    gradient = to_link.reshape(whole).baddbmm_(torch.cat([ahead, seen], 1).mT, torch.cat([seen, back], 1))
    hollow(gradient)
    faded = gradient * previous.reshape(whole)
    to_writes = torch.bmm(before, gradient.mT).squeeze(1) - faded.sum(-1) - faded.sum(-2)
    to_before = torch.bmm(column, gradient).squeeze(1)
    to_previous = gradient.mul_(torch.sub(1 - row, column, out=faded))
    to_reads = torch.bmm(ahead, link.reshape(whole)) + torch.bmm(back, link.reshape(whole).mT)
    left = 1 - writes.sum(-1, keepdim=True)
    to_writes = to_writes.view_as(writes) + to_precedence - (to_precedence * precedence).sum(-1, keepdim=True)
    to_before = torch.addcmul(to_before.view_as(writes), to_precedence, left)
    return Own(to_previous.view_as(link)), to_before, to_writes, to_reads.view_as(forward).sum(1)


@by_hand(_links_gradient, results=4, spends=1)
def follow_links(previous: Tensor, precedence: Tensor, writes: Tensor, reads: Tensor) -> Any:
    """Link, precedence, and one step along the links, forward and backward (Graves et al. 2016, Methods).

    Shapes: previous (B, H, N, N), precedence, writes (B, H, N), reads (B, R, N) -> (B, H, N, N), (B, H, N), and
    (B, H, R, N) twice.
    """
    link = linked(previous, precedence, writes)
    left = 1 - writes.sum(-1, keepdim=True)
    return link, torch.addcmul(writes, left, precedence), *along(link, reads)


def linked(previous: Tensor, precedence: Tensor, writes: Tensor) -> Tensor:
    """L'[i, j] = (1 - w[i] - w[j]) L[i, j] + w[i] p[j], L'[i, i] = 0, in two passes over the links."""
    link = torch.lerp(previous, precedence.unsqueeze(-2), writes.unsqueeze(-1))  # (1 - w[i]) L[i, j] + w[i] p[j]
    return hollow(torch.addcmul(link, previous, writes.unsqueeze(-2), value=-1))


def along(link: Tensor, reads: Tensor) -> tuple[Tensor, Tensor]:
    """L w and L^T w for the rows w of reads (B, R, N): each (B, H, R, N)."""
    reads = reads.unsqueeze(1)
    return (reads @ link.mT).to(link.dtype), (reads @ link).to(link.dtype)  # autocast would lower them


def hollow(matrix: Tensor) -> Tensor:
    """Set the diagonal of a matrix that nobody else holds to 0."""
    matrix.diagonal(dim1=-2, dim2=-1).zero_()
    return matrix


def _mix_gradient(to_mixed, content, forward, backward, modes, mixed):
    heads = forward.shape[1]
    parts = [*backward.unbind(1), content, *forward.unbind(1)]
    to_modes = torch.stack([(to_mixed * part).sum(-1) for part in parts], -1)
    to_parts = to_mixed.unsqueeze(1) * modes.movedim(-1, 1).unsqueeze(-1)  # (B, 1 + 2·H, R, N)
    return to_parts[:, heads], to_parts[:, heads + 1 :], to_parts[:, :heads], to_modes


@by_hand(_mix_gradient)
def mix(content: Tensor, forward: Tensor, backward: Tensor, modes: Tensor) -> Any:
    """Backward, content and forward, weighed by mode: (B, R, N), (B, H, R, N) twice, (B, R, 1 + 2·H) -> (B, R, N)."""
    heads = forward.shape[1]
    mixed = modes[..., heads, None] * content
    for head in range(heads):
        mixed = torch.addcmul(mixed, modes[..., head, None], backward[:, head])
        mixed = torch.addcmul(mixed, modes[..., heads + 1 + head, None], forward[:, head])
    return (mixed,)


def _place_gradient(to_writes, content, allocation, allocation_gates, write_gates, writes, blend):
    to_blend = to_writes * write_gates.unsqueeze(-1)
    to_allocation = to_blend * allocation_gates.unsqueeze(-1)
    to_gates = (to_blend * (allocation - content)).sum(-1)
    return to_blend - to_allocation, to_allocation, to_gates, (to_writes * blend).sum(-1)


@by_hand(_place_gradient)
def place(content: Tensor, allocation: Tensor, allocation_gates: Tensor, write_gates: Tensor) -> Any:
    """g_w [g_a·allocation + (1 - g_a)·content]: (B, H, N) twice, (B, H) twice -> (B, H, N)."""
    blend = torch.lerp(content, allocation, allocation_gates.unsqueeze(-1))
    return write_gates.unsqueeze(-1) * blend, blend


@by_hand(lambda slope, content, gates, writes: (slope * gates.unsqueeze(-1), (slope * content).sum(-1)))
def gate(content: Tensor, gates: Tensor) -> Any:
    """g_w·content: (B, H, N), (B, H) -> (B, H, N)."""
    return (gates.unsqueeze(-1) * content,)


@by_hand(lambda slope, weightings, memory, reads: (torch.bmm(slope, memory.mT), Outer(weightings, slope, memory)))
def read(weightings: Tensor, memory: Tensor) -> Any:
    """r = w M: (B, R, N), (B, N, W) -> (B, R, W)."""
    return (torch.bmm(weightings, memory),)


@by_hand(lambda slope, start, x, weight, end: (slope, slope @ weight, Later(slope, x)))
def add_product(start: Tensor, x: Tensor, weight: Tensor) -> Any:
    """start + x W^T: (B, O), (B, I), (O, I) -> (B, O)."""
    return (torch.addmm(start, x, weight.mT),)


@by_hand(lambda slope, x, weight, bias, end: (slope @ weight, Later(slope, x), Later(slope, None)))
def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Any:
    """x W^T + b: (B, I), (O, I), (O,) -> (B, O)."""
    return (torch.addmm(bias, x, weight.mT),)


def _join_gradient(slope, hidden, reads, joined):
    width = hidden.shape[1]
    return slope[:, :width], slope[:, width:].reshape(reads.shape)


@by_hand(_join_gradient)
def join(hidden: Tensor, reads: Tensor) -> Any:
    """(B, D) and (B, R, W) -> (B, D + R·W)."""
    return (torch.cat([hidden, reads.flatten(1)], -1),)
