"""Chapter 4: its figures, its explorer, and the checks of its exercises."""

import numpy as np
import pytest
import torch
from exercises import assert_accepts, assert_explains, undone
from matplotlib.backends.backend_agg import FigureCanvasAgg

from neuralmem.teaching import figures
from neuralmem.teaching.checks import chapter_4 as checks
from neuralmem.worlds.digits import split_digits


def pixels(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def offsets(container):
    """Centres of the error bars of one label."""
    return container.lines[0].get_xydata()


def test_training_curves_draw_each_task_with_its_band():
    trace = np.stack([np.full((10, 5), value) for value in (0.2, 0.4)])
    (ax,) = figures.training_curves(trace, list("abcde")).axes
    first = ax.lines[0]
    assert np.allclose(first.get_ydata(), 0.3) and first.get_xdata().tolist() == [k / 2 for k in range(1, 11)]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list("abcde") and len(ax.collections) == 5


def test_kept_items_and_methods_by_scenario():
    (ax,) = figures.kept_items({"ring": [7, 8, 9], "reservoir": [1, 5, 9]}, length=10).axes
    assert [list(collection.get_positions()) for collection in ax.collections] == [[7, 8, 9], [1, 5, 9]]
    task, classes = {"naive": [0.9, 1.0], "replay": [0.8, 1.0]}, {"naive": [0.1, 0.1], "replay": [0.6, 0.8]}
    results = {"task": task, "class": classes}
    figure = figures.methods_by_scenario(results, {"replay": "replay"})
    drawn = [[offsets(container)[0].round(6).tolist() for container in ax.containers] for ax in figure.axes]
    assert drawn == [[[0.95, 0], [0.9, 1]], [[0.1, 0], [0.7, 1]]]
    seeds = [[line.get_xdata().tolist() for line in ax.lines if line.get_marker() == "."] for ax in figure.axes]
    assert seeds == [[[0.9, 1.0], [0.8, 1.0]], [[0.1, 0.1], [0.6, 0.8]]]
    assert figure.axes[0].get_xlim()[0] > 0.7 and "from 0.80" in figure.axes[0].get_title()
    assert figure.axes[1].get_xlim()[0] < 0.1 and "from" not in figure.axes[1].get_title()


def test_digit_pairs_draw_both_classes_of_each_task():
    tasks = split_digits("class")
    axes = figures.digit_pairs(tasks, ["a", "b", "c", "d", "e"], columns=3).axes
    assert [ax.get_title() for ax in axes] == ["a", "b", "c", "d", "e"]
    image = axes[1].images[0].get_array()
    assert image.shape == (20, 30)
    first = tasks[1].train_x[tasks[1].train_y == 3][0].reshape(8, 8)
    assert np.allclose(image[11:19, 1:9], first)


def test_a_task_matrix_is_square_and_holds_its_numbers():
    (ax,) = figures.task_matrix([[0.1, 0.2], [0.9, 0.3], [0.6, 0.8]], ["a", "b"]).axes
    assert [text.get_text() for text in ax.texts] == ["0.10", "0.20", "0.90", "0.30", "0.60", "0.80"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["none", "a", "b"] and ax.get_aspect() == 1


@pytest.mark.parametrize(("name", "value"), [("alpha", 0.0), ("beta", 1.0)])
def test_every_knob_of_the_explorer_changes_its_picture_and_its_words(name, value):
    start = {"alpha": 0.6, "beta": 0.4}
    before, after = figures.explore_priorities(**start), figures.explore_priorities(**{**start, name: value})
    assert (pixels(figures.explore_priorities(**start)) == pixels(before)).all()
    assert (pixels(after) != pixels(before)).any() and after.seen != before.seen


def test_the_priorities_explorer_draws_chances_that_sum_to_one_and_weights_of_at_most_one():
    figure = figures.explore_priorities(1.0, 1.0)
    chances, weights = figure.axes
    heights = [bar.get_height() for bar in chances.patches[:8]]
    assert sum(heights) == pytest.approx(1) and heights == sorted(heights, reverse=True)
    assert max(bar.get_height() for bar in weights.patches) == pytest.approx(1)
    assert "32 times as often" in figure.seen and "leave it 1 times" in figure.seen


# The checks of the exercises


def kept(i, t, capacity):
    return float(i > t - capacity), capacity / t


def weights(priorities, drawn, alpha, beta):
    plain = (len(priorities) * (priorities**alpha / (priorities**alpha).sum())[drawn]) ** -beta
    return plain / plain.max()


def overwritten(priorities, drawn, alpha, beta):
    priorities **= alpha
    return weights(priorities, drawn, 1.0, beta)


def draw_at(priorities, fraction):
    return int((priorities.cumsum(0) <= fraction * priorities.sum()).sum())


def summed_in_place(priorities, fraction):
    total = priorities.sum()
    return int((priorities.cumsum_(0) <= fraction * total).sum())


def rehearse(replay, loss_of, n, beta, renew=lambda losses, weights: losses, mean=lambda w, e: (w * e).mean()):
    batch = replay.sample(n, beta=beta)
    losses = loss_of(batch.data)
    if renew:
        replay.update_priorities(batch.indices, renew(losses, batch.weights))
    return mean(batch.weights, losses)


def victim(labels, rng):
    return int(rng.choice(np.flatnonzero(labels == np.bincount(labels).argmax())))


def emptied(labels, rng):
    place = victim(labels, rng)
    labels[place] = 0
    return place


ANSWERS = {
    checks.check_kept: (
        kept,
        {
            "capacity / i": ("push it out again", lambda i, t, capacity: (kept(i, t, capacity)[0], capacity / i)),
            "ring never": ("does hold an item that came lately", lambda i, t, capacity: (0.0, capacity / t)),
            "ring always": ("no others", lambda i, t, capacity: (1.0, capacity / t)),
            "one too many": ("one more", lambda i, t, capacity: (float(i >= t - capacity), capacity / t)),
            "in the wrong order": ("comes first", lambda i, t, capacity: kept(i, t, capacity)[::-1]),
            "ignores i": ("", lambda i, t, capacity: kept(t, t, capacity)),
            "ignores t": ("", lambda i, t, capacity: kept(i, 1000, capacity)),
            "ignores capacity": ("", lambda i, t, capacity: kept(i, t, 100)),
            "right on the example only": ("", lambda i, t, capacity: (0.0, 0.1)),
            "one number": ("", lambda i, t, capacity: capacity / t),
            "words": ("numbers are asked for", lambda i, t, capacity: ("no", "yes")),
        },
    ),
    checks.check_importance_weights: (
        weights,
        {
            "not divided": ("largest in the batch", lambda p, d, a, b: (len(p) * (p**a / (p**a).sum())[d]) ** -b),
            "sum": ("sum to 1", lambda p, d, a, b: weights(p, d, a, b) / weights(p, d, a, b).sum()),
            "mean": ("mean 1", lambda p, d, a, b: weights(p, d, a, b) / weights(p, d, a, b).mean()),
            "min": ("smallest", lambda p, d, a, b: weights(p, d, a, b) / weights(p, d, a, b).min()),
            "ignores alpha": ("alpha for 1", lambda p, d, a, b: weights(p, d, 1.0, b)),
            "ignores beta": ("for 1", lambda p, d, a, b: weights(p, d, a, 1.0)),
            "sign": ("minus beta", lambda p, d, a, b: weights(p, d, a, -b)),
            "ignores the priorities": ("", lambda p, d, a, b: weights(torch.arange(1.0, 1 + len(p)), d, a, b)),
            "ignores the places": ("", lambda p, d, a, b: weights(p, torch.arange(len(d)), a, b)),
            "right on the example only": ("", lambda p, d, a, b: torch.tensor([1.0, 0.5, 1.0])),
            "a list": ("Tensor is asked for", lambda p, d, a, b: weights(p, d, a, b).tolist()),
            "a column": ("wrong shape", lambda p, d, a, b: weights(p, d, a, b)[:, None]),
            "in place": ("has changed", overwritten),
        },
    ),
    checks.check_draw: (
        draw_at,
        {
            "total without the last": ("never drawn", lambda p, f: int((p.cumsum(0) <= f * p[:-1].sum()).sum())),
            "at least": ("next item", lambda p, f: int((p.cumsum(0) < f * p.sum()).sum())),
            "both": ("", lambda p, f: int((p.cumsum(0) < f * p[:-1].sum()).sum())),
            "ignores the priorities": ("equally likely", lambda p, f: int(f * len(p))),
            "ignores the fraction": ("highest priority", lambda p, f: int(p.argmax())),
            "no total": ("total for 1", lambda p, f: int((p.cumsum(0) <= f).sum())),
            "right on the example only": ("", lambda p, f: {0.6: 2, 0.5: 2, 0.99: 3}.get(f, 0)),
            "none": ("numbers are asked for", lambda p, f: None),
            "in place": ("has changed", summed_in_place),
        },
    ),
    checks.check_rehearse: (
        rehearse,
        {
            "never renewed": ("for ever", lambda *args: rehearse(*args, renew=None)),
            "weighted priorities": ("themselves", lambda *args: rehearse(*args, renew=lambda e, w: e * w)),
            "no weights": ("its weight", lambda *args: rehearse(*args, mean=lambda w, e: e.mean())),
            "sum": ("sum, not the mean", lambda *args: rehearse(*args, mean=lambda w, e: (w * e).sum())),
            "normed": ("divide by n", lambda *args: rehearse(*args, mean=lambda w, e: (w * e).sum() / w.sum())),
            "ignores n": ("Draw once", lambda replay, loss, n, beta: rehearse(replay, loss, 8, beta)),
            "ignores beta": ("beta", lambda replay, loss, n, beta: rehearse(replay, loss, n, 1.0)),
            "ignores loss_of": ("", lambda replay, loss, n, beta: rehearse(replay, lambda x: 0 * loss(x) + x, n, beta)),
            "detached": ("detached", lambda *args: rehearse(*args).detach()),
            "one for each": ("Wrong shape", lambda *args: rehearse(*args, mean=lambda w, e: w * e)),
            "a float": ("Wrong shape", lambda *args: rehearse(*args).item()),
        },
    ),
    checks.check_victim: (
        victim,
        {
            "any item": ("given up", lambda labels, rng: int(rng.integers(len(labels)))),
            "always the first": ("at random", lambda labels, rng: labels.tolist().index(labels[victim(labels, rng)])),
            "right on the example only": ("", lambda labels, rng: int(rng.choice([1, 2, 4]))),
            "ignores the labels": ("", lambda labels, rng: 0),
            "ignores rng": ("rng", lambda labels, rng: victim(labels, np.random.default_rng())),
            "the label": ("not a place", lambda labels, rng: int(np.bincount(labels).argmax())),
            "an array": ("integer", lambda labels, rng: np.flatnonzero(labels == labels[0])),
            "a float": ("integer", lambda labels, rng: float(victim(labels, rng))),
            "in place": ("has changed", emptied),
        },
    ),
}
CASES = [(check, name) for check, (_, wrong) in ANSWERS.items() for name in wrong]


@pytest.mark.parametrize(("check", "name"), CASES, ids=lambda value: getattr(value, "__name__", value))
def test_a_wrong_answer_is_told_why_in_one_sentence(check, name, capsys):
    words, wrong = ANSWERS[check][1][name]
    assert_explains(check, wrong, words, capsys)


@pytest.mark.parametrize("check", ANSWERS, ids=lambda check: check.__name__)
def test_a_right_answer_is_right_with_every_seed_and_soon(check, capsys):
    assert_accepts(check, ANSWERS[check][0], capsys)

    assert not check(undone) and capsys.readouterr().out.startswith("Not done yet: undone")


def test_numpy_integers_and_other_right_answers_are_right():
    assert checks.check_victim(lambda labels, rng: np.int64(victim(labels, rng)))
    assert checks.check_importance_weights(lambda p, d, a, b: (p[d] ** a / (p[d] ** a).min()) ** -b)
