"""The demo's function tasks: what is drawn, and that train and test share nothing."""

import pytest
import torch

from neuralmem.worlds import split_generator
from neuralmem.worlds.functions import FOUR_TASKS, function_pairs


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
