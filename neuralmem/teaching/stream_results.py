"""What chapter 8 shows: a run on a stream as a table, and the stored runs of rules and agents on all streams."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ..metrics import paired_difference
from ..prequential import Report
from ..series import Windows
from .figures import errors_over_time, rules_by_stream, window_choice
from .tables import ResultTable, difference_text, results_table, signed_text

Stored = Mapping[str, Any]  # what results.load("streams") returns
OURS, BOUND = "memory + network + replay", "linear, best in hindsight"
MEMORY, LINEAR, LAST = "memory alone", "linear, last n", "last value"
ROLES = {OURS: "full", MEMORY: "memory", "network + replay": "replay", LINEAR: "meta", BOUND: "ceiling"}


def report_table(report: Report, unit: str = "", caption: str = "") -> ResultTable:
    """The mean absolute error of each rule, and by how much it differs from the last value's.

    Rules named "..., seed 0", "..., seed 1", ... are one row with the interval over seeds. The second column is paired:
    the scored part is cut into twelve pieces, and the interval is that of their differences.
    """
    rows: dict[str, dict[str, Any]] = {}
    errors = report.errors()
    plain = _pieces(errors[LAST]) if LAST in errors else None
    groups: dict[str, list] = {}
    for name, row in errors.items():
        groups.setdefault(name.split(", seed")[0], []).append(row)
    for name, group in groups.items():
        values: dict[str, Any] = {f"mean error{unit and f', {unit}'}": np.array([row.mean() for row in group])}
        if plain is not None and name != LAST:
            values["minus the last value's, by piece"] = difference_text(_pieces(np.mean(group, 0)), plain, 3)
        rows[name] = values
    return results_table(rows, caption or f"{len(report.answers)} questions", corner="rule")


def report_figure(report: Report, stream: Windows, unit: str = "", marked: str | None = LAST) -> Figure:
    """The answers, the faded errors of the rules, and where those of the rule `marked` have risen."""
    return errors_over_time(report, stream, unit=unit, marked=marked if marked in report.predictions else None)


def rules(stored: Stored, stream: str) -> list[str]:
    """The rules that were run on a stream, the bound of hindsight after the linear model."""
    names = list(_runs(stored, stream)[0]["rules"])
    place = names.index(LINEAR) + 1
    return [*names[:place], BOUND, *names[place:]]


def errors(stored: Stored, stream: str, rule: str) -> np.ndarray:
    """Mean absolute errors (seeds,) of a rule on a stream. Raises ValueError for one that is not stored."""
    return np.array([_row(run, rule)["error"] for run in _runs(stored, stream)])


def difference(stored: Stored, stream: str, first: str, second: str) -> tuple[float, float]:
    """(mean, half-width) of the error of `first` minus that of `second`, paired.

    By seed on the laws that return, each seed a stream of its own. On a real stream there is one stream: by its twelve
    pieces, of the mean over seeds, so that the interval is about more of this stream and not about more networks.
    """
    rows = [[_row(run, rule)["pieces"] for run in _runs(stored, stream)] for rule in (first, second)]
    axis = 1 if stream == "laws that return" else 0
    mean, half = paired_difference(*(np.mean(row, axis) for row in rows))
    return float(mean), float(half)


def stream_table(stored: Stored, stream: str, unit: str, digits: int = 2) -> ResultTable:
    """Every rule on one stream: its error, and its paired difference from the linear model."""
    found = {}
    for rule in rules(stored, stream):
        row: dict[str, Any] = {f"mean error, {unit}": errors(stored, stream, rule)}
        if np.ptp(row[f"mean error, {unit}"]) == 0:
            row[f"mean error, {unit}"] = float(row[f"mean error, {unit}"][0])
        if rule != LINEAR:
            row["minus the linear model's"] = signed_text(*difference(stored, stream, rule, LINEAR), digits)
        found[rule] = row
    count = _runs(stored, stream)[0]["questions"]
    return results_table(found, f"{stream}: {count} questions", digits=digits, corner="rule")


def streams_figure(stored: Stored, streams: tuple[str, ...]) -> Figure:
    """The errors of all rules on some streams, as multiples of the last value's."""
    found = {stream: {rule: errors(stored, stream, rule) for rule in rules(stored, stream)} for stream in streams}
    return rules_by_stream(found, ROLES)


def choice_figure(stored: Stored, length: int, n: str) -> Figure:
    """What the explorer shows: the linear model on the weather, by window length and by how much is fitted."""
    return window_choice(stored["grid"], length, str({"all": 10_000}.get(n, n)), "°C")


def choices(stored: Stored) -> dict[str, list]:
    """The window lengths and the numbers of fitted answers of the explorer's grid."""
    spans = [row["n"] for row in stored["grid"] if row["n"] != LAST]
    names = ["all" if int(span) >= 10_000 else span for span in dict.fromkeys(spans)]
    return {"length": sorted({row["length"] for row in stored["grid"]}), "n": names}


def settled(stored: Stored, stream: str, first: str, second: str) -> str:
    """Whether `first` is "better" than `second` on a stream, "worse", or "level": the interval holds 0."""
    mean, half = difference(stored, stream, first, second)
    return "level" if abs(mean) <= half else ("better" if mean < 0 else "worse")


def _runs(stored, stream):
    found = sorted((run for run in stored["runs"] if run["stream"] == stream), key=lambda run: run["seed"])
    if not found:
        known = dict.fromkeys(run["stream"] for run in stored["runs"])
        raise ValueError(f"stream must be one of {', '.join(known)}, got {stream!r}")
    return found


def _row(run, rule):
    if rule == BOUND:
        return run["hindsight"]
    if rule not in run["rules"]:
        raise ValueError(f"rule must be one of {', '.join(run['rules'])}, got {rule!r}")
    return run["rules"][rule]


def _pieces(losses, count=12):
    return np.array([part.mean() for part in np.array_split(losses, count)])
