"""The controller and what it does over time (chapter 3)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ...metrics import confidence_interval
from .style import COLOURS, BookFigure, new_figure

__all__ = [
    "errors_by_length",
    "explore_trace",
    "head_paths",
    "learning_curves",
    "link_matrix",
    "strips",
]

SHADES = LinearSegmentedColormap.from_list("memory", ["white", COLOURS["memory"]])
READ = (0.07, 0.07, 0.07)  # the colour of rings: what is read


def strips(
    panels: Mapping[str, Any],
    marks: Sequence[float] = (),
    names: Mapping[str, Any] | None = None,
    title: str = "",
) -> Figure:
    """Draw arrays (T, K) below each other against time, one a title, and return the Figure.

    `marks` are times at which a thin line is drawn through all panels; `names` maps a title to the names of its rows,
    from the top, or to the one word that its axis gets.
    """
    panels, names = {key: _columns(panel) for key, panel in panels.items()}, names or {}
    heights = [max(0.35, min(1.5, 0.15 * panel.shape[1])) for panel in panels.values()]
    figure, axes = _stack(heights, title)
    for ax, (key, panel) in zip(axes, panels.items(), strict=True):
        _strip(ax, key, panel, marks, names.get(key))
    return figure


def head_paths(
    trace: Mapping[str, Any],
    marks: Sequence[float] = (),
    row: int = 0,
    moves: Any = (),
    names: Mapping[str, Any] | None = None,
    until: int | None = None,
    title: str = "",
) -> BookFigure:
    """Draw where a trained network's heads are, step by step, and some of its gates below; return the Figure.

    `trace` is what a controller returns, `row` the sequence of the batch. One panel has a square for each slot and
    step, as dark as the write weighting, and a ring as dark as the read weighting. `moves` maps a title to a key of
    the trace, drawn as `strips` does with the `names` of its rows. Nothing is drawn from step `until` on.
    """
    write, read = (_of(trace[f"{side}_weightings"], row) for side in ("write", "read"))
    below = {label: _of(trace[key], row) for label, key in dict(moves).items()}
    shown = (np.arange(len(write)) < (len(write) if until is None else until))[:, None]
    heights = [0.8 + 0.045 * write.shape[1], *(0.15 * panel.shape[1] for panel in below.values())]
    figure, axes = _stack(heights, title)
    _strip(axes[0], "", write * shown, marks, None)
    time, slot = np.nonzero((read > 0.1) & shown)
    rings = np.array([(*READ, weight) for weight in read[time, slot].clip(0, 1)]).reshape(-1, 4)
    axes[0].scatter(time, slot, s=16, facecolors="none", edgecolors=rings, linewidths=1.2)
    axes[0].set_ylabel("slot (0 at the top)")
    axes[0].set_yticks([*range(0, write.shape[1] - 1, 8), write.shape[1] - 1])
    written = Patch(color=COLOURS["memory"], label="written")
    ring = Line2D([], [], linestyle="none", marker="o", markersize=4, markerfacecolor="none", color=READ, label="read")
    axes[0].legend(handles=[written, ring], fontsize=9, loc="lower right", ncols=2, bbox_to_anchor=(1, 1))
    for ax, (label, panel) in zip(axes[1:], below.items(), strict=True):
        _strip(ax, label, panel * shown, marks, (names or {}).get(label))
    return figure


def learning_curves(
    curves: Mapping[str, Sequence[tuple[Any, Any]]],
    roles: Mapping[str, str],
    xlabel: str,
    ylabel: str = "bits per sequence",
    bar: float | None = None,
) -> Figure:
    """Draw one thin line a run, on a logarithmic axis, and return the Figure.

    `curves` maps a label to a list of (x, y) arrays, one a seed; `bar` is drawn as a dashed line.
    """
    figure, ax = new_figure(6.8, 3.0)
    for (label, runs), style in zip(curves.items(), ["-", "--", ":", "-."], strict=False):
        for number, (x, y) in enumerate(runs):
            ax.plot(x, y, style, color=COLOURS[roles[label]], linewidth=1.1, label=None if number else label)
    if bar is not None:
        ax.axhline(bar, color="black", linestyle=(0, (1, 3)), linewidth=1)
    ax.set(xlabel=xlabel, ylabel=ylabel, yscale="log")
    ax.legend(fontsize=9)
    return figure


def errors_by_length(lengths: Sequence[int], panels: Mapping[str, Mapping[str, Any]], trained_on: int) -> Figure:
    """Draw shares of wrong bits against the length of the list with 95 % bands, one panel a title; return the Figure.

    `panels` maps a title to {label: samples (seeds, lengths)}. Curves that lie on each other stay visible: the second
    has larger, hollow marks and a dashed line. The dotted line at ½ is guessing; up to `trained_on` rows are shaded.
    """
    figure, axes = new_figure(6.8, 3.1, columns=len(panels), sharey=True, squeeze=False)
    looks = (("o", "-", True, "memory"), ("s", "--", False, "memory"), ("v", "-", True, "baseline"))
    for ax, (title, curves) in zip(axes[0], panels.items(), strict=True):
        ax.axvspan(0, trained_on, color="#eeeeee")
        ax.axhline(0.5, color="black", linestyle=":", linewidth=1)
        for (label, samples), (marker, line, filled, role) in zip(curves.items(), looks, strict=False):
            mean, half = confidence_interval(np.asarray(samples, dtype=float))
            face = COLOURS[role] if filled else "none"
            style = {"marker": marker, "markersize": 4 if filled else 9, "markerfacecolor": face}
            ax.plot(lengths, mean, line, color=COLOURS[role], label=label, linewidth=1.3, **style)
            ax.fill_between(lengths, mean - half, mean + half, color=COLOURS[role], alpha=0.2, linewidth=0)
        ax.set_title(title, fontsize=10)
        ax.set(xlabel="rows in the list", ylim=(-0.03, 0.56), xlim=(0, max(lengths) + 5))
    axes[0, 0].set_ylabel("share of wrong bits")
    axes[0, -1].legend(fontsize=9, loc="center right")
    return figure


def link_matrix(link: Any) -> Figure:
    """Draw a link matrix L (N, N) as a square: a row is a slot, a column the slot before it; return the Figure."""
    figure, ax = new_figure(4.4, 3.7)
    image = ax.imshow(np.asarray(link), cmap=SHADES, vmin=0, vmax=1, interpolation="nearest")
    ax.set(xlabel="slot written before", ylabel="slot written next", aspect="equal")
    figure.colorbar(image, ax=ax, label="link")
    return figure


def explore_trace(trace: Mapping[str, Any], step: int = 1, row: int = 0) -> Figure:
    """Draw where a trained network has written and read up to time `step`; `trace` as a controller returns it."""
    figure = head_paths(trace, [step], row, until=step, title=f"after step {step} of {len(trace['write_weightings'])}")
    written, read = (_of(trace[f"{side}_weightings"], row)[step - 1].argmax() for side in ("write", "read"))
    figure.seen = f"After step {step} the write head is at slot {written} and the read head at slot {read}."
    return figure


def _columns(panel):
    """An array (T,) or (T, K) as (T, K) numbers."""
    return np.asarray(panel, dtype=float).reshape(len(panel), -1)


def _of(part, row):
    """A part of a trace (T, B, heads, K) -> (T, K): the first head's, for one sequence of the batch."""
    return _columns(part[:, row, 0].detach())


def _stack(heights, title):
    """A figure with one axis a height, in inches, below each other, that share their time axis."""
    size = 6.8, sum(heights) + 0.3 * len(heights) + 0.5
    figure, axes = new_figure(*size, rows=len(heights), sharex=True, squeeze=False, height_ratios=heights)
    axes[-1, 0].set_xlabel("time step")
    axes[-1, 0].xaxis.get_major_locator().set_params(integer=True)
    figure.suptitle(title, fontsize=10)
    return figure, axes[:, 0]


def _strip(ax, label, panel, marks, names):
    """Draw one array (T, K) as an image, a column a step."""
    low, high = min(0, panel.min()), max(1, panel.max())
    ax.imshow(panel.T, aspect="auto", cmap=SHADES, interpolation="nearest", vmin=low, vmax=high)
    for mark in marks:
        ax.axvline(mark - 0.5, color="#999999", linewidth=1)
    ax.set_title(label, fontsize=9, loc="left")
    if isinstance(names, str) or names is None:
        ax.set_ylabel(names or "", fontsize=9)
        ax.set_yticks([])
    else:
        ax.set_yticks(range(panel.shape[1]), names, fontsize=8)
