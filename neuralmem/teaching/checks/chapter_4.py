"""The checks of chapter 4's exercises."""

import copy

import numpy as np
import torch

from ...replay import ExperienceReplay
from .judge import attempt, judge


def check_kept(function):
    """Chances that item t of n is still stored: function(t, n, capacity) -> (in a ring, in a reservoir)."""
    mistakes = [
        ([0.0, 0.25], "capacity / t is the chance to be let in when it comes; later items may push it out again."),
        ([1.0, 0.1], "a ring holds the last `capacity` items, and item 400 of 1000 is not among the last 100."),
    ]
    return judge(function, (400, 1000, 100), [0.0, 0.1], mistakes)


def check_importance_weights(function):
    """Weights of the drawn items, largest 1: function(priorities, drawn, alpha, beta) -> (n,)."""
    priorities, drawn = torch.tensor([1.0, 4.0, 16.0, 64.0]), torch.tensor([1, 3, 1])
    plain = (4 * priorities.sqrt()[drawn] / priorities.sqrt().sum()) ** -0.5
    mistakes = [
        (plain, "they are not divided by the largest in the batch."),
        (plain / plain.sum(), "you made them sum to 1; divide by the largest instead."),
        (plain / plain.min(), "you divided by the smallest, so steps are scaled up; divide by the largest."),
        ([1.0, 0.25, 1.0], "P(i) comes from p^alpha, and you took alpha for 1."),
        ([0.5, 1.0, 0.5], "the exponent is minus beta: what is drawn often must count less."),
    ]
    return judge(function, (priorities, drawn, 0.5, 0.5), plain / plain.max(), mistakes)


def check_draw(function):
    """The place where a running sum passes a fraction of the total: function(priorities, fraction) -> int."""
    problem = None
    for fraction, place, why in [
        (0.99, 3, "the newest item, at the end, is never drawn: your total leaves it out."),
        (0.5, 2, "a target equal to the running sum belongs to the next item that has a priority."),
        (0.6, 2, "0.6 of the total 4 is 2.4, and item 2 reaches from 2 to 3."),
    ]:
        got, failed = attempt(function, torch.tensor([2.0, 0.0, 1.0, 1.0]), fraction)
        problem = problem or failed or (None if got == place else f"Got {got} for fraction {fraction}: {why}")
    print(problem or "Right.")
    return problem is None


def check_rehearse(function):
    """One replayed batch whose priorities are renewed: function(replay, loss_of, n, beta) -> weighted mean loss."""
    replay = ExperienceReplay(4, alpha=1.0, epsilon=0)
    replay.extend(torch.arange(4.0), [1.0, 1.0, 2.0, 4.0])  # 8 strata draw them 1, 1, 2 and 4 times
    before = copy.deepcopy(replay)
    if attempt(function, replay, lambda x: 3 * x, 8, 1.0)[1] is None:
        if replay.tree.leaves[:4].tolist() != [0.0, 3.0, 6.0, 9.0]:
            print("The priorities are not the new losses, so the same items are drawn for ever.")
            return False
    mistakes = [(6.375, "each loss must be multiplied by its weight."), (18.0, "that is the sum, not the mean.")]
    return judge(function, (before, lambda x: 3 * x, 8, 1.0), 2.25, mistakes)


def check_victim(function):
    """Whom a balanced buffer gives up: function(labels, rng) -> place of a random item of the most frequent class."""
    rng, labels = np.random.default_rng(0), np.array([0, 1, 1, 2, 1, 0])
    places, problems = zip(*[attempt(function, labels, rng) for _ in range(60)], strict=True)
    problem = problems[0]
    if problem is None and not set(places) <= {1, 2, 4}:
        problem = f"Place {min(set(places) - {1, 2, 4})} was given up, but class 1 has the most items: places 1, 2, 4."
    elif problem is None and len(set(places)) < 3:
        problem = f"It is never place {({1, 2, 4} - set(places)).pop()}: choose among the class at random."
    print(problem or "Right.")
    return problem is None
