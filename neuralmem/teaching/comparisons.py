"""Chapter 4's comparisons: every method, every exponent of the priorities, every size of a buffer, on five seeds."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..metrics import forgetting
from .lanes import Lanes, learn
from .progress import progress
from .remedies import AGEM, EWC, DERpp, GDumb, Joint, Naive, Replay, Watched

SCENARIOS = ("task", "domain", "class")
METHODS = ("none", "EWC", "ring", "ring, by priority", "reservoir", "A-GEM", "GDumb", "DER++", "joint")
ROLES = dict.fromkeys(METHODS, "replay") | {"none": "baseline", "EWC": "baseline", "joint": "ceiling"}
"""The colours of the methods: by what they store, nothing, a hundred rows, or everything."""


def over_seeds(function: Callable, values: Sequence, kinds: Sequence[str], seeds: Sequence[int] = range(5)) -> dict:
    """{kind: (seeds, values)} of function(value, kind, seed)."""
    found = {}
    for kind in kinds:
        each = progress(seeds, kind)
        found[kind] = np.array([[function(value, kind, seed) for value in values] for seed in each])
    return found


def last(runs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """{method: accuracy (seeds,) over all tasks at the end} of {method: accuracies (seeds, tasks + 1, tasks)}."""
    return {name: run[:, -1].mean(1) for name, run in runs.items()}


def compare(
    strengths: dict[str, float], scenarios: Sequence[str] = SCENARIOS, seeds: Sequence[int] = range(5)
) -> dict[str, dict[str, np.ndarray]]:
    """Nine methods in all scenarios: {scenario: {method: accuracies (seeds, tasks + 1, tasks)}}.

    `strengths` maps a scenario to EWC's lambda. All that store rows store 100; all start and draw alike for a seed.
    """
    each, numbers = [scenario for scenario in scenarios for _ in seeds], list(seeds) * len(scenarios)
    lanes, thrice = Lanes(each, numbers), Lanes(each * 3, numbers * 3)
    buffers = {"ring": "uniform", "ring, by priority": "proportional", "reservoir": "reservoir"}
    kinds = [kind for kind in buffers.values() for _ in each]
    replayed = learn(thrice, Replay(thrice, kinds)).reshape(3, len(each), lanes.count + 1, lanes.count)
    found = {
        "none": learn(lanes, Naive()),
        "EWC": learn(lanes, EWC(lanes, [strengths[scenario] for scenario in each])),
        **dict(zip(buffers, replayed, strict=True)),
        "A-GEM": learn(lanes, AGEM(lanes)),
        "GDumb": learn(lanes, GDumb()),
        "DER++": learn(lanes, DERpp(lanes)),
        "joint": learn(lanes, Joint()),
    }
    return {
        scenario: {name: runs[i * len(seeds) : (i + 1) * len(seeds)] for name, runs in found.items()}
        for i, scenario in enumerate(scenarios)
    }


def comparison_rows(A: dict[str, dict[str, np.ndarray]], beside: str = "reservoir") -> dict[str, dict]:
    """Rows for a table of what `compare` returns, in per cent; the last column is a difference, paired by seed."""
    rows: dict[str, dict] = {}
    final = {scenario: last(runs) for scenario, runs in A.items()}
    for name, runs in A["class"].items():
        rows[name] = {scenario: 100 * accuracies[name] for scenario, accuracies in final.items()}
        rows[name]["class, forgetting"] = np.array([100 * forgetting(run[1:]) for run in runs])
        difference = 100 * (final["class"][name] - final["class"][beside])
        rows[name][f"class, minus {beside}"] = "" if name == beside else difference
    return rows


def tune_ewc(
    strengths: Sequence[float], scenarios: Sequence[str] = SCENARIOS, seeds: Sequence[int] = (100, 101, 102)
) -> dict[str, float]:
    """{scenario: the lambda of `strengths` with the best mean accuracy at the end}, on seeds used for nothing else."""
    plan = [(scenario, strength, seed) for scenario in scenarios for strength in strengths for seed in seeds]
    lanes = Lanes([scenario for scenario, _, _ in plan], [seed for _, _, seed in plan])
    accuracy = learn(lanes, EWC(lanes, [strength for _, strength, _ in plan]))[:, -1].mean(1)
    means = accuracy.reshape(len(scenarios), len(strengths), len(seeds)).mean(2)
    return {scenario: strengths[int(row.argmax())] for scenario, row in zip(scenarios, means, strict=True)}


class Drawn(NamedTuple):
    """What rehearsal by priority led to, each (seeds,): see `compare_priorities`."""

    accuracy: np.ndarray
    share: np.ndarray
    weight: np.ndarray


def compare_priorities(
    alphas: Sequence[float] = (0.6, 1.0), seeds: Sequence[int] = range(5), places: int = 16_000, shrunk: float = 0.27
) -> dict[tuple, Drawn]:
    """Rehearsal by priority from a buffer that keeps every row, class-incremental: what alpha and the weights do.

    Returns {(alpha, weighting): Drawn} with the weightings
    "max" (divided by the largest in the batch, beta 0.4), "none" (beta 0) and "mean" (divided by their mean); with
    alpha = 0 all weights are 1 ("none") or all equal `shrunk` ("shrunk"). `share` is that of rehearsed rows of the last
    task in its phase, `weight` the mean weight.
    """
    settings = [(0, "none"), (0, "shrunk")] + [(alpha, way) for alpha in alphas for way in ("max", "none", "mean")]
    plan = [(alpha, way, seed) for alpha, way in settings for seed in seeds]
    lanes = Lanes(["class"] * len(plan), [seed for _, _, seed in plan])
    remedy = Watched(
        lanes,
        "proportional",
        places,
        alphas=[alpha for alpha, _, _ in plan],
        betas=[0.4 if way in ("max", "mean") else 0 for _, way, _ in plan],
        scales=[way for _, way, _ in plan],
        factors=[shrunk if way == "shrunk" else 1.0 for _, way, _ in plan],
    )
    accuracy = learn(lanes, remedy)[:, -1].mean(1)
    columns = [accuracy, np.mean(remedy.shares, 0), np.mean(remedy.means, 0)]
    cut = [column.reshape(len(settings), -1) for column in columns]
    return {key: Drawn(*(column[i] for column in cut)) for i, key in enumerate(settings)}


def priority_rows(found: dict[tuple, Drawn]) -> dict[str, dict]:
    """Rows for a table of what `compare_priorities` returns, in per cent; differences are paired by seed."""
    words = {"max": "largest is 1", "mean": "mean is 1", "none": "all 1", "shrunk": "all small"}
    rows, uniform = {}, found[0, "none"].accuracy
    for (alpha, way), drawn in found.items():
        rows[f"α = {alpha:g}, weights: {words[way]}"] = {
            "accuracy": 100 * drawn.accuracy,
            "minus uniform": "" if (alpha, way) == (0, "none") else 100 * (drawn.accuracy - uniform),
            "mean weight": f"{drawn.weight.mean():.2f}",
            "of the current task": f"{drawn.share.mean():.0%}",
        }
    return rows


def compare_capacities(places: Sequence[int], seeds: Sequence[int] = range(5)) -> np.ndarray:
    """Accuracy (seeds, places) at the end of reservoirs with so many places, class-incremental."""
    plan = [(count, seed) for count in places for seed in seeds]
    lanes = Lanes(["class"] * len(plan), [seed for _, seed in plan])
    runs = learn(lanes, Replay(lanes, "reservoir", [count for count, _ in plan]))
    return runs[:, -1].mean(1).reshape(len(places), -1).T


def split_mnist_rows(runs: list[dict]) -> dict[str, dict]:
    """Rows for a table of the stored runs of book/experiments/split_mnist.py: accuracy at the end, in per cent.

    The last column is the difference to replay in the scenario "class", paired by seed.
    """
    order = ("none", "replay", "stored rows only", "nearest stored row", "nearest class mean", "joint")
    found = {(run["scenario"], run["method"]): 100 * np.array(run["accuracy"])[:, -1].mean(1) for run in runs}
    rows: dict[str, dict] = {method: {} for method in order}
    for method in order:
        for scenario in ("task", "domain", "class"):
            if (scenario, method) in found:
                rows[method][scenario] = found[scenario, method]
        if method != "replay" and ("class", method) in found:
            rows[method]["class, minus replay"] = found["class", method] - found["class", "replay"]
    return rows
