"""The checks of chapter 1's exercises, each on random instances of its `seed` and on awkward ones."""

import math

import torch

from ...addressing import content_weighting, cosine_similarity
from ...bank import erase_and_add
from .judge import Function, attempt, examine, verdict


def _draws(seed):
    return torch.Generator().manual_seed(seed)


def _weighting(size, generator):
    return torch.softmax(torch.randn(size, generator=generator), 0)


def check_strength_for(function: Function, seed: int = 0) -> bool:
    """The key strength that puts a given weight on the best slot: function(weight, slots, cosine) -> float."""

    def reference(weight, slots, cosine):
        return math.log((slots - 1) * weight / (1 - weight)) / (1 - cosine)

    def all_are_rivals(weight, slots, cosine):
        return math.log(slots * weight / (1 - weight)) / (1 - cosine)

    def no_lead(weight, slots, cosine):
        return math.log((slots - 1) * weight / (1 - weight))

    def rivals_perpendicular(weight, slots, cosine):
        return math.log(9 * (slots - 1)) / (1 - cosine)

    draw = _draws(seed)
    instances = {"the example of the text": (0.9, 128, 0.0)}
    for number in range(3):
        chance, place = torch.rand(2, generator=draw).tolist()
        slots = int(torch.randint(3, 1000, (), generator=draw))
        instances[f"random numbers {number + 1}"] = (0.55 + 0.4 * chance, slots, 1.2 * place - 0.5)
    instances |= {"two slots": (0.75, 2, 0.25), "a million slots": (0.9, 10**6, 0.5), "an even half": (0.5, 2, 0.0)}
    mistakes = [
        (all_are_rivals, "the best slot has N - 1 rivals, not N."),
        (no_lead, "what counts is the lead 1 - c over the rivals, not the cosine 1 alone."),
        (rivals_perpendicular, "the 9 of the text is 0.9 / 0.1: another weight has another number there."),
    ]
    return examine(function, reference, instances, mistakes)


def check_sharpen(function: Function, seed: int = 0) -> bool:
    """Sharpening that stays finite, gradient included: function(weighting (N,), gamma) -> (N,)."""

    def reference(weighting, gamma):
        return torch.softmax(gamma * weighting.clamp_min(1e-20).log(), -1)

    def not_divided(weighting, gamma):
        return weighting**gamma

    def no_logarithm(weighting, gamma):
        return torch.softmax(gamma * weighting, -1)

    draw = _draws(seed)
    instances = {"(0.1, 0.4, 0.3, 0.2) and γ = 3": (torch.tensor([0.1, 0.4, 0.3, 0.2]), 3.0)}
    for number in range(3):
        gamma = 1.5 + 4 * torch.rand((), generator=draw).item()
        instances[f"random numbers {number + 1}"] = (_weighting(4 + number, draw), gamma)
    instances |= {
        "128 equal weights and γ = 50": (torch.full((128,), 1 / 128), 50.0),
        "a weight of 0": (torch.tensor([0.5, 0.0, 0.3, 0.2]), 2.0),
        "all weight on one slot": (torch.tensor([0.0, 1.0, 0.0]), 3.0),
        "γ = 1": (torch.tensor([0.6, 0.3, 0.1]), 1.0),
        "γ = 500": (torch.tensor([0.4, 0.35, 0.25]), 500.0),
        "one slot": (torch.tensor([0.7]), 4.0),
    }
    mistakes = [
        (not_divided, "w^γ is not yet a weighting: divide by its sum."),
        (no_logarithm, "softmax(γ w) is not w^γ / Σ w^γ: the logarithm is missing."),
    ]
    return examine(function, reference, instances, mistakes, gradients=(0,))


def check_allocation(function: Function, seed: int = 0) -> bool:
    """The allocation weighting: function(usage (N,)) -> (N,)."""

    def in_order(usage, order):
        shares, left = [None] * len(usage), 1.0
        for slot in order.tolist():
            shares[slot] = (1 - usage[slot]) * left
            left = left * usage[slot]
        return torch.stack(shares)

    def reference(usage):
        return in_order(usage, torch.argsort(usage, stable=True))

    def left_sorted(usage):
        return reference(usage)[torch.argsort(usage, stable=True)]

    def by_number(usage):
        return in_order(usage, torch.arange(len(usage)))

    def rescaled(usage):
        return reference(usage) / reference(usage).sum()

    def inclusive(usage):
        ordered, order = torch.sort(usage, stable=True)
        return ((1 - ordered) * ordered.cumprod(0))[torch.argsort(order)]

    draw = _draws(seed)
    instances = {"(0.5, 0.1, 1, 0.8)": (torch.tensor([0.5, 0.1, 1.0, 0.8]),)}
    for number in range(3):
        instances[f"random numbers {number + 1}"] = (torch.rand(5 + number, generator=draw),)
    instances |= {
        "equal usages": (torch.tensor([0.6, 0.3, 0.6, 0.3, 0.3]),),
        "an empty memory": (torch.zeros(4),),
        "a full memory": (torch.ones(4),),
        "one slot": (torch.tensor([0.25]),),
        "float64": (torch.rand(6, generator=draw, dtype=torch.float64),),
    }
    mistakes = [
        (left_sorted, "these are in the order of usage: put each back at its own slot."),
        (by_number, "the product must run over the less used slots, not over those before."),
        (rescaled, "no division: a full memory must give a weighting of zeros."),
        (inclusive, "the product runs over the slots before in the order, without the slot itself."),
    ]
    return examine(function, reference, instances, mistakes, gradients=(0,))


def check_follow(function: Function, seed: int = 0) -> bool:
    """Read `steps` further along the order of writing: function(link (N, N), start (N,), steps) -> (N,)."""

    def reference(link, start, steps):
        return torch.linalg.matrix_power(link, steps) @ start

    def backward(link, start, steps):
        return torch.linalg.matrix_power(link.T, steps) @ start

    def one_step(link, start, steps):
        return link @ start

    def one_too_many(link, start, steps):
        return torch.linalg.matrix_power(link, steps + 1) @ start

    def rescaled(link, start, steps):
        result = reference(link, start, steps)
        return result / result.sum()

    draw = _draws(seed)
    link, start = torch.zeros(4, 4), torch.tensor([0.0, 0.0, 1.0, 0.0])
    link[0, 2], link[3, 0] = 1.0, 0.5
    instances = {"a list of three and 2 steps": (link, start, 2)}
    for number, steps in enumerate((1, 2, 3)):
        links = torch.rand(5, 5, generator=draw) / 5 * (1 - torch.eye(5))
        instances[f"random numbers {number + 1}"] = (links, _weighting(5, draw), steps)
    instances |= {
        "no step": (link, start, 0),
        "past the end of the list": (link, start, 5),
        "a link of zeros": (torch.zeros(4, 4), start, 1),
        "one slot": (torch.zeros(1, 1), torch.ones(1), 1),
    }
    mistakes = [
        (backward, "you walked backward, along the transpose of the link."),
        (one_step, "that is one step, however many are asked for: each step starts from the last."),
        (one_too_many, "that is one step too many."),
        (rescaled, "no division by the sum: what is lost on the way must show."),
    ]
    return examine(function, reference, instances, mistakes, gradients=(1,))


def check_initial_memory(function: Function, seed: int = 0) -> bool:
    """A start from which content writes make different rows: function(slots, width) -> (N, W)."""
    draw = _draws(seed)
    sizes = [(8, 6)] + [tuple(torch.randint(4, 20, (2,), generator=draw).tolist()) for _ in range(3)]
    return verdict(*(_same_rows(function, slots, width, draw) for slots, width in [*sizes, (2, 4), (128, 20)]))


def _same_rows(function, slots, width, draw):
    """What is wrong with an initial memory of this size, or None."""
    memory, problem = attempt(function, slots, width)
    where = f"For {slots} slots of {width} numbers: "
    if problem:
        return problem
    if not isinstance(memory, torch.Tensor) or not memory.is_floating_point():
        got = getattr(memory, "dtype", type(memory).__name__)
        return f"{where}a tensor of floating numbers is asked for, got {got}."
    if memory.shape != (slots, width):
        return f"{where}wrong shape: {(slots, width)} is asked for, got {tuple(memory.shape)}."
    if not torch.isfinite(memory).all():
        return f"{where}NaN or infinite numbers."
    memory = memory.detach().float()[None]
    spread = (memory[0] - memory[0, :1]).abs().max()
    written = memory
    for _ in range(5):
        key, value = torch.randn(2, 1, 1, width, generator=draw)
        weighting = content_weighting(written, key, torch.full((1, 1), 10.0))
        written = erase_and_add(written, weighting, torch.ones_like(value), value)
    if (written[0] - written[0, :1]).abs().max() < 1e-3:
        return (
            f"{where}after five writes all rows are equal: rows alike at the start get the same weight from every key."
        )
    alike = cosine_similarity(memory, memory)[0] - 2 * torch.eye(slots)
    if alike.max() > 0.9999:
        lengths = " Their lengths differ, but a cosine does not see that." if spread > 1e-3 else ""
        return f"{where}two rows point the same way, so that no key can tell them apart.{lengths}"
    return None
