"""The agent in its rooms (chapter 6, and the first page): lives, films, errors, costs, seasons and the map."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ...metrics import confidence_interval
from ...worlds.rooms import Drive, Lives
from .style import COLOURS, new_figure

__all__ = [
    "agents_on_returns",
    "film_of",
    "film_strip",
    "life_in_rooms",
    "pairs_by_seed",
    "part_map",
    "rooms_film",
    "since_entering",
]

TINTS = ("#D6E4F2", "#F7E3CC", "#DDEBD5")
"""A light colour for each room of a life."""
NAMES = "ABC"
STYLES = ("-", "--", "-.", ":", (0, (1, 1)), (0, (5, 1)))


def film_of(
    lives: Lives, drives: Mapping[str, Drive], life: int = 0, errors: Any = None, fetched: Any = None
) -> dict[str, Any]:
    """What the figures below need of drives through the same lives, as plain lists that JSON can hold.

    `drives` maps an agent's name to its rooms.Drive; `errors` to errors (B, T); `fetched` to the places that it fetched
    at each step, a list of T lists. Returns a dict: families, cues and walk of the life, and what each agent did.
    """
    first = next(iter(drives.values()))
    agents = {}
    for name, drive in drives.items():
        agents[name] = {
            "angle": [round(value, 3) for value in drive.states[life, :, 0].tolist()],
            "torque": [round(value, 2) for value in drive.torques[life].tolist()],
            "cost": [round(value, 3) for value in drive.costs[life].tolist()],
            "error": [round(value, 4) for value in errors[name][life].tolist()] if name in (errors or {}) else [],
            "fetched": (fetched or {}).get(name, [[] for _ in range(drive.states.shape[1])]),
        }
    return {
        "families": lives.families[life].tolist(), "cues": lives.cues[life].int().tolist(),
        "walk": lives.walk[life].tolist(), "stay": first.states.shape[1] // lives.walk.shape[1], "agents": agents,
    }  # fmt: skip


def _bands(ax, film, label=True):
    """Tint the stays of a film by their room, with the room's letter at the top."""
    for number, room in enumerate(film["walk"]):
        start = number * film["stay"]
        ax.axvspan(start, start + film["stay"], color=TINTS[room], linewidth=0)
        if label:
            ax.text(start + film["stay"] / 2, 1.3, NAMES[room], ha="center", va="center", fontsize=9)
    ax.set(xlim=(0, len(film["walk"]) * film["stay"]), ylim=(-1.15, 1.5 if label else 1.15))
    ax.set_yticks([-1, 0, 1], ["down", "level", "up"])


def life_in_rooms(film: Mapping[str, Any], roles: Mapping[str, str], title: str = "") -> Figure:
    """Draw the height of the pendulum's tip through a life, a row an agent, the rooms as coloured bands.

    `film` is that of `film_of`; `roles` maps an agent's name to a role of COLOURS. Returns the Figure.
    """
    figure, axes = new_figure(7.4, 1.05 * len(roles) + 0.75, rows=len(roles), sharex=True, squeeze=False)
    for row, (name, role) in enumerate(roles.items()):
        ax = axes[row, 0]
        _bands(ax, film, row == 0)
        ax.plot(np.cos(film["agents"][name]["angle"]), color=COLOURS[role], linewidth=1.4)
        ax.set_title(name, fontsize=9, loc="left", pad=3)
    axes[-1, 0].set_xlabel("step")
    figure.suptitle(title, fontsize=10)
    return figure


def _stick(ax, angle, colour, x=0.0, width=3.0):
    """A pendulum at x on an axis, the pivot as a dot."""
    ax.plot([x, x + np.sin(angle)], [0, np.cos(angle)], color=colour, linewidth=width, solid_capstyle="round")
    ax.plot(x, 0, "o", color="black", markersize=3)


def film_strip(
    film: Mapping[str, Any], roles: Mapping[str, str], start: int, frames: int = 12, every: int = 2
) -> Figure:
    """Draw pendulums side by side, `frames` pictures `every` steps apart from step `start` on, a row an agent."""
    figure, axes = new_figure(7.4, 0.82 * len(roles) + 0.5, rows=len(roles), squeeze=False)
    for row, (name, role) in enumerate(roles.items()):
        ax = axes[row, 0]
        for frame in range(frames):
            step = start + every * frame
            room = film["walk"][step // film["stay"]]
            ax.axvspan(2.4 * frame - 1.2, 2.4 * frame + 1.2, color=TINTS[room], linewidth=0)
            _stick(ax, film["agents"][name]["angle"][step], COLOURS[role], 2.4 * frame)
        ax.set(xlim=(-1.2, 2.4 * frames - 1.2), ylim=(-1.25, 1.25), aspect="equal")
        ax.set_yticks([])
        ax.set_xticks([])
        ax.set_title(name, fontsize=9, loc="left", pad=2)
    axes[-1, 0].set_xticks([2.4 * frame for frame in range(frames)], [every * frame for frame in range(frames)])
    axes[-1, 0].set_xlabel("steps since the room was entered again")
    return figure


def rooms_film(film: Mapping[str, Any], agent: str, step: int = 1, role: str = "full") -> Figure:
    """Draw one moment of a film: the pendulum in its room, its past with what is fetched of it, and the errors.

    Left the pendulum at `step` on the colour of its room, with the cue above it; right the height of the tip so far,
    a mark for each step that the agent fetches now, and below the error of each prediction. Returns the Figure.
    """
    seen, stay = film["agents"][agent], film["stay"]
    room = film["walk"][(step - 1) // stay]
    with_errors = len(seen["error"]) > 0
    figure, axes = new_figure(
        7.4, 2.9, columns=2, rows=2 if with_errors else 1, squeeze=False, width_ratios=(1, 2.7),
        height_ratios=(1.5, 1) if with_errors else None,
    )  # fmt: skip
    grid = axes[0, 0].get_gridspec()
    for ax in axes[:, 0]:
        ax.remove()
    stage = figure.add_subplot(grid[:, 0])
    stage.set_facecolor(TINTS[room])
    _stick(stage, seen["angle"][step - 1], COLOURS[role], width=6)
    cue = "".join("+" if bit > 0 else "−" for bit in film["cues"][room])
    stage.text(0, 1.32, f"room {NAMES[room]}   cue {cue}", ha="center", fontsize=9)
    stage.set(xlim=(-1.3, 1.3), ylim=(-1.25, 1.6), aspect="equal", xticks=[], yticks=[])
    torque = seen["torque"][step - 1]
    stage.text(0, -1.17, f"torque {torque:+.1f}".replace("-", "−"), ha="center", fontsize=9)
    line = axes[0, 1]
    _bands(line, film)
    line.plot(np.cos(seen["angle"][:step]), color=COLOURS[role], linewidth=1.4)
    fetched = seen["fetched"][step - 1] if seen["fetched"] else []
    line.plot(fetched, np.full(len(fetched), -1.05), "|", color="black", markersize=7)
    line.set_title(f"{agent}, step {step}" + (": the marks are what it fetches now" if fetched else ""), fontsize=9)
    if with_errors:
        below = axes[1, 1]
        for number, other in enumerate(film["walk"]):
            below.axvspan(number * stay, (number + 1) * stay, color=TINTS[other], linewidth=0)
        below.semilogy(np.clip(seen["error"][:step], 1e-4, 30), color=COLOURS[role], linewidth=1)
        below.set(xlim=line.get_xlim(), ylim=(1e-4, 30), xlabel="step", ylabel="error")
    height = np.cos(seen["angle"][step - 1])
    tip = "up" if height > 0.9 else "down" if height < -0.9 else "on its way"
    figure.seen = f"{agent} at step {step}, in room {NAMES[room]}: the tip is {tip}"
    if len(fetched):
        rooms = sorted({NAMES[film["walk"][past // stay]] for past in fetched})
        figure.seen += f", and {len(fetched)} steps are fetched, from room {' and '.join(rooms)}"
    figure.seen = figure.seen[:1].upper() + figure.seen[1:] + "."
    return figure


def since_entering(
    panels: Mapping[str, Mapping[str, Any]],
    roles: Mapping[str, str],
    xlabel: str = "steps since the room was entered",
    ylabel: str = "error, share of the variance",
) -> Figure:
    """Draw errors by step since a room was entered, each seed thin and the mean thick, and return the Figure.

    `panels` maps a title to a dict of agent to samples (seeds, steps); `roles` an agent to a role of COLOURS.
    """
    figure, axes = new_figure(7.4, 3.5, columns=len(panels), sharey=True, squeeze=False)
    for ax, (title, curves) in zip(axes[0], panels.items(), strict=True):
        for (name, samples), style in zip(curves.items(), STYLES, strict=False):
            samples, colour = np.asarray(samples, dtype=float), COLOURS.get(roles.get(name, ""), "black")
            ax.plot(samples.T, color=colour, linewidth=0.5, alpha=0.5)
            ax.plot(samples.mean(0), linestyle=style, color=colour, linewidth=2, label=name)
        ax.set(title=title, xlabel=xlabel)
        _plain_logarithm(ax)
    axes[0, 0].set_ylabel(ylabel)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 3), fontsize=8)
    return figure


def _plain_logarithm(ax):
    """A logarithmic axis with plain numbers: 0.1, 0.2, 0.5, 1, ..."""
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    ticks = [digit * 10.0**power for power in range(-4, 3) for digit in (1, 2, 5)]
    ax.set_yticks([tick for tick in ticks if low <= tick <= high])
    ax.set_yticks([], minor=True)
    ax.yaxis.set_major_formatter("{x:g}")


def agents_on_returns(
    costs: Mapping[str, Any],
    roles: Mapping[str, str],
    xlabel: str = "cost per step on returns (further left is better)",
    reference: str | None = None,
) -> Figure:
    """Draw each agent's mean, 95 % interval and every seed, the cheapest on top, and return the Figure.

    `costs` maps an agent to samples (seeds,); `reference` names one whose mean is drawn as a dotted line.
    """
    order = sorted(costs, key=lambda name: float(np.mean(np.asarray(costs[name]))))
    figure, ax = new_figure(7.2, 0.31 * len(order) + 0.8)
    for row, name in enumerate(order):
        colour = COLOURS.get(roles.get(name, ""), "black")
        mean, half = confidence_interval(costs[name])
        ax.errorbar(mean, row, xerr=half, fmt="o", color=colour, capsize=3, markersize=5)
        ax.plot(costs[name], np.full(len(costs[name]), row + 0.28), "|", color=colour, markersize=6)
    if reference is not None:
        ax.axvline(float(np.mean(np.asarray(costs[reference]))), color="black", linestyle=":", linewidth=1)
    ax.set_yticks(range(len(order)), order)
    ax.invert_yaxis()
    ax.set(xlabel=xlabel, xlim=(0, None))
    ax.grid(axis="x", alpha=0.3)
    return figure


def pairs_by_seed(
    panels: Mapping[str, Mapping[str, Any]], labels: Sequence[str], roles: Mapping[str, str], ylabel: str = ""
) -> Figure:
    """Draw pairs of numbers, a line a seed, and return the Figure.

    `panels` maps a title to a dict of agent to (one side (seeds,), other side (seeds,)); `labels` names the two sides.
    """
    figure, axes = new_figure(7.4, 3.0, columns=len(panels), squeeze=False)
    for ax, (title, pairs) in zip(axes[0], panels.items(), strict=True):
        for place, (name, (one, other)) in enumerate(pairs.items()):
            colour = COLOURS.get(roles.get(name, ""), "black")
            shift = 0.06 * (place - (len(pairs) - 1) / 2)
            ends = np.stack([np.asarray(one, float), np.asarray(other, float)])
            ax.plot([shift, 1 + shift], ends, "o-", color=colour, markersize=4, linewidth=1)
            ax.plot([], [], "o-", color=colour, label=name)
        ax.set(title=title, xlim=(-0.3, 1.3))
        _plain_logarithm(ax)
        ax.set_xticks([0, 1], labels)
    axes[0, 0].set_ylabel(ylabel)
    axes[0, -1].legend(fontsize=8)
    return figure


def part_map(values: Mapping[str, Mapping[str, float]]) -> Figure:
    """Draw a table of agents by changes of the world as a heat map: how many times the reference's cost each pays.

    `values` maps an agent to a dict of a change to a number ("times the reference"); cells carry their number, and the
    best of each column is framed. Returns the Figure.
    """
    rows = list(values)
    columns = list(dict.fromkeys(column for row in values.values() for column in row))
    table = np.array([[values[row].get(column, np.nan) for column in columns] for row in rows])
    figure, ax = new_figure(7.4, 0.36 * len(rows) + 1.1)
    ax.imshow(np.log(table), cmap="cividis_r", aspect="auto", vmin=0, vmax=np.log(12))
    for i, j in np.ndindex(table.shape):
        if not np.isnan(table[i, j]):
            colour = "white" if table[i, j] > 4.5 else "black"
            ax.text(j, i, f"{table[i, j]:.1f}", ha="center", va="center", fontsize=9, color=colour)
    for j in range(len(columns)):
        tied = np.flatnonzero(table[:, j] <= np.nanmin(table[:, j]) * 1.1)
        for i in tied:
            ax.add_patch(_frame(i, j))
    ax.set_yticks(range(len(rows)), rows)
    ax.set_xticks(range(len(columns)), columns, fontsize=8)
    ax.tick_params(top=True, bottom=False, labeltop=True, labelbottom=False, length=0)
    return figure


def _frame(row, column):
    """A frame around a cell of a heat map."""
    return Rectangle((column - 0.47, row - 0.45), 0.94, 0.9, fill=False, edgecolor=COLOURS["full"], linewidth=2)
