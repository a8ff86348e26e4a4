"""The agent and its lives (chapter 6)."""

import numpy as np

from ...metrics import confidence_interval
from .style import COLOURS, new_figure

__all__ = [
    "ablation_intervals",
    "episode_strip",
    "explore_life",
    "switch_curves",
]


def episode_strip(x, y, names=("store | ask", "cue", "symbol", "answer"), widths=(2, 6, 16, 3)):
    """Draw an episode of cue-value recall, a column a step: x (T, D) above, y (T, bits) below. Returns the Figure."""
    figure, ax = new_figure(6.4, 4.2)
    rows = np.concatenate([np.asarray(x), np.asarray(y)], axis=1).T
    ax.imshow(rows, cmap="cividis", vmin=-1, vmax=1, aspect="auto", interpolation="nearest")
    edges = np.cumsum((0, *widths))
    ax.hlines(edges[1:-1] - 0.5, -0.5, rows.shape[1] - 0.5, color="white", linewidth=4)
    ax.set_yticks((edges[:-1] + edges[1:] - 1) / 2, names)
    ax.set_xticks(range(rows.shape[1]), [("store", "ask")[int(step)] for step in rows[1]], rotation=90, fontsize=8)
    ax.set_xlabel("steps of the episode, in order")
    return figure


def ablation_intervals(table, titles, roles, xlabel="share of wrong bits"):
    """Draw each method's mean, 95 % interval and seeds, a panel a quantity, and return the Figure.

    `table` maps a method to samples (seeds, quantities); `titles` name the quantities; `roles` map methods to COLOURS.
    """
    figure, axes = new_figure(7.6, 0.36 * len(table) + 1.0, columns=len(titles), sharey=True)
    for column, (ax, title) in enumerate(zip(axes, titles, strict=True)):
        for row, (method, samples) in enumerate(table.items()):
            values, colour = np.asarray(samples)[:, column], COLOURS[roles[method]]
            mean, half = confidence_interval(values)
            ax.errorbar(mean, row, xerr=half, fmt="o", color=colour, capsize=4, markersize=6)
            ax.plot(values, np.full(len(values), row + 0.25), "|", color=colour, markersize=7)
        ax.set(title=title, xlim=(0, 0.55), xlabel=xlabel)
        ax.axvline(0.5, color="black", linestyle=":", linewidth=1)
    axes[0].set_yticks(range(len(table)), list(table))
    axes[0].invert_yaxis()
    return figure


def switch_curves(curves, visits, roles):
    """Draw the error through a life with 95 % bands: `curves` maps a method to samples (seeds, looks).

    `visits` lists the seasons visited, each with as many looks; dotted lines mark the changes. Returns the Figure.
    """
    figure, ax = new_figure(7.4, 3.2)
    for (method, samples), style in zip(curves.items(), ("-", "--", "-.", ":"), strict=False):
        mean, half = confidence_interval(samples)
        at = np.arange(len(mean)) * len(visits) / len(mean)
        ax.plot(at, mean, style, color=COLOURS[roles[method]], label=method)
        ax.fill_between(at, mean - half, mean + half, color=COLOURS[roles[method]], alpha=0.2, linewidth=0)
    for visit in range(1, len(visits)):
        ax.axvline(visit, color="black", linestyle=":", linewidth=1)
    ax.set_xticks(np.arange(len(visits)) + 0.5, [f"season {season + 1}" for season in visits])
    ax.set(ylabel="share of wrong bits", ylim=(0, 0.55))
    ax.legend(fontsize=8, ncols=len(curves), loc="upper center")
    return figure


def explore_life(lives, method="full", visit=0, role="full"):
    """Draw, after one visit of a method's lives, the error on every season, and episode by episode in its own.

    Visits and seasons count from 0 as `lives` does, and from 1 in the picture; `role` names one of COLOURS.
    """
    colour = COLOURS[role]
    seasons, own = (np.array([life[key][visit] for life in lives[method]]) for key in ("R", "prequential"))
    figure, axes = new_figure(6.4, 2.9, columns=2, sharey=True)
    mean, half = confidence_interval(seasons)
    axes[0].bar(range(1, len(mean) + 1), mean, yerr=half, color=colour, capsize=4)
    axes[0].set(title=f"{method}, after visit {visit + 1}", xlabel="season", ylabel="wrong bits", ylim=(0, 0.6))
    mean, half = confidence_interval(own)
    axes[1].errorbar(np.arange(1, len(mean) + 1), mean, half, fmt="o-", color=colour, capsize=4)
    axes[1].set(title="in this season", xlabel="episode of a new session")
    return figure
