"""Chapter 0: its figures, its explorer, and the checks of its exercises."""

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg

from neuralmem.metrics import confidence_interval
from neuralmem.teaching import figures
from neuralmem.teaching.checks import chapter_0 as checks
from neuralmem.worlds.functions import FOUR_TASKS


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


@pytest.mark.parametrize(
    ("function", "start", "knobs"),
    [
        (figures.explore_rows, {"task": "sin", "rows": 20}, {"task": "square", "rows": 200}),
    ],
)
def test_every_knob_of_an_explorer_changes_its_picture(function, start, knobs):
    if function is figures.explore_rows:
        knobs["task"] = next(name for name in FOUR_TASKS if name != start["task"])
    before = pixels(function(**start))
    assert (pixels(function(**start)) == before).all()
    for name, value in knobs.items():
        assert (pixels(function(**{**start, name: value})) != before).any(), name


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
