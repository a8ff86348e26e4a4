"""The two seasons of chapter 4."""

import pytest
import torch

from neuralmem.teaching import continual


def test_rows_of_a_season_are_windows_within_a_stay():
    x, y, clean = continual.season_rows("A", "train", seed=0, lives=3)
    assert x.shape == (3 * 2 * 16, 44) and y.shape == clean.shape == (96, 1)
    again, other = (continual.season_rows("A", split, 0, 3)[0] for split in ("train", "test"))
    assert torch.equal(x, again) and not torch.equal(x, other)
    # the window's last transition is the one before: its features moved on by its target give this one's speed
    assert torch.allclose(x[1, 4 + 35 : 4 + 39], x[0, :4]) and torch.allclose(x[1, 4 + 39], y[0, 0])


def test_a_constant_has_error_one_in_a_season():
    rows = continual.season_rows("B", "test", seed=1, lives=50)
    mean = rows[2].mean()
    assert continual.season_error(lambda x: mean.expand(len(x), 1), rows) == pytest.approx(1, abs=0.01)
