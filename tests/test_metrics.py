"""The task matrix and the interval, on numbers that can be checked by hand."""

import numpy as np
import pytest
from scipy import stats

from neuralmem.metrics import (
    average_accuracy,
    backward_transfer,
    confidence_interval,
    forgetting,
    forward_transfer,
)

R = np.array([[0.9, 0.2, 0.1], [0.95, 0.8, 0.3], [0.5, 0.6, 1.0]])


def test_the_four_numbers_by_hand():
    assert average_accuracy(R) == pytest.approx((0.5 + 0.6 + 1.0) / 3)
    assert forgetting(R) == pytest.approx(((0.95 - 0.5) + (0.8 - 0.6)) / 2)  # from the best, not from the first
    assert backward_transfer(R) == pytest.approx(((0.5 - 0.9) + (0.6 - 0.8)) / 2)
    assert forward_transfer(R, [0.1, 0.1, 0.1]) == pytest.approx(((0.2 - 0.1) + (0.3 - 0.1)) / 2)


def test_nothing_lost_is_zero_forgetting():
    assert forgetting(np.tril(np.ones((4, 4)))) == backward_transfer(np.tril(np.ones((4, 4)))) == 0.0


def test_what_improves_later_has_positive_backward_transfer_and_negative_forgetting():
    better = np.array([[0.5, 0.0], [0.8, 0.9]])
    assert backward_transfer(better) == pytest.approx(0.3) and forgetting(better) == pytest.approx(-0.3)


def test_the_interval_is_students():
    samples = np.array([1.0, 2, 3, 4, 5])
    mean, half = confidence_interval(samples)
    assert mean == 3 and half == pytest.approx(2.7764451 * samples.std(ddof=1) / np.sqrt(5))
    low, high = stats.t.interval(0.9, 4, 3, stats.sem(samples))
    assert confidence_interval(samples, 0.9)[1] == pytest.approx((high - low) / 2)
    mean, half = confidence_interval(np.stack([samples, samples * 2], 1))
    assert mean.tolist() == [3, 6] and half[1] == pytest.approx(2 * half[0])


def test_the_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(0)
    mean, half = confidence_interval(rng.normal(size=(5, 20000)))
    assert abs((np.abs(mean) < half).mean() - 0.95) < 0.006


ERROR_CASES = [
    ("R a vector", lambda: average_accuracy([1.0, 2.0]), ValueError, "R must be (tasks, tasks), got (2,)"),
    ("R not square", lambda: forgetting(np.ones((2, 3))), ValueError, "got (2, 3)"),
    ("R empty", lambda: average_accuracy(np.ones((0, 0))), ValueError, "R must be"),
    ("one task", lambda: forgetting([[1.0]]), ValueError, "at least 2 tasks"),
    ("one task, backward", lambda: backward_transfer([[1.0]]), ValueError, "at least 2 tasks"),
    ("baseline too long", lambda: forward_transfer(R, [0.1] * 4), ValueError, "baseline must be (3,)"),
    ("one seed", lambda: confidence_interval([1.0]), ValueError, "at least 2 seeds"),
    ("a number", lambda: confidence_interval(1.0), ValueError, "seeds"),
    ("a NaN", lambda: confidence_interval([1.0, np.nan]), ValueError, "NaN"),
    ("level above 1", lambda: confidence_interval([1.0, 2.0], level=95), ValueError, "level"),
]


@pytest.mark.parametrize(("label", "call", "error", "words"), ERROR_CASES, ids=[case[0] for case in ERROR_CASES])
def test_wrong_input_is_refused_by_name(label, call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value)
