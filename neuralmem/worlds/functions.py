"""Four functions learned one after the other: the demo's, and four whose answers vary (chapters 0 and 6)."""

from collections.abc import Callable, Sequence
from functools import lru_cache

import torch

from .._validate import choice, positive_int, shaped
from . import split_generator

Function = Callable[[torch.Tensor], torch.Tensor]

FOUR_TASKS: dict[str, Function] = {
    "sin": lambda x: torch.sin(x.mean(-1, keepdim=True)).expand_as(x),
    "cos": lambda x: 0.5 * torch.cos(x.mean(-1, keepdim=True)).expand_as(x),
    "tanh+2": lambda x: torch.tanh(0.5 * x + 2),
    "tanh+3": lambda x: torch.tanh(0.5 * x + 3),
}
"""The demo's tasks in their order: functions from x (..., D) to y (..., D); the first two see the mean of x only."""


@lru_cache
def rotation(number: int, dim: int) -> torch.Tensor:
    """The fixed rotation R_number of `dim` numbers: (dim, dim) float32, R Rᵀ = 1 (chapter 6).

    The orthogonal factor of a matrix of standard normal numbers from the seed `number`, with the signs that make the
    triangular factor's diagonal positive, so that every linear algebra library finds the same one.
    """
    generator = torch.Generator().manual_seed(number)
    drawn = torch.randn(positive_int("dim", dim), dim, generator=generator, dtype=torch.float64)
    orthogonal, triangular = torch.linalg.qr(drawn)
    return (orthogonal * triangular.diagonal().sign()).float()


VARIED_TASKS: dict[str, Function] = {
    "sin 2z": lambda x: torch.sin(2 * _standardised(x)),
    "cos 2z": lambda x: torch.cos(2 * _standardised(x)),
    "x R1": lambda x: x @ rotation(1, x.shape[-1]).to(x),
    "tanh 2x R2": lambda x: torch.tanh(2 * x @ rotation(2, x.shape[-1]).to(x)),
}
"""Four tasks whose answers vary, in their order: x (..., D) to y (..., D), z = √D · mean(x), R1 and R2 rotations."""


def function_pairs(
    task: str, size: int | Sequence[int], generator: torch.Generator, dim: int = 64
) -> tuple[torch.Tensor, torch.Tensor]:
    """Pairs of one of FOUR_TASKS or VARIED_TASKS: x (*size, dim) standard normal, y = f(x) of the same shape.

    `size` is an integer or a tuple. Raises ValueError for an unknown task (chapters 0 and 6).
    """
    tasks = FOUR_TASKS | VARIED_TASKS
    function = tasks[choice("task", task, tasks)]
    size = (size,) if isinstance(size, int) else tuple(size)
    x = torch.randn(*size, positive_int("dim", dim), generator=generator)
    return x, function(x)


def pairs_as_episodes(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pairs of one task as sequences in which each pair is first a question, then an example (chapter 6).

    At step t the model is asked for y_t, shown x_t and the answer to the question before, y_{t-1}. x, y (B, T, D);
    returns inputs (T, B, 2D + 1) = [x_t, y_{t-1}, 1 once there is an example], targets (T, B, D) and mask (T, B), 0 at
    the first step, where nothing says yet which task it is. Raises TypeError or ValueError where x or y does not fit.
    """
    shaped("x", x, "B T D")
    shaped("y", y, "B T D", B=x.shape[0], T=x.shape[1])
    x, y = x.transpose(0, 1), y.transpose(0, 1)
    seen = torch.ones_like(x[..., :1])
    seen[0] = 0
    before = torch.cat([torch.zeros_like(y[:1]), y[:-1]])
    return torch.cat([x, before, seen], dim=-1), y, seen.squeeze(-1)


def constant_errors(samples: int = 20_000, seed: int = 0, dim: int = 64) -> dict[str, float]:
    """Held-out mean squared error of the best constant of each of FOUR_TASKS (chapter 0)."""
    train, test = split_generator("train", seed), split_generator("test", seed)
    errors = {}
    for task in FOUR_TASKS:
        constant = function_pairs(task, samples, train, dim)[1].mean()
        errors[task] = float((function_pairs(task, samples, test, dim)[1] - constant).square().mean())
    return errors


def linear_errors(samples: int = 2000, seed: int = 0, dim: int = 64) -> dict[str, float]:
    """Held-out mean squared error of a straight line fitted to each of FOUR_TASKS by least squares (chapter 0)."""
    train, test = split_generator("train", seed), split_generator("test", seed)
    errors = {}
    for task in FOUR_TASKS:
        x, y = function_pairs(task, samples, train, dim)
        weights = torch.linalg.lstsq(_with_ones(x), y).solution
        x, y = function_pairs(task, samples, test, dim)
        errors[task] = float((_with_ones(x) @ weights - y).square().mean())
    return errors


def _with_ones(x):
    return torch.cat([x, torch.ones_like(x[..., :1])], dim=-1)


def _standardised(x):
    """z = √D · mean(x), repeated D times: standard normal where x is."""
    return (x.shape[-1] ** 0.5 * x.mean(-1, keepdim=True)).expand_as(x)
