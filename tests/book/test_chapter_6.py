"""What chapter 6 adds: its checks, its figures, its experiment in small, and what its stored results hold."""

import json

import numpy as np
import pytest
import torch
from exercises import assert_tells_apart

from book.experiments import common
from book.experiments import rooms as experiment
from book.experiments import rooms_agents as agents
from neuralmem import MemoryConfig, NeuralMemoryBank
from neuralmem.teaching import figures
from neuralmem.teaching.checks import chapter_6 as checks
from neuralmem.worlds import rooms, split_generator


def fit(x, y, weights, common, penalty):
    left = x.mT @ (weights[:, None] * x) + penalty * torch.eye(x.shape[1])
    return torch.linalg.inv(left) @ (x.mT @ (weights * y) + penalty * common)


def prequential(predict, learn, stream):
    total = 0.0
    for x, y in stream:
        total += abs(predict(x) - y)
        learn(x, y)
    return total / len(stream)


def learn_first(predict, learn, stream):
    errors = []
    for x, y in stream:
        learn(x, y)
        errors.append(abs(predict(x) - y))
    return sum(errors) / len(errors)


def plan(plans, costs, temperature):
    weights = torch.exp(-(costs - costs.min()) / temperature)
    return (weights[:, None] * plans).sum(0) / weights.sum()


def recovery(standing):
    lying = [place for place, stands in enumerate(standing) if not stands]
    return lying[-1] + 1 if lying else 0


ANSWERS = [
    (checks.check_key_weight, lambda d, n, b: torch.tensor(-2.0 * b * d / n).exp().item(), [
        (lambda d, n, b: np.exp(-b * d / n), "takes 2"),
        (lambda d, n, b: np.exp(-2 * b * d), "both lengths"),
        (lambda d, n, b: np.exp(b * (1 - 2 * d / n)), "must count 1"),
        (lambda d, n, b: 1 - 2 * d / n, "the cosine itself"),
        (lambda d, n, b: np.exp(-2 * b * (n - d) / n), "agree"),
        (lambda d, n, b: np.exp(-2 * 3 * d / n), "`b`"),
    ]),
    (checks.check_drawn_fit, fit, [
        (lambda x, y, w, c, p: fit(x, y, w, 0 * c, p), "draw it towards"),
        (lambda x, y, w, c, p: fit(x, y, w, c, p) - c, "only the correction"),
        (lambda x, y, w, c, p: fit(x, y, w, 0 * c, p) + c, "leaves over"),
        (lambda x, y, w, c, p: fit(x, y, w**2, c, p), "twice"),
        (lambda x, y, w, c, p: fit(x, y, (w > 0).float(), c, p), "use the weights"),
        (lambda x, y, w, c, p: fit(x, y, w, c, 1.0), "`p`"),
    ]),
    (checks.check_prequential, prequential, [
        (learn_first, "before you predict"),
        (lambda predict, learn, stream: sum(abs(predict(x) - y) for x, y in stream) / len(stream), "never learn"),
        (lambda predict, learn, stream: prequential(predict, learn, stream) * len(stream), "the sum"),
        (lambda predict, learn, stream: None, "number"),
    ]),
    (checks.check_next_plan, plan, [
        (lambda plans, costs, t: plan(plans, -costs, t), "wrong way round"),
        (lambda plans, costs, t: plan(plans, costs, 1 / t), "divide by the temperature"),
        (lambda plans, costs, t: plans[costs.argmin()], "best plan alone"),
        (lambda plans, costs, t: torch.exp(-(costs - costs.min()) / t) @ plans, "sum to 1"),
        (lambda plans, costs, t: torch.exp(-costs / t) @ plans / torch.exp(-costs / t).sum(), "subtract the least"),
        (lambda plans, costs, t: plans.mean(0), "costs"),
    ]),
    (checks.check_recovery, recovery, [
        (lambda standing: standing.index(True) if True in standing else len(standing), "REST"),
        (lambda standing: standing.count(False), "in all"),
        (lambda standing: max(recovery(standing) - 1, 0), "one later"),
        (lambda standing: len(standing) - recovery(standing), "how long it stood"),
        (lambda standing: recovery(standing) if standing[-1] else -1, "whole stay"),
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("check", "right", "wrong"), ANSWERS, ids=[case[0].__name__ for case in ANSWERS])
def test_checks_tell_a_right_answer_from_plausible_wrong_ones(check, right, wrong, capsys):
    assert_tells_apart(check, right, wrong, capsys)


# The figures


@pytest.fixture(scope="module")
def film():
    lives = rooms.draw_lives(3, split_generator("test", 0), stays=4)
    drives = {
        name: rooms.drive(lives, lambda state, past, cue, torque=torque: torch.full((3,), torque), 5, torch.Generator())
        for name, torque in (("one", 1.0), ("none", 0.0))
    }
    errors = {"one": torch.full((3, 20), 0.5)}
    fetched = {"one": [list(range(t)) for t in range(20)]}
    return figures.film_of(lives, drives, 1, errors, fetched), lives, drives


def test_a_film_holds_what_was_driven_and_is_plain(film):
    film, lives, drives = film
    assert json.loads(json.dumps(film)) == film
    assert film["walk"] == lives.walk[1].tolist() and film["stay"] == 5
    assert film["agents"]["one"]["angle"] == pytest.approx(drives["one"].states[1, :, 0].tolist(), abs=1e-3)
    assert film["agents"]["none"]["torque"] == [0.0] * 20 and film["agents"]["none"]["error"] == []


def test_pictures_of_a_film_show_its_rooms_and_its_angles(film):
    film = film[0]
    heights = np.cos(film["agents"]["one"]["angle"])
    for axes in (figures.life_in_rooms(film, {"one": "full", "none": "baseline"}).axes,):
        assert len(axes) == 2 and len(axes[0].patches) == 4
        assert axes[0].lines[0].get_ydata() == pytest.approx(heights)
        assert [text.get_text() for text in axes[0].texts] == ["ABC"[room] for room in film["walk"]]
    shown = figures.rooms_film(film, "one", 7)
    line, below = (ax for ax in shown.axes if ax.get_title() or ax.get_ylabel() == "error")
    assert line.lines[0].get_ydata() == pytest.approx(heights[:7])
    assert line.lines[1].get_xdata().tolist() == list(range(6))  # the marks: what is fetched at the seventh step
    assert len(below.lines[0].get_ydata()) == 7
    rooms = sorted({"ABC"[film["walk"][past // film["stay"]]] for past in range(6)})
    assert f"One at step 7, in room {'ABC'[film['walk'][6 // film['stay']]]}: the tip is " in shown.seen
    assert shown.seen.endswith(f", and 6 steps are fetched, from room {' and '.join(rooms)}.")
    without = figures.rooms_film(film, "none", 20)
    assert "fetched" not in without.seen
    assert not any(ax.get_ylabel() == "error" for ax in without.axes)
    strip = figures.film_strip(film, {"one": "full"}, 5, frames=5, every=3).axes[0]
    assert len(strip.lines) == 10
    assert [label.get_text() for label in strip.get_xticklabels()] == ["0", "3", "6", "9", "12"]


def test_pictures_of_results_draw_every_seed():
    costs = {"good": [1.0, 1.2, 1.1], "bad": [3.0, 3.5, 2.5]}
    ax = figures.agents_on_returns(costs, {"good": "full"}, reference="good").axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["good", "bad"]
    assert sorted(len(line.get_xdata()) for line in ax.lines)[-2:] == [3, 3] or len(ax.lines) >= 3
    curves = figures.since_entering({"a": {"x": np.ones((3, 5))}, "b": {"x": np.ones((3, 5))}}, {"x": "meta"}).axes
    assert len(curves) == 2 and len(curves[0].lines) == 4
    pairs = figures.pairs_by_seed({"error": {"x": ([1, 2], [3, 4])}}, ("with", "without"), {"x": "full"}).axes[0]
    assert [line.get_ydata().tolist() for line in pairs.lines[:2]] == [[1, 3], [2, 4]]
    chart = figures.part_map({"x": {"first": 1.0, "second": 5.0}, "y": {"first": 3.0}}).axes[0]
    assert [text.get_text() for text in chart.texts] == ["1.0", "5.0", "3.0"] and len(chart.patches) == 2


# The experiment


def test_a_row_without_weight_counts_for_nothing():
    prediction, target = torch.tensor([[1.0], [5.0]]), torch.tensor([2.0, -7.0])
    loss = agents.weighted_loss(prediction, torch.stack([target, torch.tensor([1.0, 0.0])], -1))
    assert float(loss) == pytest.approx(1.0 / 2)


@pytest.mark.parametrize("name", experiment.CORE)
def test_every_agent_runs_in_small(name, monkeypatch):
    monkeypatch.setattr(experiment, "BABBLE_LIVES", 4)
    build, updates = experiment.CORE[name]
    lives = experiment.test_lives(7, count=3, stays=4)
    if build is None:
        agent = agents.Truth(lives, experiment.STAY)
    else:
        agent = build(7)
        if updates:
            experiment.train(agent, experiment.batches(2, 7, size=4))
        row = experiment.predicted(agent, 7)
        assert len(row["error"]) == experiment.STEPS and all(np.isfinite(row["error"]))
    row = experiment.driven(agent, lives, 7)
    assert 0 <= row["upright"] <= 1 and 0 < row["cost in new rooms"] < 17 and 0 <= row["recovery"] <= experiment.STAY
    again = experiment.driven(agent, lives, 7)
    assert row == again  # looking changes nothing


def test_the_truth_predicts_without_error():
    lives = experiment.test_lives(3, count=4, stays=3)
    truth = agents.Truth(lives, experiment.STAY)
    lived = experiment.drive(truth, lives, 3).lived
    assert experiment.prequential(truth, lived).max() < 1e-8


def test_the_table_reads_a_cue_by_its_signs():
    lived = rooms.transitions(6, "test", 1)
    past = rooms.Past(lived.features, lived.targets, lived.cues, torch.full((6,), 50))
    _, _, weights = agents.table(past, 0.3 * lived.cues[:, 60])
    same = lived.rooms == lived.rooms[:, 60:61]
    assert torch.equal(weights.bool(), same & (torch.arange(72) < 50))


def test_the_stored_results_are_whole():
    runs = common.load("rooms")["runs"]
    for part, (names, _) in experiment.PARTS.items():
        for agent in names:
            seeds = [run["seed"] for run in runs if (run["part"], run["agent"]) == (part, agent)]
            assert sorted(seeds) == list(experiment.SEEDS), (part, agent)
    film = common.load("rooms_film")
    assert list(film["agents"]) == list(experiment.FILM)
    assert all(len(seen["angle"]) == len(film["walk"]) * film["stay"] for seen in film["agents"].values())


# What the rules of chapter 0 promise


@pytest.mark.parametrize("addressing", ["ntm", "dnc"])
def test_two_writes_leave_two_different_rows(addressing):
    """Rule 3. Content addressing alone cannot part equal rows; allocation can, and heads that start somewhere."""
    written = {}
    for kind in (addressing, "content"):
        bank = NeuralMemoryBank(MemoryConfig(8, 4, 1, addressing=kind))
        first, second = torch.randn(2, 1, bank.interface_size, generator=torch.Generator().manual_seed(0))
        _, state = bank(first, bank.initial_state(1))
        _, state = bank(second, state)
        written[kind] = state.memory[0]
    differences = {kind: float((rows - rows[:1]).abs().max()) for kind, rows in written.items()}
    assert differences[addressing] > 1e-2 and differences["content"] < 1e-6


def test_every_part_has_an_off_switch_and_a_row_with_the_part_off():
    """Rules 4 and 5: for memory and meta-learning among the agents of the rooms, for replay in the seasons."""
    for row in ("last + meta", "memory + ridge", "no adaptation", "true physics"):
        assert row in experiment.CORE
    assert {"memory + meta", "memory + meta, replay"} <= set(experiment.SEASONAL)
