"""Rooms with cues, each with a pendulum whose physics is its own: the world in which chapter 6 judges its agent.

A *life* has a few rooms. Each has a cue, a row of ±1 that is shown while one is in it, and a hidden physics of one of
four families; both are drawn anew for each life. The agent is led through the rooms in *stays* of some steps, to and
fro, and the pendulum goes with it. From *season* to season the families change. Letters: B lives, R rooms, S stays,
T steps, W numbers of a cue.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch

from .._validate import choice, positive_int, real
from . import pendulum, split_generator
from .pendulum import Physics

FAMILIES = {
    "earth": {"motor": (2.1, 3.9)},
    "mirror": {"motor": (-3.9, -2.1)},
    "moon": {"gravity": (2.5, 5.0), "motor": (0.75, 1.5)},
    "storm": {"motor": (2.1, 3.9), "friction": (0.5, 1.0), "wind": (1.5, 3.0)},
}
"""What differs from EARTH, each uniform in its range; the wind blows either way."""
SEASONS = {"A": ("mirror", "moon"), "B": ("earth", "storm")}
NOISE = 0.15  # standard deviation of what is added to each change of speed, rad/s


class Lives(NamedTuple):
    """B lives: what their rooms are like and in which order they are walked through."""

    physics: Physics  # of (B, R)
    families: torch.Tensor  # (B, R) a place in FAMILIES
    cues: torch.Tensor  # (B, R, W) of ±1
    walk: torch.Tensor  # (B, S) a room each stay, never twice the same in a row

    def in_room(self, rooms: torch.Tensor) -> Physics:
        """The physics of the room (B,) that each life is in: numbers (B,)."""
        return Physics(*(torch.as_tensor(values).gather(1, rooms.unsqueeze(1))[:, 0] for values in self.physics))


class Transitions(NamedTuple):
    """What was lived, one row a step: a model of the world sees `features` and should say `targets`."""

    features: torch.Tensor  # (B, T, 4) see pendulum.FEATURES
    targets: torch.Tensor  # (B, T, 1) the change of speed, times TARGET_SCALE, with noise
    clean: torch.Tensor  # (B, T, 1) the same without noise, for measuring
    cues: torch.Tensor  # (B, T, W) as they were shown
    rooms: torch.Tensor  # (B, T)
    families: torch.Tensor  # (B, T)
    visits: torch.Tensor  # (B, T) earlier stays in this room: 0 in a room seen for the first time
    since: torch.Tensor  # (B, T) steps since this stay began


class Past(NamedTuple):
    """What an agent knows of its life so far: the first `stored` of N places hold a transition and its cue."""

    features: torch.Tensor  # (B, N, 4)
    targets: torch.Tensor  # (B, N, 1)
    cues: torch.Tensor  # (B, N, W)
    stored: torch.Tensor  # (B,) integers

    def at(self, places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Features (B, k, 4) and targets (B, k, 1) at places (B, k), as `episodic.fetch` returns them."""
        rows = torch.arange(len(places)).unsqueeze(1)
        return self.features[rows, places], self.targets[rows, places]


class Drive(NamedTuple):
    """A drive through B lives: where the pendulum was, what it cost, and what was lived."""

    states: torch.Tensor  # (B, T, 2) before each step
    torques: torch.Tensor  # (B, T)
    costs: torch.Tensor  # (B, T) of each torque and the state it led to
    upright: torch.Tensor  # (B, T) whether that state stands
    lived: Transitions


def draw_physics(families: torch.Tensor, generator: torch.Generator) -> Physics:
    """Physics of any shape, one for each entry of `families`, the places of families in FAMILIES (int64)."""
    values = {name: torch.full(families.shape, number) for name, number in pendulum.EARTH._asdict().items()}
    for place, ranges in enumerate(FAMILIES.values()):
        for name, (low, high) in ranges.items():
            drawn = low + (high - low) * torch.rand(families.shape, generator=generator)
            values[name] = torch.where(families == place, drawn, values[name])
    west = torch.rand(families.shape, generator=generator) < 0.5
    return Physics(**values | {"wind": torch.where(west, -values["wind"], values["wind"])})


def draw_lives(
    count: int, generator: torch.Generator, families: Sequence[str] = tuple(FAMILIES), rooms: int = 3, stays: int = 6,
    bits: int = 6,
) -> Lives:  # fmt: skip
    """`count` lives, each with rooms of its own: families uniform among those named, cues all different, a random walk.

    Raises ValueError for an unknown family, less than 2 rooms, or more rooms than there are cues of `bits` bits.
    """
    places = torch.tensor([list(FAMILIES).index(choice("family", name, FAMILIES)) for name in families])
    count, rooms, stays = positive_int("count", count), positive_int("rooms", rooms), positive_int("stays", stays)
    if not 2 <= rooms <= 2 ** positive_int("bits", bits):
        raise ValueError(f"rooms must be 2 to {2**bits}, as many as there are cues of {bits} bits, got {rooms}")
    chosen = places[torch.randint(len(places), (count, rooms), generator=generator)]
    codes = torch.rand(count, 2**bits, generator=generator).argsort(1)[:, :rooms]  # all different
    cues = 2.0 * (codes.unsqueeze(-1) >> torch.arange(bits) & 1) - 1
    moves = torch.randint(1, rooms, (count, stays), generator=generator)  # so many doors on, never none
    moves[:, 0] = torch.randint(rooms, (count,), generator=generator)
    return Lives(draw_physics(chosen, generator), chosen, cues, moves.cumsum(1) % rooms)


def drive(
    lives: Lives, act: Callable, steps: int, generator: torch.Generator, noise: float = NOISE, cue_noise: float = 0.0
) -> Drive:
    """Walk through the lives, `steps` steps a stay, with the torques of `act(state (B, 2), past, cue (B, W))`.

    `past` is a Past of all steps before. Each change of speed gets Gaussian noise of deviation `noise` (rad/s), each
    number of each cue that is shown one of deviation `cue_noise`. All that is drawn is drawn before the first step, so
    that agents that drive with generators of the same seed meet the same noise. Raises ValueError or TypeError.
    """
    steps, (count, stays) = positive_int("steps", steps), lives.walk.shape
    noise, cue_noise = real("noise", noise, low=0), real("cue_noise", cue_noise, low=0)
    rooms = lives.walk.repeat_interleave(steps, 1)  # (B, T)
    shown = _of_rooms(lives.cues, rooms)
    state = (2 * torch.rand(count, 2, generator=generator) - 1) * torch.tensor([torch.pi, 1.0])
    shocks = noise * torch.randn(rooms.shape, generator=generator)
    shown = shown + cue_noise * torch.randn(shown.shape, generator=generator)
    features, targets, clean = (torch.zeros(*rooms.shape, width) for width in (4, 1, 1))
    states, torques, costs = torch.zeros(*rooms.shape, 2), torch.zeros(rooms.shape), torch.zeros(rooms.shape)
    upright = torch.zeros(rooms.shape, dtype=torch.bool)
    for t in range(rooms.shape[1]):
        past = Past(features, targets, shown, torch.full((count,), t))
        torque = act(state, past, shown[:, t]).clamp(-pendulum.MOST_TORQUE, pendulum.MOST_TORQUE)
        change = pendulum.change_of_speed(lives.in_room(rooms[:, t]), state, torque)
        features[:, t], states[:, t], torques[:, t] = pendulum.features(state, torque), state, torque
        clean[:, t, 0] = pendulum.TARGET_SCALE * change
        targets[:, t, 0] = pendulum.TARGET_SCALE * (change + shocks[:, t])
        state = pendulum.move(state, change + shocks[:, t])
        costs[:, t], upright[:, t] = pendulum.cost(state, torque), pendulum.upright(state)
    visits = torch.stack([(lives.walk[:, :s] == lives.walk[:, s : s + 1]).sum(1) for s in range(stays)], 1)
    since = torch.arange(steps).repeat(stays).expand(rooms.shape)
    families = lives.families.gather(1, rooms)
    lived = Transitions(features, targets, clean, shown, rooms, families, visits.repeat_interleave(steps, 1), since)
    return Drive(states, torques, costs, upright, lived)


def babble(
    lives: Lives, steps: int, generator: torch.Generator, noise: float = NOISE, cue_noise: float = 0.0
) -> Transitions:
    """What is lived with random torques: 40 % are white noise, the others a smooth noise and a spring to some angle.

    White noise is what teaches: with smooth torques alone the last change predicts the next. Arguments as in `drive`.
    """
    count, length = len(lives.walk), lives.walk.shape[1] * positive_int("steps", steps)
    white = 4 * torch.rand(count, length, generator=generator) - 2
    chosen = torch.rand(count, length, generator=generator) < 0.4
    shocks = torch.randn(count, length, generator=generator)
    stiffness, damping, rest = torch.randn(3, count, generator=generator)
    smooth, clock = torch.zeros(count), iter(range(length))

    def act(state, past, cue):
        nonlocal smooth
        t = next(clock)
        smooth = 0.8 * smooth + 0.9 * shocks[:, t]
        spring = stiffness * (pendulum.wrapped(state[:, 0]) - rest) + 0.5 * damping * state[:, 1]
        return torch.where(chosen[:, t], white[:, t], smooth + spring)

    return drive(lives, act, steps, generator, noise, cue_noise).lived


def past_of(lived: Transitions, moments: torch.Tensor | int) -> Past:
    """What was known at moments (B,) of lives that are over, or at the same moment of all: all that came before."""
    moments = torch.as_tensor(moments).expand(len(lived.rooms))
    return Past(lived.features, lived.targets, lived.cues, moments)


def questions(
    lived: Transitions, moments: torch.Tensor, steps: int = 10
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What a model made at moments (B,) is asked: features, targets and weights of the next steps (B, steps, ...).

    The weight is 1 for a step of the same stay and 0 for what comes after it: a plan ends where the room ends.
    """
    times = moments.unsqueeze(1) + torch.arange(positive_int("steps", steps))
    rows, inside = torch.arange(len(moments)).unsqueeze(1), times < lived.rooms.shape[1]
    times = times.clamp_max(lived.rooms.shape[1] - 1)
    moved = lived.since[rows, times] - lived.since[rows, times[:, :1]]
    inside = inside & (moved == times - times[:, :1])
    return lived.features[rows, times], lived.targets[rows, times], inside.to(lived.features)


def by_step(values: torch.Tensor, lived: Transitions, returned: bool = True) -> torch.Tensor:
    """Mean of values (B, T) by step since a room was entered: on returns, or in rooms seen for the first time."""
    chosen = (lived.visits > 0) == returned
    steps = range(int(lived.since.max()) + 1)
    return torch.stack([values[chosen & (lived.since == step)].float().mean() for step in steps])


def transitions(
    count: int, split: str, seed: int, families: Sequence[str] = tuple(FAMILIES), stays: int = 6, steps: int = 12,
    cue_noise: float = 0.0,
) -> Transitions:  # fmt: skip
    """Transitions of `count` lives of babble, of the "train" or the "test" draws of a seed (no two share one).

    Raises ValueError or TypeError naming the argument.
    """
    generator = split_generator(split, seed)
    lives = draw_lives(count, generator, families, stays=stays)
    return babble(lives, steps, generator, cue_noise=cue_noise)


def _of_rooms(values, rooms):
    """values (B, R, W) of the rooms (B, T): (B, T, W)."""
    return values.gather(1, rooms.unsqueeze(-1).expand(*rooms.shape, values.shape[-1]))
