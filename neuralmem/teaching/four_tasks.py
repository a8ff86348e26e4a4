"""What chapter 6 shows of the four tasks: the stored lives as tables and figures (`book.experiments.four_tasks`)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from .figures import demo_panels, shares_by_method
from .tables import ResultTable, results_table

__all__ = ["CONSTANT", "RUNNING_MEAN", "errors", "lives_figure", "results", "shares_figure"]

CONSTANT = "constant (told the task)"
RUNNING_MEAN = "running mean of all numbers shown"
RULES = {
    CONSTANT: CONSTANT,
    "linear fit (told the task)": "linear fit (told the task)",
    "nearest rows (told the task)": "nearest rows (told the task)",
    "linear fit that fits what was shown": "linear fit that fits the pairs shown",
    "running mean": RUNNING_MEAN,
    "last value": "the answer before",
    "nearest pair shown": "nearest pair shown",
    "ridge of the pairs shown": "ridge of the pairs shown",
}
"""The names of the rules as they are stored, and as they are shown."""
AGENTS = {
    "plain network, replay": "network without context, replay",
    "LSTM": "LSTM, no replay",
    "memory": "memory, no replay",
    "LSTM, replay": "LSTM, replay",
    "memory, replay": "memory, replay",
    "LSTM, replay of 400, a third of the updates": "LSTM, replay of 400, 200 updates",
    "LSTM, replay of 400": "LSTM, replay of 400, 600 updates",
    "one task alone, LSTM": "four LSTMs, one task each",
}
ROLES = {shown: "memory" if shown.startswith("memory") else "baseline" for shown in AGENTS.values()}


def errors(stored: Mapping[str, Any], world: str) -> dict[str, np.ndarray]:
    """The held-out squared errors after the last task: {method: (seeds, 4)}, of `world` "varied" or "original".

    `stored` is what `results.load("four_tasks")` returns. Rules come first, then the agents; an agent is left out as
    long as it lacks a seed, so that all are paired. Raises ValueError for a world that is not stored.
    """
    runs = [run for run in stored["runs"] if run.get("world") == world]
    if not runs:
        known = sorted({str(run.get("world")) for run in stored["runs"]})
        raise ValueError(f"world must be one of {', '.join(known)}, got {world!r}")
    found: dict[str, list] = {}
    for run in sorted(runs, key=lambda run: run["seed"]):
        if run["method"] == "rules":
            for rule, shown in RULES.items():
                found.setdefault(shown, []).append(run["errors"][rule])
        else:
            found.setdefault(AGENTS[run["method"]], []).append(run["errors"])
    seeds = max(map(len, found.values()))
    order = [*RULES.values(), *AGENTS.values()]
    return {name: np.array(found[name]) for name in order if len(found.get(name, [])) == seeds}


def results(stored: Mapping[str, Any], world: str, digits: int = 3) -> ResultTable:
    """The table of a world: error on each task, parameters, seconds, and a summary.

    The summary is the mean R² against the constant for "varied". For "original", where two tasks have next to no
    variance, it is the number of tasks on which the mean error lies below that of the running mean.
    """
    rows, tasks = {}, stored["tasks"][world]
    found = errors(stored, world)
    for method, samples in found.items():
        row: dict[str, Any] = {task: samples[:, place] for place, task in enumerate(tasks)}
        if world == "varied":
            row["R², mean"] = (1 - samples / found[CONSTANT]).mean(1)
        else:
            below = samples.mean(0) < found[RUNNING_MEAN].mean(0)
            row["better than the running mean on"] = f"{below.sum()} of {len(tasks)}"
        runs = _runs(stored, world, method)
        if runs:
            row["parameters"] = f"{runs[0]['parameters']:,}"
            row["seconds"] = f"{np.mean([run['seconds'] for run in runs]):.0f}"
        rows[method] = row
    columns = {task: digits for task in tasks} | {"R², mean": 2}
    return results_table(rows, "Held-out squared error after the fourth task", digits=columns, corner="method")


def shares_figure(stored: Mapping[str, Any], world: str = "varied", bar: float | None = 0.35) -> Figure:
    """Every method's error as a share of the constant's, a panel a task, every seed drawn."""
    found = errors(stored, world)
    shares = {method: samples / found[CONSTANT] for method, samples in found.items() if method != CONSTANT}
    return shares_by_method(shares, stored["tasks"][world], ROLES, bar)


def lives_figure(stored: Mapping[str, Any], seed: int = 0) -> Figure:
    """The demo's figure again: the error on every task after each, for LSTM and memory with replay and without."""
    panels, floors = {}, None
    for method, shown in AGENTS.items():
        if method in ("LSTM", "LSTM, replay", "memory", "memory, replay"):
            for run in _runs(stored, "varied", shown):
                if run["seed"] == seed:
                    panels[shown] = run["R"]
    floors = errors(stored, "varied")[CONSTANT][seed]
    return demo_panels(None, panels, stored["tasks"]["varied"], floors)


def _runs(stored, world, shown):
    """The stored runs of one agent by its shown name, in the order of their seeds; none for a rule."""
    method = next((name for name, words in AGENTS.items() if words == shown), None)
    runs = [run for run in stored["runs"] if run.get("world") == world and run["method"] == method]
    return sorted(runs, key=lambda run: run["seed"])
