"""Sine waves as tasks."""

import numpy as np
import pytest
import torch
from torch import nn

from neuralmem.worlds import split_generator
from neuralmem.worlds.sinusoids import sinusoid_tasks


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))


def test_a_sinusoid_task_is_one_wave_within_its_bounds():
    support_x, support_y, query_x, query_y = sinusoid_tasks(200, 10, 30, split_generator("train", 0))
    assert support_x.shape == (200, 10, 1) and query_y.shape == (200, 30, 1)
    x, y = torch.cat([support_x, query_x], 1).double(), torch.cat([support_y, query_y], 1).double()
    assert -5 <= x.min() < -4.9 < 4.9 < x.max() <= 5
    waves = torch.cat([x.sin(), x.cos()], 2)  # a·sin(x - p) = a·cos(p)·sin x - a·sin(p)·cos x
    weights = torch.linalg.lstsq(waves, y).solution
    assert torch.allclose(waves @ weights, y, atol=1e-4)
    amplitude, phase = weights.norm(dim=1), torch.atan2(-weights[:, 1], weights[:, 0])
    assert 0.1 <= amplitude.min() < 0.3 and 4.8 < amplitude.max() <= 5 + 1e-5
    assert phase.min() >= -1e-3 and phase.max() <= np.pi + 1e-3 and phase.std() > 0.7


def test_frequencies_are_drawn_from_their_interval_and_leave_the_other_draws_as_they_are():
    sets = [
        sinusoid_tasks(200, 10, 30, split_generator("train", 0), frequency=frequency)
        for frequency in ((1.0, 1.0), (0.8, 1.2))
    ]
    assert torch.equal(sets[0][0], sets[1][0]) and torch.equal(sets[0][2], sets[1][2])
    x, y = torch.cat(sets[1][::2], 1).double(), torch.cat(sets[1][1::2], 1).double()
    rates = torch.linspace(0.8, 1.2, 401, dtype=torch.float64).view(-1, 1, 1)
    found = []
    for task in range(50):
        waves = torch.cat([(rates * x[task]).sin(), (rates * x[task]).cos()], 2)
        errors = waves @ torch.linalg.lstsq(waves, y[task].expand(401, -1, -1)).solution - y[task]
        best = errors.square().mean((1, 2)).argmin()
        assert errors[best].square().mean() < 1e-3, "one wave fits the whole task"
        found.append(float(rates[best]))
    assert 0.8 <= min(found) < 0.85 and 1.15 < max(found) <= 1.2


def test_train_and_test_tasks_differ():
    train, test = (sinusoid_tasks(50, 1, 1, split_generator(split, 0))[0].flatten() for split in ("train", "test"))
    assert not set(train.tolist()) & set(test.tolist())


ERROR_CASES = [
    ("no support", lambda: sinusoid_tasks(2, 0, 5, torch.Generator()), ValueError, ["support", "0"]),
    ("frequencies swapped", lambda: sinusoid_tasks(2, 1, 5, torch.Generator(), (1.2, 0.8)), ValueError, ["frequency"]),
    ("one frequency", lambda: sinusoid_tasks(2, 1, 5, torch.Generator(), 1.0), TypeError, ["frequency", "pair"]),
    ("tasks a float", lambda: sinusoid_tasks(2.5, 1, 5, torch.Generator()), TypeError, ["tasks", "2.5"]),
]


@pytest.mark.parametrize(("label", "call", "kind", "words"), ERROR_CASES, ids=[case[0] for case in ERROR_CASES])
def test_wrong_input_is_named(label, call, kind, words):
    with pytest.raises(kind) as caught:
        call()
    assert all(word in str(caught.value) for word in words), str(caught.value)
