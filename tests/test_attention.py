"""Attention, outer-product writes and product keys: against loops, PyTorch's own, autograd, and what they refuse."""

import pytest
import torch
import torch.nn.functional as F

from neuralmem.attention import attention_read, delta_write, outer_write, product_key_search


def draw(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("strength", [None, 0.0, 4.0])
def test_a_read_is_the_definition_with_loops_and_pytorchs_own(batch, causal, strength):
    queries, keys, values = draw(*batch, 5, 4), draw(*batch, 5, 4, seed=1), draw(*batch, 5, 3, seed=2)
    found = attention_read(queries, keys, values, strength, causal)
    theirs = F.scaled_dot_product_attention(queries, keys, values, is_causal=causal, scale=strength)
    torch.testing.assert_close(found, theirs)
    beta = 0.5 if strength is None else strength
    flat = [part.reshape(-1, 5, part.shape[-1]) for part in (queries, keys, values, found)]
    for query, key, value, read in zip(*flat, strict=True):
        for i in range(5):
            seen = i + 1 if causal else 5
            odds = [torch.exp(beta * query[i] @ key[n]) for n in range(seen)]
            wanted = sum(odd * value[n] for n, odd in enumerate(odds)) / sum(odds)
            torch.testing.assert_close(read[i], wanted)


def test_an_endless_strength_is_the_nearest_and_none_the_mean():
    keys, values = torch.eye(3), draw(3, 2).float()
    torch.testing.assert_close(attention_read(keys[1:2], keys, values, 1e4), values[1:2])
    torch.testing.assert_close(attention_read(keys[1:2], keys, values, 0.0), values.mean(0, keepdim=True))


@pytest.mark.parametrize("write", [outer_write, delta_write])
def test_writes_have_right_gradients_and_change_nothing(write):
    given = [draw(2, 3, 4), draw(2, 3, seed=1), draw(2, 4, seed=2)]
    before = [part.clone() for part in given]
    assert torch.autograd.gradcheck(write, [part.requires_grad_() for part in given])
    assert all(torch.equal(part, old) for part, old in zip(given, before, strict=True))


def test_an_outer_write_adds_the_product_of_each_pair():
    memory, key, value = draw(2, 3, 4), draw(2, 3, seed=1), draw(2, 4, seed=2)
    found = outer_write(memory, key, value)
    for b in range(2):
        torch.testing.assert_close(found[b], memory[b] + torch.outer(key[b], value[b]))


@pytest.mark.parametrize("rate", [0.3, torch.tensor([0.3, 1.2], dtype=torch.float64)])
def test_a_delta_write_is_a_gradient_step_on_half_the_squared_error(rate):
    memory, key, value = draw(2, 3, 4), draw(2, 3, seed=1), draw(2, 4, seed=2)
    found = delta_write(memory, key, value, rate)
    for b in range(2):
        start = memory[b].clone().requires_grad_()
        loss = (key[b] @ start - value[b]).square().sum() / 2
        (slope,) = torch.autograd.grad(loss, start)
        step = rate if isinstance(rate, float) else rate[b]
        torch.testing.assert_close(found[b], memory[b] - step * slope)


def test_the_last_delta_write_is_read_back_exactly():
    memory = draw(1, 6, 3)
    for seed in range(9):
        key, value = F.normalize(draw(1, 6, seed=seed), dim=-1), draw(1, 3, seed=seed + 20)
        memory = delta_write(memory, key, value)
        torch.testing.assert_close((key.unsqueeze(1) @ memory).squeeze(1), value)


@pytest.mark.parametrize("best", [1, 3, 7, 35])
@pytest.mark.parametrize("seed", range(3))
def test_a_product_search_finds_what_comparing_with_every_key_finds(best, seed):
    query, first, second = draw(4, 6, seed=seed), draw(5, 3, seed=seed + 10), draw(7, 3, seed=seed + 20)
    keys = torch.stack([torch.cat([first[i], second[j]]) for i in range(5) for j in range(7)])
    wanted, places = (query @ keys.T).topk(best)
    scores, indices = product_key_search(query, first, second, best)
    torch.testing.assert_close(scores, wanted)
    assert torch.equal(indices, places)


REFUSED = [
    (lambda: attention_read(draw(2, 4), draw(3, 5), draw(3, 1)), ValueError, "keys must be"),
    (lambda: attention_read(draw(2, 4), draw(3, 4), draw(2, 1)), ValueError, "values must be"),
    (lambda: attention_read(draw(2, 4), draw(3, 4).float(), draw(3, 1)), TypeError, "keys must have dtype"),
    (lambda: attention_read(draw(4), draw(3, 4), draw(3, 1)), ValueError, "queries must be"),
    (lambda: attention_read(draw(2, 4), draw(3, 4), draw(3, 1), causal=True), ValueError, "causal"),
    (lambda: attention_read(draw(2, 4), draw(3, 4), draw(3, 1), float("nan")), ValueError, "strength"),
    (lambda: attention_read(draw(2, 4), draw(0, 4), draw(0, 1)), ValueError, "keys must be"),
    (lambda: attention_read(draw(2, 2, 4), draw(3, 4), draw(3, 1)), ValueError, "keys must be"),
    (lambda: outer_write(draw(1, 3, 4), draw(1, 4), draw(1, 4)), ValueError, "key must be"),
    (lambda: outer_write(draw(1, 3, 4), draw(2, 3), draw(1, 4)), ValueError, "key must be"),
    (lambda: delta_write(draw(1, 3, 4), draw(1, 3), draw(1, 3)), ValueError, "value must be"),
    (lambda: delta_write(draw(1, 3, 4), draw(1, 3), draw(1, 4), draw(2)), ValueError, "rate must be"),
    (lambda: delta_write(draw(1, 3, 4), draw(1, 3), draw(1, 4), "1"), TypeError, "rate must be"),
    (lambda: product_key_search(draw(2, 5), draw(3, 2), draw(3, 2), 1), ValueError, "even"),
    (lambda: product_key_search(draw(2, 4), draw(3, 2), draw(3, 3), 1), ValueError, "second must be"),
    (lambda: product_key_search(draw(2, 4), draw(3, 2), draw(3, 2), 10), ValueError, "best must be"),
    (lambda: product_key_search(draw(2, 4), draw(3, 2), draw(3, 2), 0), ValueError, "best must be"),
]


@pytest.mark.parametrize(("call", "kind", "words"), REFUSED)
def test_a_wrong_argument_is_named(call, kind, words):
    with pytest.raises(kind, match=words):
        call()
