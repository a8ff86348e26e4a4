"""What is measured: the task matrix R, what it says of forgetting and transfer, and intervals over seeds (chapter 6).

R[i, j] is the score on task j after training on tasks 0..i, higher being better (Lopez-Paz & Ranzato 2017).
"""

import numpy as np
from scipy import stats

from ._validate import real


def _matrix(R):
    R = np.asarray(R, dtype=float)
    if R.ndim != 2 or R.shape[0] != R.shape[1] or R.shape[0] < 1:
        raise ValueError(f"R must be (tasks, tasks), got {R.shape}")
    return R


def average_accuracy(R):
    """Mean of the last row: the score on all tasks after the last one. R (tasks, tasks); returns a float."""
    return float(_matrix(R)[-1].mean())


def forgetting(R):
    """Mean over the earlier tasks of the best score reached before the end minus the last (Chaudhry et al. 2018).

    R (tasks, tasks) with at least 2 tasks; returns a float, negative where the last score is the best.
    """
    R = _several(R)
    last = len(R) - 1
    return float(np.mean([R[j:last, j].max() - R[last, j] for j in range(last)]))


def backward_transfer(R):
    """Mean over the earlier tasks of R[last, j] - R[j, j]: negative where later tasks did harm.

    R (tasks, tasks) with at least 2 tasks; returns a float (Lopez-Paz & Ranzato 2017).
    """
    R = _several(R)
    return float((R[-1, :-1] - np.diag(R)[:-1]).mean())


def forward_transfer(R, baseline):
    """Mean over the later tasks of R[j - 1, j] - baseline[j], the score before training of an untrained model.

    R (tasks, tasks) with at least 2 tasks, baseline (tasks,); returns a float (Lopez-Paz & Ranzato 2017).
    """
    R, baseline = _several(R), np.asarray(baseline, dtype=float)
    if baseline.shape != (len(R),):
        raise ValueError(f"baseline must be ({len(R)},), got {baseline.shape}")
    return float((np.diag(R, 1) - baseline[1:]).mean())


def confidence_interval(samples, level=0.95):
    """(mean, half-width) of Student's t interval over axis 0, one row a seed.

    samples (seeds, ...) with at least 2 seeds; returns two arrays of shape (...). Raises ValueError.
    """
    samples = np.asarray(samples, dtype=float)
    if samples.ndim == 0 or len(samples) < 2:
        raise ValueError(f"samples must have at least 2 seeds on axis 0, got shape {samples.shape}")
    if not np.isfinite(samples).all():
        raise ValueError("samples must be finite numbers, got NaN or infinite ones")
    factor = stats.t.ppf((1 + real("level", level, 0, 1)) / 2, len(samples) - 1)
    return samples.mean(0), factor * samples.std(0, ddof=1) / np.sqrt(len(samples))


def _several(R):
    R = _matrix(R)
    if len(R) < 2:
        raise ValueError(f"R must have at least 2 tasks, got {len(R)}")
    return R
