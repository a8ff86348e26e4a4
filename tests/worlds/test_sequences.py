"""Copy, repeat copy and associative recall."""

import pytest
import torch

from neuralmem.worlds import split_generator
from neuralmem.worlds.sequences import (
    associative_recall_task,
    bits_per_sequence,
    copy_task,
    last_rows_again,
    repeat_copy_task,
    share_of_wrong_bits,
)

DRAWS = {
    "copy": lambda size, rng: copy_task(size, rng, 1, 6, 4),
    "repeat copy": lambda size, rng: repeat_copy_task(size, rng, 1, 4, 1, 3, 4),
    "recall": lambda size, rng: associative_recall_task(size, rng, 2, 5, 3, 4),
}


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_the_generator_alone_decides(draw):
    first, again, other = draw(16, rng()), draw(16, rng()), draw(16, rng(1))
    assert all(torch.equal(one, two) for one, two in zip(first, again, strict=True))
    assert first.inputs.shape != other.inputs.shape or not torch.equal(first.inputs, other.inputs)


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_answers_are_bits_that_the_inputs_of_their_steps_do_not_show(draw):
    batch = draw(64, rng())
    steps, rows, _ = batch.inputs.shape
    assert batch.targets.shape[:2] == batch.mask.shape == (steps, rows) and batch.lengths.max() == steps
    assert set(batch.targets.unique().tolist()) == {0.0, 1.0} and set(batch.mask.unique().tolist()) == {0.0, 1.0}
    assert not batch.inputs[batch.mask.bool()].any()  # nothing is shown while the answer is due
    assert not batch.targets[~batch.mask.bool()].any()
    over = torch.arange(steps).unsqueeze(1) >= batch.lengths
    assert not batch.inputs[over].any() and not batch.mask[over].any()
    last = batch.lengths - 1
    assert batch.mask[last, torch.arange(rows)].all()  # a sequence ends with its answer


def test_copy_asks_for_what_was_shown():
    batch = copy_task(200, rng(), 2, 5, 3)
    for row, total in enumerate(batch.lengths.tolist()):
        length = (total - 1) // 2
        assert total == 2 * length + 1 and batch.inputs[:, row, 3].nonzero().flatten().tolist() == [length]
        assert torch.equal(batch.targets[length + 1 : total, row], batch.inputs[:length, row, :3])
        assert batch.mask[:, row].nonzero().flatten().tolist() == list(range(length + 1, total))
    lengths = torch.bincount((batch.lengths - 1) // 2)
    assert lengths[:2].sum() == 0 and lengths[2:].min() > 30 and len(lengths) == 6  # 50 of each are expected


def test_repeat_copy_says_it_as_often_as_the_marker_says_and_then_the_end():
    batch = repeat_copy_task(100, rng(), 1, 4, 2, 5, 3)
    for row, total in enumerate(batch.lengths.tolist()):
        (length,) = batch.inputs[:, row, 3].nonzero().flatten().tolist()
        repeats = round(10 * batch.inputs[length, row, 3].item())
        assert 2 <= repeats <= 5 and total == length + 1 + length * repeats + 1
        answer = batch.targets[length + 1 : total - 1, row]
        assert torch.equal(answer[:, :3], batch.inputs[:length, row, :3].repeat(repeats, 1)) and not answer[:, 3].any()
        assert batch.targets[total - 1, row].tolist() == [0, 0, 0, 1]


def test_recall_asks_for_the_item_after_the_one_that_is_shown_again():
    batch = associative_recall_task(100, rng(), 2, 5, 3, 8)
    places = set()
    for row, total in enumerate(batch.lengths.tolist()):
        starts = batch.inputs[:, row, 8].nonzero().flatten().tolist()
        query, close = batch.inputs[:, row, 9].nonzero().flatten().tolist()
        items = [batch.inputs[start + 1 : start + 4, row, :8] for start in starts]
        shown = batch.inputs[query + 1 : close, row, :8]
        asked = [place for place, item in enumerate(items) if torch.equal(item, shown)]
        assert starts == list(range(0, 4 * len(items), 4)) and (query, close) == (4 * len(items), total - 4)
        assert any(torch.equal(batch.targets[total - 3 : total, row], items[place + 1]) for place in asked)
        places.add((len(items), *asked))
    assert {place for place in places if place[0] == 3} == {(3, 0), (3, 1)}  # any item but the last may be asked


def test_train_and_test_draws_share_no_sequence():
    halves = [copy_task(300, split_generator(split, 0), 6, 6) for split in ("train", "test")]
    first, second = ({tuple(row.flatten().tolist()) for row in half.inputs.transpose(0, 1)} for half in halves)
    assert len(first) == len(second) == 300 and not first & second


def test_bits_and_wrong_bits_by_hand():
    batch = copy_task(32, rng(), 1, 5, 4)
    asked = float(batch.mask.sum()) * 4
    nothing = torch.zeros_like(batch.targets)
    assert bits_per_sequence(nothing, batch).item() == pytest.approx(asked / 32)  # a bit for each bit
    right = 100 * (2 * batch.targets - 1)
    assert bits_per_sequence(right, batch).item() < 1e-6 and share_of_wrong_bits(right, batch) == 0
    assert share_of_wrong_bits(-right, batch) == 1
    where = batch.mask.nonzero()[0]
    right[where[0], where[1], 0] *= -1
    assert share_of_wrong_bits(right, batch) == pytest.approx(1 / asked)
    right[~batch.mask.bool()] *= -1  # what is said before and after the answer counts nothing
    assert share_of_wrong_bits(right, batch) == pytest.approx(1 / asked)


def test_the_rival_says_the_last_rows_again():
    batch = copy_task(40, rng(), 1, 5, 4)
    for row, total in enumerate(batch.lengths.tolist()):
        length = (total - 1) // 2
        said = last_rows_again(batch)[length + 1 : total, row] > 0
        assert torch.equal(said, batch.targets[total - 1, row].bool().expand(length, -1))  # its last row is right
    batch = associative_recall_task(200, rng(), 2, 2, 3, 4)
    assert share_of_wrong_bits(last_rows_again(batch, 3), batch) == 0  # of two items the first is always asked for
    batch = associative_recall_task(400, rng(), 3, 3, 3, 4)
    assert 0.2 < share_of_wrong_bits(last_rows_again(batch, 3), batch) < 0.3  # of three in half of the cases
    batch = repeat_copy_task(20, rng(), 2, 4, 2, 3)
    assert last_rows_again(batch).shape == batch.targets.shape


BATCH = copy_task(2, rng(), 1, 3, 4)
SILENT = BATCH._replace(mask=torch.zeros_like(BATCH.mask))
ERROR_CASES = [
    # label, call, error, words of the message
    ("no sequences", lambda: copy_task(0, rng()), ValueError, ["batch_size", "0"]),
    ("half a sequence", lambda: copy_task(1.5, rng()), TypeError, ["batch_size", "1.5"]),
    ("lengths from long to short", lambda: copy_task(2, rng(), 5, 4), ValueError, ["max_length", "5 and 4"]),
    ("no repeats", lambda: repeat_copy_task(2, rng(), min_repeats=0), ValueError, ["min_repeats", "0"]),
    ("one item", lambda: associative_recall_task(2, rng(), 1, 4), ValueError, ["min_items", "1 and 4"]),
    ("copy of no bits", lambda: copy_task(2, rng(), bits=0), ValueError, ["bits", "0"]),
    ("items of no rows", lambda: associative_recall_task(2, rng(), item_length=0), ValueError, ["item_length", "0"]),
    ("the last no row", lambda: last_rows_again(BATCH, 0), ValueError, ["rows", "0"]),
    ("a logit too few", lambda: bits_per_sequence(BATCH.targets[..., :1], BATCH), ValueError, ["logits", "1)"]),
    ("one logit for all", lambda: share_of_wrong_bits(BATCH.targets[..., :1], BATCH), ValueError, ["logits", "1)"]),
    ("nothing asked", lambda: share_of_wrong_bits(BATCH.targets, SILENT), ValueError, ["mask", "zeros"]),
]


@pytest.mark.parametrize("call, error, words", [c[1:] for c in ERROR_CASES], ids=[c[0] for c in ERROR_CASES])
def test_wrong_input_is_named(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert all(word in str(caught.value) for word in words)
