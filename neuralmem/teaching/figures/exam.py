"""The exam that chapter 0 sets and chapter 6 holds: a pendulum that is led through rooms."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ...planning import Planner
from ...worlds import pendulum, rooms
from .style import new_figure

__all__ = ["EXAM_STEPS", "explore_exam"]

STAY = 30  # steps of a stay
WALK = (0, 1, 0, 2, 1)  # the rooms, in the order in which they are entered
FAMILIES = ("mirror", "moon", "storm")
WORDS = {"mirror": "motor pulls the other way", "moon": "little gravity, weak motor", "storm": "wind, and friction"}
TINTS = ("#d6e6f4", "#fbe3cf", "#dcefd8")
EXAM_STEPS = [*range(0, STAY * len(WALK), 15), STAY * len(WALK) - 1]
"""The steps at which `explore_exam` is drawn."""


DRIVERS = {"told the physics": "-", "never learns": "--"}
"""Who drives, and the line that it gets: a planner with each room's true physics, and one that believes in EARTH."""


@lru_cache
def life_in_rooms(driver: str, seed: int = 2) -> tuple[rooms.Lives, rooms.Drive]:
    """One life in three rooms with one of DRIVERS; both meet the same rooms and the same noise."""
    generator = torch.Generator().manual_seed(seed)
    places = torch.tensor([[list(rooms.FAMILIES).index(name) for name in FAMILIES]])
    lives = rooms.draw_lives(1, generator, FAMILIES, rooms=3, stays=len(WALK))
    lives = lives._replace(families=places, physics=rooms.draw_physics(places, generator), walk=torch.tensor([WALK]))
    planner = Planner(pendulum.MOST_TORQUE, seed=seed)

    def act(state, past, cue):
        room = lives.walk[:, int(past.stored[0]) // STAY]
        physics = pendulum.EARTH
        if driver == "told the physics":
            physics = pendulum.Physics(*(value.unsqueeze(1) for value in lives.in_room(room)))
        return planner.act(lambda states, torques: pendulum.step(physics, states, torques), pendulum.cost, state)

    return lives, rooms.drive(lives, act, STAY, generator)


def explore_exam(step: int = 0) -> Figure:
    """Draw two pendulums that are led through rooms: one driver is told each room's physics, one never learns it."""
    lives, stay = life_in_rooms("told the physics")[0], step // STAY
    driven = {driver: life_in_rooms(driver)[1] for driver in DRIVERS}
    figure, axes = new_figure(5.6, 3.9, 2, 2, width_ratios=[2.9, 1], height_ratios=[1, 1.55])
    wide = figure.add_subplot(axes[1, 0].get_gridspec()[1, :])
    for unused in axes[1]:
        unused.remove()
    draw_rooms(axes[0, 0], lives, stay)
    draw_pendulums(
        axes[0, 1], {driver: drive.states[0, step, 0] for driver, drive in driven.items()}, TINTS[WALK[stay]]
    )
    draw_heights(wide, {driver: drive.states[0, : step + 1, 0].cos() for driver, drive in driven.items()})
    name, family = "ABC"[WALK[stay]], FAMILIES[WALK[stay]]
    known = "back in" if WALK[stay] in WALK[:stay] else "for the first time in"
    told, blind = ("stands" if pendulum.upright(drive.states[0, step]) else "is down" for drive in driven.values())
    figure.seen = (
        f"Step {step}, {known} room {name}: {WORDS[family]}. "
        f"The filled pendulum (told the physics) {told}, the hollow one (never learns) {blind}."
    )
    return figure


def draw_rooms(ax: Axes, lives: rooms.Lives, stay: int) -> None:
    """The rooms as cards, each with its cue; what goes on in a room shows once it has been entered."""
    ax.set(xlim=(0, 15.3), ylim=(0, 7.2))
    ax.axis("off")
    for room, (name, family) in enumerate(zip("ABC", FAMILIES, strict=True)):
        met, here, left = room in WALK[: stay + 1], room == WALK[stay], 0.15 + 5.1 * room
        edge: dict[str, Any] = {"edgecolor": "black", "linewidth": 2.5 if here else 0.8}
        ax.add_patch(Rectangle((left, 0.2), 4.7, 6.8, facecolor=TINTS[room] if met else "white", **edge))
        for place, bit in enumerate(lives.cues[0, room]):
            corner = left + 0.4 + 0.6 * (place % 3), 5.55 - 1.15 * (place // 3)
            face = "black" if bit > 0 else "white"
            ax.add_patch(Rectangle(corner, 0.6, 1.15, facecolor=face, edgecolor="black", linewidth=0.6))
        ax.text(left + 2.4, 5.5, f"room {name}", fontsize=9, weight="bold" if here else "normal", va="center")
        words = WORDS[family] if met else "not met yet"
        ax.text(left + 0.4, 2.1, words.replace(", ", ",\n").replace(" the ", "\nthe "), fontsize=8.5, va="center")


def draw_pendulums(ax: Axes, angles: Mapping[str, torch.Tensor], tint: str) -> None:
    """The pendulums now: black who is told, hollow who never learns."""
    ax.set(xlim=(-1.35, 1.35), ylim=(-1.35, 1.35), aspect="equal", facecolor=tint, xticks=[], yticks=[])
    for (driver, angle), colour in zip(reversed(list(angles.items())), ("white", "black"), strict=True):
        x, y = -float(angle.sin()), float(angle.cos())
        ax.plot([0, x], [0, y], DRIVERS[driver], color="black", linewidth=3.5 if colour == "black" else 1.5)
        ax.plot(x, y, "o", color=colour, markeredgecolor="black", markersize=12)
    ax.plot(0, 0, "o", color="white", markeredgecolor="black", markersize=5)


def draw_heights(ax: Axes, heights: Mapping[str, torch.Tensor]) -> None:
    """How high each pendulum was at each step, on a ground of the rooms that it went through."""
    steps = len(next(iter(heights.values())))
    for stay, room in enumerate(WALK):
        shown = stay * STAY < steps
        ax.axvspan(stay * STAY, (stay + 1) * STAY, color=TINTS[room] if shown else "#f4f4f4", linewidth=0)
        if shown:
            ax.text((stay + 0.5) * STAY, 1.22, "ABC"[room], ha="center", va="center", fontsize=9)
    for driver, values in heights.items():
        ax.plot(values, DRIVERS[driver], color="black", linewidth=1.4, label=driver)
    ax.set(xlim=(0, STAY * len(WALK)), ylim=(-1.1, 1.4), xlabel="step")
    ax.set_yticks([-1, 0, 1], ["hangs", "level", "stands"], fontsize=8.5)
    ax.set_xticks([STAY * stay for stay in range(len(WALK) + 1)])
    ax.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, 1.17), ncols=2, frameon=False)
