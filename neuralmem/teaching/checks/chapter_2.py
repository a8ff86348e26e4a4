"""The checks of chapter 2's exercises."""

from collections import namedtuple

import torch

from .judge import judge


def check_write_heads(function):
    """A write by several heads: function(memory (N, W), weightings (H, N), erase (H, W), add (H, W)) -> (N, W)."""
    weightings = torch.tensor([[1.0, 0.0], [1.0, 0.5]])
    args = torch.full((2, 1), 4.0), weightings, torch.ones(2, 1), torch.tensor([[2.0], [3.0]])
    mistakes = [
        (torch.tensor([[3.0], [3.5]]), "the second head erased what the first had added: all erase, then all add."),
        (torch.tensor([[0.0], [2.75]]), "you added before you erased, so the new values were erased too."),
        (torch.tensor([[1.0], [3.5]]), "the erasures of the heads multiply, they do not add up."),
    ]
    return judge(function, args, torch.tensor([[5.0], [3.5]]), mistakes)


def check_store(function):
    """A write that lets gradients through: function(memory (N, W), where (N,), value (W,)) -> (N, W)."""
    memory, where = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([0.25, 0.5], requires_grad=True)
    value = torch.tensor([5.0, 6.0], requires_grad=True)

    def gradients(*args):
        total = function(*args).sum() + 0 * (where.sum() + value.sum())
        return torch.cat(torch.autograd.grad(total, (where, value)))

    gradients.__name__ = function.__name__
    cut = "the memory is right, but no gradient reaches {}: it was detached on its way."
    right = torch.tensor([8.0, 4.0, 0.75, 0.75])
    mistakes = [
        (right * 0, cut.format("the weighting nor the value")),
        (right * torch.tensor([0, 0, 1, 1]), cut.format("the weighting")),
        (right * torch.tensor([1, 1, 0, 0]), cut.format("the value")),
    ]
    stored = judge(function, (memory, where, value), torch.tensor([[2.0, 3.0], [4.0, 5.0]]))
    return stored and judge(gradients, (memory, where, value), right, mistakes)


def check_interface_size(function):
    """The length of a DNC's interface vector: function(width, reads, writes) -> int."""
    mistakes = [
        (471, "that is for one write head: each of its numbers occurs H times."),
        (666, "the read modes need 1 + 2H numbers: forward and backward for each write head."),
    ]
    return judge(function, (64, 4, 2), 674, mistakes)


def check_never_refuse(function):
    """Allocation that overwrites the oldest slot when full: function(usage (N,), age (N,)) -> (N,)."""
    age, free = torch.tensor([3.0, 9.0, 1.0]), torch.tensor([0.0, 0.5, 0.1])
    mistakes = [
        (torch.tensor([0.0, 1.0, 0.0]), "the oldest slot gets only what the free slots leave, 1 - Σ a."),
        (free, "what the free slots leave, 1 - Σ a, is not handed out: a full memory still refuses."),
    ]
    right = judge(function, (torch.tensor([1.0, 0.5, 0.8]), age), free + torch.tensor([0.0, 0.4, 0.0]), mistakes)
    return right and judge(function, (torch.ones(3), age), torch.tensor([0.0, 1.0, 0.0]))


def check_step(function):
    """A step that makes a new state: function(state, slot, value) -> state, a NamedTuple of memory and time."""

    def history(slot, value):
        first = namedtuple("State", "memory time")(torch.zeros(2, 2), 0)
        second = function(first, slot, value)
        return [*first.memory.flatten(), first.time, *second.memory.flatten(), second.time]

    history.__name__ = function.__name__
    old, new = [0.0] * 5, [0.0, 0.0, 1.0, 2.0]
    mistakes = [
        (new + [0.0] + new + [1.0], "the old state changed too: you wrote into its memory in place. Clone it first."),
        (old + new + [0.0], "the time did not move on."),
    ]
    return judge(history, (1, torch.tensor([1.0, 2.0])), old + new + [1.0], mistakes)
