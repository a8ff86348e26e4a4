"""The checks of chapter 3's exercises."""

import math

import torch

from .judge import judge


def check_matching_hidden(function):
    """Hidden size of the LSTM (one bias) and output layer with the parameters nearest to a number."""
    right = [80, 79]  # 4h(9 + h + 1) + 8(h + 1) = 29,448 at h = 80 and 28,764 at h = 79
    mistakes = [
        ([80, 80], "rounding up always is not nearest: compare both neighbours."),
        ([79, 79], "rounding down always is not nearest, and torch's second bias does not count here."),
        ([162, 161], "an LSTM has four gates, each with weights of its own."),
    ]

    def sizes(*totals):
        return [function(total, 9, 8) for total in totals]

    sizes.__name__ = function.__name__
    return judge(sizes, (29_300, 28_900), right, mistakes)


def check_bits_a_sequence(function):
    """Cross-entropy in bits, summed over time and bits, averaged over the batch: function(logits, targets, mask)."""
    logits = torch.tensor([[[0.0, 0.0], [2.0, 0.0]], [[0.0, 0.0], [0.0, -1.0]]])
    targets, mask = torch.zeros(2, 2, 2), torch.tensor([[1.0, 1.0], [0.0, 1.0]])
    nats = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    right = (nats.sum(-1) * mask).sum() / 2 / math.log(2)
    mistakes = [
        (right * math.log(2), "those are nats; a bit is ln 2 of them."),
        (nats.sum() / 2 / math.log(2), "steps outside the answer count nothing: multiply by the mask."),
        (right * 2 / 3, "average over sequences, not over steps: divide by B."),
        (right * 2, "divide by the number of sequences B."),
    ]
    return judge(function, (logits, targets, mask), right, mistakes)


def check_copy_program(function):
    """The interface of a hand-made copy machine at time t: function(t, length) -> (write gate, move of read head)."""
    right = [[1, 0], [1, 0], [0, 0], [0, 1], [0, 1]]
    mistakes = [
        ([[1, 0], [1, 0], [1, 0], [0, 1], [0, 1]], "the marker at t = length is not of the pattern: do not write it."),
        ([[1, 0], [1, 0], [0, 1], [0, 1], [0, 1]], "at the marker the read head is still to arrive: it moves after."),
    ]

    def program(*times):
        return [list(function(time, 3)) for time in times]

    program.__name__ = function.__name__
    return judge(program, (0, 2, 3, 4, 5), right, mistakes)


def check_clip(function):
    """Gradients scaled to a joint norm of at most `limit`: function([tensors], limit) -> [tensors]."""
    gradients = [torch.tensor([3.0, 4.0]), torch.tensor([[12.0]])]

    def clipped(*scales):
        return [[float(x) for g in function([g * s for g in gradients], 1.0) for x in g.flatten()] for s in scales]

    clipped.__name__ = function.__name__
    small, right = [0.03, 0.04, 0.12], [3 / 13, 4 / 13, 12 / 13]
    mistakes = [
        ([[0.6, 0.8, 1.0], small], "you scaled each tensor by its own norm, which turns the step."),
        ([[1.0, 1.0, 1.0], small], "you cut each number; clip the norm of all of them together."),
        ([right, right], "a gradient within the limit must stay as it is."),
    ]
    return judge(clipped, (1.0, 0.01), [right, small], mistakes)


def check_answers(function):
    """Each sequence answered as if it came alone: function(step, start, [[x, ...], ...]) -> [[output, ...], ...]."""

    def step(x, state):
        return 10 * state + x, 10 * state + x

    mistakes = [
        ([[1, 12], [123, 1234]], "the second sequence goes on where the first one ended: begin each at `start`."),
        ([[1, 2], [3, 4]], "within a sequence the state must be carried from step to step."),
    ]
    return judge(function, (step, 0, [[1, 2], [3, 4]]), [[1, 12], [3, 34]], mistakes)
