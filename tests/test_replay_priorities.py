"""Priorities: what new items inherit, what is drawn again, and numbers whatever they are."""

import numpy as np
import pytest
import torch
from test_replay import filled, numbers

from neuralmem import ExperienceReplay


def test_a_new_item_gets_the_highest_priority():
    replay = filled(priorities=np.full(8, 0.5))
    replay.update_priorities(np.array([2]), [5.0])
    replay.add({"x": np.zeros(2, np.float32), "y": 8})
    chances = replay.probabilities()
    assert chances[0] == chances[2] == chances.max()


@pytest.mark.parametrize("kind", ["proportional", "rank"])
def test_an_outlier_counts_until_it_is_judged_again_and_no_longer(kind):
    """Items of one batch are judged 1e8 once; two hundred steps later replay is as it would be without them."""

    def median_age(outlier):
        replay, rng, ages = ExperienceReplay(1000, kind), np.random.default_rng(0), []
        for step in range(300):
            replay.extend(np.full(16, step))
            batch = replay.sample(16)
            losses = rng.gamma(1, 0.1, 16)
            replay.update_priorities(batch.indices, np.full(16, 1e8) if outlier and step == 100 else losses)
            if step >= 250:
                ages.extend((step - batch.data).tolist())
        assert outlier or replay.highest < 2
        return np.median(ages)

    assert median_age(outlier=True) > 0.8 * median_age(outlier=False) > 5


@pytest.mark.parametrize("kind", ["proportional", "rank"])
def test_the_highest_is_that_of_what_is_stored_and_was_given(kind):
    """Against a plain list of pairs, over a random history of adding, overwriting and judging."""
    rng = np.random.default_rng(0)
    replay, stored, given = ExperienceReplay(9, kind), [], {}
    for _ in range(2000):
        highest = max([given[i] for i in stored if i in given], default=1.0)
        assert replay.highest == highest
        action = rng.integers(3) if stored else 0
        if action == 0:
            count = int(rng.integers(1, 14))
            priorities = rng.random(count) * 10.0 ** rng.integers(-3, 3) if rng.random() < 0.3 else None
            new = [int(i) for i in replay.extend(np.zeros(count), priorities)]
            stored = (stored + new)[-9:]
            given.update(zip(new, priorities, strict=True) if priorities is not None else ())
        elif action == 1:
            new, stored = replay.add(np.float64(0)), stored[-8:]
            stored.append(new)
        else:
            drawn = replay.sample(4).indices
            losses = rng.random(4)  # of an item drawn twice the last one counts
            replay.update_priorities(drawn, losses)
            given.update(zip(map(int, drawn), losses, strict=True))


@pytest.mark.parametrize("kind", ["proportional", "rank"])
@pytest.mark.parametrize("count", [3, 8, 21])
def test_what_new_items_inherit_is_the_same_one_by_one_and_in_bulk(kind, count):
    given = np.array([0.3, 5.0, 0.2, 2.0, 0.7, 0.1, 1.5, 0.4])
    bulk, single = filled(kind, priorities=given), filled(kind, priorities=given)
    rows = numbers(count, start=8)
    bulk.extend(rows)
    for i in range(count):
        single.add({name: rows[name][i] for name in rows})
    np.testing.assert_allclose(bulk.probabilities(), single.probabilities(), rtol=1e-12)


def test_what_was_learned_can_be_drawn_again():
    """A hinge loss is exactly 0 where an item is right; epsilon keeps it in the draw (Schaul et al., section 3.3)."""
    replay = filled(priorities=np.array([0.0, 0, 0, 1, 1, 1, 1, 1]), alpha=1.0, epsilon=0.01)
    np.testing.assert_allclose(replay.probabilities()[:3], 0.01 / (3 * 0.01 + 5 * 1.01), rtol=1e-12)
    assert filled(priorities=np.zeros(8)).probabilities() == pytest.approx(np.full(8, 1 / 8))  # all learned
    assert filled(priorities=np.array([0.0] + [1e3] * 7)).probabilities()[0] > 0  # by default, too


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0, 2.0, 40.0, 1e6])
def test_chances_and_weights_are_numbers_whatever_the_priorities(alpha):
    """Tiny, huge and zero ones: right to the last digit that a float can hold, or refused by name; never NaN."""
    answered = 0
    for scale in (0.0, 1e-300, 1e-30, 1.0, 1e30, 1e150, 1e300, 1.7e308):
        try:
            replay = filled(priorities=scale * np.array([1.0, 0.5, 1, 1, 0.25, 1, 1, 1]), alpha=alpha)
        except ValueError as error:
            assert f"priorities with alpha={alpha} must be at most" in str(error)
            continue
        try:
            batch = replay.sample(64, beta=0.7)
        except ValueError as error:
            assert "priorities are all 0" in str(error) and replay.epsilon**alpha == 0
            continue
        answered += 1
        chances = replay.probabilities()
        assert np.isfinite(chances).all() and chances.sum() == pytest.approx(1)
        assert torch.isfinite(batch.weights).all() and batch.weights.max() == 1
        if scale >= 1e-3:
            np.testing.assert_allclose(chances[4] / chances[0], 0.25**alpha, rtol=1e-5, atol=1e-300)
        replay.add({"x": np.zeros(2, np.float32), "y": 8})  # what it inherits is a number, too
        assert np.isfinite(replay.probabilities()).all()
    # epsilon**40 is 1e-320: some arithmetic takes so small a number for 0
    assert answered >= (1 if alpha > 10 else 4)


def test_priority_zero_is_never_drawn_without_an_epsilon():
    replay = filled(capacity=200, count=130, priorities=np.where(np.arange(130) % 64 == 5, 1.0, 0.0), epsilon=0)
    assert set(replay.sample(1000).indices) == {5, 69}
    nodes, found = replay.tree.find(np.array([0.0, 0.5, np.nextafter(1, 0), 1.0]))
    assert list(nodes) == [5, 69, 69, 69] and (found == 1).all()
    replay.update_priorities([5, 69], [0, 0])
    with pytest.raises(ValueError, match="priorities are all 0"):
        replay.sample(1)
    with pytest.raises(ValueError, match="priorities are all 0"):
        replay.probabilities()
