"""The demo of chapter 0, and the four tasks again in chapter 6."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...metrics import confidence_interval
from ...worlds import split_generator
from ...worlds.functions import function_pairs
from .style import COLOURS, PAGE_WIDTH, new_figure

__all__ = [
    "demo_panels",
    "errors_by_method",
    "explore_rows",
    "shares_by_method",
]

MARKERS = "os^D"
COUNTS = (5, 10, 20, 40, 60, 70, 100, 200, 500)  # training rows of `explore_rows`


def demo_panels(
    memory: Any | None,
    panels: Mapping[str, Any],
    names: Sequence[str],
    floors: Any = None,
    roles: Mapping[str, str] | None = None,
) -> Figure:
    """The demo's figure: the memory's rows (N, W), or None, and the error on every task after each task.

    `panels` maps a title to errors (phases, tasks), drawn on one logarithmic scale from the phase in which a task is
    trained on; `names` are the tasks'; `floors` (tasks,) are their constants' errors, dotted; `roles` maps a title to a
    role of COLOURS. Each curve carries its task's name at its end.
    """
    left = 0 if memory is None else 1
    widths = [1.25] * left + [1.0] * len(panels)
    figure, axes = new_figure(2.5 * sum(widths) + 0.4, 3.1, columns=len(widths), width_ratios=widths, squeeze=False)
    axes = axes[0]
    if left:
        signed_rows(axes[0], memory)
    for ax, (title, errors) in zip(axes[left:], panels.items(), strict=True):
        error_curves(ax, np.asarray(errors), names, floors)
        ax.set_title(title, fontsize=10, color=COLOURS[(roles or {}).get(title, "baseline")])
    limits = [ax.get_ylim() for ax in axes[left:]]
    for ax in axes[left:]:
        ax.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
        ax.tick_params(labelleft=ax is axes[left])
        name_curves(ax, names)
    axes[left].set_ylabel("mean squared error")
    return figure


def signed_rows(ax: Axes, memory: Any) -> None:
    """The rows of a memory as a picture: red below 0, white at 0, blue above."""
    values = np.asarray(memory)
    most = max(float(np.abs(values).max()), 1e-6)
    image = ax.imshow(values, aspect="auto", cmap="RdBu", vmin=-most, vmax=most, interpolation="nearest")
    ax.set(title="memory", xlabel="number in the row", ylabel="slot")
    ax.title.set_fontsize(10)
    ax.figure.colorbar(image, ax=ax, fraction=0.08, pad=0.03)


def error_curves(ax: Axes, errors: Any, names: Sequence[str], floors: Any = None) -> None:
    """One curve a task, from the phase in which it is trained on."""
    phases = range(len(errors))
    shades = plt.get_cmap("cividis")(np.linspace(0, 0.8, len(names)))
    for task, (name, shade, marker) in enumerate(zip(names, shades, MARKERS, strict=False)):
        ax.semilogy(phases[task:], errors[task:, task], marker=marker, color=shade, label=name, markersize=5)
        if floors is not None:
            ax.axhline(floors[task], color=shade, linestyle=":", linewidth=1)
    ax.set_xticks(phases, [f"{phase + 1}" for phase in phases])
    ax.set_xlabel("tasks learned so far", fontsize=9)
    ax.set_xlim(-0.3, len(errors) + 0.55)


def name_curves(ax: Axes, names: Sequence[str], gap: float = 0.075) -> None:
    """Write each curve's name at its end, moved apart where ends lie closer than `gap` of the axis."""
    low, high = np.log10(ax.get_ylim())
    ends: dict[str, Any] = {
        str(line.get_label()): np.asarray(line.get_xydata())[-1] for line in ax.lines if line.get_label() in names
    }
    colours = {line.get_label(): line.get_color() for line in ax.lines if line.get_label() in names}
    places = {name: (np.log10(y) - low) / (high - low) for name, (_, y) in ends.items()}
    heights, below = {}, -1.0
    for name in sorted(places, key=lambda name: places[name]):
        heights[name] = below = max(places[name], below + gap)
    down = max(0.0, below - 0.97)  # the topmost name stays inside the axes
    for name, height in heights.items():
        y = 10 ** (low + (height - down) * (high - low))
        ax.text(ends[name][0] + 0.15, y, name, color=colours[name], fontsize=8, va="center")


def errors_by_method(names: Sequence[str], rows: Mapping, roles: Mapping | None = None) -> Figure:
    """Errors on a logarithmic scale, a panel a task, a line a method, every seed drawn.

    `rows` maps a method to samples (seeds, tasks), drawn with their mean and its 95 % interval, or to one value a task
    (tasks,), drawn hollow; `roles` maps a method to a role of COLOURS.
    """
    size = min(1.45 * len(names) + 2.6, PAGE_WIDTH), 0.36 * len(rows) + 0.85
    figure, axes = new_figure(*size, columns=len(names), sharex=True, sharey=True, squeeze=False)
    for task, (ax, name) in enumerate(zip(axes[0], names, strict=True)):
        for place, (method, values) in enumerate(rows.items()):
            colour = COLOURS[(roles or {}).get(method, "baseline")]
            values = np.asarray(values, dtype=float)
            if values.ndim == 1:
                ax.plot(values[task], place, "D", color="black", markerfacecolor="white", markersize=6)
                continue
            with_seeds(ax, values[:, task], place, colour)
        ax.set(xscale="log", title=name)
        ax.title.set_fontsize(10)
        ax.grid(axis="x", alpha=0.3)
    axes[0, 0].set_yticks(range(len(rows)), list(rows))
    axes[0, 0].invert_yaxis()
    figure.supxlabel("mean squared error, lower is better", fontsize=9)
    return figure


def with_seeds(ax: Axes, values: Any, place: float, colour: str) -> None:
    """The mean of `values` (seeds,) with its 95 % interval at height `place`, and each of them below it."""
    mean, half = confidence_interval(values)
    low = min(half, 0.9 * mean) if ax.get_xscale() == "log" else half  # a logarithmic axis has no 0 to reach
    ax.errorbar(mean, place, xerr=[[low], [half]], fmt="o", color=colour, capsize=3, markersize=5)
    ax.plot(values, np.full(len(values), place + 0.3), "|", color=colour, markersize=6)


def shares_by_method(
    shares: Mapping, tasks: Sequence[str], roles: Mapping, bar: float | None = None, most: float = 2.6
) -> Figure:
    """Errors as shares of a constant's, a panel a task, a line a method, every seed drawn (chapter 6).

    `shares` maps a method to samples (seeds, tasks); 1, dashed, is the constant; `bar`, dotted, was set beforehand.
    What lies beyond `most` is drawn at the edge as an arrow. `roles` maps an agent to a role of COLOURS; a method that
    it does not name is a rule, whose mean is drawn hollow.
    """
    size = min(1.5 * len(tasks) + 2.9, PAGE_WIDTH), 0.31 * len(shares) + 0.9
    figure, axes = new_figure(*size, columns=len(tasks), sharex=True, sharey=True, squeeze=False)
    for task, (ax, name) in enumerate(zip(axes[0], tasks, strict=True)):
        ax.axvline(1, color="black", linestyle="--", linewidth=1)
        if bar is not None:
            ax.axvline(bar, color="black", linestyle=":", linewidth=1)
        for place, (method, samples) in enumerate(shares.items()):
            values = np.asarray(samples)[:, task]
            if method not in roles:
                ax.plot(min(values.mean(), most), place, "D", color="black", markerfacecolor="white", markersize=5)
                continue
            colour = COLOURS[roles[method]]
            if values.mean() > most:
                ax.plot(most, place, ">", color=colour, markersize=6)
                continue
            with_seeds(ax, values, place, colour)
        ax.set_title(name, fontsize=10)
        ax.grid(axis="x", alpha=0.3)
    axes[0, 0].set(xlim=(-0.12, most + 0.12))
    axes[0, 0].set_yticks(range(len(shares)), list(shares), fontsize=9)
    axes[0, 0].invert_yaxis()
    figure.supxlabel("squared error as a share of the constant's, lower is better", fontsize=9)
    return figure


@lru_cache
def fitted_errors(task: str) -> tuple[np.ndarray, np.ndarray, float]:
    """Errors of least-squares fits to a task on their COUNTS training rows and on new ones, and of a constant."""
    (x, y), (new_x, new_y) = (function_pairs(task, 500, split_generator(split, 0)) for split in ("train", "test"))
    x, new_x = (torch.cat([part, torch.ones(500, 1)], 1).double() for part in (x, new_x))
    seen, new = [], []
    for count in COUNTS:
        weights = torch.linalg.pinv(x[:count]) @ y[:count].double()
        seen.append(float((x[:count] @ weights - y[:count]).square().mean()))
        new.append(float((new_x @ weights - new_y).square().mean()))
    return np.maximum(seen, 1e-12), np.maximum(new, 1e-12), float((new_y - y.mean()).square().mean())


def explore_rows(task: str = "sin", rows: int = 20) -> Figure:
    """Draw the error of a straight-line fit to one task, on its training rows and on new rows, as the rows grow."""
    seen, new, constant = fitted_errors(task)
    figure, ax = new_figure(5.8, 3.2)
    ax.axvspan(3, 65, color="black", alpha=0.06, linewidth=0)
    ax.text(3.4, 1e-8, "fewer rows than free numbers", fontsize=8.5, va="top")
    ax.loglog(COUNTS, seen, "o--", color=COLOURS["baseline"], label="on its training rows")
    ax.loglog(COUNTS, new, "s-", color="black", label="on new rows")
    ax.axhline(constant, color=COLOURS["ceiling"], linestyle=":", label="a constant on new rows")
    at = COUNTS.index(rows)
    ax.plot([rows, rows], [seen[at], new[at]], color="black", linewidth=6, alpha=0.2, solid_capstyle="round")
    ax.set(xlabel="training rows", ylabel="mean squared error", ylim=(3e-13, 3), xlim=(3, 800))
    on_seen = f"{seen[at]:.0e}" if seen[at] > 1e-9 else "0"
    ax.set_title(f"{task}, {rows} rows: error {on_seen} on its own, {new[at]:.0e} on new", fontsize=10)
    ax.legend(fontsize=8.5, loc="lower right")
    verdict = "below" if new[at] < 0.9 * constant else "no better than"
    figure.seen = (
        f"A line fitted to {rows} rows of {task}: error {on_seen} on its own rows, {new[at]:.0e} on new rows, "
        f"{verdict} the constant's {constant:.0e}."
    )
    return figure
