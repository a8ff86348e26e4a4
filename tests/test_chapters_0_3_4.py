"""Chapters 0, 3 and 4: their figures, their explorers, the digits, and the checks of exercises of 0 and 4."""

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg

from neuralmem import MemoryConfig, MemoryController, NeuralMemoryBank, checks, figures, tasks
from neuralmem.metrics import confidence_interval


def pixels(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def offsets(container):
    """Centres of the error bars of one label."""
    return container.lines[0].get_xydata()


def test_demo_panels_show_the_memory_and_each_task_from_its_phase_on():
    errors = np.array([[1.0, 9.0], [2.0, 3.0]])
    memory = torch.rand(5, 4)
    figure = figures.demo_panels(memory, {"demo": errors}, ["sin", "cos"], [0.5, 0.25], {"demo": "full"})
    rows, panel = figure.axes[:2]
    assert np.array_equal(rows.images[0].get_array(), memory.numpy())
    drawn = {line.get_label(): line.get_xydata().tolist() for line in panel.lines if line.get_label() in ("sin", "cos")}
    assert drawn == {"sin": [[0, 1], [1, 2]], "cos": [[1, 3]]}  # cos before it is trained on is left out
    assert panel.title.get_color() == figures.COLOURS["full"] and len(panel.lines) == 4


def test_errors_by_task_draws_means_and_intervals_and_plain_values():
    samples = np.array([[1.0, 4.0], [3.0, 6.0], [2.0, 5.0]])
    figure = figures.errors_by_task(["a", "b"], {"ours": samples, "constant": [0.5, 0.7]}, {"ours": "full"})
    ours, constant = figure.axes[0].containers
    assert offsets(ours)[:, 1].tolist() == [2, 5] and offsets(constant)[:, 1].tolist() == [0.5, 0.7]
    (top,) = {round(float(segment[1, 1] - segment[:, 1].mean()), 6) for segment in ours.lines[2][0].get_segments()[1:]}
    assert top == pytest.approx(confidence_interval(samples)[1][1])  # the second bar's half-width


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


def test_training_curves_draw_each_task_with_its_band():
    trace = np.stack([np.full((10, 5), value) for value in (0.2, 0.4)])
    (ax,) = figures.training_curves(trace, list("abcde")).axes
    first = ax.lines[0]
    assert np.allclose(first.get_ydata(), 0.3) and first.get_xdata().tolist() == [k / 2 for k in range(1, 11)]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list("abcde") and len(ax.collections) == 5


def test_kept_items_and_methods_by_scenario():
    (ax,) = figures.kept_items({"ring": [7, 8, 9], "reservoir": [1, 5, 9]}, length=10).axes
    assert [list(collection.get_positions()) for collection in ax.collections] == [[7, 8, 9], [1, 5, 9]]
    task, classes = {"naive": [0.1, 0.3], "replay": [0.8, 1.0]}, {"naive": [0.1, 0.1], "replay": [0.6, 0.8]}
    results = {"task": task, "class": classes}
    figure = figures.methods_by_scenario(results, {"replay": "replay"})
    drawn = [[offsets(container)[0].round(6).tolist() for container in ax.containers] for ax in figure.axes]
    assert drawn == [[[0.2, 0], [0.9, 1]], [[0.1, 0], [0.7, 1]]]


@pytest.mark.parametrize(
    ("function", "start", "knobs"),
    [
        (figures.explore_priorities, {"alpha": 0.6, "beta": 0.4}, {"alpha": 0.0, "beta": 1.0}),
        (figures.explore_rows, {"task": "sin", "rows": 20}, {"task": "square", "rows": 200}),
    ],
)
def test_every_knob_of_an_explorer_changes_its_picture(function, start, knobs):
    if function is figures.explore_rows:
        knobs["task"] = next(name for name in tasks.FOUR_TASKS if name != start["task"])
    before = pixels(function(**start))
    assert (pixels(function(**start)) == before).all()
    for name, value in knobs.items():
        assert (pixels(function(**{**start, name: value})) != before).any(), name


def test_the_priorities_explorer_draws_chances_that_sum_to_one_and_weights_of_at_most_one():
    chances, weights = figures.explore_priorities(0.6, 0.4).axes
    heights = [bar.get_height() for bar in chances.patches[:8]]
    assert sum(heights) == pytest.approx(1) and heights == sorted(heights, reverse=True)
    assert max(bar.get_height() for bar in weights.patches) == pytest.approx(1)


# The digits


def test_no_image_is_in_both_splits_and_every_class_is_in_both():
    train, test = tasks.digits()
    rows = [{tuple(row.tolist()) for row in x} for x, _ in (train, test)]
    assert len(train[1]) + len(test[1]) == 1797 and not rows[0] & rows[1]
    share = test[1].bincount() / (train[1].bincount() + test[1].bincount())
    assert len(share) == 10 and (share - 0.25).abs().max() < 0.01
    assert train[0].min() == 0 and train[0].max() == 1


def test_the_three_scenarios_differ_in_what_the_model_is_told():
    by_name = {name: tasks.split_digits(name) for name in ("task", "domain", "class")}
    for name, split in by_name.items():
        assert len(split) == 5
        for number, (x, y, new_x, new_y, mask) in enumerate(split):
            low = 0 if name == "domain" else 2 * number
            assert set(y.tolist()) == set(new_y.tolist()) == {low, low + 1}
            assert mask.sum() == (10 if name == "class" else 2) and mask[y].all()
            assert len(x) == len(y) and len(new_x) == len(new_y)
            assert torch.equal(x, by_name["class"][number][0])  # the same images in each scenario


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: tasks.split_digits("time"), ["scenario", "'time'", "'domain'"]),
        (lambda: tasks.split_classes(*tasks.digits(), "class", 3), ["classes_per_task", "10", "3"]),
    ],
)
def test_wrong_input_is_named(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    assert all(word in str(caught.value) for word in words)


# The checks of exercises


def shared_rows(train, test):
    return sum(any(torch.equal(row, other) for other in train) for row in test)


def half_width(samples, ddof=1, factor=4.3026527):
    return factor * np.std(samples, ddof=ddof) / len(samples) ** 0.5


def untrained(model):
    return [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]


def weights(priorities, drawn, alpha, beta):
    plain = (len(priorities) * (priorities**alpha / (priorities**alpha).sum())[drawn]) ** -beta
    return plain / plain.max()


def draw_at(priorities, fraction):
    return int((priorities.cumsum(0) <= fraction * priorities.sum()).sum())


def rehearse(replay, loss_of, n, beta, renew=True, weigh=True):
    batch = replay.sample(n, beta=beta)
    losses = loss_of(batch.data)
    if renew:
        replay.update_priorities(batch.indices, losses)
    return (losses * batch.weights if weigh else losses).mean()


def victim(labels, rng):
    return int(rng.choice(np.flatnonzero(labels == np.bincount(labels).argmax())))


ANSWERS = {
    checks.check_shared_rows: (
        shared_rows,
        {
            "row i with row i": lambda train, test: int((train == test).all(1).sum()),
            "share a number": lambda train, test: sum(bool(torch.isin(row, train).any()) for row in test),
            "pairs": lambda train, test: sum(torch.equal(a, b) for a in train for b in test),
        },
    ),
    checks.check_constant_error: (
        lambda train, test: (test - train.mean()).square().mean(),
        {
            "seen them": lambda train, test: (test - test.mean()).square().mean(),
            "absolute": lambda train, test: (test - train.mean()).abs().mean(),
            "training targets": lambda train, test: (train - train.mean()).square().mean(),
        },
    ),
    checks.check_half_width: (
        half_width,
        {
            "1.96": lambda samples: half_width(samples, factor=1.96),
            "n - 1": lambda samples: half_width(samples, ddof=0),
            "root of n": lambda samples: half_width(samples) * 3**0.5,
        },
    ),
    checks.check_untrained: (
        untrained,
        {"zeros": lambda model: [name for name, p in model.named_parameters() if p.grad is None]},
    ),
    checks.check_blind_error: (
        lambda y: (y - y.mean(0)).square().mean(),
        {
            "one constant": lambda y: (y - y.mean()).square().mean(),
            "J - 1": lambda y: y.var(0).mean(),
            "depend on the task": lambda y: (y - y.mean(1, keepdim=True)).square().mean(),
        },
    ),
    checks.check_kept: (
        lambda t, n, capacity: (float(t > n - capacity), capacity / n),
        {
            "push it out": lambda t, n, capacity: (float(t > n - capacity), capacity / t),
            "ring": lambda t, n, capacity: (1.0, capacity / n),
        },
    ),
    checks.check_importance_weights: (
        weights,
        {
            "largest in the batch": lambda p, d, a, b: (4 * (p**a / (p**a).sum())[d]) ** -b,
            "sum to 1": lambda p, d, a, b: weights(p, d, a, b) / weights(p, d, a, b).sum(),
            "smallest": lambda p, d, a, b: weights(p, d, a, b) / weights(p, d, a, b).min(),
            "alpha": lambda p, d, a, b: weights(p, d, 1.0, b),
            "minus beta": lambda p, d, a, b: weights(p, d, a, -b),
        },
    ),
    checks.check_draw: (
        draw_at,
        {
            "newest": lambda p, fraction: int((p.cumsum(0) <= fraction * p[:-1].sum()).sum()),
            "next item": lambda p, fraction: int((p.cumsum(0) < fraction * p.sum()).sum()),
        },
    ),
    checks.check_rehearse: (
        rehearse,
        {
            "for ever": lambda *args: rehearse(*args, renew=False),
            "its weight": lambda *args: rehearse(*args, weigh=False),
            "sum": lambda replay, loss_of, n, beta: n * rehearse(replay, loss_of, n, beta),
        },
    ),
    checks.check_victim: (
        victim,
        {
            "given up": lambda labels, rng: int(rng.integers(len(labels))),
            "never": lambda labels, rng: 1,
        },
    ),
}


@pytest.mark.parametrize("check", ANSWERS, ids=lambda check: check.__name__)
def test_a_check_accepts_the_answer_and_says_why_another_is_wrong(check, capsys):
    answer, mistakes = ANSWERS[check]
    assert check(answer), capsys.readouterr().out
    assert capsys.readouterr().out == "Right.\n"
    for words, wrong in mistakes.items():
        assert not check(wrong)
        assert words in capsys.readouterr().out, words

    def undone(*args):
        raise NotImplementedError

    assert not check(undone) and capsys.readouterr().out.startswith("Not done yet: undone")
