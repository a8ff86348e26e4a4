"""Memory today (chapter 7): what was found when, what a matrix still holds, what a Hopfield step makes of a picture."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from .style import COLOURS, BookFigure, new_figure

__all__ = ["errors_by_age", "recalled", "stores", "time_line"]

LANES = ("read by likeness", "written weights", "against forgetting", "learning to learn")
LANE_COLOURS = ("memory", "full", "replay", "meta")
EVENTS = {  # year: what, in each lane
    1989: ("", "", "interference is\nmeasured", ""),
    1991: ("", "", "", "a learned\nlearning rule"),
    1992: ("", "fast weights", "experience replay", "nets that learn\nby learning"),
    1995: ("", "", "pseudo-rehearsal", ""),
    1997: ("LSTM", "", "", ""),
    2014: ("NTM, memory\nnetworks, attention", "", "", ""),
    2015: ("", "", "replay in DQN", ""),
    2016: ("DNC", "", "prioritised replay", "MANN: in context,\nwith a memory"),
    2017: ("transformer", "", "generative replay,\nGEM, EWC", "MAML,\nprototypes"),
    2019: ("product keys", "", "MER", "OML"),
    2020: ("kNN-LM, RAG", "linear attention", "DER++", "GPT-3: in context,\nwithout a loop"),
    2021: ("modern Hopfield", "linear attention\nwith delta rule", "", ""),
    2022: ("memorizing\ntransformer", "", "", ""),
    2023: ("", "", "", "attention as a\ngradient step"),
    2024: ("memory layers", "test-time training", "", ""),
    2025: ("", "Titans", "", ""),
}


def stores(panels: Mapping[str, ArrayLike], rows: Mapping[str, Sequence[str]]) -> BookFigure:
    """Draw small matrices side by side with their numbers, from a dict of title to matrix, and return the Figure.

    `rows` maps a title to the names of its rows; a matrix without an entry shares those of the one before.
    """
    matrices = {title: np.asarray(matrix, dtype=float) for title, matrix in panels.items()}
    widths = [matrix.shape[1] for matrix in matrices.values()]
    figure, axes = new_figure(7.0, 2.3, columns=len(matrices), width_ratios=widths)
    for ax, (title, matrix) in zip(axes, matrices.items(), strict=True):
        ax.imshow(matrix, cmap="RdBu", vmin=-5, vmax=5, aspect="equal", interpolation="nearest")
        for (i, j), number in np.ndenumerate(matrix):
            text = f"{number:.2f}".rstrip("0").rstrip(".").replace("-", "−")
            ax.text(j, i, text, ha="center", va="center", fontsize=9, color="white" if abs(number) > 3.4 else "black")
        ax.set_title(title, fontsize=10)
        ax.set(xticks=[], yticks=range(len(matrix)) if title in rows else [])
        if title in rows:
            ax.set_yticklabels(rows[title])
    return figure


def time_line() -> BookFigure:
    """Draw four lines of work from 1989 to today, years downwards, and return the Figure."""
    figure, ax = new_figure(7.4, 6.9)
    for lane, (name, role) in enumerate(zip(LANES, LANE_COLOURS, strict=True)):
        ax.plot([lane, lane], [-0.6, len(EVENTS) - 0.4], color=COLOURS[role], linewidth=1.5)
        ax.text(lane + 0.05, -1.1, name, color="black", fontsize=9, fontweight="bold", va="center")
    for row, entries in enumerate(EVENTS.values()):
        for lane, entry in enumerate(entries):
            if entry:
                ax.plot(lane, row, "o", color=COLOURS[LANE_COLOURS[lane]], markersize=7)
                ax.text(lane + 0.08, row, entry, fontsize=8.5, va="center", linespacing=1.0)
    years = list(EVENTS)
    gap = years.index(2014) - 0.5
    ax.axhline(gap, color="black", linestyle=":", linewidth=1)
    ax.set_yticks(range(len(years)), [str(year) for year in years])
    ax.set(xlim=(-0.1, 3.95), ylim=(len(years) - 0.3, -1.6), xticks=[])
    ax.tick_params(left=False)
    for side in ax.spines.values():
        side.set_visible(False)
    return figure


def errors_by_age(errors: ArrayLike, rule: str, width: int) -> BookFigure:
    """Draw the error of each stored pair against its age, errors (pairs,) from the oldest, and return the Figure.

    An error of 1, dashed, is that of answering 0.
    """
    errors = np.asarray(errors, dtype=float)
    figure, ax = new_figure(5.6, 3.0)
    ages = np.arange(len(errors))[::-1]
    role = "baseline" if rule == "sum" else "full"
    ax.plot(ages, errors, "o-", color=COLOURS[role], markersize=3, linewidth=1)
    ax.axhline(1, color="black", linestyle="--", linewidth=1)
    ax.set(xlabel="pairs written since", ylabel="error, answering 0 = 1", ylim=(-0.08, 4))
    ax.set_xlim(-2, 130)
    ax.set_title(f"{rule}: {len(errors)} pairs in {width} × {width} numbers", fontsize=10)
    good = int((errors < 1).sum())
    figure.seen = f"{good} of {len(errors)} pairs are read better than by answering 0; the newest at {errors[-1]:.2f}."
    return figure


def recalled(
    query: ArrayLike, read: ArrayLike, patterns: ArrayLike, weights: ArrayLike, seen: str = "", most: int = 5
) -> Figure:
    """Draw a query, what one read makes of it, and the patterns that counted most with their weights; the Figure.

    query and read (P,), patterns (N, P), weights (N,): square pictures of P pixels.
    """
    patterns, weights = np.asarray(patterns), np.asarray(weights)
    order: Sequence[int] = np.argsort(-weights, kind="stable")[:most].tolist()
    pictures = [query, read, *(patterns[place] for place in order)]
    titles = ["asked", "read", *(f"{weights[place]:.0%}" for place in order)]
    figure, axes = new_figure(1.0 * (len(pictures)) + 0.2, 1.5, columns=len(pictures))
    side = round(np.sqrt(patterns.shape[1]))
    for ax, pixels, title in zip(axes, pictures, titles, strict=True):
        ax.imshow(np.asarray(pixels).reshape(side, side), cmap="gray_r", interpolation="nearest")
        ax.set_title(title, fontsize=10)
        ax.set(xticks=[], yticks=[])
    for ax, role in zip(axes, ("baseline", "memory"), strict=False):
        for spine in ax.spines.values():
            spine.set(color=COLOURS[role], linewidth=2)
    figure.seen = seen
    return figure
