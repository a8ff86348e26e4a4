"""The checks of chapter 1's exercises."""

import math

import torch

from ...addressing import content_weighting
from ...bank import erase_and_add
from .judge import judge


def check_strength_for(function):
    """The key strength that puts a given weight on the best slot: function(weight, slots, cosine) -> float."""
    mistakes = [
        (math.log(9 * 128) / 0.75, "the best slot has N - 1 rivals, not N."),
        (math.log(9 * 127), "what counts is the lead 1 - c over the rivals, not the cosine 1 alone."),
    ]
    return judge(function, (0.9, 128, 0.25), math.log(9 * 127) / 0.75, mistakes)


def check_sharpen(function):
    """Sharpening that stays finite: function(weighting (N,), gamma) -> (N,)."""
    weighting, even = torch.tensor([0.1, 0.4, 0.3, 0.2]), torch.full((128,), 1 / 128)
    softmax = torch.softmax(3 * weighting, -1), "softmax(γ w) is not w^γ / Σ w^γ: the logarithm is missing."
    mistakes = [(weighting**3, "w^γ is not yet a weighting: divide by its sum."), softmax]
    right = judge(function, (weighting, 3.0), weighting**3 / (weighting**3).sum(), mistakes)
    return right and judge(function, (even, 50.0), even)


def check_allocation(function):
    """The allocation weighting: function(usage (N,)) -> (N,)."""
    right = torch.tensor([0.05, 0.9, 0.0, 0.01])
    mistakes = [
        (torch.tensor([0.9, 0.05, 0.01, 0.0]), "these are in the order of usage: put each back at its own slot."),
        (torch.tensor([0.5, 0.45, 0.0, 0.01]), "the product must run over the less used slots, not over those before."),
        (right / 0.96, "no division: a full memory must give a weighting of zeros."),
    ]
    return judge(function, (torch.tensor([0.5, 0.1, 1.0, 0.8]),), right, mistakes)


def check_follow(function):
    """Read `steps` further along the order of writing: function(link (N, N), start (N,), steps) -> (N,)."""
    link, start = torch.zeros(4, 4), torch.tensor([0.0, 0.0, 1.0, 0.0])
    link[0, 2], link[3, 0] = 1.0, 0.5
    mistakes = [
        (torch.zeros(4), "nothing was written before the start: you walked backward (the transpose of the link)."),
        (link @ start, "that is one step, not two: each step starts from the last."),
    ]
    return judge(function, (link, start, 2), torch.tensor([0.0, 0.0, 0.0, 0.5]), mistakes)


def check_initial_memory(function):
    """A start from which content writes make different rows: function(slots, width) -> (N, W)."""

    def rank(slots, width):
        memory, draw = function(slots, width)[None], torch.Generator().manual_seed(0)
        for _ in range(5):
            key, value = torch.randn(2, 1, 1, width, generator=draw)
            where = content_weighting(memory, key, torch.full((1, 1), 10.0))
            memory = erase_and_add(memory, where, torch.ones_like(value), value)
        return torch.linalg.matrix_rank(memory[0]).clamp_max(2)

    rank.__name__ = function.__name__
    same = "after five writes all rows are equal: rows alike at the start get the same weight from every key."
    return judge(rank, (8, 6), 2, [(0, same), (1, same)])
