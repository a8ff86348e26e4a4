"""The checks of chapter 6's exercises."""

import numpy as np
import torch

from ...meta import MetaLearner
from .judge import attempt, judge


def check_needed(function):
    """Parts that have something to do where the answer code never changes: function() -> set of names."""
    got, problem = attempt(function)
    if problem is None and set(got) != {"memory", "replay"}:
        if "meta" in got:
            problem = "meta: with one code for all sessions there is nothing left to find out from revealed episodes."
        elif "memory" not in got:
            problem = "memory: what is stored under a cue is still drawn anew in each episode."
        else:
            problem = "replay: the seasons' symbols still differ, and slow weights still forget the old ones."
    print(problem or "Right.")
    return problem is None


def check_retention(function):
    """Mean error at the end on all seasons but the last one: function(R (visits, seasons)) -> float."""
    R = torch.tensor([[0.1, 0.5, 0.5], [0.3, 0.1, 0.5], [0.4, 0.2, 0.1]])
    mistakes = [
        (0.7 / 3, "the season just learnt is in your mean: that one is recall, not retention."),
        (0.2, "you took the change since each season was learnt; that is forgetting. Retention is the error itself."),
        (0.8 / 3, "that is the first column: one season through time. Take the last row: all seasons at the end."),
    ]
    return judge(function, (R,), 0.3, mistakes)


def check_prequential(function):
    """Mean error of testing on each pair, then learning from it: function(predict, learn, stream) -> float."""
    table = {}
    stream = [(1, 1.0), (1, 1.0), (2, 5.0), (2, 5.0)]
    mistakes = [
        (0.0, "you learn from a pair before you predict it: the answer is known when it is asked."),
        (3.0, "you never learn from the stream, so a question that comes again is answered as badly."),
        (6.0, "that is the sum; the prequential error is the mean over the stream."),
    ]
    return judge(function, (lambda x: table.get(x, 0.0), table.__setitem__, stream), 1.5, mistakes)


def check_adapted_loss(function):
    """Query loss after adaptation: function(meta, support_x, support_y, query_x, query_y) -> number."""
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(model.weight)
    one = torch.ones(1, 1)
    mistakes = [
        (9.0, "that is the loss of the start: the adapted parameters were computed and never used."),
        (2.25, "you adapted to the query set: those answers are what is asked for."),
        (1.0, "that is the loss on the support set, after adaptation."),
    ]
    return judge(function, (MetaLearner(model, inner_lr=0.25), one, 2 * one, one, 3 * one), 4.0, mistakes)


def check_paired_interval(function):
    """Half-width of the 95 % interval of b - a, seed by seed: function(a, b) -> float."""
    a, b = np.array([1.0, 2.0, 3.0]), np.array([1.5, 2.4, 3.6])
    mistakes = [
        (3.608418, "you treat the two methods' seeds as strangers; take the difference within each seed first."),
        (4.30265 * 0.1, "that is the spread of one seed's difference; the mean's is smaller by the root of n."),
        (0.5, "that is the mean of the differences; the half-width is asked for."),
    ]
    return judge(function, (a, b), 0.248414, mistakes)
