"""Methods × seeds, side by side on many cores or on a cluster (chapter 6)."""

from collections.abc import Callable, Hashable, Iterable
from typing import Any

import joblib

from ._validate import integer


def sweep(
    run: Callable[[Any, Any], Any], methods: Iterable[Hashable], seeds: Iterable[Any], n_jobs: int = -1
) -> dict[Hashable, list]:
    """`run(method, seed)` for every method and seed, side by side: {method: [result of each seed]} (chapter 6).

    `n_jobs` processes, -1 for all cores. Under `joblib.parallel_config(backend="dask")` the same call runs on the
    cluster of the current `dask.distributed.Client`. Raises ValueError where there is nothing to run, or a method or
    a seed is given twice.
    """
    if not callable(run):
        raise TypeError(f"run must be a function of (method, seed), got {type(run).__name__}")
    given = {"methods": methods, "seeds": seeds}
    for name, values in given.items():
        if isinstance(values, str) or not isinstance(values, Iterable):
            raise TypeError(f"{name} must be a list or the like, got {values!r}")
    methods, seeds = list(methods), list(seeds)
    if not methods or not seeds:
        raise ValueError(f"methods and seeds must not be empty, got {methods} and {seeds}")
    if len(set(methods)) < len(methods) or len(set(seeds)) < len(seeds):
        raise ValueError(f"methods and seeds must not hold one twice, got {methods} and {seeds}")
    if integer("n_jobs", n_jobs) == 0:
        raise ValueError("n_jobs must be a number of processes, or -1 for all cores, got 0")
    pairs = [(method, seed) for method in methods for seed in seeds]
    results = joblib.Parallel(n_jobs=int(n_jobs))(joblib.delayed(run)(method, seed) for method, seed in pairs)
    return {method: results[i * len(seeds) : (i + 1) * len(seeds)] for i, method in enumerate(methods)}
