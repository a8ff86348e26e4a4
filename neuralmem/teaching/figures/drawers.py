"""The four drawers (chapter 7): a session in pictures, errors as bars and by age, and the map of who wins where."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from ...metrics import confidence_interval
from ...worlds.drawers import DRAWERS, STORED_FIRST, Sessions
from .style import COLOURS, BookFigure, new_figure

__all__ = ["drawers_session", "drawn_cards", "errors_as_bars", "errors_by_card_age", "winners_map"]

ROLES = {"ridge": "full", "in context": "memory", "Meta-SGD": "meta", "centroid": "ceiling", "no adaptation": "replay"}
"""A colour for each rival; all others are grey."""
WINNERS = {
    "nobody": "#F2F2F2", "all": "#F2F2F2", "any trained": "#E9E3D3", "any adapter": "#CFE8DF", "ridge": "#F6CDB0",
    "in context": "#C5DCEC", "Meta-SGD": "#BFE3D6", "centroid": "#EBD3E0", "unadapted": "#F6E0B3",
    "pixels": "#D0D0D0",
}  # fmt: skip
"""A light colour for each winner of the map."""


def drawers_session(cards: torch.Tensor, sessions: Sessions, number: int = 0, rounds: int = 5) -> Figure:
    """Draw one session as it is lived: which card is put into which drawer, and what is asked and revealed.

    cards (B, N, 64) are those of the sessions. A row a drawer, a column an event: a picture is put in, a question mark
    asks; the button that was right stands below. Returns the Figure.
    """
    events = STORED_FIRST + 2 * rounds - 1
    figure, ax = new_figure(7.4, 2.5)
    drawer, asked = sessions.drawer[number].tolist(), sessions.asked[number].tolist()
    for event in range(events):
        store = event if event < STORED_FIRST else STORED_FIRST + (event - STORED_FIRST - 1) // 2
        question = event >= STORED_FIRST and (event - STORED_FIRST) % 2 == 0
        if question:
            place = (event - STORED_FIRST) // 2
            row = asked[place]
            ax.add_patch(Rectangle((event - 0.5, -0.5), 1, DRAWERS + 1.0, color="#FBE9DD", linewidth=0, zorder=0))
            ax.text(event, row, "?", ha="center", va="center", fontsize=13, color=COLOURS["full"])
            button = "ABCDE"[int(sessions.button[number, place])]
            ax.text(event, DRAWERS, button, ha="center", va="center", fontsize=10, color=COLOURS["full"])
            continue
        row = drawer[store]
        image = cards[number, store].view(8, 8)
        ax.imshow(image, cmap="Greys", vmin=0, vmax=1, extent=(event - 0.42, event + 0.42, row + 0.42, row - 0.42))
    ax.axvline(STORED_FIRST - 0.5, color=COLOURS["baseline"], linewidth=0.8)
    ax.set(xlim=(-0.6, events - 0.4), ylim=(DRAWERS + 0.6, -0.6), xlabel="event", aspect="auto")
    ax.set_yticks(range(DRAWERS + 1), [*(f"drawer {row + 1}" for row in range(DRAWERS)), "right button"])
    ax.set_xticks(range(0, events, 4))
    return figure


def drawn_cards(cards: torch.Tensor, drawn: torch.Tensor, marks: Sequence[str]) -> Figure:
    """Draw what lay in the drawers (n, 64) above what the agent expected there (n, 64), each with a mark below."""
    figure, axes = new_figure(0.72 * len(cards) + 0.5, 1.9, rows=2, columns=len(cards), squeeze=False)
    for column, mark in enumerate(marks):
        for row, picture in enumerate((cards[column], drawn[column])):
            axes[row, column].imshow(picture.detach().view(8, 8), cmap="Greys", vmin=0, vmax=1)
            axes[row, column].set(xticks=[], yticks=[])
        axes[1, column].set_xlabel(mark, fontsize=9)
    axes[0, 0].set_ylabel("lies there", fontsize=9)
    axes[1, 0].set_ylabel("expected", fontsize=9)
    return figure


def errors_as_bars(groups: Mapping[str, Mapping[str, ArrayLike]], ideal: Mapping[str, float]) -> BookFigure:
    """Draw groups of bars, one for each name: samples (seeds,) in percent as a mean with a 95 % interval.

    `ideal` is a dashed line over its group. Returns the Figure.
    """
    figure, ax = new_figure(6.6, 2.2)
    names = list(next(iter(groups.values())))
    colours = [COLOURS[ROLES.get(name, "baseline")] for name in names]
    width = 0.8 / len(names)
    for place, (group, found) in enumerate(groups.items()):
        for number, name in enumerate(names):
            mean, half = confidence_interval(found[name])
            x = place - 0.4 + (number + 0.5) * width
            label = name if place == 0 else None
            ax.bar(x, mean, 0.9 * width, color=colours[number], label=label)
            ax.plot([x, x], [max(0, mean - half), min(100, mean + half)], color="black", linewidth=1)
        if group in ideal:
            ax.plot([place - 0.42, place + 0.42], [ideal[group]] * 2, "--", color="black", linewidth=1)
    ax.set_xticks(range(len(groups)), list(groups))
    ax.set(ylim=(0, 100), yticks=(0, 50, 100), ylabel="wrong in a hundred", xlabel="answers revealed")
    ax.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    return figure


def errors_by_card_age(found: Mapping[str, ArrayLike], ages: Sequence[str]) -> Figure:
    """Draw errors in percent (seeds, ages) against the age of the card, one curve with a 95 % band each."""
    colours = dict(zip(found, ("baseline", "memory", "full", "meta", "replay", "ceiling"), strict=False))
    figure, ax = new_figure(6.4, 3.3)
    for (name, samples), marker in zip(found.items(), "os^vDx", strict=False):
        mean, half = confidence_interval(samples)
        colour = COLOURS[colours[name]]
        ax.plot(range(len(ages)), mean, marker=marker, markersize=5, color=colour, label=name)
        ax.fill_between(range(len(ages)), mean - half, mean + half, color=colour, alpha=0.18, linewidth=0)
    ax.set_xticks(range(len(ages)), ages)
    ax.set(xlabel="age of the card, in cards stored since", ylabel="wrong answers in a hundred", ylim=(0, 80))
    ax.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1))
    return figure


def winners_map(
    panels: Mapping[str, Mapping[tuple[str, str], tuple[str, float]]], rows: Sequence[str], columns: Sequence[str]
) -> Figure:
    """Draw who wins in each cell (row, column) -> (words, lowest error in percent), one panel a title."""
    figure, axes = new_figure(7.4, 2.3 * (len(panels) + 1) // 2 + 0.9, rows=(len(panels) + 1) // 2, columns=2)
    for ax, (title, cells) in zip(np.ravel(axes), panels.items(), strict=True):
        for (season, revealed), (words, best) in cells.items():
            x, y = columns.index(revealed), rows.index(season)
            colour = WINNERS.get(words.split("\n")[0], "#F2F2F2")
            ax.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=colour, edgecolor="white", linewidth=1.5))
            ax.text(x, y, f"{words}\n{best:.0f}", ha="center", va="center", fontsize=6.5, linespacing=1.0)
        ax.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5))
        ax.set_xticks(range(len(columns)), columns, fontsize=8)
        ax.set_yticks(range(len(rows)), [row.replace(" lived", "\nlived") for row in rows], fontsize=8)
        ax.set_title(title, fontsize=9)
        ax.tick_params(length=0)
    for ax in np.atleast_2d(axes)[-1]:
        ax.set_xlabel("answers revealed", fontsize=9)
    return figure
