"""Chapter 3: its figures, its explorer, and the checks of its exercises."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from neuralmem import MemoryConfig, MemoryController, NeuralMemoryBank
from neuralmem.teaching import figures
from neuralmem.teaching.checks import chapter_3 as checks


def test_strips_keep_the_values_and_mark_the_times():
    values = torch.rand(6, 3)
    figure = figures.strips({"gates": values, "one number": torch.rand(6)}, "title", [2])
    first, second = figure.axes
    assert np.allclose(first.images[0].get_array(), values.T) and second.images[0].get_array().shape == (1, 6)
    assert [line.get_xdata()[0] for line in first.lines] == [1.5]


def test_learning_curves_draw_one_line_a_run_and_name_each_kind_once():
    runs = {"NTM": [([1, 2], [4, 1]), ([1, 2], [5, 2])], "LSTM": [([1, 2], [9, 8])]}
    (ax,) = figures.learning_curves(runs, {"NTM": "memory", "LSTM": "baseline"}, "sequences", bar=0.01).axes
    assert [line.get_ydata()[-1] for line in ax.lines[:3]] == [1, 2, 8] and ax.lines[3].get_ydata()[0] == 0.01
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["NTM", "LSTM"]


def test_the_trace_explorer_shows_what_was_done_until_its_step():
    torch.manual_seed(0)
    controller = MemoryController(3, 8, 2, NeuralMemoryBank(MemoryConfig(5, 4, 1, addressing="ntm")))
    _, _, trace = controller(torch.randn(6, 2, 3), return_trace=True)
    before = trace["read_weightings"].clone()
    written, read = (ax.images[0].get_array() for ax in figures.explore_trace(trace, step=4, row=1).axes)
    assert np.allclose(read[:, :4], before[:4, 1, 0].detach().T) and not read[:, 4:].any() and not written[:, 4:].any()
    assert torch.equal(trace["read_weightings"], before)  # the trace itself stays as it was


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
