"""What replay must do: keep and draw with the chances it promises, refuse what is wrong, resume exactly."""

import copy
import io
import tracemalloc

import numpy as np
import pytest
import torch
from scipy import stats

from neuralmem import ExperienceReplay
from neuralmem.replay import KINDS


def numbers(count, start=0):
    """Experiences that can be told apart: the t-th of the stream holds t."""
    stream = np.arange(start, start + count)
    return {"x": np.stack([stream, -stream], 1).astype(np.float32), "y": stream}


def filled(kind="proportional", capacity=8, count=8, priorities=None, **kwargs):
    replay = ExperienceReplay(capacity, kind, **kwargs)
    replay.extend(numbers(count), priorities)
    return replay


def chi_square(counts, chances):
    """p-value of the counts under the chances."""
    return stats.chisquare(counts, counts.sum() * chances).pvalue


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_holds_what_was_stored(kind):
    replay = filled(kind, capacity=10, count=25)
    batch = replay.sample(10)
    assert len(replay) == 10 and batch.data["x"].shape == (10, 2) and batch.weights.shape == (10,)
    assert batch.data["x"].dtype == batch.weights.dtype == torch.float32 and batch.data["y"].dtype == torch.int64
    assert torch.equal(batch.data["x"][:, 0].long(), batch.data["y"])
    assert (batch.indices == batch.data["y"].numpy()).all()  # an index is the number in the stream
    if kind != "reservoir":
        assert (batch.indices >= 15).all()


@pytest.mark.parametrize(
    "experience", [(np.zeros(3, np.float32), 2), np.arange(4.0), {"b": torch.ones(2), "a": True}, 0.5]
)
def test_any_form_of_experience_comes_back_as_it_was(experience):
    replay = ExperienceReplay(4)
    replay.add(experience)
    data = replay.sample(2).data
    assert type(data) is (torch.Tensor if isinstance(experience, np.ndarray | float) else type(experience))
    if isinstance(experience, dict):
        assert data["b"].dtype == torch.float32 and data["a"].dtype == torch.bool
        replay.add({"a": False, "b": torch.zeros(2)})  # another order of the names is the same experience
    if isinstance(experience, tuple):
        assert data[0].shape == (2, 3) and data[1].dtype == torch.int64
    if isinstance(experience, float):
        assert data.dtype == torch.float32


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [5, 8, 21])
def test_one_by_one_and_in_bulk_are_the_same(kind, count):
    priorities = np.random.default_rng(0).random(count) * 3
    bulk, single = filled(kind, 8, count, priorities, seed=3), ExperienceReplay(8, kind, seed=3)
    rows = numbers(count)
    indices = [single.add({name: rows[name][i] for name in rows}, priorities[i]) for i in range(count)]
    a, b = bulk.state_dict(), single.state_dict()
    assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a if torch.is_tensor(a[k]) and k != "scaled")
    assert a["rng"] == b["rng"]
    if kind in ("proportional", "rank"):
        assert bulk.highest == single.highest == priorities[-8:].max()
    if kind == "proportional":
        torch.testing.assert_close(a["scaled"], b["scaled"], rtol=1e-14, atol=0)
    if kind != "reservoir":
        assert indices == list(range(count))


@pytest.mark.parametrize("kind", ["proportional", "rank"])
def test_probabilities_are_the_papers(kind):
    priorities = np.array([4.0, 1, 0.25, 9, 2, 3, 0.5, 7])
    replay = filled(kind, priorities=priorities, alpha=0.7, epsilon=0)
    base = priorities if kind == "proportional" else 1 / np.array([3, 6, 8, 1, 5, 4, 7, 2])
    np.testing.assert_allclose(replay.probabilities(), base**0.7 / (base**0.7).sum(), rtol=1e-12)
    replay.update_priorities([3, 0], [0.1, 8.0])
    priorities[[3, 0]] = 0.1, 8
    base = priorities if kind == "proportional" else 1 / stats.rankdata(-priorities)
    np.testing.assert_allclose(replay.probabilities(), base**0.7 / (base**0.7).sum(), rtol=1e-12)


def test_independent_draws_have_the_promised_chances():
    priorities = np.random.default_rng(1).gamma(0.5, size=1000)
    replay = filled(capacity=1000, count=1500, priorities=np.concatenate([priorities[:500], priorities]), alpha=0.6)
    assert (replay.numbers == np.concatenate([np.arange(1000, 1500), np.arange(500, 1000)])).all()
    chances = replay.probabilities()
    drawn = replay.tree.find(np.random.default_rng(2).random(10**6))[0]
    counts = np.bincount(drawn, minlength=1000)
    assert chi_square(counts, chances) > 1e-3
    for place in (499, 500):  # the newest and the oldest item
        assert stats.binomtest(int(counts[place]), 10**6, chances[place]).pvalue > 1e-3
    wrong = np.roll(chances, 1)
    assert chi_square(counts, wrong) < 1e-12  # the test can tell


@pytest.mark.parametrize("kind", ["proportional", "rank"])
def test_stratified_draws_have_the_promised_chances(kind):
    priorities = np.random.default_rng(1).gamma(0.5, size=300)
    replay = filled(kind, 300, 300, priorities, seed=4)
    counts = np.bincount(np.concatenate([replay.sample(100).indices for _ in range(10**4)]), minlength=300)
    expected = 10**6 * replay.probabilities()
    # strata make counts steadier than independent draws, so the statistic may only be smaller
    assert ((counts - expected) ** 2 / expected).sum() < stats.chi2.ppf(0.999, 299)
    assert abs(counts[-1] - expected[-1]) < 4 * np.sqrt(expected[-1])
    assert abs(counts[0] - expected[0]) < 4 * np.sqrt(expected[0])


def test_every_stratum_gives_one_draw():
    replay = filled(priorities=np.ones(8))
    for _ in range(20):
        assert sorted(replay.sample(8).indices) == list(range(8))


@pytest.mark.parametrize("kind", ["uniform", "reservoir"])
def test_uniform_draws_are_distinct_and_fair(kind):
    replay = filled(kind)
    counts = np.zeros(8)
    for _ in range(4000):
        indices = replay.sample(3).indices
        assert len(set(indices)) == 3
        counts[indices] += 1
    assert chi_square(counts, np.full(8, 1 / 8)) > 1e-3
    assert (replay.sample(3).weights == 1).all() and (replay.probabilities() == 1 / 8).all()


def test_the_reservoir_keeps_every_item_of_the_stream_with_equal_chance():
    runs, length, capacity = 20000, 12, 4
    counts, first_place = np.zeros(length), np.zeros(capacity)
    for seed in range(runs):
        replay = ExperienceReplay(capacity, "reservoir", seed=seed)
        replay.extend(np.arange(7))
        replay.extend(np.arange(7, length))
        counts[replay.arrays[0]] += 1
        first_place += replay.arrays[0] == length - 1
    # kept items of one run are distinct, which makes counts a little steadier than independent draws
    assert chi_square(counts, np.full(length, 1 / length)) > 1e-3
    assert abs(counts[-1] / runs - capacity / length) < 4 * np.sqrt(capacity / length / runs)
    assert chi_square(first_place, np.full(capacity, 1 / capacity)) > 1e-3


def test_importance_weights_are_the_papers():
    priorities = np.array([4.0, 1, 0.25, 9, 2, 3, 0.5, 7])
    replay = filled(priorities=priorities, alpha=1.0)
    batch = replay.sample(64, beta=0.5)
    weights = (8 * replay.probabilities()[batch.indices]) ** -0.5
    np.testing.assert_allclose(batch.weights, weights / weights.max(), rtol=1e-6)
    assert (replay.sample(5, beta=0).weights == 1).all()


def test_weights_remove_the_bias_of_prioritised_draws():
    priorities = np.random.default_rng(3).gamma(1, size=200) + 0.05
    replay = filled(capacity=200, count=200, priorities=priorities, alpha=1.0)
    values = priorities**2  # what is drawn often is also large: the plain mean must be wrong
    plain, weighted = [], []
    for _ in range(400):
        batch = replay.sample(64, beta=1.0)
        plain.append(values[batch.indices].mean())
        weighted.append((values[batch.indices] / (200 * replay.probabilities()[batch.indices])).mean())
        ratio = batch.weights.numpy() * replay.probabilities()[batch.indices]
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-5)  # the same up to a factor
    error = [abs(np.mean(v) - values.mean()) / (np.std(v) / 20) for v in (plain, weighted)]
    assert error[0] > 50 and error[1] < 4


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [5, 20])
def test_a_restored_replay_goes_on_exactly(kind, count):
    def go_on(replay):
        drawn = []
        for step in range(20):
            batch = replay.sample(4, beta=0.7)
            replay.update_priorities(batch.indices, np.arange(4) + step % 3)
            replay.add({"x": np.full(2, step, np.float32), "y": step})
            drawn.append((batch.indices.tolist(), batch.weights.tolist(), batch.data["y"].tolist()))
        return drawn

    replay = filled(kind, 8, count, np.random.default_rng(1).random(count), seed=1)
    replay.sample(3)
    file = io.BytesIO()
    torch.save(replay.state_dict(), file)
    file.seek(0)
    other = ExperienceReplay(8, kind, seed=2)
    other.load_state_dict(torch.load(file, weights_only=True))
    copied = copy.deepcopy(replay)
    assert go_on(replay) == go_on(other) == go_on(copied)


def test_an_empty_replay_can_be_saved_and_loading_checks_first():
    empty, full = ExperienceReplay(8), filled()
    state = full.state_dict()
    full.load_state_dict(empty.state_dict())
    assert len(full) == 0 and full.arrays is None
    with pytest.raises(ValueError, match="capacity must be 4"):
        ExperienceReplay(4).load_state_dict(state)
    with pytest.raises(ValueError, match="epsilon must be 0.0"):
        filled(epsilon=0.0).load_state_dict(state)
    assert len(full) == 0


def test_a_state_is_a_copy():
    replay = filled()
    state = replay.state_dict()
    replay.extend(numbers(3, start=8), [7.0, 7, 7])
    assert state["array.001"].tolist() == list(range(8)) and state["given"].tolist() == [-1.0] * 8


def test_tensors_with_gradients_are_stored_as_values():
    x = torch.ones(2, requires_grad=True) * 2
    replay = ExperienceReplay(2)
    replay.add(x)
    losses = torch.ones(2, requires_grad=True) * 3
    replay.update_priorities(replay.sample(2).indices, losses)
    assert not replay.sample(1).data.requires_grad and replay.highest == 3.0


def test_no_global_generator_is_touched():
    np_state, torch_state = np.random.get_state()[1].copy(), torch.random.get_rng_state()  # noqa: NPY002
    filled("reservoir", 8, 30).sample(4)
    filled().sample(4)
    assert (np.random.get_state()[1] == np_state).all() and torch.equal(torch.random.get_rng_state(), torch_state)  # noqa: NPY002


@pytest.mark.parametrize("kind", KINDS)
def test_a_million_rows_take_no_more_than_twice_their_room(kind):
    rows = 10**6
    data = np.ones((rows, 3), np.float32)
    replay = ExperienceReplay(rows, kind)
    replay.extend(data[:1])  # what is imported and allocated once
    tracemalloc.start()
    replay.extend(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * data.nbytes
    assert replay.seen == rows + 1 and len(replay) == rows
