"""What is measured: scores after each phase, what they say of forgetting and transfer, and intervals over seeds.

A[i, j] is the score on task j after phase i, higher being better (Lopez-Paz & Ranzato 2017; chapters 4 and 6).
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from ._validate import integer, real


def average_accuracy(scores: ArrayLike) -> float:
    """Mean of the last row: the score on all tasks after the last one. scores (tasks, tasks)."""
    return float(_matrix(scores)[-1].mean())


def forgetting(scores: ArrayLike) -> float:
    """Mean over the earlier tasks of the best score reached before the end minus the last (Chaudhry et al. 2018).

    scores (tasks, tasks) with at least 2 tasks, task j learned in phase j; negative where the last score is the best.
    """
    A = _several(scores)
    last = len(A) - 1
    return float(np.mean([A[j:last, j].max() - A[last, j] for j in range(last)]))


def backward_transfer(scores: ArrayLike) -> float:
    """Mean over the earlier tasks of A[last, j] - A[j, j]: negative where later tasks did harm.

    scores (tasks, tasks) with at least 2 tasks, task j learned in phase j (Lopez-Paz & Ranzato 2017).
    """
    A = _several(scores)
    return float((A[-1, :-1] - np.diag(A)[:-1]).mean())


def forward_transfer(scores: ArrayLike, baseline: ArrayLike) -> float:
    """Mean over the later tasks of A[j - 1, j] - baseline[j], the score before training of an untrained model.

    scores (tasks, tasks) with at least 2 tasks, task j learned in phase j; baseline (tasks,) (Lopez-Paz & Ranzato
    2017).
    """
    A, before = _several(scores), _numbers("baseline", baseline)
    if before.shape != (len(A),):
        raise ValueError(f"baseline must be ({len(A)},), got {before.shape}")
    return float((np.diag(A, 1) - before[1:]).mean())


def retention(scores: ArrayLike, visits: ArrayLike, after: int = -1) -> float:
    """Mean score, after phase `after`, on the tasks that were visited before it and not in it: what was kept.

    scores (phases, tasks), with any number of phases; visits (phases,) says which task each phase trained on, so that a
    task may come again. With one phase a task it is the mean of A[last, :last].
    """
    A, order = _numbers("scores", scores), np.asarray(visits)
    if A.ndim != 2 or not A.size:
        raise ValueError(f"scores must be (phases, tasks), got {A.shape}")
    phases, tasks = A.shape
    if order.shape != (phases,) or order.dtype.kind not in "iu" or not ((0 <= order) & (order < tasks)).all():
        raise ValueError(f"visits must name one of {tasks} tasks for each of {phases} phases, got {order.tolist()}")
    if not -phases <= integer("after", after) < phases:
        raise ValueError(f"after must be one of {phases} phases, got {after}")
    after %= phases
    earlier = sorted(set(order[:after].tolist()) - {int(order[after])})
    if not earlier:
        raise ValueError(f"after must be a phase with other tasks before it, got {after} of visits {order.tolist()}")
    return float(A[after, earlier].mean())


def confidence_interval(samples: ArrayLike, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """(mean, half-width) of Student's t interval over axis 0, one row a seed.

    samples (seeds, ...) with at least 2 seeds; returns two arrays of shape (...).
    """
    rows = _numbers("samples", samples)
    if rows.ndim == 0 or len(rows) < 2:
        raise ValueError(f"samples must have at least 2 seeds on axis 0, got shape {rows.shape}")
    level = real("level", level, 0, 1)
    if level in (0, 1):
        raise ValueError(f"level must be above 0 and below 1, got {level}")
    factor = stats.t.ppf((1 + level) / 2, len(rows) - 1)
    return rows.mean(0), factor * rows.std(0, ddof=1) / np.sqrt(len(rows))


def paired_difference(first: ArrayLike, second: ArrayLike, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """(mean, half-width) of Student's t interval of first - second, seed by seed.

    first, second (seeds, ...), row s of both from the same draws of seed s: what both share cancels, so that the
    interval is narrower than that of either (chapter 0). It says that they differ where it does not hold 0.
    """
    a, b = _numbers("first", first), _numbers("second", second)
    if a.shape != b.shape:
        raise ValueError(f"second must have the shape of first, {a.shape}, got {b.shape}")
    return confidence_interval(a - b, level)


def prequential_error(losses: ArrayLike, fading: float = 1.0) -> np.ndarray:
    """The error so far at each time of a stream whose every item is judged before it is learned (chapter 8).

    e_t = S_t / n_t with S_t = loss_t + fading · S_{t-1} and n_t = 1 + fading · n_{t-1}: the running mean, in which,
    with fading below 1, what is long ago counts less (Gama et al. 2013). losses (T, ...); returns (T, ...).
    """
    rows, fading = _numbers("losses", losses), real("fading", fading, 0, 1)
    if rows.ndim == 0 or not len(rows):
        raise ValueError(f"losses must be (T, ...), got {rows.shape}")
    errors = np.empty_like(rows)
    total, count = np.zeros_like(rows[0]), 0.0
    for time, loss in enumerate(rows):
        total, count = loss + fading * total, 1 + fading * count
        errors[time] = total / count
    return errors


def _numbers(name: str, values: ArrayLike) -> np.ndarray:
    """The values as a float array, or an error where they are no finite numbers."""
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must hold numbers in rows of one length: {error}") from None
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite numbers, got NaN or infinite ones")
    return array


def _matrix(scores: ArrayLike) -> np.ndarray:
    A = _numbers("scores", scores)
    if A.ndim != 2 or A.shape[0] != A.shape[1] or A.shape[0] < 1:
        hint = "one phase a task (where tasks come again, see `retention`)"
        raise ValueError(f"scores must be (tasks, tasks), {hint}, got {A.shape}")
    return A


def _several(scores: ArrayLike) -> np.ndarray:
    A = _matrix(scores)
    if len(A) < 2:
        raise ValueError(f"scores must have at least 2 tasks, got {len(A)}")
    return A
