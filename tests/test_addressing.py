"""Each addressing function against the papers' equations as loops, on awkward inputs, and its gradient."""

import numpy as np
import oracles
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck
from torch.func import vmap

from neuralmem import addressing as A
from neuralmem.bank import erase_and_add, read_memory

STATES = 200
B, N, W, R, H = 3, 5, 4, 2, 2
EACH = [(b, h) for b in range(B) for h in range(H)]


def draw(seed):
    """One random state of everything that addressing takes, in float64."""
    g = torch.Generator().manual_seed(seed)

    def uniform(*shape):
        return torch.rand(*shape, generator=g, dtype=torch.float64)

    def normal(*shape):
        return torch.randn(*shape, generator=g, dtype=torch.float64)

    def weighting(*shape):
        return torch.softmax(2 * normal(*shape), -1) * uniform(*shape[:-1], 1)

    return {
        "memory": normal(B, N, W), "keys": normal(B, H, W), "mask": uniform(B, H, W), "erase": uniform(B, H, W),
        "strengths": 1 + 5 * uniform(B, H),
        "content": weighting(B, H, N), "previous": weighting(B, H, N), "gates": uniform(B, H),
        "shifts": torch.softmax(normal(B, H, 3), -1), "gammas": 1 + 4 * uniform(B, H), "free": uniform(B, R),
        "reads": weighting(B, R, N), "writes": weighting(B, H, N), "usage": uniform(B, N), "write_gates": uniform(B, H),
        "precedence": weighting(B, H, N), "link": uniform(B, H, N, N) / N, "modes": torch.softmax(normal(B, R, 5), -1),
    }  # fmt: skip


def rows(function, *tensors):
    """An oracle for one sequence and head, applied to each row of a batch of heads."""
    return np.array([[function(*(t[b, h].numpy() for t in tensors)) for h in range(H)] for b in range(B)])


def close(tensor, expected):
    assert np.abs(tensor.numpy() - np.asarray(expected)).max() < 1e-6


@pytest.mark.parametrize("seed", range(STATES))
def test_every_equation_is_the_papers(seed):
    s = draw(seed)
    for names in (("keys", "strengths"), ("keys", "strengths", "mask")):
        sought = [oracles.content(s["memory"][b].numpy(), *(s[k][b, h].numpy() for k in names)) for b, h in EACH]
        close(A.content_weighting(s["memory"], *(s[k] for k in names)).flatten(0, 1), sought)
        mask = () if len(names) == 2 else (s["mask"],)
        keys_and_masks = [[t[b, h].numpy() for t in (s["keys"], *mask)] for b, h in EACH]
        cosines = [
            [oracles.cosine(row, *each) for row in s["memory"][b].numpy()]
            for (b, _), each in zip(EACH, keys_and_masks, strict=True)
        ]
        close(A.cosine_similarity(s["memory"], s["keys"], *mask).flatten(0, 1), cosines)
    close(A.oneplus(s["keys"]), 1 + np.log1p(np.exp(s["keys"].numpy())))
    arrays = [s[name].numpy() for name in ("memory", "writes", "erase", "keys")]
    written = [oracles.erase_and_add(*(array[b] for array in arrays)) for b in range(B)]
    close(erase_and_add(s["memory"], s["writes"], s["erase"], s["keys"]), written)
    close(read_memory(s["memory"], s["reads"]), [s["reads"][b].numpy() @ s["memory"][b].numpy() for b in range(B)])
    blend = rows(lambda g, c, p: g * c + (1 - g) * p, s["gates"], s["content"], s["previous"])
    close(A.interpolate(s["content"], s["previous"], s["gates"]), blend)
    close(A.circular_shift(s["content"], s["shifts"]), rows(oracles.shift, s["content"], s["shifts"]))
    close(A.sharpen(s["content"], s["gammas"]), rows(oracles.sharpen, s["content"], s["gammas"]))
    kept = [oracles.retention(s["free"][b].numpy(), s["reads"][b].numpy()) for b in range(B)]
    close(A.retention(s["free"], s["reads"]), kept)
    used = [oracles.usage(s["usage"][b].numpy(), s["writes"][b].numpy(), kept[b]) for b in range(B)]
    close(A.usage(s["usage"], s["writes"], A.retention(s["free"], s["reads"])), used)
    close(A.allocation_weighting(s["usage"]), [oracles.allocation(u.numpy()) for u in s["usage"]])
    gates = s["gates"] * s["write_gates"]
    several = [oracles.allocations(u.numpy(), g.numpy()) for u, g in zip(s["usage"], gates, strict=True)]
    close(A.allocation_weightings(s["usage"], gates), several)
    where = rows(
        lambda c, a, ga, gw: gw * (ga * a + (1 - ga) * c), s["content"], s["previous"], s["gates"], s["write_gates"]
    )
    close(A.write_weighting(s["content"], s["previous"], s["gates"], s["write_gates"]), where)
    last = rows(lambda p, w: (1 - w.sum()) * p + w, s["precedence"], s["writes"])
    close(A.precedence(s["precedence"], s["writes"]), last)
    linked = rows(oracles.link, s["link"], s["precedence"], s["writes"])
    close(A.temporal_link(s["link"], s["precedence"], s["writes"]), linked)
    forward, backward = A.directional_weightings(s["link"], s["reads"])
    for b in range(B):
        for r in range(R):
            for h in range(H):
                close(forward[b, r, h], s["link"][b, h].numpy() @ s["reads"][b, r].numpy())
                close(backward[b, r, h], s["link"][b, h].numpy().T @ s["reads"][b, r].numpy())
            m = s["modes"][b, r].numpy()
            mixed = m[:2] @ backward[b, r].numpy() + m[2] * s["reads"][b, r].numpy() + m[3:] @ forward[b, r].numpy()
            close(A.read_weighting(s["reads"], forward, backward, s["modes"])[b, r], mixed)
            spread = s["gammas"][b, r].item()
            sharp = [oracles.sharpen(row, spread) * row.sum() for row in forward[b, r].numpy()]
            close(A.sharpen_links(forward, s["gammas"])[b, r], sharp)


FUNCTIONS = {
    "oneplus": (A.oneplus, ["keys"]),
    "cosine_similarity": (A.cosine_similarity, ["memory", "keys"]),
    "cosine_similarity, masked": (A.cosine_similarity, ["memory", "keys", "mask"]),
    "content_weighting": (A.content_weighting, ["memory", "keys", "strengths"]),
    "interpolate": (A.interpolate, ["content", "previous", "gates"]),
    "circular_shift": (A.circular_shift, ["content", "shifts"]),
    "sharpen": (A.sharpen, ["content", "gammas"]),
    "retention": (A.retention, ["free", "reads"]),
    "usage": (A.usage, ["usage", "writes", "usage"]),
    "allocation_weighting": (A.allocation_weighting, ["usage"]),
    "allocation_weightings": (A.allocation_weightings, ["usage", "gates"]),
    "write_weighting": (A.write_weighting, ["content", "previous", "gates", "write_gates"]),
    "precedence": (A.precedence, ["precedence", "writes"]),
    "temporal_link": (A.temporal_link, ["link", "precedence", "writes"]),
    "directional_weightings": (A.directional_weightings, ["link", "reads"]),
    "erase_and_add": (erase_and_add, ["memory", "writes", "erase", "keys"]),
    "read_memory": (read_memory, ["memory", "reads"]),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradient_is_that_of_finite_differences(name):
    function, names = FUNCTIONS[name]
    inputs = [draw(7)[key].clone().requires_grad_() for key in names]
    assert gradcheck(function, inputs)
    assert gradgradcheck(function, inputs)  # second derivatives: MAML through a memory needs them


@pytest.mark.parametrize("stacked", [(0,), (1,), (2,), (0, 2)])
@pytest.mark.parametrize("name", ["temporal_link", "cosine_similarity, masked", "content_weighting", "erase_and_add"])
def test_vmap_over_any_argument_is_a_loop(name, stacked):
    function, names = FUNCTIONS[name]
    first, second = ([draw(seed)[key] for key in names] for seed in (1, 2))
    second = [new if place in stacked else old for place, (old, new) in enumerate(zip(first, second, strict=True))]
    dims = tuple(place if place in stacked else None for place in range(len(names)))
    pairs = zip(first, second, dims, strict=True)
    inputs = [old if dim is None else torch.stack([old, new], dim) for old, new, dim in pairs]
    close(vmap(function, dims)(*inputs), torch.stack([function(*first), function(*second)]))


def test_gradient_of_read_weighting_and_of_sharpened_links():
    s = draw(8)
    forward, backward = A.directional_weightings(s["link"], s["reads"])
    parts = [t.clone().requires_grad_() for t in (s["reads"], forward, backward, s["modes"])]
    assert gradcheck(A.read_weighting, parts)
    assert gradcheck(A.sharpen_links, [forward.clone().requires_grad_(), s["gammas"].clone().requires_grad_()])


def test_allocation_without_the_sorts_gradient_has_the_same_value_and_another_gradient():
    used = draw(3)["usage"].requires_grad_()
    with_it, without = A.allocation_weighting(used), A.allocation_weighting(used, sort_gradient=False)
    assert torch.allclose(with_it, without)
    probe = torch.arange(N, dtype=torch.float64)
    gradients = [torch.autograd.grad((a * probe).sum(), used)[0] for a in (with_it, without)]
    assert not torch.allclose(*gradients)


@settings(max_examples=60, deadline=None)
@given(
    batch=st.integers(1, 3), slots=st.integers(1, 6), width=st.integers(1, 4), heads=st.integers(1, 3),
    double=st.booleans(), strength=st.sampled_from([0.0, 1.0, 1e4]), fill=st.sampled_from(["zero", "one", "random"]),
    seed=st.integers(0, 10_000),
)  # fmt: skip
def test_weightings_are_weightings_whatever_comes(batch, slots, width, heads, double, strength, fill, seed):
    dtype = torch.float64 if double else torch.float32
    g = torch.Generator().manual_seed(seed)

    def filled(*shape):
        values = {"zero": torch.zeros(shape), "one": torch.ones(shape), "random": torch.rand(shape, generator=g)}
        return values[fill].to(dtype).requires_grad_()

    def weighting(*shape):
        sums = torch.rand((*shape[:-1], 1), generator=g)
        return (torch.softmax(3 * torch.randn(shape, generator=g), -1) * sums).to(dtype)

    memory, keys = filled(batch, slots, width), filled(batch, heads, width)
    strengths = torch.full((batch, heads), strength, dtype=dtype)
    used, gates = filled(batch, slots), filled(batch, heads)
    found = A.content_weighting(memory, keys, strengths)
    allocated = A.allocation_weightings(used, gates)
    blended = A.interpolate(found, allocated, gates)
    shifted = A.circular_shift(blended, torch.softmax(torch.randn(batch, heads, 3, generator=g), -1).to(dtype))
    sharp = A.sharpen(shifted, torch.full((batch, heads), 1 + strength, dtype=dtype))
    written = A.write_weighting(found, allocated, gates, gates)
    chained = A.precedence(weighting(batch, heads, slots), written)
    for result in (found, allocated, blended, shifted, sharp, written, chained):
        assert torch.isfinite(result).all()
        assert (result >= 0).all()
        assert (result.double().sum(-1) <= 1 + 1e-6).all()
    sum(t.sum() for t in (found * keys.sum(), allocated, sharp, written)).backward()
    for tensor in (memory, keys, used, gates):
        assert tensor.grad is None or torch.isfinite(tensor.grad).all()


TIED = [  # usages with runs of equals: all free, all full, pairs, one that stands out, a value that rounding splits
    [0.0] * 6, [1.0] * 6, [0.5, 0.2, 0.5, 0.2, 0.9, 0.9], [0.3, 0.3, 0.3, 0.1, 0.3, 0.3],
    [0.00015, 0.2, 0.00015, 0.2, 0.00015, 0.2], [0.12345, 0.12345, 0.7, 0.12345, 0.7, 1.0],
]  # fmt: skip


def stirred(values, seed, units):
    """The values, each moved by up to so many units in the last place (of 1), and kept in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    moves = torch.randint(-units, units + 1, values.shape, generator=generator)
    return (values + moves * torch.finfo(values.dtype).eps).clamp(0, 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("values", TIED)
def test_equal_usages_are_taken_by_position_whatever_their_last_bits(values, dtype):
    used = torch.tensor([values], dtype=dtype)
    slots = used.shape[1]
    exact, probe = used.clone().requires_grad_(), torch.linspace(-1, 2, slots, dtype=dtype)
    right = A.allocation_weighting(exact)
    (slope,) = torch.autograd.grad((right * probe).sum(), exact)
    order = sorted(range(slots), key=lambda n: (values[n], n))
    left, expected = 1.0, [0.0] * slots
    for slot in order:
        expected[slot], left = (1 - values[slot]) * left, left * values[slot]
    close(right.detach()[0].double(), expected)
    for seed in range(20):
        moved = stirred(used, seed, units=32).requires_grad_()
        again = A.allocation_weighting(moved)
        assert (again - right).abs().max() < 1e-4
        (gradient,) = torch.autograd.grad((again * probe).sum(), moved)
        assert (gradient - slope).abs().max() < 1e-3
        gates = torch.full((1, 3), 0.8, dtype=dtype)
        both = [A.allocation_weightings(u.detach(), gates) for u in (moved, exact)]
        assert (both[0] - both[1]).abs().max() < 1e-4


def test_usages_that_differ_by_more_than_rounding_are_taken_in_order():
    for dtype, step in ((torch.float32, 2e-4), (torch.float64, 1e-9)):
        used = 0.5 + step * torch.tensor([[3, 1, 2, 0]], dtype=dtype)
        assert A.allocation_weighting(used)[0].argsort(descending=True).tolist() == [3, 1, 2, 0]


def test_ties_are_broken_alike_in_every_batch_and_under_vmap():
    used = torch.tensor(TIED, dtype=torch.float64)
    together, alone = A.allocation_weighting(used), [A.allocation_weighting(row[None])[0] for row in used]
    assert torch.allclose(together, torch.stack(alone), atol=1e-15)
    mapped = vmap(A.allocation_weighting)(torch.stack([used, stirred(used, 1, 4)]))
    assert torch.allclose(mapped, together.expand_as(mapped), atol=1e-12)


def test_the_gradient_of_an_allocation_is_right_at_usages_that_round_to_different_sides():
    used = torch.tensor([[0.4, 0.40005, 0.7, 0.9, 0.1]], dtype=torch.float64, requires_grad=True)
    assert gradcheck(A.allocation_weighting, [used]) and gradgradcheck(A.allocation_weighting, [used])


def test_content_weighting_follows_a_permutation_of_the_slots():
    s, order = draw(11), torch.tensor([3, 1, 4, 0, 2])
    straight = A.content_weighting(s["memory"], s["keys"], s["strengths"])
    assert torch.allclose(A.content_weighting(s["memory"][:, order], s["keys"], s["strengths"]), straight[..., order])
    link = A.temporal_link(s["link"], s["precedence"], s["writes"])
    mixed = A.temporal_link(s["link"][:, :, order][..., order], s["precedence"][..., order], s["writes"][..., order])
    assert torch.allclose(mixed, link[:, :, order][..., order])
    assert torch.allclose(A.allocation_weighting(s["usage"][:, order]), A.allocation_weighting(s["usage"])[:, order])


def test_links_replay_a_list_forward_and_backward():
    link, last = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4)
    for slot in (2, 0, 3):
        write = torch.eye(4)[slot].view(1, 1, 4)
        link, last = A.temporal_link(link, last, write), A.precedence(last, write)
    forward, backward = A.directional_weightings(link, torch.eye(4)[0].view(1, 1, 4))
    assert forward[0, 0, 0].tolist() == [0, 0, 0, 1] and backward[0, 0, 0].tolist() == [0, 0, 1, 0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_weighting_with_zeros_is_sharpened_in_every_precision(dtype):
    weightings = torch.tensor([[[0.5, 0.0, 0.25, 0.25]]], dtype=dtype, requires_grad=True)
    sharp = A.sharpen(weightings, torch.full((1, 1), 3.0, dtype=dtype))
    assert torch.allclose(sharp[0, 0].float(), torch.tensor([0.8, 0, 0.1, 0.1]), atol=1e-2)
    sharp[0, 0, 0].backward()
    assert torch.isfinite(weightings.grad).all()


def test_addressing_under_autocast_keeps_its_gradients():
    s = {name: value.float() for name, value in draw(9).items()}
    leaves = [s[name].requires_grad_() for name in ("memory", "keys", "link", "reads")]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = A.content_weighting(s["memory"], s["keys"], s["strengths"])
        forward, backward = A.directional_weightings(s["link"], s["reads"])
    (found.float().square().sum() + (forward.float() * backward.float()).sum()).backward()
    assert all(torch.isfinite(leaf.grad).all() and leaf.grad.any() for leaf in leaves)


def test_sharpened_links_keep_their_sum():
    weightings = torch.tensor([[[[0.1, 0.3, 0.2]]]])
    sharp = A.sharpen_links(weightings, torch.tensor([[50.0]]))
    assert torch.allclose(sharp.sum(-1), weightings.sum(-1)) and sharp[0, 0, 0, 1] > 0.599
