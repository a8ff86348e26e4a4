"""Chapter 5: its worlds, its figures and explorers, and the checks of its exercises."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import ROOT
from matplotlib.backends.backend_agg import FigureCanvasAgg
from torch import nn

from neuralmem import MetaLearner, checks, figures
from neuralmem.tasks import digit_tasks, digits, sinusoid_tasks, split_generator, train_meta, turned_tasks


def pixels(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))


# Worlds


def test_a_sinusoid_task_is_one_wave_within_its_bounds():
    support_x, support_y, query_x, query_y = sinusoid_tasks(200, 10, 30, split_generator("train", 0))
    assert support_x.shape == (200, 10, 1) and query_y.shape == (200, 30, 1)
    x, y = torch.cat([support_x, query_x], 1).double(), torch.cat([support_y, query_y], 1).double()
    assert -5 <= x.min() < -4.9 < 4.9 < x.max() <= 5
    waves = torch.cat([x.sin(), x.cos()], 2)  # a·sin(x - p) = a·cos(p)·sin x - a·sin(p)·cos x
    weights = torch.linalg.lstsq(waves, y).solution
    assert torch.allclose(waves @ weights, y, atol=1e-4)
    amplitude, phase = weights.norm(dim=1), torch.atan2(-weights[:, 1], weights[:, 0])
    assert 0.1 <= amplitude.min() < 0.3 and 4.8 < amplitude.max() <= 5 + 1e-5
    assert phase.min() >= -1e-3 and phase.max() <= np.pi + 1e-3 and phase.std() > 0.7


def test_digit_tasks_hold_the_classes_asked_for_and_share_no_image_between_the_sets():
    (train_x, train_y), (test_x, test_y) = digits()
    images, labels = torch.cat([train_x, test_x]), torch.cat([train_y, test_y])
    label_of = {tuple(x.tolist()): int(y) for x, y in zip(images, labels, strict=True)}
    classes = [1, 4, 6, 9]
    support_x, support_y, query_x, query_y = digit_tasks(20, 2, 5, classes, split_generator("test", 0))
    assert support_x.shape == (20, 6, 64) and query_x.shape == (20, 15, 64)
    numbering = set()
    for task in range(20):
        support, query = ([tuple(row.tolist()) for row in part[task]] for part in (support_x, query_x))
        assert not set(support) & set(query)
        pairs = {(int(y), label_of[row]) for row, y in zip(support, support_y[task], strict=True)}
        pairs |= {(int(y), label_of[row]) for row, y in zip(query, query_y[task], strict=True)}
        assert len(pairs) == 3 and {label for _, label in pairs} <= set(classes)  # one class a number, the same in both
        assert torch.bincount(support_y[task]).tolist() == [2, 2, 2]
        numbering |= pairs
    assert len(numbering) == 12  # each of the four classes gets each of the three numbers


def test_turned_tasks_come_in_eight_positions_the_same_for_support_and_query():
    image = torch.arange(9.0)
    x, y = image.expand(200, 2, 9), torch.zeros(200, 2)
    support_x, support_y, query_x, query_y = turned_tasks((x, y, x[:, :1], y[:, :1]), torch.Generator().manual_seed(0))
    assert len({tuple(task[0].tolist()) for task in support_x}) == 8
    assert torch.equal(support_x[:, :1], query_x) and torch.equal(support_x[:, 0], support_x[:, 1])
    assert torch.equal(support_x.sort(-1).values, x) and (support_x[..., 4] == 4).all()  # the centre stays
    assert support_y is y and query_y.shape == (200, 1)


def test_train_and_test_tasks_differ():
    train, test = (sinusoid_tasks(50, 1, 1, split_generator(split, 0))[0].flatten() for split in ("train", "test"))
    assert not set(train.tolist()) & set(test.tolist())


def test_train_meta_repeats_itself_and_lowers_the_outer_loss():
    test, results = sinusoid_tasks(100, 10, 10, split_generator("test", 0)), []
    for _ in range(2):
        meta = MetaLearner(network(), inner_lr=0.01)
        before = meta.task_losses(*test).mean().item()
        train_meta(meta, lambda generator: sinusoid_tasks(10, 10, 10, generator), 60, lr=1e-2, seed=3)
        results.append(meta.task_losses(*test).mean().item())
    assert results[0] == results[1] < before


ERROR_CASES = [
    ("no support", lambda: sinusoid_tasks(2, 0, 5, torch.Generator()), ValueError, ["support", "0"]),
    ("tasks a float", lambda: sinusoid_tasks(2.5, 1, 5, torch.Generator()), TypeError, ["tasks", "2.5"]),
    ("too many ways", lambda: digit_tasks(1, 1, 1, [0, 1], torch.Generator(), 3), ValueError, ["ways", "2", "3"]),
    ("too few images", lambda: digit_tasks(1, 99, 99, [0, 1, 2], torch.Generator()), ValueError, ["shots", "99 + 99"]),
    ("no updates", lambda: train_meta(MetaLearner(network()), None, 0), ValueError, ["updates", "0"]),
]


@pytest.mark.parametrize(("label", "call", "kind", "words"), ERROR_CASES, ids=[case[0] for case in ERROR_CASES])
def test_wrong_input_is_named(label, call, kind, words):
    with pytest.raises(kind) as caught:
        call()
    assert all(word in str(caught.value) for word in words), str(caught.value)


# Figures


def test_figures_hold_what_they_are_given():
    x, y = np.linspace(-1, 1, 5), np.arange(15.0).reshape(3, 5)
    family = figures.waves(x, y, x[:2], y[2, :2])
    assert len(family.axes[0].lines) == 4 and family.axes[0].lines[2].get_ydata().tolist() == y[2].tolist()
    panels = {"a": {"0 steps": y[0], "1 step": y[1]}, "b": {"0 steps": y[2]}}
    fitted = figures.fits(panels, x, y[0], x[:2], y[0, :2], {"a": "meta", "b": "baseline"})
    assert [ax.get_title() for ax in fitted.axes] == ["a", "b"]
    assert fitted.axes[0].lines[1].get_color() == figures.COLOURS["meta"]
    table = {"one": [[1.0, 2], [3, 4]], "two": [[5, 6], [7, 9]]}
    compared = figures.starts_compared(table, ["u", "v"], {"one": "meta", "two": "baseline"}, "error", xscale="log")
    assert [label.get_text() for label in compared.axes[0].get_yticklabels()] == ["one", "two"]
    assert compared.axes[1].lines[0].get_xdata()[0] == 3 and compared.axes[1].get_xscale() == "log"


@pytest.mark.parametrize(
    ("rate", "steps", "starts"),
    [(0.0, 1, [8, 8, 8]), (0.1, 1, [8, 5, 2]), (0.1, 2, [8, 2, 0.064 / 0.416])],
)
def test_the_starts_of_the_two_tasks_are_where_the_formulas_say(rate, steps, starts):
    ax = figures.explore_start(rate, steps).axes[0]
    drawn = [line.get_xdata()[0] for line in ax.lines[2:]]
    assert drawn[0] == 8 and drawn == sorted(drawn, reverse=True)
    theta, after = ax.lines[1].get_data()
    assert abs(np.ravel(theta)[np.argmin(after)] - drawn[2]) < 0.06  # the drawn start is the drawn curve's minimum
    assert np.allclose(drawn, starts)


def test_explorers_move_with_each_knob():
    starts = {"MAML": MetaLearner(network(), inner_lr=0.05), "pretrained": MetaLearner(network(), inner_lr=0.01)}
    draws = [
        lambda **changed: figures.explore_start(**({"rate": 0.1, "steps": 1} | changed)),
        lambda **changed: figures.explore_adaptation(starts, **({"start": "MAML", "steps": 1, "shots": 10} | changed)),
    ]
    knobs = [{"rate": 0.05, "steps": 2}, {"start": "pretrained", "steps": 5, "shots": 2}]
    for draw, moves in zip(draws, knobs, strict=True):
        still = pixels(draw())
        for name, value in moves.items():
            moved = pixels(draw(**{name: value}))
            assert moved.shape != still.shape or (moved != still).any(), name


# Stored results


def test_the_stored_runs_are_whole():
    stored = json.loads((ROOT / "book" / "results" / "sinusoids.json").read_text())
    runs = {(run["method"], run["shots"], run["seed"]) for run in stored["runs"]}
    methods = {method for method, _, _ in runs}
    assert len(methods) == 7 and len(stored["runs"]) == len(runs) == 5 * (7 + 4)
    for run in stored["runs"]:
        assert set(run["own"]) == set(run["tuned"]) == set(run["rate"]) == {"0", "1", "10"}


# Checks of the exercises


def inner(loss, start, rate, steps, create_graph=True):
    weights = dict(start)
    for _ in range(steps):
        slopes = torch.autograd.grad(loss(weights), list(weights.values()), create_graph=create_graph)
        weights = {name: value - rate * slope for (name, value), slope in zip(weights.items(), slopes, strict=True)}
    return weights


def inner_in_place(loss, start, rate, steps):
    for _ in range(steps):
        slope = torch.autograd.grad(loss(start), start["theta"])[0]
        start["theta"].data -= rate * slope
    return start


def losses_one_by_one(model, tasks, rate, used=True):
    losses, start = [], dict(model.named_parameters())
    for support_x, support_y, query_x, query_y in tasks:
        slopes = torch.autograd.grad(F.mse_loss(model(support_x), support_y), list(start.values()))
        moved = {name: value - rate * used * slope for (name, value), slope in zip(start.items(), slopes, strict=True)}
        losses.append(F.mse_loss(torch.func.functional_call(model, moved, (query_x,)), query_y))
    return torch.stack(losses)


def losses_that_leak(model, tasks, rate, forget=False):
    losses = []
    for support_x, support_y, query_x, query_y in tasks:
        if forget:
            model.zero_grad()
        F.mse_loss(model(support_x), support_y).backward()
        for parameter in model.parameters():
            parameter.data -= rate * parameter.grad
        losses.append(F.mse_loss(model(query_x), query_y))
    return torch.stack(losses)


def reptile(curvatures, targets, rate, steps):
    gone = 1 - (1 - 2 * rate * curvatures) ** steps
    return (gone * targets).sum() / gone.sum()


def joint(curvatures, targets, rate, steps):
    return (curvatures * targets).sum() / curvatures.sum()


def left(curvatures, targets, rate, steps):
    c = (1 - 2 * rate * curvatures) ** steps
    return (c * targets).sum() / c.sum()


def by_maml(curvatures, targets, rate, steps):
    weight = curvatures * (1 - 2 * rate * curvatures) ** (2 * steps)
    return (weight * targets).sum() / weight.sum()


def by_curvature(curvatures, targets, rate, steps):
    weight = curvatures * (1 - (1 - 2 * rate * curvatures) ** steps)
    return (weight * targets).sum() / weight.sum()


def centroid(x, y, query):
    return torch.cdist(query, torch.stack([x[y == label].mean(0) for label in y.unique()])).argmin(1)


CASES = [
    (checks.check_reptile_start, reptile, [
        (joint, "joint training"), (lambda h, t, rate, steps: t.mean(), "plain mean"), (left, "what is left"),
        (by_maml, "MAML's weights"), (by_curvature, "not with its curvature"),
    ]),
    (checks.check_inner_loop, inner, [
        (lambda *args: inner(*args, create_graph=False), "first order"),
        (inner_in_place, "The start has moved"),
        (lambda loss, start, rate, steps: inner(loss, start, rate, 1), "9.68"),
        (lambda *args: {name: value.detach() for name, value in inner(*args).items()}, "no gradient leads back"),
    ]),
    (checks.check_task_losses, losses_one_by_one, [
        (losses_that_leak, "still added up"), (lambda *args: losses_that_leak(*args, forget=True), "where the first"),
        (lambda *args: losses_one_by_one(*args, used=False), "never used"),
    ]),
    (checks.check_tuned_error, lambda v, t: t[v.mean(1).argmin()].mean(), [
        (lambda v, t: t.mean(1).min(), "on the test tasks"), (lambda v, t: t.min(0).values.mean(), "each test task"),
        (lambda v, t: v.mean(1).min(), "validation error"),
        (lambda v, t: t.gather(0, v.argmin(0, keepdim=True)).mean(), "for each task"),
    ]),
    (checks.check_nearest_centroid, centroid, [
        (lambda x, y, q: y[torch.cdist(q, x).argmin(1)], "nearest neighbour"),
        (lambda x, y, q: 1 - centroid(x, y, q), "farthest"),
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("check", "right", "wrong"), CASES, ids=[case[0].__name__ for case in CASES])
def test_checks_tell_a_right_answer_from_plausible_wrong_ones(check, right, wrong, capsys):
    assert check(right) and capsys.readouterr().out == "Right.\n"
    for function, why in wrong:
        assert not check(function)
        assert why in capsys.readouterr().out

    def undone(*args):
        raise NotImplementedError

    assert not check(undone) and "Not done yet" in capsys.readouterr().out
