"""Chapter 5: its figures and explorers, its stored runs, and the checks of its exercises."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from exercises import assert_accepts, assert_explains, undone
from matplotlib.backends.backend_agg import FigureCanvasAgg
from torch import nn

from book.experiments import sinusoids
from neuralmem import MetaLearner
from neuralmem.teaching import figures, results
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
    named = [text.get_text() for text in family.axes[0].get_legend().get_texts()]
    assert named == ["waves seen before", "a new wave", "what is known of it"]
    panels = {"a": {"0 steps": y[0], "1 step": y[1]}, "b": {"0 steps": y[2]}}
    fitted = figures.fits(panels, x, y[0], x[:2], y[0, :2], {"a": "meta", "b": "baseline"})
    assert [ax.get_title() for ax in fitted.axes] == ["a", "b"]
    assert fitted.axes[0].lines[1].get_color() == figures.COLOURS["meta"]
    table = {"one": [[1.0, 2], [3, 4]], "two": [[5, 6], [7, 9]]}
    compared = figures.starts_compared(table, ["u", "v"], {"one": "meta", "two": "baseline"}, "error", xscale="log")
    assert [label.get_text() for label in compared.axes[0].get_yticklabels()] == ["one", "two"]
    assert compared.axes[1].lines[0].get_xdata()[0] == 3 and compared.axes[1].get_xscale() == "log"


def test_the_images_of_a_task_stand_in_the_row_of_their_class():
    x = torch.arange(6.0).view(6, 1).expand(6, 4) / 6
    y = torch.tensor([1, 0, 1, 0, 0, 1])
    figure = figures.few_shot_task(x[:4], y[:4], x[4:], y[4:])
    rows = [[ax for ax in figure.axes[row : row + 4] if ax.images] for row in (0, 4)]
    shown = [[float(ax.images[0].get_array()[0, 0]) for ax in row] for row in rows]
    assert np.allclose(shown, [[1 / 6, 3 / 6, 4 / 6], [0, 2 / 6, 5 / 6]])
    assert figure.axes[0].texts[0].get_text() == "class 0" and figure.axes[4].texts[0].get_text() == "class 1"


def test_paired_differences_draw_the_mean_of_each_and_a_line_at_0():
    samples = {"ours": [-1.0, -3.0], "theirs": [2.0, 4.0]}
    ax = figures.paired_differences(samples, {"ours": "meta", "theirs": "baseline"}, "difference").axes[0]
    assert ax.lines[0].get_xdata() == [0, 0]
    assert [float(container.lines[0].get_xdata()[0]) for container in ax.containers] == [-2, 3]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["ours", "theirs"]


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
        assert draw().seen != draw(**moves).seen and draw().seen.endswith(".")


def test_the_stored_runs_are_whole():
    runs = results.load("sinusoids")["runs"]
    wanted = {tuple(facts.values()) for facts in sinusoids.plan()}
    found = {(run["world"], run["method"], run["shots"], run["seed"]) for run in runs}
    assert found == wanted and len(runs) == len(wanted)
    for run in runs:
        assert set(run["own"]) == set(run["tuned"]) == set(run["rate"]) == {"0", "1", "10"}


def test_a_run_of_the_experiment_in_small(monkeypatch):
    monkeypatch.setattr(sinusoids, "UPDATES", 2)
    facts = {"world": "0.8 to 1.2", "method": "Meta-SGD", "shots": 5, "seed": 0}
    row = sinusoids.run(**facts)
    assert row["own"]["0"][0] > 0 and row == sinusoids.run(**facts) | {"seconds": row["seconds"]}


def reptile(curvatures: torch.Tensor, targets: torch.Tensor, rate: float, steps: int) -> torch.Tensor:
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


def reptile_in_place(curvatures, targets, rate, steps):
    curvatures.mul_(2 * rate)
    gone = 1 - (1 - curvatures) ** steps
    return (gone * targets).sum() / gone.sum()


def inner(loss, start, rate, steps, create_graph=True):
    weights = dict(start)
    for _ in range(steps):
        slopes = torch.autograd.grad(loss(weights), list(weights.values()), create_graph=create_graph)
        weights = {name: value - rate * slope for (name, value), slope in zip(weights.items(), slopes, strict=True)}
    return weights


def inner_in_place(loss, start, rate, steps):
    for _ in range(steps):
        slopes = torch.autograd.grad(loss(start), list(start.values()))
        for value, slope in zip(start.values(), slopes, strict=True):
            value.data -= rate * slope
    return start


def inner_that_rebinds(loss, start, rate, steps):
    start.update(inner(loss, start, rate, steps))
    return start


def inner_of_old_slopes(loss, start, rate, steps):
    slopes = torch.autograd.grad(loss(start), list(start.values()), create_graph=True)
    moved = zip(start.items(), slopes, strict=True)
    return {name: value - steps * rate * slope for (name, value), slope in moved}


def double(weights):
    return {name: value.double() for name, value in weights.items()}


def losses_one_by_one(model, tasks, rate, used=True, create_graph=True):
    losses, start = [], dict(model.named_parameters())
    for support_x, support_y, query_x, query_y in tasks:
        loss = F.mse_loss(model(support_x), support_y)
        slopes = torch.autograd.grad(loss, list(start.values()), create_graph=create_graph)
        moved = {name: value - rate * used * slope for (name, value), slope in zip(start.items(), slopes, strict=True)}
        losses.append(F.mse_loss(torch.func.functional_call(model, moved, (query_x,)), query_y))
    return torch.stack(losses)


def losses_that_leak(model, tasks, rate, forget=False, restore=False):
    losses, before = [], [value.detach().clone() for value in model.parameters()]
    for support_x, support_y, query_x, query_y in tasks:
        if forget:
            model.zero_grad()
        F.mse_loss(model(support_x), support_y).backward()
        for parameter in model.parameters():
            parameter.data -= rate * parameter.grad
        losses.append(F.mse_loss(model(query_x), query_y))
        if restore:
            for parameter, old in zip(model.parameters(), before, strict=True):
                parameter.data.copy_(old)
    return torch.stack(losses)


def losses_then_move(model, tasks, rate):
    found = losses_one_by_one(model, tasks, rate)
    next(model.parameters()).data += 1
    return found


def losses_on_support(model, tasks, rate):
    return losses_one_by_one(model, [(x, y, x, y) for x, y, _, _ in tasks], rate)


def losses_that_scale(model, tasks, rate):
    found = losses_one_by_one(model, tasks, rate)
    tasks[0][0].mul_(2)
    return found


def tuned(validation: torch.Tensor, test: torch.Tensor) -> torch.Tensor:
    return test[validation.mean(1).argmin()].mean()


def tuned_in_place(validation, test):
    best = validation.mean(1).argmin()
    validation.sub_(1)
    return test[best].mean()


def centroid(support_x: torch.Tensor, support_y: torch.Tensor, query_x: torch.Tensor) -> torch.Tensor:
    labels = support_y.unique()
    means = torch.stack([support_x[support_y == label].mean(0) for label in labels])
    return labels[torch.cdist(query_x, means).argmin(1)]


def centroid_in_place(support_x, support_y, query_x):
    middle = support_x.mean(0)
    support_x.sub_(middle)
    return centroid(support_x, support_y, query_x - middle)


def places(x, y, query):
    return torch.cdist(query, torch.stack([x[y == label].mean(0) for label in y.unique()])).argmin(1)


def farthest(x, y, query):
    means = torch.stack([x[y == label].mean(0) for label in y.unique()])
    return y.unique()[torch.cdist(query, means).argmax(1)]


def of_two_halves(support_x, support_y, query_x):
    """Takes the first half of the rows for class 0 and the others for class 1."""
    labels = (torch.arange(len(support_x)) >= len(support_x) / 2).long()
    return centroid(support_x, labels, query_x)


ANSWERS = {  # check: (right answer, [(what the student reads, wrong answer)])
    checks.check_reptile_start: (
        reptile,
        [
            ("joint training", joint),
            ("plain mean", lambda h, t, rate, steps: t.mean()),
            ("not with what is left", left),
            ("MAML's weights", by_maml),
            ("not with its curvature", by_curvature),
            ("does not depend on `steps`", lambda h, t, rate, steps: reptile(h, t, rate, 3)),
            ("does not depend on `rate`", lambda h, t, rate, steps: reptile(h, t, 0.1, steps)),
            ("does not depend on `h`", lambda h, t, rate, steps: reptile(torch.linspace(1, 2, len(h)), t, rate, steps)),
            ("does not depend on `t`", lambda h, t, rate, steps: reptile(h, torch.linspace(1, 2, len(h)), rate, steps)),
            ("does not depend on", lambda h, t, rate, steps: torch.tensor(6.702703)),  # right on the example only
            ("wrong shape", lambda *args: reptile(*args).unsqueeze(0)),
            ("`curvatures` was given to you and has changed", reptile_in_place),
        ],
    ),
    checks.check_inner_loop: (
        inner,
        [
            ("first order", lambda *args: inner(*args, create_graph=False)),
            ("The start has moved", inner_in_place),
            ("The start has moved", inner_that_rebinds),
            ("You took 1 step where", lambda loss, start, rate, steps: inner(loss, start, rate, 1)),
            ("up the slope", lambda loss, start, rate, steps: inner(loss, start, -rate, steps)),
            ("wrong values", lambda loss, start, rate, steps: inner(loss, start, 0.1, steps)),
            ("reached", inner_of_old_slopes),
            ("no gradient leads back", lambda *args: {name: value.detach() for name, value in inner(*args).items()}),
            ("Wrong dtype", lambda *args: double(inner(*args))),
            ("Wrong shape", lambda *args: {name: value.unsqueeze(0) for name, value in inner(*args).items()}),
            ("A dict with the start's names", lambda *args: list(inner(*args).values())),
        ],
    ),
    checks.check_task_losses: (
        losses_one_by_one,
        [
            ("still added up", losses_that_leak),
            ("where the first one ended", lambda *args: losses_that_leak(*args, forget=True)),
            ("added to the second's", lambda *args: losses_that_leak(*args, restore=True)),
            ("never used", lambda *args: losses_one_by_one(*args, used=False)),
            ("the query sets judge", losses_on_support),
            ("one step of size", lambda model, tasks, rate: losses_one_by_one(model, tasks, 0.1)),
            ("its weights have moved", losses_then_move),
            ("no gradient leads", lambda *args: losses_one_by_one(*args).detach()),
            ("first order", lambda *args: losses_one_by_one(*args, create_graph=False)),
            ("one loss a task", lambda *args: losses_one_by_one(*args).mean()),
            ("`tasks` was given to you", losses_that_scale),
            ("A tensor is asked for", lambda *args: losses_one_by_one(*args).tolist()),
        ],
    ),
    checks.check_tuned_error: (
        tuned,
        [
            ("on the test tasks", lambda v, t: t.mean(1).min()),
            ("each test task", lambda v, t: t.min(0).values.mean()),
            ("validation error", lambda v, t: v.mean(1).min()),
            ("best single task", lambda v, t: t[v.min(1).values.argmin()].mean()),
            ("worst rate", lambda v, t: t[v.mean(1).argmax()].mean()),
            ("does not depend on `v`", lambda v, t: t[-1].mean()),
            ("does not depend on `t`", lambda v, t: v[v.mean(1).argmin()].max()),
            ("does not depend on", lambda v, t: torch.tensor(3.0)),  # right on the example only
            ("wrong shape", lambda v, t: t[v.mean(1).argmin()]),
            ("`validation` was given to you and has changed", tuned_in_place),
        ],
    ),
    checks.check_nearest_centroid: (
        centroid,
        [
            ("nearest neighbour", lambda x, y, q: y[torch.cdist(q, x).argmin(1)]),
            ("labels need not be 0, 1, 2", places),
            ("farthest", farthest),
            ("does not depend on `q`", lambda x, y, q: centroid(x, y, torch.zeros_like(q))),
            ("does not depend on `support_y`", of_two_halves),
            ("does not depend on", lambda x, y, q: y[:1].expand(len(q))),
            ("does not depend on", lambda x, y, q: torch.tensor([0, 1, 1])[torch.arange(len(q)) % 3]),  # the example's
            ("wrong dtype", lambda x, y, q: centroid(x, y, q).float()),
            ("wrong shape", lambda x, y, q: centroid(x, y, q).unsqueeze(1)),
            ("`support_x` was given to you and has changed", centroid_in_place),
        ],
    ),
}  # fmt: skip
WRONG = [(check, words, wrong) for check, (_, mistakes) in ANSWERS.items() for words, wrong in mistakes]


@pytest.mark.parametrize("check", ANSWERS, ids=lambda check: check.__name__)
def test_the_solution_passes_under_twenty_seeds(check, capsys):
    assert_accepts(check, ANSWERS[check][0], capsys)


@pytest.mark.parametrize(("check", "words", "wrong"), WRONG, ids=[f"{c.__name__}-{words}" for c, words, _ in WRONG])
def test_a_plausible_wrong_answer_is_told_what_is_wrong(check, words, wrong, capsys):
    assert_explains(check, wrong, words, capsys)


@pytest.mark.parametrize("check", ANSWERS, ids=lambda check: check.__name__)
def test_a_stub_is_not_done_yet(check, capsys):
    assert not check(undone) and capsys.readouterr().out.startswith("Not done yet: undone")
