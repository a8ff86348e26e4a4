"""The controller and what it does over time (chapter 3)."""

import numpy as np

from .style import COLOURS, new_figure

__all__ = [
    "explore_trace",
    "learning_curves",
    "strips",
]


def strips(panels, title="", marks=()):
    """Draw arrays (T, K) below each other against time, one a title, and return the Figure.

    `marks` are times at which a thin line is drawn through all panels.
    """
    panels = {key: np.asarray(panel, dtype=float).reshape(len(panel), -1) for key, panel in panels.items()}
    heights = [max(0.35, min(1.7, 0.13 * panel.shape[1])) for panel in panels.values()]
    size = 6.6, sum(heights) + 0.32 * len(heights) + 0.5
    figure, axes = new_figure(*size, rows=len(panels), sharex=True, squeeze=False, height_ratios=heights)
    for ax, (key, panel) in zip(axes[:, 0], panels.items(), strict=True):
        low, high = min(0, panel.min()), max(1, panel.max())
        ax.imshow(panel.T, aspect="auto", cmap="viridis", interpolation="nearest", vmin=low, vmax=high)
        for mark in marks:
            ax.axvline(mark - 0.5, color="white", linewidth=1)
        ax.set_title(key, fontsize=9, loc="left")
        ax.set_yticks([])
    axes[-1, 0].set_xlabel("time step")
    axes[-1, 0].xaxis.get_major_locator().set_params(integer=True)
    figure.suptitle(title, fontsize=10)
    return figure


def learning_curves(curves, roles, xlabel, ylabel="bits a sequence", bar=None):
    """Draw one thin line a run, on a logarithmic axis, and return the Figure.

    `curves` maps a label to a list of (x, y) arrays, one a seed; `bar` is drawn as a dashed line.
    """
    figure, ax = new_figure(6, 3.2)
    for (label, runs), style in zip(curves.items(), ["-", "--", ":", "-."], strict=False):
        for number, (x, y) in enumerate(runs):
            ax.plot(x, y, style, color=COLOURS[roles[label]], linewidth=1.1, label=None if number else label)
    if bar is not None:
        ax.axhline(bar, color="black", linestyle=(0, (1, 3)), linewidth=1)
    ax.set(xlabel=xlabel, ylabel=ylabel, yscale="log")
    ax.legend(fontsize=8)
    return figure


def explore_trace(trace, step=1, row=0):
    """Draw where a trained network writes and reads until time `step`; `trace` as a controller returns it."""
    shown = {"written at": trace["write_weightings"][:, row, 0], "read at": trace["read_weightings"][:, row, 0]}
    panels = {key: value.clone().detach() for key, value in shown.items()}
    for panel in panels.values():
        panel[step:] = 0
    return strips(panels, f"after step {step} of {len(panels['read at'])}", [step])
