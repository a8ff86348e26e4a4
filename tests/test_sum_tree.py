"""The tree of sums finds what a running sum finds, and keeps no rounding error."""

import numpy as np
import pytest

from neuralmem.sum_tree import SumTree


@pytest.mark.parametrize("capacity", [1, 32, 33, 5000, 300_000, 5_000_000])
def test_the_tree_agrees_with_a_running_sum(capacity):
    rng = np.random.default_rng(0)
    tree, priorities = SumTree(capacity), rng.gamma(0.3, size=capacity)
    tree.set(np.arange(capacity), priorities)
    for _ in range(5):
        where = rng.integers(0, capacity, 40)
        new = rng.random(40)
        tree.set(where, new)
        priorities[where] = new  # of equal indices the last one, as NumPy assigns
    fractions = rng.random(500)
    running = np.cumsum(priorities)
    np.testing.assert_array_equal(tree.leaves[:capacity], priorities)
    leaves, found = tree.find(fractions)
    np.testing.assert_array_equal(leaves, np.searchsorted(running, fractions * running[-1], side="right"))
    np.testing.assert_array_equal(found, priorities[leaves])


def test_a_million_updates_leave_no_rounding_error():
    rng = np.random.default_rng(0)
    tree = SumTree(1000)
    for scale in (1e12, 1e-6) * 5:
        tree.set(rng.integers(0, 1000, 10**5), rng.random(10**5) * scale)
    tree.set(np.arange(1000), np.full(1000, 0.125))
    assert tree.find(np.array([0.5]))[1].tolist() == [0.125] and tree.top.sum() == 125


def test_many_and_few_changes_leave_the_same_tree():
    rng = np.random.default_rng(0)
    many, few = SumTree(5000), SumTree(5000)
    where, values = rng.integers(0, 5000, 3000), rng.random(3000)
    many.set(where, values)
    for start in range(0, 3000, 50):
        few.set(where[start : start + 50], values[start : start + 50])
    np.testing.assert_array_equal(many.leaves, few.leaves)
    np.testing.assert_allclose(many.top, few.top, rtol=1e-14)


def test_one_change_by_its_number_is_a_change_of_one():
    rng = np.random.default_rng(0)
    singly, together = SumTree(140_000), SumTree(140_000)  # three levels
    for _ in range(200):
        place, value = int(rng.integers(0, 140_000)), float(rng.random())
        singly.set(place, value)
        together.set(np.array([place]), np.array([value]))
    for one, other in zip(singly.levels, together.levels, strict=True):
        np.testing.assert_array_equal(one, other)
    singly.set(np.arange(140_000), singly.leaves[:140_000])  # as a restored replay sums them anew: to the last bit
    for one, other in zip(singly.levels, together.levels, strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_empty_tree_has_nothing_to_draw():
    with pytest.raises(ValueError, match="priorities are all 0"):
        SumTree(10).find(np.array([0.5]))


def test_the_limit_is_what_can_be_summed():
    tree = SumTree(200)
    tree.set(np.arange(200), np.full(200, tree.limit))
    assert np.isfinite(tree.top.sum()) and tree.find(np.array([0.999]))[0].tolist() == [199]
