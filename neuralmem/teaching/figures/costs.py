"""How time and memory of one training step grow with a size (the appendix on run times)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from .style import COLOURS, new_figure

__all__ = ["exponent", "growth"]

SHADES = {
    "LSTM": (COLOURS["baseline"], "x"),
    "content": ("#7FB8DA", "o"),
    "NTM": ("#2E8BC0", "s"),
    "DNC without links": (COLOURS["memory"], "^"),
    "DNC with links": ("#00334E", "D"),
    "replay": (COLOURS["replay"], "o"),
    "MAML": (COLOURS["meta"], "o"),
}
"""Colour and marker of each model: memories are blue, the darker the more they do."""
ROWS = {"step_seconds": ("milliseconds", 1e3), "peak_bytes": ("MiB", 2**-20)}


def larger_half(values: ArrayLike) -> np.ndarray:
    """The logarithms of the larger half of a range, the middle included: where one term of a sum rules."""
    array = np.asarray(values, dtype=float)
    return np.log(array[len(array) // 2 :])


def exponent(sizes: ArrayLike, values: ArrayLike) -> float:
    """The exponent p of values ~ sizes^p: the slope of a straight line through the logarithms of the larger half."""
    return float(np.polyfit(larger_half(sizes), larger_half(values), 1)[0])


def growth(panels: Mapping[str, Mapping[str, Mapping]], width: float = 7.4) -> Figure:
    """Draw time (above) and peak memory (below) of one step, both axes logarithmic, one column for each size.

    `panels` maps a column's title to models, each with its "sizes", "step_seconds" and "peak_bytes".
    """
    figure, axes = new_figure(width, 4.8, rows=2, columns=len(panels), squeeze=False, sharey="row", sharex="col")
    for column, (title, models) in enumerate(panels.items()):
        for ax, (what, (_, factor)) in zip(axes[:, column], ROWS.items(), strict=True):
            for model, measured in models.items():
                colour, marker = SHADES[model]
                line = {"color": colour, "marker": marker, "markersize": 4, "linewidth": 1.3}
                ax.plot(measured["sizes"], factor * np.asarray(measured[what]), label=model, **line)
            ax.set(xscale="log", yscale="log")
            ax.tick_params(labelsize=8)
            ax.grid(alpha=0.25)
        axes[1, column].set_xlabel(title)
    for ax, (unit, _) in zip(axes[:, 0], ROWS.values(), strict=True):
        ax.set_ylabel(unit)
    lines = {str(line.get_label()): line for ax in axes[0] for line in ax.lines}
    legend: dict[str, Any] = {"loc": "outside upper center", "ncols": len(lines), "fontsize": 8, "frameon": False}
    figure.legend(list(lines.values()), list(lines), **legend)
    return figure
