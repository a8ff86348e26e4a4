"""The lanes of chapter 4: the tasks, and the networks, of many seeds at once."""

import pytest
import torch

from neuralmem.teaching import continual
from neuralmem.worlds.digits import split_digits

SCENARIOS = ["task", "domain", "class"]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_lanes_hold_the_tasks_of_their_scenario(scenario):
    lanes = continual.Lanes([scenario, "class"], [0, 0])
    for k, task in enumerate(split_digits(scenario)):
        rows = torch.arange(lanes.first[k], lanes.first[k + 1])
        batch = lanes.batch(rows.expand(2, -1))
        assert torch.equal(batch.x[0], task.train_x) and torch.equal(batch.y[0], task.train_y)
        assert torch.equal(batch.mask[0, 0, : len(task.mask)], task.mask)
        assert not batch.mask[0, 0, len(task.mask) :].any()


def test_stacked_networks_compute_what_the_single_ones_do():
    networks, x = continual.Networks([5, 6]), torch.rand(2, 7, 64)
    for lane, seed in enumerate([5, 6]):
        assert torch.allclose(networks(x)[lane], continual.new_network(10, seed)(x[lane]), atol=1e-5)


def test_new_networks_leave_the_global_generator_alone():
    before = torch.get_rng_state()
    first, again, other = (continual.new_network(10, seed)[0].weight for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, again) and not torch.equal(first, other)
