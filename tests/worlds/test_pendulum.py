"""The pendulum: Pendulum-v1's physics to the last digits, and what may be changed in it."""

import math

import pytest
import torch

from neuralmem.worlds import pendulum
from neuralmem.worlds.pendulum import EARTH, Physics


def gymnasium_step(angle, speed, torque):
    """Pendulum-v1's step, stated again in Python's floats: the next state and the reward (which is for the old one)."""
    torque = max(-2.0, min(2.0, torque))
    turned = (angle + math.pi) % (2 * math.pi) - math.pi
    reward = -(turned**2 + 0.1 * speed**2 + 0.001 * torque**2)
    gravity, mass, length, seconds = 10.0, 1.0, 1.0, 0.05
    push = 3 * gravity / (2 * length) * math.sin(angle) + 3.0 / (mass * length**2) * torque
    speed = max(-8.0, min(8.0, speed + push * seconds))
    return angle + speed * seconds, speed, reward


def random_steps(count=200, seed=0):
    generator = torch.Generator().manual_seed(seed)
    draw = torch.rand(3, count, generator=generator, dtype=torch.float64)
    state = torch.stack([20 * draw[0] - 10, 16 * draw[1] - 8], -1)
    return state, 6 * draw[2] - 3


def test_on_earth_it_is_pendulum_v1():
    state, torque = random_steps()
    following, cost = pendulum.step(EARTH, state, torque), pendulum.cost(state, torque)
    for number in range(len(state)):
        angle, speed, reward = gymnasium_step(*state[number].tolist(), float(torque[number]))
        assert following[number].tolist() == pytest.approx([angle, speed], abs=1e-8)
        assert float(-cost[number]) == pytest.approx(reward, abs=1e-8)


def test_on_earth_it_is_gymnasiums_pendulum_where_that_is_installed():
    classic_control = pytest.importorskip("gymnasium.envs.classic_control", reason="gymnasium is not installed")
    environment = classic_control.PendulumEnv()
    environment.reset(seed=0)
    state, torque = random_steps(seed=1)
    following, cost = pendulum.step(EARTH, state, torque), pendulum.cost(state, torque)
    for number in range(len(state)):
        environment.state = state[number].numpy()
        _, reward, *_ = environment.step(torque[number : number + 1].numpy())
        assert following[number].tolist() == pytest.approx(environment.state.tolist(), abs=1e-8)
        assert float(-cost[number]) == pytest.approx(float(reward), abs=1e-8)


def test_each_number_of_the_physics_does_what_its_name_says():
    state, torque = torch.tensor([[math.pi / 2, 2.0]]), torch.tensor([1.0])
    for physics, change in [
        (Physics(10.0, 0.0, 0.0, 0.0), 0.5), (Physics(0.0, -4.0, 0.0, 0.0), -0.2),
        (Physics(0.0, 0.0, 1.0, 0.0), -0.1), (Physics(0.0, 0.0, 0.0, 3.0), 0.15),
    ]:  # fmt: skip
        assert float(pendulum.change_of_speed(physics, state, torque)) == pytest.approx(change, abs=1e-6)


def test_a_batch_of_pendulums_may_have_a_physics_each():
    state, torque = random_steps(6)
    motors = torch.tensor([[1.0], [2.0], [-3.0]], dtype=torch.float64)
    together = pendulum.step(Physics(15.0, motors, 0.1, 0.0), state.expand(3, 6, 2), torque.expand(3, 6))
    for row, motor in enumerate((1.0, 2.0, -3.0)):
        assert torch.allclose(together[row], pendulum.step(Physics(15.0, motor, 0.1, 0.0), state, torque), atol=1e-12)


def test_angles_wrap_and_the_top_is_upright():
    angles = torch.tensor([0.0, 3 * math.pi + 0.1, -0.2, 2 * math.pi - 0.2], dtype=torch.float64)
    assert pendulum.wrapped(angles).tolist() == pytest.approx([0.0, -math.pi + 0.1, -0.2, -0.2])
    states = torch.tensor([[0.0, 5.0], [0.44, 0.0], [0.46, 0.0], [math.pi, 0.0], [2 * math.pi + 0.1, 0.0]])
    assert pendulum.upright(states).tolist() == [True, True, False, False, True]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: pendulum.cost(torch.zeros(3, 3), torch.zeros(3)), ValueError, ["state", "(..., 2)", "(3, 3)"]),
        (lambda: pendulum.features(torch.zeros(3, 2), torch.zeros(2)), ValueError, ["torque", "(3,)", "(2,)"]),
        (lambda: pendulum.move(torch.zeros(3, 2), torch.zeros(1)), ValueError, ["change", "(3,)", "(1,)"]),
        (lambda: pendulum.step(EARTH, torch.zeros(2).long(), torch.zeros(())), TypeError, ["state", "int64"]),
        (lambda: pendulum.step(EARTH, torch.zeros(2), torch.zeros((), dtype=torch.float64)), TypeError, ["torque"]),
    ],
)
def test_wrong_input_is_named(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert all(word in str(caught.value) for word in words)
