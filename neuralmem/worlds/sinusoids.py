"""Sine waves of random amplitude and phase (chapter 5)."""

import math

import torch

from .._validate import positive_int


def sinusoid_tasks(tasks, support, query, generator):
    """K = `tasks` sine waves y = a·sin(x - p): a in [0.1, 5], p in [0, pi], x in [-5, 5] (chapter 5; Finn et al. 2017).

    Returns (support_x, support_y, query_x, query_y), each (K, rows, 1). Raises ValueError or TypeError.
    """
    tasks, rows = positive_int("tasks", tasks), positive_int("support", support) + positive_int("query", query)
    draws = torch.rand(tasks, rows + 2, 1, generator=generator)
    amplitude, phase = 0.1 + 4.9 * draws[:, :1], math.pi * draws[:, 1:2]
    x = 10 * draws[:, 2:] - 5
    y = amplitude * torch.sin(x - phase)
    return x[:, :support], y[:, :support], x[:, support:], y[:, support:]
