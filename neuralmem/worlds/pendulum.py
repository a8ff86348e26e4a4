"""A pendulum whose physics can be changed: what the agent of chapter 6 acts on.

With EARTH it is Pendulum-v1 of Gymnasium (Towers et al. 2024): a rod with a motor too weak to lift it in one go. A
state is (..., 2): the angle in radians, 0 at the top, and the speed in radians a second.
"""

import math
from typing import NamedTuple

import torch

SECONDS = 0.05  # of one step
MOST_TORQUE, MOST_SPEED = 2.0, 8.0
TARGET_SCALE = 3.0  # a change of speed is a third of a radian a second or so: targets are near 1
FEATURES = ("cos(angle)", "sin(angle)", "speed / 4", "torque")


class Physics(NamedTuple):
    """What moves a pendulum; each a tensor of any shape that fits the states', or a number."""

    gravity: torch.Tensor | float  # at angle pi/2, rad/s^2
    motor: torch.Tensor | float  # rad/s^2 for a torque of 1; negative where the motor is reversed
    friction: torch.Tensor | float  # 1/s
    wind: torch.Tensor | float  # rad/s^2


EARTH = Physics(15.0, 3.0, 0.0, 0.0)


def change_of_speed(physics: Physics, state: torch.Tensor, torque: torch.Tensor) -> torch.Tensor:
    """The change of speed in one step: 0.05 · (gravity · sin(angle) + motor · torque + wind - friction · speed).

    state (..., 2), torque (...) in units of the motor, cut off at ±2; returns (...), rad/s. Raises ValueError or
    TypeError where a shape or dtype does not fit. Source: gymnasium's pendulum.py, which has no friction or wind.
    """
    _fitting(state, torque)
    angle, speed = state.unbind(-1)
    push = physics.motor * torque.clamp(-MOST_TORQUE, MOST_TORQUE)
    return SECONDS * (physics.gravity * angle.sin() + push + physics.wind - physics.friction * speed)


def move(state: torch.Tensor, change: torch.Tensor) -> torch.Tensor:
    """The next state (..., 2), given the change of speed (...): the speed, at most ±8, then moves the angle.

    This much every agent knows: that an angle moves by its speed. Raises as `change_of_speed` does.
    """
    _fitting(state, change, "change")
    angle, speed = state.unbind(-1)
    speed = (speed + change).clamp(-MOST_SPEED, MOST_SPEED)
    return torch.stack([angle + SECONDS * speed, speed], -1)


def step(physics: Physics, state: torch.Tensor, torque: torch.Tensor) -> torch.Tensor:
    """The next state (..., 2) of a pendulum without noise; arguments as in `change_of_speed`."""
    return move(state, change_of_speed(physics, state, torque))


def cost(state: torch.Tensor, torque: torch.Tensor) -> torch.Tensor:
    """What one step costs, minus Pendulum-v1's reward: angle² + 0.1 · speed² + 0.001 · torque², angle in [-pi, pi).

    state (..., 2), torque (...); returns (...), 0 at rest on top and at most 16.3. Raises as `change_of_speed` does.
    """
    _fitting(state, torque)
    angle, speed = state.unbind(-1)
    torque = torque.clamp(-MOST_TORQUE, MOST_TORQUE)
    return wrapped(angle).square() + 0.1 * speed.square() + 0.001 * torque.square()


def features(state: torch.Tensor, torque: torch.Tensor) -> torch.Tensor:
    """What a model sees of a state and a torque, (..., 4): see FEATURES. Raises as `change_of_speed` does."""
    _fitting(state, torque)
    angle, speed = state.unbind(-1)
    return torch.stack([angle.cos(), angle.sin(), speed / 4, torque.clamp(-MOST_TORQUE, MOST_TORQUE)], -1)


def upright(state: torch.Tensor) -> torch.Tensor:
    """Whether a pendulum (..., 2) stands, a boolean (...): cos(angle) > 0.9, within 26 degrees of the top."""
    return state[..., 0].cos() > 0.9


def wrapped(angle: torch.Tensor) -> torch.Tensor:
    """An angle (...) in radians, brought into [-pi, pi)."""
    return (angle + math.pi) % (2 * math.pi) - math.pi


def _fitting(state, other, name="torque"):
    """Raise unless state is (..., 2) and the other tensor has its leading shape and dtype."""
    if not isinstance(state, torch.Tensor) or not state.is_floating_point():
        raise TypeError(f"state must be a floating tensor, got {getattr(state, 'dtype', type(state).__name__)}")
    if state.dim() == 0 or state.shape[-1] != 2:
        raise ValueError(f"state must be (..., 2), angle and speed, got {tuple(state.shape)}")
    if not isinstance(other, torch.Tensor) or other.dtype != state.dtype:
        got = getattr(other, "dtype", type(other).__name__)
        raise TypeError(f"{name} must be a tensor of {state.dtype} as state is, got {got}")
    if other.shape != state.shape[:-1]:
        raise ValueError(f"{name} must be {tuple(state.shape[:-1])} as state has it, got {tuple(other.shape)}")
