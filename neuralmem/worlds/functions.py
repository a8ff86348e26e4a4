"""The four function tasks of the demo, one after the other (chapters 0 and 6)."""

import torch

from .._validate import choice, shaped
from . import split_generator

FOUR_TASKS = {
    "sin": lambda x: torch.sin(x.mean(-1, keepdim=True)).expand_as(x),
    "cos": lambda x: 0.5 * torch.cos(x.mean(-1, keepdim=True)).expand_as(x),
    "tanh+2": lambda x: torch.tanh(0.5 * x + 2),
    "tanh+3": lambda x: torch.tanh(0.5 * x + 3),
}
"""The demo's tasks in their order: functions from x (..., D) to y (..., D); the first two see the mean of x only."""


def function_pairs(task, size, generator, dim=64):
    """Pairs of one of FOUR_TASKS: x (*size, dim) standard normal, y = f(x) of the same shape (chapters 0 and 6).

    `size` is an integer or a tuple. Raises ValueError for an unknown task.
    """
    size = (size,) if isinstance(size, int) else tuple(size)
    x = torch.randn(*size, dim, generator=generator)
    return x, FOUR_TASKS[choice("task", task, FOUR_TASKS)](x)


def pairs_as_episodes(x, y):
    """Pairs of one task as sequences in which each pair is first a question, then an example (chapter 6).

    At step t the model is asked for y_t, shown x_t and the answer to the question before, y_{t-1}. x, y (B, T, D);
    returns inputs (T, B, 2D + 1) = [x_t, y_{t-1}, 1 once there is an example], targets (T, B, D) and mask (T, B), 0 at
    the first step, where nothing says yet which task it is.
    """
    shaped("x", x, "B T D")
    shaped("y", y, "B T D", B=x.shape[0], T=x.shape[1])
    x, y = x.transpose(0, 1), y.transpose(0, 1)
    seen = torch.ones_like(x[..., :1])
    seen[0] = 0
    before = torch.cat([torch.zeros_like(y[:1]), y[:-1]])
    return torch.cat([x, before, seen], dim=-1), y, seen.squeeze(-1)


def constant_errors(samples=20_000, seed=0, dim=64):
    """Held-out mean squared error of the best constant of each of FOUR_TASKS: a dict of floats (chapter 0)."""
    train, test = split_generator("train", seed), split_generator("test", seed)
    errors = {}
    for task in FOUR_TASKS:
        constant = function_pairs(task, samples, train, dim)[1].mean()
        errors[task] = float((function_pairs(task, samples, test, dim)[1] - constant).square().mean())
    return errors
