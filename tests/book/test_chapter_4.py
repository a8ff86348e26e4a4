"""Chapter 4: its figures, its explorer, and the checks of its exercises."""

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg

from neuralmem.teaching import figures
from neuralmem.teaching.checks import chapter_4 as checks
from neuralmem.worlds.functions import FOUR_TASKS


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
    task, classes = {"naive": [0.1, 0.3], "replay": [0.8, 1.0]}, {"naive": [0.1, 0.1], "replay": [0.6, 0.8]}
    results = {"task": task, "class": classes}
    figure = figures.methods_by_scenario(results, {"replay": "replay"})
    drawn = [[offsets(container)[0].round(6).tolist() for container in ax.containers] for ax in figure.axes]
    assert drawn == [[[0.2, 0], [0.9, 1]], [[0.1, 0], [0.7, 1]]]


@pytest.mark.parametrize(
    ("function", "start", "knobs"),
    [
        (figures.explore_priorities, {"alpha": 0.6, "beta": 0.4}, {"alpha": 0.0, "beta": 1.0}),
    ],
)
def test_every_knob_of_an_explorer_changes_its_picture(function, start, knobs):
    if function is figures.explore_rows:
        knobs["task"] = next(name for name in FOUR_TASKS if name != start["task"])
    before = pixels(function(**start))
    assert (pixels(function(**start)) == before).all()
    for name, value in knobs.items():
        assert (pixels(function(**{**start, name: value})) != before).any(), name


def test_the_priorities_explorer_draws_chances_that_sum_to_one_and_weights_of_at_most_one():
    chances, weights = figures.explore_priorities(0.6, 0.4).axes
    heights = [bar.get_height() for bar in chances.patches[:8]]
    assert sum(heights) == pytest.approx(1) and heights == sorted(heights, reverse=True)
    assert max(bar.get_height() for bar in weights.patches) == pytest.approx(1)


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
