"""What chapter 3 shows of its stored runs: copy_task and sequence_tasks, as tables and curves."""

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import torch

from ..worlds.sequences import associative_recall_task, last_rows_again, share_of_wrong_bits
from .results import load
from .tables import ResultTable, results_table

__all__ = [
    "HABITS",
    "copy_runs",
    "copy_table",
    "error_after",
    "final_errors",
    "habits_table",
    "last_item_wrong",
    "tasks_table",
    "updates_needed",
    "wrong_bits",
]

BAR = 0.01  # bits per sequence

HABITS = {
    "the recipe": "ntm",
    "with sharpening": "ntm, sharpened",
    "β₂ = 0.999": "ntm, beta_2 0.999",
    "no warm-up": "ntm, no warm-up",
    "no clipping": "ntm, unclipped",
    "a rate that never falls": "ntm, rate never falls",
    "a random start, fixed": "ntm, start drawn and fixed",
    "a random start, trained": "ntm, start drawn and trained",
}
"""The recipe with one habit changed: what a table says, and the model of the stored runs."""


def copy_runs() -> dict[str, list[dict[str, Any]]]:
    """The stored runs of the copy task in the order of their seeds, by model."""
    runs: dict[str, list[dict[str, Any]]] = {}
    for run in sorted(load("copy_task")["runs"], key=lambda run: run["seed"]):
        runs.setdefault(run["model"], []).append(run)
    return runs


def final_errors(runs: Sequence[Mapping[str, Any]]) -> list[float]:
    """The held-out error of each run at the end, in bits per sequence."""
    return [run["curve"][-1][2] for run in runs]


def error_after(run: Mapping[str, Any], updates: int) -> float:
    """The held-out error of a run after so many updates; raises KeyError where it was not tested then."""
    return {point[0]: point[2] for point in run["curve"]}[updates]


def updates_needed(run: Mapping[str, Any]) -> float:
    """Updates until the held-out error is first below 0.01 bits, or infinity."""
    return min((updates for updates, _, error in run["curve"] if error < BAR), default=math.inf)


def copy_table(runs: Mapping[str, Sequence[Mapping[str, Any]]], models: Sequence[str]) -> ResultTable:
    """A table of models: lists seen, seeds below the bar, updates to it, error at the end with its interval."""
    rows = {}
    for model in models:
        ends, needed = final_errors(runs[model]), median(map(updates_needed, runs[model]))
        rows[model.upper()] = {
            "lists seen": f"{32 * runs[model][0]['curve'][-1][0]:,}",
            "seeds below 0.01": f"{sum(end < BAR for end in ends)} of {len(ends)}",
            "updates to it (median)": f"{needed:.0f}" if needed < math.inf else "never",
            "bits per sequence": ends,
        }
    caption = "Copy, held-out lists: mean and 95 % interval over seeds"
    return results_table(rows, caption, best={"bits per sequence": "min"}, digits=4)


def habits_table(runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> ResultTable:
    """A table of HABITS, as far as they were run; the last column compares runs of the same seed, in pairs."""
    recipe, rows = {run["seed"]: run["curve"][-1][2] for run in runs["ntm"]}, {}
    for name, model in HABITS.items():
        ends = final_errors(runs.get(model, []))
        if len(ends) < 3:
            continue
        pairs = [math.log10(run["curve"][-1][2] / recipe[run["seed"]]) for run in runs[model]]
        rows[name] = {
            "seeds below 0.01": f"{sum(end < BAR for end in ends)} of {len(ends)}",
            "median end, bits": f"{median(ends):.2g}",
            "worst end, bits": f"{max(ends):.2g}",
            "log10 of the error over the recipe's": pairs if model != "ntm" else "",
        }
    return results_table(rows, "The recipe with one habit changed", digits=1)


def wrong_bits(task: str, model: str, test: str, room: int = 0) -> list[float]:
    """The share of wrong bits of each stored seed of repeat copy or recall, with 32 slots or (room 1) with 64."""
    runs = [run for run in load("sequence_tasks")["runs"] if (run["task"], run["model"]) == (task, model)]
    return [list(run["tests"].values())[room][test]["wrong"] for run in runs]


def last_item_wrong(least: int, most: int) -> float:
    """The share of wrong bits of a rule that answers each recall of so many items with the last item shown."""
    batch = associative_recall_task(999, torch.Generator().manual_seed(1), least, most)
    return share_of_wrong_bits(last_rows_again(batch, 3), batch)


def tasks_table() -> ResultTable:
    """Repeat copy and recall: the wrong bits of each seed, as trained and on what is longer."""
    lines = [("repeat", test, model) for model in ("lstm", "ntm") for test in ("20 rows", "20 times")]
    lines += [("recall", "12 items", model) for model in ("lstm", "ntm, unsharpened", "ntm", "dnc")]
    rows = {}
    for task, test, model in lines:
        kind, comma, habit = model.partition(",")
        rows[f"{task}, {test}: {kind.upper()}{comma}{habit}"] = {
            "as trained": _percent(wrong_bits(task, model, "as trained")),
            "longer": _percent(wrong_bits(task, model, test)),
            "longer, 64 slots": _percent(wrong_bits(task, model, test, 1)) if model != "lstm" else None,
        }
    rule = {"as trained": _percent([last_item_wrong(2, 6)]), "longer": _percent([last_item_wrong(12, 12)])}
    rows |= {"recall, 12 items: the last item, always": rule}
    return results_table(rows, "Wrong bits in %, one number per seed")


def _percent(shares):
    """Shares as one text of percentages."""
    return " ".join(f"{100 * share:.1f}" for share in shares)
