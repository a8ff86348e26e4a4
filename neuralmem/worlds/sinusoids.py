"""Sine waves of random amplitude, phase and, if asked for, frequency (chapter 5)."""

import math

import torch

from .._validate import positive_int, real

Sets = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def sinusoid_tasks(
    tasks: int,
    support: int,
    query: int,
    generator: torch.Generator,
    frequency: tuple[float, float] = (1.0, 1.0),
) -> Sets:
    """K = `tasks` sine waves y = a·sin(w·x - p): a in [0.1, 5], p in [0, pi], x in [-5, 5] (chapter 5).

    The frequency w is drawn from the interval `frequency`: 1 for all waves in the world of Finn et al. 2017, (0.8, 1.2)
    in the harder one that the released code of Lee & Choi 2018 draws from. Returns (support_x, support_y, query_x,
    query_y), each (K, rows, 1). Raises ValueError or TypeError naming the argument.
    """
    tasks, rows = positive_int("tasks", tasks), positive_int("support", support) + positive_int("query", query)
    if not isinstance(frequency, tuple | list) or len(frequency) != 2:
        raise TypeError(f"frequency must be a pair (lowest, highest), got {frequency!r}")
    lowest, highest = (real("frequency", value, low=0) for value in frequency)
    if lowest > highest:
        raise ValueError(f"frequency must be (lowest, highest) in this order, got {frequency!r}")
    draws = torch.rand(tasks, rows + 2, 1, generator=generator)
    amplitude, phase = 0.1 + 4.9 * draws[:, :1], math.pi * draws[:, 1:2]
    x = 10 * draws[:, 2:] - 5
    rate: float | torch.Tensor = lowest
    if lowest < highest:  # drawn last, so that the waves of one frequency are those that they always were
        rate = lowest + (highest - lowest) * torch.rand(tasks, 1, 1, generator=generator)
    y = amplitude * torch.sin(rate * x - phase)
    return x[:, :support], y[:, :support], x[:, support:], y[:, support:]
