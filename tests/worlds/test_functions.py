"""The demo's function tasks: what is drawn, and that train and test share nothing."""

import pytest
import torch

from neuralmem.worlds import split_generator
from neuralmem.worlds.functions import FOUR_TASKS, constant_errors, function_pairs, pairs_as_episodes


@pytest.mark.parametrize("task", FOUR_TASKS)
def test_pairs_are_the_function_of_what_was_drawn(task):
    x, y = function_pairs(task, (3, 5), torch.Generator().manual_seed(0), dim=8)
    assert x.shape == y.shape == (3, 5, 8)
    assert torch.allclose(FOUR_TASKS[task](x), y)
    again, _ = function_pairs(task, (3, 5), torch.Generator().manual_seed(0), dim=8)
    assert torch.equal(x, again), "equal generators give equal draws"


def test_an_integer_is_a_number_of_rows():
    assert function_pairs("sin", 4, torch.Generator())[0].shape == (4, 64)


def test_the_first_two_see_the_mean_of_x_only():
    x = torch.randn(6, 8, generator=torch.Generator().manual_seed(1))
    turned = x.flip(-1)
    for task in ("sin", "cos"):
        y = FOUR_TASKS[task](x)
        assert torch.allclose(y, FOUR_TASKS[task](turned), atol=1e-6)
        assert torch.allclose(y, y[:, :1].expand_as(y))


def test_train_and_test_draws_share_no_row():
    train, _ = function_pairs("sin", 2000, split_generator("train", 0), dim=4)
    test, _ = function_pairs("sin", 2000, split_generator("test", 0), dim=4)
    rows = {row.numpy().tobytes() for row in train}
    assert len(rows) == 2000 and not any(row.numpy().tobytes() in rows for row in test)


def test_an_unknown_task_is_named():
    with pytest.raises(ValueError, match="task"):
        function_pairs("sinh", 2, torch.Generator())


def test_constants_are_those_of_the_book():
    assert list(constant_errors().values()) == pytest.approx([0.0154, 0.00003, 0.0041, 0.000106], rel=0.06)


def test_splits_and_seeds_never_share_a_generator():
    starts = [split_generator(split, seed) for split in ("train", "test") for seed in range(9)]
    assert len({tuple(torch.randn(4, generator=start).tolist()) for start in starts}) == 18
    with pytest.raises(ValueError, match="split must be one of 'train', 'test'"):
        split_generator("validation", 0)


def test_episodes_show_the_answer_one_step_late():
    x, y = function_pairs("tanh+2", (3, 4), split_generator("train", 0), dim=5)
    inputs, targets, mask = pairs_as_episodes(x, y)
    assert inputs.shape == (4, 3, 11) and targets.shape == (4, 3, 5) and mask.shape == (4, 3)
    assert torch.equal(inputs[2, 1, :5], x[1, 2]) and torch.equal(inputs[2, 1, 5:10], y[1, 1])
    assert torch.equal(targets[2, 1], y[1, 2])
    assert (inputs[0, :, 5:] == 0).all() and (mask[0] == 0).all() and (mask[1:] == 1).all()
    with pytest.raises(ValueError, match="x must be"):
        pairs_as_episodes(x[0], y[0])
