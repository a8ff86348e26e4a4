"""Chapter 5: its figures and explorers, its stored runs, and the checks of its exercises."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import ROOT
from matplotlib.backends.backend_agg import FigureCanvasAgg
from torch import nn

from neuralmem import MetaLearner
from neuralmem.teaching import figures
from neuralmem.teaching.checks import chapter_5 as checks


def pixels(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))


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


def test_the_stored_runs_are_whole():
    stored = json.loads((ROOT / "book" / "results" / "sinusoids.json").read_text())
    runs = {(run["method"], run["shots"], run["seed"]) for run in stored["runs"]}
    methods = {method for method, _, _ in runs}
    assert len(methods) == 7 and len(stored["runs"]) == len(runs) == 5 * (7 + 4)
    for run in stored["runs"]:
        assert set(run["own"]) == set(run["tuned"]) == set(run["rate"]) == {"0", "1", "10"}


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
