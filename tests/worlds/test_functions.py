"""The four functions: what they are, that their draws are split, and what a constant and a line can do."""

import numpy as np
import pytest
import torch

from neuralmem.worlds import split_generator
from neuralmem.worlds.functions import (
    FOUR_TASKS,
    VARIED_TASKS,
    constant_errors,
    function_pairs,
    linear_errors,
    pairs_as_episodes,
    rotation,
)

TASKS = [*FOUR_TASKS, *VARIED_TASKS]


@pytest.mark.parametrize("task", TASKS)
def test_pairs_have_the_shape_that_was_asked_for_and_repeat_with_their_seed(task):
    x, y = function_pairs(task, (3, 4), split_generator("train", 5), dim=6)
    again, _ = function_pairs(task, (3, 4), split_generator("train", 5), dim=6)
    assert x.shape == y.shape == (3, 4, 6) and torch.equal(x, again)
    assert function_pairs(task, 7, split_generator("train", 5))[1].shape == (7, 64)


@pytest.mark.parametrize("task", TASKS)
def test_pairs_are_the_function_of_what_was_drawn(task):
    x, y = function_pairs(task, (3, 5), torch.Generator().manual_seed(0), dim=8)
    assert torch.allclose((FOUR_TASKS | VARIED_TASKS)[task](x), y)


def test_the_first_two_see_the_mean_of_x_only():
    x = torch.randn(6, 8, generator=torch.Generator().manual_seed(1))
    for task in ("sin", "cos"):
        y = FOUR_TASKS[task](x)
        assert torch.allclose(y, FOUR_TASKS[task](x.flip(-1)), atol=1e-6)
        assert torch.allclose(y, y[:, :1].expand_as(y))


@pytest.mark.parametrize("task", TASKS)
def test_no_row_is_in_both_splits(task):
    train, test = (function_pairs(task, 500, split_generator(split, 0), 16)[0] for split in ("train", "test"))
    assert not (train[:, None] == test).all(-1).any()


def test_the_varied_tasks_are_what_their_names_say():
    x = torch.randn(50, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    z = 4 * x.numpy().mean(1, keepdims=True) * np.ones((1, 16))
    wanted = {
        "sin 2z": np.sin(2 * z),
        "cos 2z": np.cos(2 * z),
        "x R1": x.numpy() @ rotation(1, 16).double().numpy(),
        "tanh 2x R2": np.tanh(2 * x.numpy() @ rotation(2, 16).double().numpy()),
    }
    for task, function in VARIED_TASKS.items():
        assert function(x).dtype == torch.float64 and np.allclose(function(x), wanted[task], atol=1e-6), task


@pytest.mark.parametrize("dim", [1, 5, 16])
def test_a_rotation_keeps_lengths_and_another_number_gives_another(dim):
    first = rotation(1, dim).double()
    assert torch.allclose(first @ first.T, torch.eye(dim, dtype=torch.float64), atol=1e-5)
    assert dim == 1 or not torch.allclose(first, rotation(2, dim).double(), atol=0.1)


def test_the_varied_tasks_vary_and_most_of_the_demo_s_do_not():
    """Why the tasks were changed: a constant leaves half a unit of error or more, in place of next to nothing."""
    for task in VARIED_TASKS:
        assert function_pairs(task, 5000, split_generator("train", 0), 16)[1].var() > 0.4, task
    assert sum(error < 0.005 for error in constant_errors().values()) == 3


def test_a_line_beats_the_constant_where_there_is_a_slope():
    constants, lines = constant_errors(), linear_errors()
    assert lines["sin"] < 1e-3 * constants["sin"] and lines["tanh+2"] < 0.5 * constants["tanh+2"]
    assert lines["cos"] == pytest.approx(constants["cos"], rel=0.3)  # flat near zero: no slope to find


def test_episodes_ask_first_and_show_afterwards():
    x, y = function_pairs("x R1", (3, 4), split_generator("train", 0), dim=5)
    inputs, targets, mask = pairs_as_episodes(x, y)
    assert inputs.shape == (4, 3, 11) and torch.equal(targets[2], y[:, 2])
    assert torch.equal(inputs[2, :, 5:10], y[:, 1]) and not inputs[0, :, 5:].any()
    assert mask[:, 0].tolist() == [0, 1, 1, 1]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: function_pairs("tan", 3, torch.Generator()), ["task", "'sin 2z'", "'tan'"]),
        (lambda: function_pairs("sin", 3, torch.Generator(), 0), ["dim", "0"]),
        (lambda: pairs_as_episodes(torch.zeros(2, 3, 4), torch.zeros(2, 2, 4)), ["y", "(2, 2, 4)"]),
    ],
)
def test_wrong_input_is_named(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    assert all(word in str(caught.value) for word in words)


def test_constants_are_those_of_the_book():
    assert list(constant_errors().values()) == pytest.approx([0.0154, 0.00003, 0.0041, 0.000106], rel=0.06)


def test_splits_and_seeds_never_share_a_generator():
    starts = [split_generator(split, seed) for split in ("train", "test") for seed in range(9)]
    assert len({tuple(torch.randn(4, generator=start).tolist()) for start in starts}) == 18
    with pytest.raises(ValueError, match="split must be one of 'train', 'test'"):
        split_generator("validation", 0)
