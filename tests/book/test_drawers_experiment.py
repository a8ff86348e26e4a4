"""The experiment of the four drawers: a stack is its agents one by one, runs repeat themselves, the judge counts."""

import pytest
import torch

from book.experiments import common, drawers, drawers_judge
from neuralmem.teaching import drawers_agents as agents
from neuralmem.worlds import drawers as world
from neuralmem.worlds import split_generator
from neuralmem.worlds.drawers import Sessions


@pytest.fixture
def short(monkeypatch):
    """Lives of a few updates, judged on a few sessions."""
    monkeypatch.setattr(drawers, "FIRST", 6)
    monkeypatch.setattr(drawers, "VISIT", 2)
    monkeypatch.setattr(drawers_judge, "TESTED", 6)
    monkeypatch.setattr(drawers_judge, "TESTED_LONG", 3)


def sessions_of(lives, count=8, seed=0):
    drawn = [world.draw_sessions(life, [0], count, split_generator("train", seed + k)) for k, life in enumerate(lives)]
    return drawers_judge.stacked(drawn)


@pytest.mark.parametrize(("memory", "head"), [("attention", "Meta-SGD"), ("DNC", "ridge"), ("LSTM", "in context")])
def test_a_stack_of_agents_is_its_agents_one_by_one(memory, head):
    lives = [drawers_judge.life_of(seed) for seed in (0, 1)]
    sessions = sessions_of(lives)
    cards = world.pictures("train")[sessions.card]
    stack = drawers.Stack([agents.build(memory, head, seed) for seed in (0, 1)], 1e-2)
    stack.learn(sessions, 1.0)
    for place in (0, 1):
        own = Sessions(*(values[place] for values in sessions))
        agent = agents.build(memory, head, place)
        optimiser = torch.optim.Adam(agent.parameters(), 1e-2, betas=(0.9, 0.99))
        logits, drawn = agent(cards[place], own)
        world.loss(logits, drawn, world.opened(cards[place], own), own.button).backward()
        torch.nn.utils.clip_grad_norm_(agent.parameters(), 1.0)
        optimiser.step()
        assert torch.allclose(stack(cards, sessions)[0][place], agent(cards[place], own)[0], atol=1e-3)
        assert torch.allclose(stack(cards, sessions)[1][place], agent(cards[place], own)[1], atol=1e-3)


def test_a_run_repeats_itself_and_measures_what_the_book_shows(short):
    group = drawers.Group("attention", "ridge", ("replay", "none"), seeds=(100,))
    first, second = (drawers.run_group(group, group.runs()) for _ in range(2))
    for row, again in zip(first, second, strict=True):
        assert {**row, "seconds": 0} == {**again, "seconds": 0}
        for where in ("now", "old", "new"):
            assert set(row[where]) == {"0", "2", "5"}
            assert set(row[where]["5"]) == {*drawers_judge.BINS, *drawers_judge.LONG}
        assert set(row["ages"]) == set(drawers_judge.AGES) and set(row["rules"]) == {"nearest mean", "ridge"}
    assert first[0]["old"] != first[1]["old"]  # replay is no ornament


def test_agents_of_a_seed_are_asked_the_same_and_rehearse_as_they_are_named():
    facts = {"seed": 3, "code": "free", "schooling": "mixed"}
    runs = [facts | {"replay": replay} for replay in ("replay", "none", "joint")]
    life = drawers_judge.life_of(3)
    asked = drawers_judge.test_sessions(runs, [life] * 3, 1, 5, 4)
    assert torch.equal(asked.card[0], asked.card[1]) and torch.equal(asked.button[0], asked.button[2])
    buffer = drawers.ExperienceReplay(20, "reservoir")
    first = list(drawers.batches(runs[0], life, 0, 3, buffer))
    second = list(drawers.batches(runs[0], life, 1, 3, buffer))
    assert all(len(batch.card) == drawers.BATCH for batch in [*first, *second])
    assert set(second[-1].season[:16].tolist()) == {1} and 0 in second[-1].season[16:].tolist()
    assert set(next(drawers.batches(runs[1], life, 1, 1, None)).season.tolist()) == {1}
    assert set(next(drawers.batches(runs[2], life, 1, 1, None)).season.tolist()) == {0, 1, 2, 3, 4}
    usual = {**runs[1], "schooling": "usual"}
    assert not next(drawers.batches(usual, life, 0, 1, None)).dealt.any()


def test_the_seasons_of_a_life_end_with_one_that_is_never_lived_in():
    for seed in (3, 100):
        life = drawers_judge.life_of(seed)
        assert len(life.usual) - 1 not in drawers_judge.visits_of(life)
    assert set(drawers_judge.life_of(100).positions.tolist()) == {6, 7}  # no class of the seeds below 100


def test_errors_are_counted_by_what_was_revealed():
    wrong = torch.zeros(2, 10, dtype=torch.bool)
    known = torch.ones(2, 10, dtype=torch.bool)
    wrong[:, 0], known[:, :2] = True, False
    wrong[0, 1:3] = True
    found = drawers_judge.by_revealed(wrong, known)
    assert found == {"0": [1.0, None], "1-2": [0.5, 0.5], "3-5": [0.0, 0.0], "6-9": [0.0, 0.0]}
    assert drawers_judge.mean_of([found, found]) == found


@pytest.mark.parametrize("code", ["free", "one-to-one"])
def test_rivals_without_training_know_no_answer_before_it_is_revealed(code):
    sessions = drawers_judge.test_sessions([{"seed": 3, "code": code}], [drawers_judge.life_of(3)], 0, 5, 300)

    def nearest(sessions):
        return drawers_judge.nearest_pixels(sessions, drawers_judge.THRESHOLDS[code])

    for press in (nearest, drawers_judge.most_frequent):
        changed = sessions._replace(button=torch.cat([sessions.button[..., :5], 4 - sessions.button[..., 5:]], -1))
        assert torch.equal(press(sessions)[..., :6], press(changed)[..., :6])
    wrong, known = nearest(sessions) != sessions.button, world.seen(sessions)
    assert wrong[known].float().mean() < 0.5 and wrong[~known].float().mean() > 0.4


def test_what_is_stored_is_what_the_plan_says():
    named = [tuple(sorted(run.items())) for group in drawers.GROUPS for run in group.runs()]
    assert len(named) == len(set(named))
    keys = ("memory", "head", "code", "schooling", "replay", "seed")
    found = [tuple(sorted((key, run[key]) for key in keys)) for run in common.load("drawers")["runs"]]
    assert len(found) == len(set(found))  # no run twice
    trained = {run for run in found if dict(run)["schooling"] != "untrained"}
    assert trained <= set(named)
    assert {dict(run)["seed"] for run in found} == set(drawers.SEEDS)
