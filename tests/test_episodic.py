"""Fetching from the past, by cue and by age."""

import pytest
import torch

from neuralmem.episodic import fetch, latest


def cues(seed=0, batch=4, places=12, width=6, noise=0.0):
    """Noisy readings of two cues, in turns of three places."""
    generator = torch.Generator().manual_seed(seed)
    kinds = torch.stack([torch.ones(width), torch.tensor([1.0, 1, 1, -1, -1, -1])])
    rooms = torch.arange(places) // 3 % 2
    readings = kinds[rooms].expand(batch, -1, -1)
    return readings + noise * torch.randn(batch, places, width, generator=generator), kinds, rooms


def test_the_latest_of_those_under_the_same_cue_come_with_weight_one():
    stored, kinds, _ = cues()
    places, weights = fetch(stored, torch.full((4,), 12), kinds[1].expand(4, -1), 4)
    assert places.tolist() == [[5, 9, 10, 11]] * 4  # under the second cue are 3, 4, 5, 9, 10 and 11
    assert torch.allclose(weights, torch.ones(4, 4), atol=1e-4)


def test_what_does_not_match_comes_with_little_weight_and_what_is_not_stored_never():
    stored, kinds, _ = cues()
    places, weights = fetch(stored, torch.tensor([2, 3, 4, 0]), kinds[1].expand(4, -1), 4, strength=10.0)
    assert places.tolist() == [[0, 0, 0, 1], [0, 0, 1, 2], [0, 1, 2, 3], [0, 0, 0, 0]]
    small = torch.exp(torch.tensor(-10.0))  # the cosine of the two cues is 0
    expected = [[0, 0, small, small], [0, small, small, small], [small, small, small, 1], [0, 0, 0, 0]]
    assert torch.allclose(weights, torch.tensor(expected), atol=1e-4)


def test_the_weights_are_those_of_a_plain_loop():
    stored, kinds, _ = cues(noise=0.5)
    key = kinds[:1].expand(4, -1) + 0.3
    counts = torch.tensor([12, 7, 5, 1])
    places, weights = fetch(stored, counts, key, 5, strength=4.0)
    for row in range(4):
        cosine = torch.nn.functional.cosine_similarity(stored[row], key[row : row + 1])
        known = sorted(range(int(counts[row])), key=lambda n, cosine=cosine: -float(cosine[n]) - 1e-3 * n / 12)[:5]
        found = places[row][weights[row] > 0].tolist()
        assert found == sorted(known)
        assert torch.allclose(weights[row][weights[row] > 0], torch.exp(4 * (cosine[found] - 1)), atol=1e-4)


def test_with_noisy_cues_most_of_what_is_fetched_is_of_the_right_kind():
    stored, kinds, rooms = cues(noise=0.5, batch=100, places=60)
    places, weights = fetch(stored, torch.full((100,), 60), kinds[1].expand(100, -1), 10)
    right = (rooms[places] == 1).float()
    assert float((weights * right).sum() / weights.sum()) > 0.97


def test_a_fetch_is_differentiable_in_its_key():
    stored, kinds, _ = cues(noise=0.3)
    key = kinds[:1].expand(4, -1).clone().requires_grad_()
    fetch(stored, torch.full((4,), 12), key, 3)[1].sum().backward()
    assert torch.isfinite(key.grad).all() and key.grad.abs().max() > 0


def test_the_latest_are_the_latest():
    stored, _, _ = cues()
    places, weights = latest(stored, torch.tensor([12, 5, 1, 0]), 3)
    assert places.tolist() == [[9, 10, 11], [2, 3, 4], [0, 0, 0], [0, 0, 0]]
    assert weights.tolist() == [[1, 1, 1], [1, 1, 1], [0, 0, 1], [0, 0, 0]]


def test_more_may_be_asked_for_than_there_are_places():
    stored, kinds, _ = cues(places=3)
    places, weights = fetch(stored, torch.full((4,), 3), kinds[:1].expand(4, -1), 5)
    assert places.tolist() == [[0, 0, 0, 1, 2]] * 4 and (weights > 0).sum(1).tolist() == [3] * 4


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda c, n: fetch(c, n, torch.zeros(4, 5), 2), ValueError, ["key", "W=6", "(4, 5)"]),
        (lambda c, n: fetch(c, n, torch.zeros(4, 6), 0), ValueError, ["k", "0"]),
        (lambda c, n: fetch(c, n, torch.zeros(4, 6), 2, -1.0), ValueError, ["strength", "-1"]),
        (lambda c, n: fetch(c, n[:2], torch.zeros(4, 6), 2), ValueError, ["stored", "(4,)", "(2,)"]),
        (lambda c, n: fetch(c, n + 1, torch.zeros(4, 6), 2), ValueError, ["stored", "0..12", "13"]),
        (lambda c, n: fetch(c, n.float(), torch.zeros(4, 6), 2), TypeError, ["stored", "float32"]),
        (lambda c, n: latest(c[0], n, 2), ValueError, ["cues", "(12, 6)"]),
    ],
)
def test_wrong_input_is_named(call, error, words):
    with pytest.raises(error) as caught:
        call(cues()[0], torch.full((4,), 12))
    assert all(word in str(caught.value) for word in words)
