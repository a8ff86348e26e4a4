"""The dynamic environment of chapter 6: what is asked can be known, and nothing else can."""

import pytest
import torch

from neuralmem.worlds import split_generator
from neuralmem.worlds.seasons import asked_loss, recall_episodes, recall_sessions, season_alphabets, wrong_bits


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_alphabets_hold_different_symbols_only():
    looks = season_alphabets(5, generator())
    assert looks.shape == (5, 8, 16)
    assert set(looks.unique().tolist()) == {-1.0, 1.0}
    assert len(looks.flatten(0, 1).unique(dim=0)) == 40


def test_an_ask_is_answered_by_what_was_stored_last_under_its_cue():
    alphabet = season_alphabets(1, generator())[0]
    x, y = recall_episodes(alphabet, 50, generator(1), cues=3, stores=9, asks=7)
    assert x.shape == (50, 16, 2 + 6 + 16) and y.shape == (50, 16, 3)
    overwritten = 0
    for inputs, targets in zip(x, y, strict=True):
        held = {}
        for step, target in zip(inputs, targets, strict=True):
            cue, symbol = tuple(step[2:8].tolist()), step[8:]
            if step[0] == 1:
                assert step[1] == 0 and (target == 0).all()
                overwritten += cue in held
                held[cue] = int((alphabet == symbol).all(1).nonzero())
            else:
                assert step[1] == 1 and (symbol == 0).all()
                number = held[cue]
                assert target.tolist() == [2.0 * (number >> bit & 1) - 1 for bit in range(3)]
        assert len(held) <= 3
    assert overwritten > 100


def test_each_episode_has_as_many_stores_and_asks_as_it_was_told_and_begins_with_a_store():
    x, _ = recall_episodes(season_alphabets(1, generator())[0], 40, generator(2))
    assert (x[..., 0].sum(1) == 8).all() and (x[..., 1].sum(1) == 6).all()
    assert (x[:, 0, 0] == 1).all()


def test_a_session_has_one_code_and_sessions_differ():
    alphabet = season_alphabets(1, generator())[0]
    x, coded = recall_sessions(alphabet, 40, 6, generator(3))
    _, plain = recall_episodes(alphabet, 240, generator(3))
    plain = plain.view(40, 6, 14, 3)
    codes = set()
    for before, after in zip(plain, coded, strict=True):
        table = torch.einsum("ntb,ntc->bc", before, after) / (before[..., 0] != 0).sum()
        code = table.abs().argmax(0)
        assert sorted(code.tolist()) == [0, 1, 2]
        signs = table.gather(0, code[None])[0]
        assert torch.allclose(signs.abs(), torch.ones(3), atol=1e-5)
        assert torch.equal(after, before[..., code] * signs.sign())
        codes.add((tuple(code.tolist()), tuple(signs.sign().tolist())))
    assert len(codes) > 20


def test_the_inputs_do_not_tell_the_code():
    alphabet = season_alphabets(1, generator())[0]
    x, _ = recall_sessions(alphabet, 4, 5, generator(4))
    plain, _ = recall_episodes(alphabet, 20, generator(4))
    assert torch.equal(x.flatten(0, 1), plain)


def test_train_and_test_draws_share_no_episode():
    alphabet = season_alphabets(1, generator())[0]
    train, _ = recall_episodes(alphabet, 2000, split_generator("train", 0))
    test, _ = recall_episodes(alphabet, 2000, split_generator("test", 0))
    rows = {row.numpy().tobytes() for row in train}
    assert len(rows) == 2000 and not any(row.numpy().tobytes() in rows for row in test)


def test_equal_generators_give_equal_draws():
    first, second = (recall_sessions(season_alphabets(2, generator(5))[1], 2, 3, generator(6)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_the_loss_and_the_error_count_what_was_asked_only():
    target = torch.tensor([[1.0, -1.0], [0.0, 0.0]])
    prediction = torch.tensor([[2.0, 3.0], [9.0, -9.0]])
    expected = torch.tensor([[2.0, -3.0], [0.0, 0.0]])
    rows = asked_loss(prediction, target, reduction="none")
    assert torch.allclose(rows[0], torch.log1p(torch.exp(-expected[0]))) and (rows[1] == 0).all()
    assert asked_loss(prediction, target) == rows.mean()
    assert wrong_bits(prediction, target) == 0.5


ERROR_CASES = [
    ("no seasons", lambda: season_alphabets(0, generator()), ValueError, "seasons must be at least 1"),
    ("too few symbols", lambda: season_alphabets(5, generator(), width=4), ValueError, "width must allow 40"),
    ("alphabet", lambda: recall_episodes(torch.ones(8), 2, generator()), ValueError, "alphabet must be"),
    ("no episodes", lambda: recall_episodes(torch.ones(8, 16), 0, generator()), ValueError, "size must be at least 1"),
    ("cues", lambda: recall_episodes(torch.ones(8, 16), 2, generator(), cues=65), ValueError, "cues must be at most"),
    ("sessions", lambda: recall_sessions(torch.ones(8, 16), 1.5, 2, generator()), TypeError, "sessions must be"),
]  # fmt: skip


@pytest.mark.parametrize(("label", "call", "kind", "words"), ERROR_CASES, ids=[case[0] for case in ERROR_CASES])
def test_errors_name_the_argument(label, call, kind, words):
    with pytest.raises(kind, match=words):
        call()
