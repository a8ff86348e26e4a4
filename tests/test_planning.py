"""The planner: what it weighs, and that it can lift a pendulum which it knows."""

import pytest
import torch

from neuralmem.planning import Planner, rollout_cost
from neuralmem.worlds import pendulum, rooms, split_generator


def drift(state, action):
    """A point on a line that moves by its action."""
    return state + action.unsqueeze(-1)


def distance(state, action):
    return state[..., 0].square()


def test_a_rollout_adds_up_costs_and_counts_the_last_one_more():
    state = torch.tensor([[1.0], [0.0]])
    plans = torch.tensor([[[1.0, -1.0]], [[2.0, 2.0]]])
    assert rollout_cost(drift, distance, state, plans).tolist() == [[5.0], [20.0]]
    assert rollout_cost(drift, distance, state, plans, last_weight=5.0).tolist() == [[9.0], [84.0]]


def test_the_new_plan_is_the_weighted_mean_of_those_tried():
    planner = Planner(2.0, horizon=4, candidates=10, hold=2, seed=1)
    state = torch.tensor([[1.0], [-0.3]])
    planner.act(drift, distance, state)
    before, generator = planner.plan.clone(), planner.generator.get_state()
    action = planner.act(drift, distance, state)
    planner.generator.set_state(generator)
    moved = torch.cat([before[:, 1:], torch.zeros(2, 1)], 1)
    noise = torch.randn(2, 10, 2, generator=planner.generator).repeat_interleave(2, 2)
    plans = [(moved[:, None] + 1.2 * noise), moved[:, None]]
    plans += [torch.full((2, 1, 4), value) for value in (0.0, 2.0, -2.0)]
    plans = torch.cat(plans, 1).clamp(-2, 2)
    for row in range(2):
        costs = torch.zeros(14)
        for number, plan in enumerate(plans[row]):
            place = state[row, 0]
            for step, value in enumerate(plan):
                place = place + value
                costs[number] += place**2 * (5 if step == 3 else 1)
        weights = torch.exp(-(costs - costs.min()) / (0.1 * costs.std()))
        mean = (weights[:, None] * plans[row]).sum(0) / weights.sum()
        assert torch.allclose(planner.plan[row], mean, atol=1e-4)
        assert torch.allclose(action[row], mean[0], atol=1e-4)


def test_a_point_is_driven_home_and_rows_do_not_disturb_each_other():
    planner, state = Planner(0.5, horizon=6, seed=0), torch.tensor([[3.0], [-1.0], [0.0]])
    for _ in range(12):
        state = drift(state, planner.act(drift, distance, state))
    assert state.abs().max() < 0.3
    with pytest.raises(ValueError, match="3 rows"):
        planner.act(drift, distance, torch.zeros(2, 1))
    planner.reset()
    assert planner.act(drift, distance, torch.zeros(2, 1)).abs().max() <= 0.5


def test_with_the_true_physics_most_pendulums_stand_in_most_rooms():
    lives = rooms.draw_lives(24, split_generator("test", 0), stays=4)
    places = iter(lives.walk.repeat_interleave(25, 1).unbind(1))
    planner = Planner(pendulum.MOST_TORQUE)

    def act(state, past, cue):
        physics = rooms.Physics(*(values.unsqueeze(1) for values in lives.in_room(next(places))))
        return planner.act(lambda s, a: pendulum.step(physics, s, a), pendulum.cost, state)

    driven = rooms.drive(lives, act, 25, split_generator("test", 1))
    assert driven.upright[:, 50:].float().mean() > 0.6  # nobody who does nothing stands
    still = rooms.drive(lives, lambda state, past, cue: torch.zeros(24), 25, split_generator("test", 1))
    assert still.upright[:, 50:].float().mean() < 0.3


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: Planner(2.0, horizon=0), ValueError, ["horizon", "0"]),
        (lambda: Planner("2"), TypeError, ["limit", "'2'"]),
        (lambda: Planner(2.0, spread=-1.0), ValueError, ["spread", "-1"]),
        (lambda: Planner(2.0).act(drift, distance, torch.zeros(3)), ValueError, ["state", "(3,)"]),
        (lambda: rollout_cost(drift, distance, torch.zeros(3, 1), torch.zeros(2, 1, 4)), ValueError, ["plans", "B=3"]),
    ],
)
def test_wrong_input_is_named(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert all(word in str(caught.value) for word in words)
