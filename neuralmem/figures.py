"""One function per kind of figure: arrays in, a matplotlib Figure out.

The same colour means the same thing in the whole book (Okabe-Ito colours, told apart by colour-blind readers).
"""

import matplotlib.pyplot as plt
import numpy as np

COLOURS = {
    "memory": "#0072B2",
    "replay": "#E69F00",
    "meta": "#009E73",
    "full": "#D55E00",
    "baseline": "#6E6E6E",
    "ceiling": "#CC79A7",
}
"""Hex colour of each role."""


def new_figure(width=6.0, height=3.2, rows=1, columns=1, **kwargs):
    """Return (figure, axes) on an opaque white background, closed so that it is shown only where it is returned.

    `width` and `height` are in inches; other arguments go to `plt.subplots`.
    """
    figure, axes = plt.subplots(rows, columns, figsize=(width, height), layout="constrained", **kwargs)
    figure.set_facecolor("white")
    plt.close(figure)
    return figure, axes


# Addressing and the bank: chapters 1 and 2


def heatmap(matrix, title="", xlabel="slot", ylabel="", ax=None, value_range=(None, None)):
    """Draw a matrix (rows, columns) as a heat map with a colour bar and return its Figure."""
    figure, ax = new_figure() if ax is None else (ax.figure, ax)
    low, high = value_range
    image = ax.imshow(np.asarray(matrix), aspect="auto", cmap="viridis", interpolation="nearest", vmin=low, vmax=high)
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel)
    figure.colorbar(image, ax=ax)
    return figure


# The controller: chapter 3


# Replay and forgetting: chapter 4


# Meta-learning: chapter 5


# The demo and the agent: chapters 0 and 6
