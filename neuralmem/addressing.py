"""Where to look: pure functions from tensors to weightings (chapter 1).

Letters: B batch, N slots, W word size, H heads (R read heads), S shifts. A *weighting* is a row of N non-negative
numbers that sum to at most 1. Sources: Graves et al. 2014 (NTM) and Graves et al. 2016 (DNC).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from . import gradients
from ._validate import boolean, shaped, tensor
from .gradients import EPSILON, norm


def oneplus(x: Tensor) -> Tensor:
    """Map real numbers to [1, inf): 1 + log(1 + exp(x)) (Graves et al. 2016, Methods). Raises TypeError. Chapter 1."""
    return 1 + F.softplus(tensor("x", x))


def cosine_similarity(memory: Tensor, keys: Tensor, mask: Tensor | None = None) -> Tensor:
    """Cosine of the angle between each key and each slot, 0 where either is a row of zeros.

    D[h, n] = k[h]·M[n] / (|k[h]| |M[n]|); with a `mask`, of k*mask and M*mask (Csordás & Schmidhuber 2019).
    Shapes: memory (B, N, W), keys (B, H, W), mask (B, H, W) in [0, 1] or None; returns (B, H, N). A small
    constant inside each norm keeps the value and the gradient of a zero row finite. Chapter 1.
    Raises ValueError or TypeError where a shape, dtype or device does not fit.
    """
    shaped("memory", memory, "B N W")
    batch, _, width = memory.shape
    shaped("keys", keys, "B H W", like=memory, B=batch, W=width)
    if mask is None:
        return torch.bmm(keys, memory.mT) / norm(keys) / norm(memory).mT
    shaped("mask", mask, "B H W", like=memory, B=batch, H=keys.shape[1], W=width)
    slot_norms = (mask.square() @ memory.square().mT + EPSILON).sqrt()  # (B, H, N)
    return (keys * mask.square()) @ memory.mT / norm(keys * mask) / slot_norms


def content_weighting(memory: Tensor, keys: Tensor, strengths: Tensor, mask: Tensor | None = None) -> Tensor:
    """Softmax over the slots of the cosine similarity times the key strength.

    C[h] = softmax_n(strengths[h] · D[h, n]) (Graves et al. 2016, Methods, content-based addressing).
    Shapes: memory (B, N, W), keys (B, H, W), strengths (B, H), mask (B, H, W) or None; returns (B, H, N).
    Raises ValueError or TypeError where a shape, dtype or device does not fit. Chapter 1.
    """
    shaped("memory", memory, "B N W")
    shaped("keys", keys, "B H W", like=memory, B=memory.shape[0], W=memory.shape[2])
    shaped("strengths", strengths, "B H", like=memory, B=keys.shape[0], H=keys.shape[1])
    if mask is None:
        return gradients.content(memory, keys, strengths)
    return torch.softmax(cosine_similarity(memory, keys, mask) * strengths.unsqueeze(-1), dim=-1)


def interpolate(content: Tensor, previous: Tensor, gates: Tensor) -> Tensor:
    """Blend of the content weighting and the previous one: g·content + (1 - g)·previous (Graves et al. 2014, eq. 7).

    Shapes: content, previous (B, H, N), gates (B, H) in [0, 1]; returns (B, H, N). Chapter 1.
    Raises ValueError or TypeError where a shape, dtype or device does not fit.
    """
    shaped("content", content, "B H N")
    batch, heads, slots = content.shape
    shaped("previous", previous, "B H N", like=content, B=batch, H=heads, N=slots)
    shaped("gates", gates, "B H", like=content, B=batch, H=heads)
    return torch.lerp(previous, content, gates.unsqueeze(-1))


def circular_shift(weightings: Tensor, shifts: Tensor) -> Tensor:
    """Move each weighting around the ring of slots: out[n] = sum_j w[n - j] s[j] (Graves et al. 2014, eq. 8).

    Shapes: weightings (B, H, N), shifts (B, H, S) with S odd, a distribution over the moves -(S-1)/2 .. (S-1)/2
    in this order, +1 being a move to the next higher slot; returns (B, H, N). Chapter 1.
    Raises ValueError (S even, or a shape that does not fit) or TypeError (dtype).
    """
    shaped("weightings", weightings, "B H N")
    batch, heads, _ = weightings.shape
    shaped("shifts", shifts, "B H S", like=weightings, B=batch, H=heads)
    width = shifts.shape[-1]
    if width % 2 == 0:
        raise ValueError(f"shifts must have an odd number S of moves, got S={width}")
    return gradients.around(weightings, shifts)


def sharpen(weightings: Tensor, gammas: Tensor) -> Tensor:
    """Raise to a power and rescale: w[n]^gamma / sum w^gamma (Graves et al. 2014, eq. 9).

    Shapes: weightings (B, H, N), gammas (B, H) >= 1; returns (B, H, N). Computed as softmax(gamma · log w), which
    neither overflows nor divides by zero; a weighting of zeros becomes uniform. Chapter 1.
    Raises ValueError or TypeError where a shape, dtype or device does not fit.
    """
    shaped("weightings", weightings, "B H N")
    shaped("gammas", gammas, "B H", like=weightings, B=weightings.shape[0], H=weightings.shape[1])
    return gradients.sharpen(weightings, gammas)


def retention(free_gates: Tensor, read_weightings: Tensor) -> Tensor:
    """How much of each slot is kept after reading: psi[n] = prod_r (1 - f[r] w_r[r, n]) (Graves et al. 2016, Methods).

    Shapes: free_gates (B, R) in [0, 1], read_weightings (B, R, N); returns (B, N). Chapter 1.
    Raises ValueError or TypeError where a shape, dtype or device does not fit.
    """
    shaped("read_weightings", read_weightings, "B R N")
    batch, heads, _ = read_weightings.shape
    shaped("free_gates", free_gates, "B R", like=read_weightings, B=batch, R=heads)
    return gradients.product(1 - free_gates.unsqueeze(-1) * read_weightings)


def usage(previous_usage: Tensor, write_weightings: Tensor, retained: Tensor) -> Tensor:
    """How much each slot is in use: u' = (u + w - u·w)·psi, w = 1 - prod_h (1 - w_h) (Graves et al. 2016, Methods).

    Shapes: previous_usage (B, N) in [0, 1], write_weightings (B, H, N) of the step before, retained (B, N);
    returns (B, N) in [0, 1]. Gradients flow through all three; detach an argument to stop them. Chapter 1.
    Raises ValueError or TypeError where a shape, dtype or device does not fit.
    """
    shaped("previous_usage", previous_usage, "B N")
    batch, slots = previous_usage.shape
    shaped("write_weightings", write_weightings, "B H N", like=previous_usage, B=batch, N=slots)
    shaped("retained", retained, "B N", like=previous_usage, B=batch, N=slots)
    return (1 - (1 - previous_usage) * gradients.product(1 - write_weightings)) * retained


def allocation_weighting(usage: Tensor, sort_gradient: bool = True) -> Tensor:
    """The free slots, the least used first: a[phi_j] = (1 - u[phi_j]) prod_{i<j} u[phi_i].

    phi sorts the slots by usage, those of equal usage by position; what is equal but for rounding is equal, so that
    every processor finds the same phi (Graves et al. 2016, Methods, eq. of the allocation weighting). Shapes: usage
    (B, N) in [0, 1]; returns (B, N), of sum 1 - prod u. The order has no gradient, being piecewise constant; the values
    have, through the sorted products. `sort_gradient=False` treats those products as constants, as some implementations
    do. Raises ValueError or TypeError where the shape or dtype does not fit. Chapter 1.
    """
    order = ascending(shaped("usage", usage, "B N").detach())
    if boolean("sort_gradient", sort_gradient):
        return gradients.allocate(usage, order).squeeze(1)
    ordered = usage.gather(-1, order)
    before = F.pad(torch.cumprod(ordered[:, :-1], dim=-1), (1, 0), value=1.0)
    return torch.zeros_like(usage).scatter(-1, order, (1 - ordered) * before.detach())


def allocation_weightings(usage: Tensor, gates: Tensor, sort_gradient: bool = True) -> Tensor:
    """One allocation for each write head, each head seeing what the heads before it will take.

    u_{h+1} = u_h + (1 - u_h)·gates[h]·a(u_h). Shapes: usage (B, N), gates (B, H) the product of write and
    allocation gate; returns (B, H, N). With H = 1 it is `allocation_weighting`. Chapter 1.
    Raises ValueError or TypeError where a shape, dtype or device does not fit.
    """
    shaped("usage", usage, "B N")
    shaped("gates", gates, "B H", like=usage, B=usage.shape[0])
    rows = [allocation_weighting(usage, sort_gradient)]
    for head in range(1, gates.shape[1]):
        usage = usage + (1 - usage) * gates[:, head - 1, None] * rows[-1]
        rows.append(allocation_weighting(usage, sort_gradient))
    return torch.stack(rows, dim=1)


def write_weighting(content: Tensor, allocation: Tensor, allocation_gates: Tensor, write_gates: Tensor) -> Tensor:
    """Where to write: g_w [g_a·allocation + (1 - g_a)·content] (Graves et al. 2016, Methods).

    Shapes: content, allocation (B, H, N), allocation_gates, write_gates (B, H) in [0, 1]; returns (B, H, N).
    Raises ValueError or TypeError where a shape, dtype or device does not fit. Chapter 1.
    """
    shaped("content", content, "B H N")
    batch, heads, slots = content.shape
    shaped("allocation", allocation, "B H N", like=content, B=batch, H=heads, N=slots)
    shaped("allocation_gates", allocation_gates, "B H", like=content, B=batch, H=heads)
    shaped("write_gates", write_gates, "B H", like=content, B=batch, H=heads)
    return write_gates.unsqueeze(-1) * torch.lerp(content, allocation, allocation_gates.unsqueeze(-1))


def precedence(previous: Tensor, write_weightings: Tensor) -> Tensor:
    """How much each slot was the last one written: p' = (1 - sum_n w[n])·p + w (Graves et al. 2016, Methods).

    Shapes: previous, write_weightings (B, H, N); returns (B, H, N). Chapter 1.
    Raises ValueError or TypeError where a shape, dtype or device does not fit.
    """
    shaped("previous", previous, "B H N")
    batch, heads, slots = previous.shape
    shaped("write_weightings", write_weightings, "B H N", like=previous, B=batch, H=heads, N=slots)
    return torch.addcmul(write_weightings, 1 - write_weightings.sum(-1, keepdim=True), previous)


def temporal_link(previous: Tensor, previous_precedence: Tensor, write_weightings: Tensor) -> Tensor:
    """Which slot was written after which: L'[i, j] = (1 - w[i] - w[j]) L[i, j] + w[i] p[j], L'[i, i] = 0.

    L[i, j] near 1 says: slot i was written right after slot j (Graves et al. 2016, Methods). Shapes: previous
    (B, H, N, N), previous_precedence, write_weightings (B, H, N); returns (B, H, N, N). Chapter 1.
    Raises ValueError or TypeError where a shape, dtype or device does not fit.
    """
    shaped("write_weightings", write_weightings, "B H N")
    batch, heads, slots = write_weightings.shape
    shaped("previous", previous, "B H N N", like=write_weightings, B=batch, H=heads, N=slots)
    shaped("previous_precedence", previous_precedence, "B H N", like=write_weightings, B=batch, H=heads, N=slots)
    return gradients.linked(previous, previous_precedence, write_weightings)


def directional_weightings(link: Tensor, previous_reads: Tensor) -> tuple[Tensor, Tensor]:
    """One step along the order of writing: forward f = L w, backward b = L^T w (Graves et al. 2016, Methods).

    Shapes: link (B, H, N, N), previous_reads (B, R, N), the read weightings of the step before; returns
    (forward, backward), each (B, R, H, N). Chapter 1.
    Raises ValueError or TypeError where a shape, dtype or device does not fit.
    """
    shaped("previous_reads", previous_reads, "B R N")
    batch, _, slots = previous_reads.shape
    shaped("link", link, "B H N N", like=previous_reads, B=batch, N=slots)
    forward, backward = gradients.along(link, previous_reads)  # each (B, H, R, N)
    return forward.transpose(1, 2), backward.transpose(1, 2)


def sharpen_links(weightings: Tensor, gammas: Tensor) -> Tensor:
    """Sharpen a directional weighting and keep its sum: out = sharpen(w, gamma)·sum(w) (Csordás & Schmidhuber 2019).

    The authors' code differs twice: it rescales to a sum of 1, so that a trace of a link counts as much as a sure one,
    and it has one gamma for forward and one for backward; the bank here gives both the same. Shapes: weightings
    (B, R, H, N), gammas (B, R) >= 1; returns (B, R, H, N). Raises ValueError or TypeError where one does not fit.
    """
    shaped("weightings", weightings, "B R H N")
    batch, heads, writers, slots = weightings.shape
    shaped("gammas", gammas, "B R", like=weightings, B=batch, R=heads)
    spread = gammas.unsqueeze(-1).expand(batch, heads, writers).reshape(batch, -1)
    sharp = sharpen(weightings.reshape(batch, -1, slots), spread).reshape(weightings.shape)
    return sharp * weightings.sum(-1, keepdim=True)


def read_weighting(content: Tensor, forward: Tensor, backward: Tensor, modes: Tensor) -> Tensor:
    """Where to read: a mixture of backward, content and forward by the read mode (Graves et al. 2016, Methods).

    Shapes: content (B, R, N), forward, backward (B, R, H, N), modes (B, R, 1 + 2H) in the order backward (H),
    content, forward (H), each row summing to 1; returns (B, R, N). Chapter 1.
    Raises ValueError or TypeError where a shape, dtype or device does not fit.
    """
    shaped("forward", forward, "B R H N")
    batch, readers, writers, slots = forward.shape
    shaped("content", content, "B R N", like=forward, B=batch, R=readers, N=slots)
    shaped("backward", backward, "B R H N", like=forward, B=batch, R=readers, H=writers, N=slots)
    shaped("modes", modes, "B R M", like=forward, B=batch, R=readers, M=1 + 2 * writers)
    return gradients.mix(content, forward.transpose(1, 2), backward.transpose(1, 2), modes)


def ascending(usage: Tensor) -> Tensor:
    """The slots (B, N) from the least used to the most; a run of neighbours that are nearly equal, by position."""
    # Nearly: a hundred times what rounding adds up to. (Two equal but for rounding may be rounded to different sides.)
    tie, slots = 1e-10 if usage.dtype == torch.float64 else 1e-4, usage.shape[-1]
    ordered, order = usage.sort(dim=-1)
    ranks = F.pad((ordered.diff(dim=-1) > tie).cumsum(-1), (1, 0))  # 0 for the first run, 1 for the next, ...
    return (ranks * slots + order).sort(dim=-1).values % slots
