"""The sequence tasks are the papers' and leak nothing; the recipe trains; chapter 3's checks tell right from wrong."""

import math

import pytest
import torch
import torch.nn.functional as F

from neuralmem import MemoryConfig, MemoryController, NeuralMemoryBank, checks, tasks

DRAWS = {
    "copy": lambda size, rng: tasks.copy_task(size, rng, 1, 6, 4),
    "repeat copy": lambda size, rng: tasks.repeat_copy_task(size, rng, 1, 4, 1, 3, 4),
    "recall": lambda size, rng: tasks.associative_recall_task(size, rng, 2, 5, 3, 4),
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
    batch = tasks.copy_task(200, rng(), 2, 5, 3)
    for row, total in enumerate(batch.lengths.tolist()):
        length = (total - 1) // 2
        assert total == 2 * length + 1 and batch.inputs[:, row, 3].nonzero().flatten().tolist() == [length]
        assert torch.equal(batch.targets[length + 1 : total, row], batch.inputs[:length, row, :3])
        assert batch.mask[:, row].nonzero().flatten().tolist() == list(range(length + 1, total))
    lengths = torch.bincount((batch.lengths - 1) // 2)
    assert lengths[:2].sum() == 0 and lengths[2:].min() > 30 and len(lengths) == 6  # 50 of each are expected


def test_repeat_copy_says_it_as_often_as_the_marker_says_and_then_the_end():
    batch = tasks.repeat_copy_task(100, rng(), 1, 4, 2, 5, 3)
    for row, total in enumerate(batch.lengths.tolist()):
        (length,) = batch.inputs[:, row, 3].nonzero().flatten().tolist()
        repeats = round(10 * batch.inputs[length, row, 3].item())
        assert 2 <= repeats <= 5 and total == length + 1 + length * repeats + 1
        answer = batch.targets[length + 1 : total - 1, row]
        assert torch.equal(answer[:, :3], batch.inputs[:length, row, :3].repeat(repeats, 1)) and not answer[:, 3].any()
        assert batch.targets[total - 1, row].tolist() == [0, 0, 0, 1]


def test_recall_asks_for_the_item_after_the_one_that_is_shown_again():
    batch = tasks.associative_recall_task(100, rng(), 2, 5, 3, 8)
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
    halves = [tasks.copy_task(300, tasks.split_generator(split, 0), 6, 6) for split in ("train", "test")]
    first, second = ({tuple(row.flatten().tolist()) for row in half.inputs.transpose(0, 1)} for half in halves)
    assert len(first) == len(second) == 300 and not first & second


def test_bits_and_wrong_bits_by_hand():
    batch = tasks.copy_task(32, rng(), 1, 5, 4)
    asked = float(batch.mask.sum()) * 4
    nothing = torch.zeros_like(batch.targets)
    assert tasks.bits_per_sequence(nothing, batch).item() == pytest.approx(asked / 32)  # a bit for each bit
    right = 100 * (2 * batch.targets - 1)
    assert tasks.bits_per_sequence(right, batch).item() < 1e-6 and tasks.share_of_wrong_bits(right, batch) == 0
    assert tasks.share_of_wrong_bits(-right, batch) == 1
    where = batch.mask.nonzero()[0]
    right[where[0], where[1], 0] *= -1
    assert tasks.share_of_wrong_bits(right, batch) == pytest.approx(1 / asked)
    right[~batch.mask.bool()] *= -1  # what is said before and after the answer counts nothing
    assert tasks.share_of_wrong_bits(right, batch) == pytest.approx(1 / asked)


def small(seed=0):
    torch.manual_seed(seed)
    return MemoryController(4, 16, 3, NeuralMemoryBank(MemoryConfig(6, 8, 1, addressing="ntm")))


def draw(size, generator):
    return tasks.copy_task(size, generator, 1, 2, 3)


def test_training_is_decided_by_its_seeds_and_leaves_the_global_generator_alone():
    runs, state = [], torch.get_rng_state()
    for seed in (0, 0, 1):
        controller = small()
        state = torch.get_rng_state()
        runs.append(tasks.train_on_sequences(controller, draw, 4, seed=seed))
        assert torch.equal(torch.get_rng_state(), state)
    assert runs[0] == runs[1] != runs[2] and len(runs[0]) == 4


def test_training_learns_to_copy_two_steps():
    losses = tasks.train_on_sequences(small(), draw, 120)
    assert sum(losses[:5]) / 5 > 4 and sum(losses[-5:]) / 5 < 0.5 * sum(losses[:5]) / 5


def test_the_schedule_warms_up_stays_flat_and_falls():
    factor = tasks.cosine_schedule(1000, warm_up=20, flat=0.4, floor=0.02)
    values = [factor(step) for step in range(1001)]
    assert values[0] == pytest.approx(1 / 21) and values[20:400] == [1.0] * 380
    assert all(after < before for before, after in zip(values[401:1000], values[402:1001], strict=True))
    assert values[700] == pytest.approx(0.51) and values[1000] == pytest.approx(0.02)


ERROR_CASES = [
    # label, call, error, words of the message
    ("no sequences", lambda: tasks.copy_task(0, rng()), ValueError, ["batch_size", "0"]),
    ("half a sequence", lambda: tasks.copy_task(1.5, rng()), TypeError, ["batch_size", "1.5"]),
    ("lengths from long to short", lambda: tasks.copy_task(2, rng(), 5, 4), ValueError, ["max_length", "5 and 4"]),
    ("no repeats", lambda: tasks.repeat_copy_task(2, rng(), min_repeats=0), ValueError, ["min_repeats", "0"]),
    ("one item", lambda: tasks.associative_recall_task(2, rng(), 1, 4), ValueError, ["min_items", "1 and 4"]),
    ("no updates", lambda: tasks.train_on_sequences(small(), draw, 0), ValueError, ["updates", "0"]),
    ("half an update", lambda: tasks.train_on_sequences(small(), draw, 0.5), TypeError, ["updates", "0.5"]),
    ("a schedule that is flat too long", lambda: tasks.cosine_schedule(10, flat=2), ValueError, ["flat", "2"]),
    ("a floor of NaN", lambda: tasks.cosine_schedule(10, floor=math.nan), ValueError, ["floor", "nan"]),
]


@pytest.mark.parametrize("call, error, words", [c[1:] for c in ERROR_CASES], ids=[c[0] for c in ERROR_CASES])
def test_wrong_input_is_named(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert all(word in str(caught.value) for word in words)


# The checks of chapter 3's exercises


def parameters_of(hidden, inputs, outputs, gates=4, biases=1):
    return gates * hidden * (inputs + hidden + biases) + outputs * (hidden + 1)


def nearest(total, inputs, outputs, **counted):
    return min(range(1, 400), key=lambda hidden: abs(parameters_of(hidden, inputs, outputs, **counted) - total))


def bits(logits, targets, mask):
    nats = F.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(-1)
    return (nats * mask).sum() / logits.shape[1] / math.log(2)


def program(time, length):
    return (1.0 if time < length else 0.0), (1 if time > length else 0)


def clipped(gradients, limit):
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    return [g * min(1.0, limit / norm) for g in gradients]


def answered(step, start, sequences, anew=True):
    state, outputs = start, []
    for sequence in sequences:
        state = start if anew else state
        outputs.append([])
        for x in sequence:
            output, state = step(x, state)
            outputs[-1].append(output)
    return outputs


ANSWERS = {
    checks.check_matching_hidden: (
        nearest,
        {
            "up": lambda n, i, o: next(h for h in range(400) if parameters_of(h, i, o) >= n),
            "down": lambda n, i, o: next(h for h in range(400) if parameters_of(h + 1, i, o) > n),
            "second bias": lambda n, i, o: nearest(n, i, o, biases=2),
            "four gates": lambda n, i, o: nearest(n, i, o, gates=1),
        },
    ),
    checks.check_bits_a_sequence: (
        bits,
        {
            "nats": lambda *args: bits(*args) * math.log(2),
            "mask": lambda logits, targets, mask: bits(logits, targets, torch.ones_like(mask)),
            "not over steps": lambda logits, targets, mask: bits(logits, targets, mask) * 2 / mask.sum(),
            "number of sequences": lambda *args: bits(*args) * 2,
        },
    ),
    checks.check_copy_program: (
        program,
        {
            "marker": lambda t, length: (1.0 if t <= length else 0.0, 1 if t > length else 0),
            "to arrive": lambda t, length: (1.0 if t < length else 0.0, 1 if t >= length else 0),
            "TypeError": lambda t, length: None,
        },
    ),
    checks.check_clip: (
        clipped,
        {
            "its own norm": lambda gs, limit: [g * min(1.0, limit / g.norm()) for g in gs],
            "each number": lambda gs, limit: [g.clamp(-limit, limit) for g in gs],
            "must stay": lambda gs, limit: [g * limit / torch.cat([x.flatten() for x in gs]).norm() for g in gs],
        },
    ),
    checks.check_answers: (
        answered,
        {
            "goes on where": lambda step, start, sequences: answered(step, start, sequences, anew=False),
            "carried": lambda step, start, sequences: [[step(x, start)[0] for x in xs] for xs in sequences],
            "Wrong shape": lambda step, start, sequences: answered(step, start, sequences)[0],
        },
    ),
}


@pytest.mark.parametrize("check", ANSWERS, ids=lambda check: check.__name__)
def test_a_check_accepts_the_answer_and_says_why_another_is_wrong(check, capsys):
    answer, mistakes = ANSWERS[check]
    assert check(answer) and capsys.readouterr().out == "Right.\n"
    for words, wrong in mistakes.items():
        assert not check(wrong)
        assert words in capsys.readouterr().out, words

    def undone(*args):
        raise NotImplementedError

    assert not check(undone) and capsys.readouterr().out.startswith("Not done yet: undone")
