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
    paired_difference,
    prequential_error,
    retention,
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


def test_retention_by_hand():
    assert retention(R, [0, 1, 2]) == pytest.approx((0.5 + 0.6) / 2)
    assert retention(R, [0, 1, 2], after=1) == 0.95
    returns = np.array([[0.9, 0.1], [0.4, 0.8], [0.7, 0.5]])  # task 0 comes again: only task 1 must be kept then
    assert retention(returns, [0, 1, 0]) == 0.5 and retention(returns, [0, 1, 0], after=-2) == 0.4
    wide = np.arange(30.0).reshape(6, 5)  # five seasons and the return of the second, as in a life of chapter 6
    assert retention(wide, [0, 1, 2, 3, 4, 1], after=4) == wide[4, :4].mean()
    assert retention(wide, [0, 1, 2, 3, 4, 1]) == wide[5, [0, 2, 3, 4]].mean()


def test_a_paired_interval_is_that_of_the_differences():
    rng = np.random.default_rng(0)
    shared = rng.normal(size=6) * 10
    first, second = shared + rng.normal(size=6) * 0.1 + 1, shared + rng.normal(size=6) * 0.1
    mean, half = paired_difference(first, second)
    low, high = stats.ttest_rel(first, second).confidence_interval(0.95)
    assert (mean - half, mean + half) == pytest.approx((low, high))
    assert half < 0.1 * confidence_interval(first)[1] and mean - half > 0
    assert paired_difference(np.ones((3, 4)), np.zeros((3, 4)))[0].tolist() == [1.0] * 4


def test_the_prequential_error_is_the_mean_so_far():
    losses = np.array([4.0, 0, 2, 2])
    assert prequential_error(losses).tolist() == [4, 2, 2, 2]
    assert prequential_error(losses, fading=0.5) == pytest.approx([4, 2 / 1.5, 3 / 1.75, 3.5 / 1.875])
    assert prequential_error(losses, fading=0).tolist() == losses.tolist()  # the last one only
    assert prequential_error(np.stack([losses, 2 * losses], 1))[:, 1].tolist() == [8, 4, 4, 4]


ERROR_CASES = [
    ("R a vector", lambda: average_accuracy([1.0, 2.0]), ValueError, "scores must be (tasks, tasks), one phase a task"),
    ("R not square", lambda: forgetting(np.ones((2, 3))), ValueError, "got (2, 3)"),
    ("R empty", lambda: average_accuracy(np.ones((0, 0))), ValueError, "scores must be"),
    ("one task", lambda: forgetting([[1.0]]), ValueError, "at least 2 tasks"),
    ("one task, backward", lambda: backward_transfer([[1.0]]), ValueError, "at least 2 tasks"),
    ("baseline too long", lambda: forward_transfer(R, [0.1] * 4), ValueError, "baseline must be (3,)"),
    ("one seed", lambda: confidence_interval([1.0]), ValueError, "at least 2 seeds"),
    ("a number", lambda: confidence_interval(1.0), ValueError, "seeds"),
    ("a NaN", lambda: confidence_interval([1.0, np.nan]), ValueError, "NaN"),
    ("a NaN in a matrix", lambda: forgetting(np.full((2, 2), np.nan)), ValueError, "scores must be finite"),
    ("rows of two lengths", lambda: average_accuracy([[1.0], [1.0, 2.0]]), TypeError, "scores must hold numbers"),
    ("words", lambda: confidence_interval(["a", "b"]), TypeError, "samples must hold numbers"),
    ("level 1", lambda: confidence_interval([1.0, 2.0], level=1), ValueError, "above 0 and below 1"),
    ("level True", lambda: confidence_interval([1.0, 2.0], level=True), TypeError, "level must be a number"),
    ("pairs of two sizes", lambda: paired_difference([1.0, 2], [1.0]), ValueError, "second must have the shape of"),
    ("one pair", lambda: paired_difference([1.0], [1.0]), ValueError, "at least 2 seeds"),
    ("visits too few", lambda: retention(R, [0, 1]), ValueError, "one of 3 tasks for each of 3 phases, got [0, 1]"),
    ("visits unknown", lambda: retention(R, [0, 1, 3]), ValueError, "got [0, 1, 3]"),
    ("visits of floats", lambda: retention(R, [0.0, 1, 2]), ValueError, "visits must name"),
    ("nothing before", lambda: retention(R, [0, 1, 2], after=0), ValueError, "other tasks before it"),
    ("only itself before", lambda: retention(np.ones((2, 1)), [0, 0]), ValueError, "other tasks before it"),
    ("after the end", lambda: retention(R, [0, 1, 2], after=3), ValueError, "after must be one of 3 phases"),
    ("no losses", lambda: prequential_error([]), ValueError, "losses must be (T, ...)"),
    ("a fading above 1", lambda: prequential_error([1.0], 1.5), ValueError, "fading"),
    ("level above 1", lambda: confidence_interval([1.0, 2.0], level=95), ValueError, "level"),
]


@pytest.mark.parametrize(("label", "call", "error", "words"), ERROR_CASES, ids=[case[0] for case in ERROR_CASES])
def test_wrong_input_is_refused_by_name(label, call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value)
