"""Streams, and the errors of rules on them (chapter 8)."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from ...metrics import prequential_error
from ...prequential import Report, drifts
from ...series import Table, Windows
from .style import COLOURS, PAGE_WIDTH, new_figure

__all__ = ["errors_over_time", "rules_by_stream", "streams_over_time", "window_choice"]

LINES = ("--", ":", "-.", (0, (5, 1, 1, 1)), (0, (1, 1)))


def streams_over_time(tables: Mapping[str, Table], firsts: Mapping[str, float] | None = None) -> Figure:
    """Draw the target of each table against time, the share of `firsts` that is for tuning shaded."""
    figure, axes = new_figure(7.4, 1.9 * len(tables), rows=len(tables), squeeze=False)
    for ax, (title, table) in zip(axes[:, 0], tables.items(), strict=True):
        times = list(range(len(table.answers))) if table.times is None else table.times
        if table.times is not None and table.times[0].tzinfo is not None:
            times = [moment.replace(tzinfo=None) for moment in table.times]  # as the clock on the wall shows it
        ax.plot(times, table.answers, color="black", linewidth=0.7)
        if firsts:
            place = min(round(firsts[title] * len(times)), len(times) - 1)
            ax.axvspan(times[0], times[place], color=COLOURS["baseline"], alpha=0.18, linewidth=0)
        ax.set_title(title, fontsize=9, loc="left")
        ax.set_xlim(times[0], times[-1])
        ax.tick_params(labelsize=8)
    return figure


def errors_over_time(
    report: Report, stream: Windows, fading: float = 0.98, unit: str = "", marked: str | None = None
) -> Figure:
    """Draw the answers, and below them the faded error of each rule; return the Figure.

    Rules whose names differ in "seed 0", "seed 1", ... alone are one band, from the least to the greatest. Where the
    losses of the rule `marked` have risen (`drifts`, in units of its mean loss), a line is drawn through both.
    """
    figure, (above, below) = new_figure(7.4, 4.2, rows=2, sharex=True)
    if stream.times is None:
        times = report.places.tolist()
    else:
        times = [stream.times[place].replace(tzinfo=None) for place in report.places]
    above.plot(times, report.answers, color="black", linewidth=0.7)
    above.set_ylabel(f"answer{unit and f', {unit}'}", fontsize=8)
    styles = iter(LINES * 4)
    for name, rows in _grouped(report.errors()).items():
        curves = np.array([prequential_error(row, fading) for row in rows])
        ours = len(rows) > 1
        colour = COLOURS["full"] if ours else COLOURS["meta"] if name.startswith("linear") else COLOURS["baseline"]
        style = "-" if ours or name.startswith("linear") else next(styles)
        below.plot(times, curves.mean(0), color=colour, linestyle=style, linewidth=1.2, label=name)
        if ours:
            below.fill_between(times, curves.min(0), curves.max(0), color=colour, alpha=0.25, linewidth=0)
    for place in marks(report, marked):
        for ax in (above, below):
            ax.axvline(times[place], color=COLOURS["ceiling"], linewidth=1)
    below.set(ylim=(0, None))
    below.set_ylabel(f"error, faded{unit and f', {unit}'}", fontsize=8)
    below.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    for ax in (above, below):
        ax.tick_params(labelsize=8)
    figure.autofmt_xdate(rotation=0, ha="center") if stream.times is None else None
    return figure


def marks(report: Report, rule: str | None, tolerance: float = 0.5, threshold: float = 15.0) -> list[int]:
    """Where the losses of a rule have risen, as places in the report; both numbers in units of the rule's mean loss."""
    if rule is None:
        return []
    losses = report.errors()[rule]
    return drifts(losses / losses.mean(), tolerance, threshold)


def rules_by_stream(
    errors: Mapping[str, Mapping[str, ArrayLike]], roles: Mapping[str, str], reference: str = "last value"
) -> Figure:
    """Draw for each stream the error of each rule as a multiple of the reference's, each seed a stroke.

    `errors` maps a stream to rules and their errors (seeds,); `roles` a rule to a role of COLOURS.
    """
    names = list(next(iter(errors.values())))
    figure, axes = new_figure(PAGE_WIDTH, 0.27 * len(names) + 0.9, columns=len(errors), sharey=True, squeeze=False)
    for ax, (title, rows) in zip(axes[0], errors.items(), strict=True):
        whole = np.asarray(rows[reference], dtype=float)
        for place, name in enumerate(names):
            shares = np.asarray(rows[name], dtype=float) / whole
            colour = COLOURS[roles.get(name, "baseline")]
            ax.plot(shares, np.full(len(shares), place), "|", color=colour, markersize=9)
            ax.plot(shares.mean(), place, "o", color=colour, markersize=5)
        ax.axvline(1, color="black", linewidth=0.7, linestyle=":")
        ax.set_xscale("log")
        ax.set_title(title.replace(", ", ",\n"), fontsize=8)
        ax.set_xlim(0.03, 16)
        ax.set_xticks([0.1, 1, 10], ["0.1", "1", "10"], fontsize=8)
        ax.set_xticks([0.3, 3], [], minor=True)
        ax.grid(axis="x", which="both", alpha=0.3)
    axes[0, 0].set_yticks(range(len(names)), names, fontsize=8)
    axes[0, 0].invert_yaxis()
    figure.supxlabel(f"error, as a multiple of that of the {reference}", fontsize=9)
    return figure


def window_choice(rows: Sequence[Mapping], length: int, n: str, unit: str = "") -> Figure:
    """Draw the errors of a grid of window lengths and n, one choice marked, and its error through the stream.

    `rows` are dicts of "length", "n", "error" and "pieces"; n "last value": the rule without a fit.
    """
    spans = [row["n"] for row in rows if row["length"] == length and row["n"] != "last value"]
    lengths = list(dict.fromkeys(row["length"] for row in rows))
    found = {(row["length"], row["n"]): row for row in rows}
    chosen, plain = found[length, n], found[length, "last value"]
    figure, (left, right) = new_figure(7.4, 3.0, columns=2)
    for number, style in zip(lengths, ["-", "--", "-.", ":", (0, (3, 1, 1, 1))], strict=False):
        errors = [found[number, span]["error"] for span in spans]
        colour = COLOURS["meta"] if number == length else COLOURS["baseline"]
        left.plot(range(len(spans)), errors, linestyle=style, color=colour, label=f"window of {number}", linewidth=1.3)
    left.plot(spans.index(n), chosen["error"], "o", color=COLOURS["full"])
    left.axhline(plain["error"], color="black", linewidth=0.8, linestyle=":")
    labels = ["all" if int(span) >= 10_000 else span for span in spans]
    left.set_xticks(range(len(spans)), labels, fontsize=8)
    left.set(xlabel="answers that are fitted", ylabel=f"mean error{unit and f', {unit}'}")
    worst = max(row["error"] for row in rows)
    left.set_ylim(0.98 * min(row["error"] for row in rows), min(worst, 2 * plain["error"]) * 1.02)
    left.legend(fontsize=7, loc="upper right")
    places = np.arange(1, len(chosen["pieces"]) + 1)
    right.step(places, plain["pieces"], "k:", where="mid", linewidth=0.9, label="last value")
    right.step(places, chosen["pieces"], where="mid", color=COLOURS["full"], label="this choice")
    top = max(max(row["pieces"]) for row in rows if row["error"] < 2 * plain["error"])
    right.set(xlabel="piece of the stream", ylim=(0, top))
    right.legend(fontsize=7, loc="lower right")
    share = chosen["error"] / plain["error"] - 1
    way = f"{abs(share):.0%} {'less' if share < 0 else 'more'} than the last value"
    figure.seen = f"Window of {length}, {'all' if int(n) >= 10_000 else n} answers fitted: the error is {way}."
    return figure


def _grouped(errors):
    """The rows of errors by name, seeds of one agent together."""
    groups: dict[str, list] = {}
    for name, row in errors.items():
        groups.setdefault(name.split(", seed")[0], []).append(row)
    return groups
