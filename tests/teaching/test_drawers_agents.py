"""The agents of the four drawers: each part does what it says, and no part is told an answer too early."""

import pytest
import torch

from neuralmem import MetaLearner
from neuralmem.teaching import drawers_agents as agents
from neuralmem.worlds import drawers, split_generator
from neuralmem.worlds.drawers import Sessions


def draw(count=6, seed=0, **settings):
    life = drawers.draw_life(split_generator("train", seed))
    sessions = drawers.draw_sessions(life, [0], count, split_generator("train", 10 + seed), **settings)
    return drawers.pictures("train")[sessions.card], sessions


def pairs(rounds=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    found, opened = torch.randn(2, 3, rounds, agents.CODE, generator=generator)
    return found, opened, torch.randint(5, (3, rounds), generator=generator)


@pytest.mark.parametrize("memory", agents.MEMORIES)
@pytest.mark.parametrize("head", agents.HEADS)
def test_every_pair_of_parts_answers_and_learns(memory, head):
    cards, sessions = draw()
    agent = agents.build(memory, head, 0)
    logits, drawn = agent(cards, sessions)
    assert logits.shape == (6, 10, 5) and drawn.shape == (6, 10, 64)
    drawers.loss(logits, drawn, drawers.opened(cards, sessions), sessions.button).backward()
    for name, weight in agent.named_parameters():
        if memory == "no memory" and name.startswith("encoder"):
            continue  # what was stored is gone
        assert weight.grad is not None and torch.isfinite(weight.grad).all(), name
        assert weight.grad.any() or "head" in name, name


def test_the_same_seed_builds_the_same_agent_and_leaves_torchs_generator_alone():
    before = torch.random.get_rng_state()
    one, two, other = (agents.build("attention", "in context", seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not torch.equal(one.encoder[0].weight, other.encoder[0].weight)


@pytest.mark.parametrize("memory", agents.MEMORIES)
def test_a_memory_knows_what_was_stored_before_and_nothing_else(memory):
    cards, sessions = draw()
    agent = agents.build(memory, "no adaptation", 0)
    changed = cards.clone()
    changed[:, 12:] += 1  # put in after round 4
    first, second = (agent(shown, sessions)[1] for shown in (cards, changed))
    assert torch.allclose(first[:, :5], second[:, :5], atol=1e-6)
    if memory != "no memory":
        assert not torch.allclose(first[:, 5:], second[:, 5:], atol=1e-6)


@pytest.mark.parametrize("head", agents.HEADS)
def test_a_round_knows_the_pairs_before_it_and_no_other(head):
    found, opened, button = pairs()
    rule = agents.build("table", head, 0).head
    before = rule(found, opened, button)
    for changed in ((found, opened, (button + 1) % 5), (found, opened + 1, button)):
        later = [torch.cat([old[:, :3], new[:, 3:]], 1) for old, new in zip((opened, button), changed[1:], strict=True)]
        after = rule(found, *later)
        assert torch.allclose(before[:, :4], after[:, :4], atol=1e-5), "it looked ahead"
        same = torch.allclose(before[:, 4:], after[:, 4:], atol=1e-5)
        assert same == (head == "no adaptation"), "what is revealed changes the answer of all but one"


def test_the_table_is_what_lies_there():
    cards, sessions = draw()
    codes = torch.randn(6, cards.shape[1], agents.CODE, generator=torch.Generator().manual_seed(0))
    found = agents.Table()(codes, sessions)
    for session in range(6):
        for place in range(10):
            assert torch.equal(found[session, place], codes[session, sessions.holds[session, place]])


def test_attention_that_compares_drawers_and_prefers_the_young_finds_what_lies_there():
    cards, sessions = draw()
    memory = agents.Attention(4)
    with torch.no_grad():
        memory.query.weight.copy_(20 * torch.eye(4))
        memory.key.weight.copy_(20 * torch.eye(4))
        memory.log_decay.fill_(2.0)
    weightings = memory.weightings(sessions)
    assert torch.equal(weightings.argmax(-1), sessions.holds)
    assert torch.allclose(weightings.sum(-1), torch.ones(6, 10)) and weightings.max() > 0.99


def test_five_steps_on_the_last_layer_are_those_of_the_meta_learner():
    found, opened, button = pairs(rounds=5)
    rule = agents.MetaSGD(steps=3, rate=0.7)
    model = torch.nn.Linear(agents.CODE, 5)
    with torch.no_grad():
        rule.rates.mul_(torch.rand(rule.rates.shape, generator=torch.Generator().manual_seed(1)))
        model.weight.copy_(rule.start[:-1].mT)
        model.bias.copy_(rule.start[-1])
    meta = MetaLearner(model, torch.nn.functional.cross_entropy, num_steps=3, method="meta-sgd")
    with torch.no_grad():
        meta.rates[0].copy_(rule.rates[:-1].mT)
        meta.rates[1].copy_(rule.rates[-1])
    for place in range(1, 5):
        adapted = meta.adapt_tasks(opened[:, :place], button[:, :place])
        expected = meta.predict_tasks(adapted, found[:, place : place + 1])[:, 0]
        assert torch.allclose(rule(found, opened, button)[:, place], expected, atol=1e-4)


def test_ridge_is_the_solution_on_the_pairs_known_so_far():
    found, opened, button = pairs()
    rule = agents.build("table", "ridge", 3).head
    scale, gain = rule.log_scale.exp(), rule.log_gain.exp()
    with_one = torch.cat([opened, torch.ones(3, 6, 1)], -1) * scale
    asked = torch.cat([found, torch.ones(3, 6, 1)], -1) * scale
    missing = torch.nn.functional.one_hot(button, 5).float() - rule.layer(opened)
    for place in range(1, 6):
        x, y = with_one[:, :place], missing[:, :place]
        moved = torch.linalg.solve(x.mT @ x + torch.eye(agents.CODE + 1), x.mT @ y)
        answer = gain * (rule.layer(found) + asked @ moved)
        assert torch.allclose(rule(found, opened, button)[:, place], answer[:, place], atol=1e-4)


def test_the_centroid_is_the_mean_of_what_came_with_a_button():
    found, opened, button = pairs()
    rule = agents.Centroid()
    with torch.no_grad():
        rule.layer.weight.zero_()
        rule.layer.bias.zero_()
    logits = rule(found, opened, button)
    for session in range(3):
        for place in range(6):
            for pressed in range(5):
                came = [opened[session, j] for j in range(place) if button[session, j] == pressed]
                expected = torch.tensor(0.0)
                if came:
                    distance = (found[session, place] - torch.stack(came).mean(0)).square().sum()
                    expected = rule.nearness - rule.log_strength.exp() * distance
                assert torch.allclose(logits[session, place, pressed], expected, atol=1e-4)


def test_an_agent_without_adaptation_is_the_same_whatever_was_revealed():
    cards, sessions = draw()
    agent = agents.build("attention", "no adaptation", 0)
    told = Sessions(**sessions._asdict() | {"button": (sessions.button + 1) % 5})
    assert torch.equal(agent(cards, sessions)[0], agent(cards, told)[0])


def test_an_agent_learns_in_context_from_a_short_training():
    torch.manual_seed(0)
    agent, life = agents.build("attention", "ridge", 0), drawers.draw_life(split_generator("train", 0))
    optimiser, generator = torch.optim.Adam(agent.parameters(), 1e-2), split_generator("train", 1)
    for _ in range(150):
        sessions = drawers.draw_sessions(life, [0], 32, generator)
        cards = drawers.pictures("train")[sessions.card]
        logits, drawn = agent(cards, sessions)
        optimiser.zero_grad()
        drawers.loss(logits, drawn, drawers.opened(cards, sessions), sessions.button).backward()
        optimiser.step()
    sessions = drawers.draw_sessions(life, [0], 300, split_generator("test", 1), "test", dealt=(5,))
    wrong = agent(drawers.pictures("test")[sessions.card], sessions)[0].argmax(-1) != sessions.button
    known = drawers.seen(sessions)
    assert wrong[known].float().mean() < 0.4  # a constant: 0.8
    assert wrong[~known].float().mean() > 0.7  # nobody can know
