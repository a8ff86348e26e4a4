"""What chapter 6 shows of the agent in its rooms: the stored runs as tables and figures, and films of drives."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from ..worlds.rooms import Drive, Lives, Past, Transitions
from .figures import (
    agents_on_returns,
    film_of,
    film_strip,
    measured_curves,
    pairs_by_seed,
    part_map,
    since_entering,
)
from .tables import ResultTable, difference_text, results_table

Stored = Mapping[str, Any]  # what results.load("rooms") returns
TRUTH, OURS, LAST, TABLE = "true physics", "memory + meta", "last + meta", "table + least squares"
LEVELS = (0.0, 0.25, 0.5, 1.0)


def samples(stored: Stored, part: str, agent: str, *keys: str) -> np.ndarray:
    """What the runs of an agent measured, one entry a seed in the order of the seeds; `keys` lead into a run.

    Raises ValueError where no run has this part and agent.
    """
    rows = [run for run in stored["runs"] if run["part"] == part and run["agent"] == agent]
    if not rows:
        raise ValueError(f"agent must be one of {', '.join(agents(stored, part))}, got {agent!r} in part {part!r}")
    values = []
    for row in sorted(rows, key=lambda run: run["seed"]):
        for key in keys:
            row = row[key]
        values.append(row)
    return np.array(values, dtype=float)


def agents(stored: Stored, part: str) -> list[str]:
    """The agents of a part, in the order in which they were stored."""
    return list(dict.fromkeys(run["agent"] for run in stored["runs"] if run["part"] == part))


def _roles(names):
    """Orange for ours, pink for the truth, blue for those that go by the cue, green for the last steps, else grey."""
    starts = {"memory": "memory", "table": "memory", "last": "meta", "true": "ceiling"}
    roles = {name: starts.get(name.split()[0], "baseline") for name in names}
    return roles | {name: "full" for name in names if name.startswith(OURS)}


def returns_figure(stored: Stored) -> Figure:
    """Cost per step on returns of every agent and seed."""
    costs = {name: samples(stored, "core", name, "cost") for name in agents(stored, "core")}
    return agents_on_returns(costs, _roles(costs), reference=TRUTH)


def returns_table(stored: Stored) -> ResultTable:
    """Every agent's costs, times and errors on returns, the cheapest first, and the difference to ours by seed."""
    ours, rows = samples(stored, "core", OURS, "cost"), {}
    for name in sorted(agents(stored, "core"), key=lambda name: samples(stored, "core", name, "cost").mean()):
        costs = samples(stored, "core", name, "cost")
        rows[name] = {
            "cost on returns": costs,
            "more than ours, by seed": "" if name == OURS else difference_text(costs, ours, 2),
            "upright": float(samples(stored, "core", name, "upright").mean()),
            "steps to recover": float(samples(stored, "core", name, "recovery").mean()),
            "first error": "0" if name == TRUTH else samples(stored, "core", name, "error")[:, 0],
            "cost in new rooms": float(samples(stored, "core", name, "cost in new rooms").mean()),
            "seconds": float(samples(stored, "core", name, "seconds").mean()),
        }
    digits = {"cost on returns": 2, "first error": 2, "upright": 2, "steps to recover": 1}
    digits |= {"cost in new rooms": 2, "seconds": 0}
    return results_table(rows, "Means of five seeds, with 95 % intervals", digits=digits, corner="agent")


def since_figure(stored: Stored) -> Figure:
    """Error by step since a room was entered, on returns and in new rooms."""
    names = {OURS: "full", LAST: "meta", TABLE: "memory", "attention": "ceiling", "no adaptation": "baseline"}
    panels = {}
    for title, key in {"on a return": "error", "in a new room": "error in new rooms"}.items():
        panels[title] = {name: samples(stored, "core", name, key) for name in names}
    return since_entering(panels, names)


def dial(stored: Stored) -> dict[str, np.ndarray]:
    """Costs on returns (seeds, levels) at each noise of the cue; who needs no cue has the same cost at all of them."""
    found = {}
    for name in agents(stored, "dial"):
        found[name] = np.stack([samples(stored, "dial", name, str(level), "cost") for level in LEVELS], 1)
    return found | {LAST: np.repeat(samples(stored, "core", LAST, "cost")[:, None], len(LEVELS), 1)}


def dial_figure(stored: Stored) -> Figure:
    """Cost on returns against the noise of the cue."""
    found = dial(stored)
    roles = {TABLE: "baseline", OURS: "full", LAST: "meta"}
    return measured_curves({"": (LEVELS, found)}, "noise of the cue", "cost per step on returns", roles)


def seasons_figure(stored: Stored) -> Figure:
    """In the rooms of season A after season B: first error and cost with replay and without, a line a seed."""
    panels: dict[str, dict] = {"first error": {}, "cost": {}}
    for name in (OURS, LAST):
        sides = [name + ", replay", name]
        errors = [samples(stored, "seasons", side, "A after B", "error")[:, 0] for side in sides]
        panels["first error"][name] = errors
        panels["cost"][name] = [samples(stored, "seasons", side, "A after B", "cost") for side in sides]
    return pairs_by_seed(panels, ("with replay", "without"), _roles((OURS, LAST)), "season A after season B")


def seasons_table(stored: Stored) -> ResultTable:
    """Costs, times upright and errors after both seasons, in the rooms of each."""
    rows = {}
    for name in agents(stored, "seasons"):
        rows[name] = {
            f"season {season}, {key}": samples(stored, "seasons", name, f"{season} after B", key)
            for season in "AB"
            for key in ("cost", "upright")
        }
        rows[name]["season A, error"] = samples(stored, "seasons", name, "A after B", "error").mean(1)
    return results_table(rows, "After season A and then B, on returns; five seeds", digits=2, corner="agent")


def map_figure(stored: Stored) -> Figure:
    """Costs by what changes, as multiples of the truth's (in the old season: of joint training's)."""
    new = samples(stored, "core", TRUTH, "cost in new rooms").mean()
    back = samples(stored, "core", TRUTH, "cost").mean()
    joint = samples(stored, "seasons", f"{OURS}, joint", "A after B", "cost").mean()
    seasons = {TABLE: TABLE, OURS: f"{OURS}, replay", LAST: f"{LAST}, replay"}
    noisy, chart = dial(stored), {}
    names = (TABLE, "memory + least squares", "memory + ridge", OURS, LAST, "last + least squares", "no adaptation")
    for name in names:
        chart[name] = {
            "a new room": samples(stored, "core", name, "cost in new rooms").mean() / new,
            "a return": samples(stored, "core", name, "cost").mean() / back,
        }
        if name in noisy:
            chart[name]["a return,\ncue noise 0.5"] = noisy[name][:, LEVELS.index(0.5)].mean() / back
        if name in seasons:
            old = samples(stored, "seasons", seasons[name], "A after B", "cost")
            chart[name]["a season ago\n(with replay)"] = old.mean() / joint
    lost = samples(stored, "seasons", OURS, "A after B", "cost").mean() / joint
    return part_map(chart | {f"{OURS}, no replay": {"a season ago\n(with replay)": lost}})


# Films of what was driven


def fetched_places(choose: Callable, lived: Transitions, life: int) -> list[list[int]]:
    """Which steps of a life count at each of its steps, by `choose(past, cue)`: those with a weight above 0.1."""
    steps = lived.rooms.shape[1]
    number = torch.arange(steps, dtype=torch.float32).view(1, -1, 1)
    row, found = slice(life, life + 1), []
    for step in range(steps):
        past = Past(number, lived.targets[row], lived.cues[row], torch.tensor([step]))
        places, _, weights = choose(past, lived.cues[row, step])
        found.append(places[0, weights[0] > 0.1, 0].int().tolist())
    return found


def median_life(drives: Mapping[str, Drive], one: str = OURS, other: str = LAST) -> int:
    """The life in which `one` saves, against `other`, the median of all lives' costs on returns."""
    back = (drives[one].lived.visits > 0).float()
    saved = ((drives[other].costs - drives[one].costs) * back).sum(1) / back.sum(1).clamp_min(1)
    return int(saved.argsort()[len(saved) // 2])


def film(lives: Lives, drives: Mapping[str, Drive], errors: Mapping, choices: Mapping[str, Callable]) -> dict:
    """The median life as `figures.film_of` keeps it, with what each agent of `choices` fetched."""
    life = median_life(drives)
    fetched = {name: fetched_places(choose, drives[name].lived, life) for name, choose in choices.items()}
    return film_of(lives, drives, life, errors, fetched)


def strip_figure(film: Mapping[str, Any], one: str = OURS, other: str = LAST) -> Figure:
    """That return of a film in which two agents differ most in cost, as pendulums side by side."""
    walk, stay = film["walk"], film["stay"]

    def harm(number):
        span = slice(stay * number, stay * (number + 1))
        costs = [sum(film["agents"][name]["cost"][span]) for name in (one, other)]
        return costs[1] - costs[0]

    returns = [number for number in range(len(walk)) if walk[number] in walk[:number]]
    return film_strip(film, _roles((one, other)), stay * max(returns, key=harm), frames=min(10, stay // 2))
