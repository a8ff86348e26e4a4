"""What replay refuses, by name; and nothing has changed then."""

import numpy as np
import pytest
import torch
from test_replay import filled, numbers

from neuralmem import ExperienceReplay
from neuralmem.replay import KINDS


def test_a_refused_priority_changes_nothing():
    for kind in KINDS:
        replay = filled(kind)
        before = replay.state_dict()
        for wrong in ([np.nan], [-1.0], [np.inf], "high", [1.0, 2.0]):
            with pytest.raises((ValueError, TypeError), match="priorities"):
                replay.extend(numbers(1, start=8), wrong)
            with pytest.raises((ValueError, TypeError), match="priorities"):
                replay.update_priorities([3], wrong)
        assert all(torch.equal(v, w) if torch.is_tensor(v) else v == w
                   for v, w in zip(before.values(), replay.state_dict().values(), strict=True))  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_refused_first_fixes_nothing(kind):
    """An empty buffer takes its form from the first experience that is stored, not from one that is refused."""
    replay = ExperienceReplay(4, kind)
    for wrong in (
        lambda: replay.add(np.zeros(3), priority=-1),
        lambda: replay.add({"x": "word"}),
        lambda: replay.extend((np.zeros(3), np.zeros(2))),
        lambda: replay.extend(np.zeros((2, 3)), [1.0]),
        lambda: replay.add(np.zeros(3, np.longdouble)),
        lambda: replay.add(np.zeros(3, ">f4")),
    ):
        with pytest.raises((ValueError, TypeError)):
            wrong()
        assert len(replay) == 0 and replay.arrays is None and replay.form is None
    replay.check((np.zeros((2, 5)), np.ones(2)))
    assert replay.arrays is None
    replay.add({"y": 1.0})
    assert len(replay) == 1


def test_stale_indices_are_refused_and_nothing_changes():
    replay = filled()
    indices = replay.sample(8).indices
    replay.extend(numbers(2, start=8))
    before = replay.probabilities()
    with pytest.raises(IndexError, match="indices must be stored ones, 2..9"):
        replay.update_priorities(np.array([0, 5]), [9.0, 9.0])
    assert (replay.probabilities() == before).all()
    fresh = indices[indices >= 2]
    replay.update_priorities(fresh, np.full(len(fresh), 3.0))
    assert len(np.unique(replay.probabilities()[fresh])) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_state_is_refused_and_nothing_changes(kind):
    """Every entry left out, of another type, too short, of another dtype, or with numbers that cannot be."""
    whole, replay = filled(kind, count=13, seed=1), filled(kind, count=3, seed=2)
    whole.sample(3)
    good, before = whole.state_dict(), replay.state_dict()
    wrong = [{key: value for key, value in good.items() if key != left_out} for left_out in good]
    for key, value in good.items():
        others = [None, "word", [], torch.zeros(3)]
        if torch.is_tensor(value):
            others += [value[:-1]] if key != "order" else []  # an order may lag behind what is stored
            others += [value.float() if value.dtype != torch.float32 else value[None], -2 - value.abs()]
            others += [value / 0] if key in ("scaled", "given", "priorities") else []
        fits = [key.startswith("array") and torch.is_tensor(other) and len(other) == 8 for other in others]
        wrong += [good | {key: other} for other, right in zip(others, fits, strict=True) if not right]
    for state in [[], *wrong]:
        with pytest.raises((ValueError, TypeError), match="must"):
            replay.load_state_dict(state)
        after = replay.state_dict()
        assert all(torch.equal(v, after[k]) if torch.is_tensor(v) else v == after[k] for k, v in before.items())
    replay.load_state_dict(good)
    assert len(wrong) > 40 and replay.seen == 13


ONE = {"x": np.zeros(2, np.float32), "y": 1}
ERROR_CASES = [
    ("capacity 0", lambda: ExperienceReplay(0), ValueError, "capacity"),
    ("capacity negative", lambda: ExperienceReplay(-3), ValueError, "capacity"),
    ("capacity a float", lambda: ExperienceReplay(1.5), TypeError, "capacity"),
    ("kind unknown", lambda: ExperienceReplay(4, "fifo"), ValueError, "kind"),
    ("alpha negative", lambda: ExperienceReplay(4, alpha=-0.1), ValueError, "alpha"),
    ("alpha NaN", lambda: ExperienceReplay(4, alpha=float("nan")), ValueError, "alpha"),
    ("alpha a word", lambda: ExperienceReplay(4, alpha="high"), TypeError, "alpha"),
    ("sample from empty", lambda: ExperienceReplay(4).sample(1), IndexError, "empty"),
    ("probabilities of empty", lambda: ExperienceReplay(4).probabilities(), IndexError, "empty"),
    ("n 0", lambda: filled().sample(0), ValueError, "n must"),
    ("n a float", lambda: filled().sample(2.0), TypeError, "n must"),
    ("uniform: more than stored", lambda: filled("uniform").sample(9), ValueError, "the 8 experiences stored, got 9"),
    ("reservoir: more than stored", lambda: filled("reservoir").sample(9), ValueError, "at most the 8"),
    ("beta negative", lambda: filled().sample(2, beta=-1), ValueError, "beta"),
    ("priority NaN", lambda: filled().add(ONE, float("nan")), ValueError, "priorities"),
    ("priority infinite", lambda: filled(priorities=np.full(8, np.inf)), ValueError, "priorities"),
    ("priority negative", lambda: filled(priorities=np.full(8, -1.0)), ValueError, "at least 0"),
    ("priority a word", lambda: filled(priorities="high"), TypeError, "priorities"),
    ("priorities too few", lambda: filled(priorities=np.ones(7)), ValueError, r"(8,), got (7,)"),
    ("update: too few", lambda: filled().update_priorities([1, 2], [1.0]), ValueError, "priorities"),
    ("update: NaN", lambda: filled().update_priorities([1], [float("nan")]), ValueError, "finite"),
    ("update: never added", lambda: filled().update_priorities([8], [1.0]), IndexError, "indices"),
    ("update: negative", lambda: filled().update_priorities([-1], [1.0]), IndexError, "indices"),
    ("update: overwritten", lambda: filled(count=9).update_priorities([0], [1.0]), IndexError, "1..8"),
    ("update: floats", lambda: filled().update_priorities([1.0], [1.0]), TypeError, "indices"),
    ("update: a matrix", lambda: filled().update_priorities([[1]], [1.0]), TypeError, "indices"),
    ("names differ", lambda: filled().add({"x": np.zeros(2, np.float32), "z": 1}), ValueError, "['x', 'y']"),
    ("a tuple for a dict", lambda: filled().add((np.zeros(2, np.float32), 1)), ValueError, "put together"),
    ("names not words", lambda: ExperienceReplay(2).add({1: 2.0}), TypeError, "names"),
    ("nothing", lambda: ExperienceReplay(2).add(()), TypeError, "experience"),
    ("a word", lambda: ExperienceReplay(2).add("hello"), TypeError, "experience"),
    ("objects", lambda: ExperienceReplay(2).add(np.array([None, "a"])), TypeError, "experience"),
    ("shape differs", lambda: filled().add({"x": np.zeros(3, np.float32), "y": 1}), ValueError, "(2,)"),
    ("dtype differs", lambda: filled().add({"x": np.zeros(2), "y": 1}), TypeError, "float32 as those stored, got"),
    ("no leading axis", lambda: ExperienceReplay(2).extend({"x": 1.0}), ValueError, "leading axis"),
    ("lengths differ", lambda: ExperienceReplay(2).extend((np.ones(3), np.ones(2))), ValueError, "leading axis"),
    ("lengths differ later", lambda: filled().extend({"x": ONE["x"][None], "y": np.ones(2, int)}), ValueError, "axis"),
]  # fmt: skip


@pytest.mark.parametrize(("label", "call", "error", "words"), ERROR_CASES, ids=[case[0] for case in ERROR_CASES])
def test_wrong_input_is_refused_by_name(label, call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value)
