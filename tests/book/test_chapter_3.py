"""Chapter 3: its figures, its explorer, and the checks of its exercises."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from exercises import assert_accepts, assert_explains, ignoring

from neuralmem import MemoryConfig, MemoryController, NeuralMemoryBank
from neuralmem.metrics import confidence_interval
from neuralmem.teaching import figures
from neuralmem.teaching.checks import chapter_3 as checks


def test_strips_keep_the_values_mark_the_times_and_name_the_rows():
    values = torch.rand(6, 3)
    names = {"gates": ["a", "b", "c"], "one number": "usage"}
    figure = figures.strips({"gates": values, "one number": torch.rand(6)}, [2], names)
    first, second = figure.axes
    assert np.allclose(first.images[0].get_array(), values.T) and second.images[0].get_array().shape == (1, 6)
    assert [line.get_xdata()[0] for line in first.lines] == [1.5]
    assert [text.get_text() for text in first.get_yticklabels()] == ["a", "b", "c"]  # from the top, as in the image
    assert first.get_ylim()[0] > first.get_ylim()[1] and second.get_ylabel() == "usage"


def test_learning_curves_draw_one_line_a_run_and_name_each_kind_once():
    runs = {"NTM": [([1, 2], [4, 1]), ([1, 2], [5, 2])], "LSTM": [([1, 2], [9, 8])]}
    (ax,) = figures.learning_curves(runs, {"NTM": "memory", "LSTM": "baseline"}, "sequences", bar=0.01).axes
    assert [line.get_ydata()[-1] for line in ax.lines[:3]] == [1, 2, 8] and ax.lines[3].get_ydata()[0] == 0.01
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["NTM", "LSTM"]


def trace_of(steps=6):
    torch.manual_seed(0)
    controller = MemoryController(3, 8, 2, NeuralMemoryBank(MemoryConfig(5, 4, 1, addressing="ntm")))
    return controller(torch.randn(steps, 2, 3), return_trace=True)[2]


def test_head_paths_draw_both_heads_and_the_named_moves():
    trace, names = trace_of(), ["back", "stay", "on"]
    paths, moves = figures.head_paths(trace, [2], 1, {"move": "write_shifts"}, {"move": names}).axes
    assert np.allclose(paths.images[0].get_array(), trace["write_weightings"][:, 1, 0].detach().T)
    assert np.allclose(moves.images[0].get_array(), trace["write_shifts"][:, 1, 0].detach().T)
    read = trace["read_weightings"][:, 1, 0].detach().numpy()
    rings = {(int(t), int(n)) for t, n in paths.collections[0].get_offsets()}
    assert rings == {(t, n) for t, n in np.argwhere(read > 0.1)}
    assert [text.get_text() for text in moves.get_yticklabels()] == names
    assert paths.get_ylim()[0] > paths.get_ylim()[1]  # slot 0 is at the top


def test_the_trace_explorer_shows_what_was_done_until_its_step():
    trace = trace_of()
    before = trace["read_weightings"].clone()
    figure = figures.explore_trace(trace, step=4, row=1)
    (paths,) = figure.axes
    written, read = (trace[f"{side}_weightings"][3, 1, 0].argmax().item() for side in ("write", "read"))
    assert figure.seen == f"After step 4 the write head is at slot {written} and the read head at slot {read}."
    written = paths.images[0].get_array()
    assert np.allclose(written[:, :4], trace["write_weightings"][:4, 1, 0].detach().T) and not written[:, 4:].any()
    assert paths.collections[0].get_offsets()[:, 0].max() <= 3
    assert torch.equal(trace["read_weightings"], before)  # the trace itself stays as it was


def test_errors_by_length_draw_means_with_bands_and_hide_no_curve():
    samples = {name: np.random.default_rng(0).random((4, 3)) / 2 for name in ("NTM", "DNC", "LSTM")}
    samples["DNC"] = samples["NTM"]  # one on the other
    (ax,) = figures.errors_by_length([20, 40, 80], {"32 slots": samples}, 20).axes
    lines = {line.get_label(): line for line in ax.lines}
    mean, half = confidence_interval(samples["LSTM"])
    assert np.allclose(lines["LSTM"].get_ydata(), mean)
    assert np.allclose(ax.collections[-1].get_datalim(ax.transData).y1, (mean + half).max())
    ntm, dnc = lines["NTM"], lines["DNC"]
    assert dnc.get_markersize() > ntm.get_markersize() and dnc.get_markerfacecolor() == "none"
    assert dnc.get_linestyle() != ntm.get_linestyle()


def test_the_link_matrix_is_square():
    link = torch.rand(5, 5)
    ax = figures.link_matrix(link).axes[0]
    assert np.allclose(ax.images[0].get_array(), link) and ax.get_aspect() == 1


# The checks of the exercises


def parameters_of(hidden, inputs, outputs, gates=4, biases=1, read_out=1):
    return gates * hidden * (inputs + hidden + biases) + read_out * outputs * (hidden + 1)


def nearest(total, inputs, outputs, **counted):
    return min(range(1, 400), key=lambda hidden: abs(parameters_of(hidden, inputs, outputs, **counted) - total))


def rounded_up(total, inputs, outputs):
    return next(hidden for hidden in range(1, 400) if parameters_of(hidden, inputs, outputs) >= total)


def bits(logits, targets, mask):
    nats = F.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(-1)
    return (nats * mask).sum() / logits.shape[1] / math.log(2)


def naive_bits(logits, targets, mask):
    one = torch.sigmoid(logits)
    price = -(targets * torch.log2(one) + (1 - targets) * torch.log2(1 - one)).sum(-1)
    return (price * mask).sum() / logits.shape[1]


def masked_in_place(logits, targets, mask):
    targets *= mask.unsqueeze(-1)
    return bits(logits, targets, mask)


def program(t, length):
    return (1.0 if t < length else 0.0), (1 if t > length else 0)


def clipped(gradients, limit):
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    return [g * (limit / max(float(norm), limit)) for g in gradients]


def clipped_in_place(gradients, limit):
    for gradient, smaller in zip(gradients, clipped(gradients, limit), strict=True):
        gradient.copy_(smaller)
    return gradients


def clipped_by_division(gradients, limit):
    norm = float(torch.cat([g.flatten() for g in gradients]).norm())
    return [g * min(1.0, limit / norm) for g in gradients]


def clipped_to_nan(gradients, limit):
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    return [g / norm * norm.clamp(max=limit) for g in gradients]


def clipped_each(gradients, limit):
    return [clipped([gradient], limit)[0] for gradient in gradients]


def clipped_always(gradients, limit):
    norm = torch.cat([g.flatten() for g in gradients]).norm()
    return [g * limit / norm.clamp_min(1e-30) for g in gradients]


def answered(step, start, sequences, anew=True):
    state, outputs = start, []
    for sequence in sequences:
        state = start if anew else state
        outputs.append([])
        for x in sequence:
            output, state = step(x, state)
            outputs[-1].append(output)
    return outputs


def emptied(step, start, sequences):
    outputs = answered(step, start, [list(sequence) for sequence in sequences])
    for sequence in sequences:
        sequence.clear()
    return outputs


ANSWERS = {  # check: the right answer, and what a student may hand in, by the words that it must be told
    checks.check_matching_hidden: (
        nearest,
        [
            ("rounding up", rounded_up),
            ("rounding down", lambda *sizes: max(1, rounded_up(*sizes) - 1)),
            ("second bias", lambda *sizes: nearest(*sizes, biases=2)),
            ("four gates", lambda *sizes: nearest(*sizes, gates=1)),
            ("output layer", lambda *sizes: nearest(*sizes, read_out=0)),
            ("`total`", ignoring(nearest, 0, 29_300)),
            ("`inputs`", ignoring(nearest, 1, 9)),
            ("outputs", ignoring(nearest, 2, 8)),
            ("does not depend on", lambda total, inputs, outputs: 80),  # right on the example only
            ("wrong shape", lambda *sizes: [nearest(*sizes)]),
        ],
    ),
    checks.check_bits_a_sequence: (
        bits,
        [
            ("nats", lambda *case: bits(*case) * math.log(2)),
            ("mask", lambda logits, targets, mask: bits(logits, targets, torch.ones_like(mask))),
            ("over steps", lambda logits, targets, mask: bits(logits, targets, mask) * mask.shape[1] / mask.sum()),
            ("number of sequences", lambda *case: bits(*case) * case[0].shape[1]),
            ("bits of a step", lambda *case: bits(*case) / case[0].shape[2]),
            ("steps of an answer", lambda *case: bits(*case) / case[0].shape[0]),
            ("sign", lambda logits, targets, mask: bits(-logits, targets, mask)),
            ("NaN or infinite", naive_bits),
            ("`targets`", lambda logits, targets, mask: bits(logits, torch.ones_like(targets), mask)),
            ("`logits`", lambda logits, targets, mask: bits(torch.zeros_like(logits), targets, mask)),
            ("no gradient", lambda *case: bits(*case).detach()),
            ("wrong shape", lambda *case: bits(*case)[None]),
            ("a Tensor is asked for", lambda *case: float(bits(*case))),
            ("wrong dtype", lambda *case: bits(*case).long()),
            ("has changed", masked_in_place),
        ],
    ),
    checks.check_copy_program: (
        program,
        [
            ("do not write it", lambda t, length: (float(t <= length), int(t > length))),
            ("moves after it", lambda t, length: (float(t < length), int(t >= length))),
            ("neither finger", lambda t, length: (float(t <= length), int(t >= length))),
            ("nothing to write", lambda t, length: (1.0, int(t > length))),
            ("reader waits", lambda t, length: (float(t < length), 1)),
            ("`length`", ignoring(program, 1, 3)),
            ("does not depend on `t`", ignoring(program, 0, 0)),
            ("numbers are asked for", lambda t, length: None),
            ("wrong shape", lambda t, length: float(t < length)),
        ],
    ),
    checks.check_clip: (
        clipped,
        [
            ("its own norm", clipped_each),
            ("each number", lambda gs, limit: [g.clamp(-limit, limit) for g in gs]),
            ("must stay", clipped_always),
            ("nothing is scaled", lambda gs, limit: [1 * g for g in gs]),
            ("`limit`", ignoring(clipped, 1, 1.0)),
            ("gradients of zeros: clipped_by_division raised ZeroDivisionError", clipped_by_division),
            ("gradients of zeros: NaN", clipped_to_nan),
            ("`gradients` was given to you and has changed", clipped_in_place),
            ("items are asked for", lambda gs, limit: clipped(gs, limit)[:1]),
            ("wrong dtype", lambda gs, limit: [g.long() for g in clipped(gs, limit)]),
            ("wrong shape", lambda gs, limit: [g.flatten()[None] for g in clipped(gs, limit)]),
            ("list is asked for", lambda gs, limit: torch.cat([g.flatten() for g in clipped(gs, limit)])),
        ],
    ),
    checks.check_answers: (
        answered,
        [
            ("goes on where", lambda step, start, xs: answered(step, start, xs, anew=False)),
            ("carried", lambda step, start, xs: [[step(x, start)[0] for x in sequence] for sequence in xs]),
            ("need not be 0", ignoring(answered, 1, 0)),
            ("got", ignoring(answered, 2, [[1, 2], [3, 4]])),
            ("wrong shape", lambda *case: [output for outputs in answered(*case) for output in outputs]),
            ("`sequences` was given to you and has changed", emptied),
        ],
    ),
}
WRONG = [(check, words, wrong) for check, (_, answers) in ANSWERS.items() for words, wrong in answers]


@pytest.mark.parametrize("check", ANSWERS, ids=lambda check: check.__name__)
def test_a_check_accepts_the_right_answer(check, capsys):
    assert_accepts(check, ANSWERS[check][0], capsys)


@pytest.mark.parametrize(("check", "words", "wrong"), WRONG, ids=[f"{c.__name__}: {words}" for c, words, _ in WRONG])
def test_a_check_says_why_another_answer_is_wrong(check, words, wrong, capsys):
    assert_explains(check, wrong, words, capsys)
