"""The agent: what a step does, what judging leaves alone, and how its parts compose."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from neuralmem import (
    ContinualLearningAgent,
    ExperienceReplay,
    MemoryConfig,
    MemoryController,
    MetaLearner,
    NeuralMemoryBank,
)
from neuralmem.agent import cosine_schedule


def controller(seed=0, batch_first=False, addressing="dnc"):
    torch.manual_seed(seed)
    bank = NeuralMemoryBank(MemoryConfig(6, 4, 2, 1, addressing=addressing))
    return MemoryController(3, 8, 2, bank, batch_first=batch_first)


def linear(seed=0, dropout=0.0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 8), nn.Dropout(dropout), nn.BatchNorm1d(8), nn.Linear(8, 2))


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def snapshot(agent):
    """Everything that the agent holds, as one list of values that can be compared."""
    replay = [] if agent.replay is None else list(agent.replay.state_dict().values())
    optimiser = [value for entry in agent.optimiser.state_dict()["state"].values() for value in entry.values()]
    modes = [module.training for module in agent.learner.modules()]
    state = [] if agent.state is None else [agent.state.hidden, agent.state.memory.memory]
    held = [*agent.learner.state_dict().values(), *optimiser, *replay, *state, *agent.random, torch.get_rng_state()]
    return [value.clone() if isinstance(value, torch.Tensor) else value for value in [*held, *modes, agent.steps]]


def same(first, second):
    pairs = zip(first, second, strict=True)
    return all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in pairs)


def test_learns_a_linear_map():
    agent = ContinualLearningAgent(nn.Linear(3, 2), lr=0.05)
    x = draw(64, 3)
    losses = agent.learn((x, x[:, :2]) for _ in range(200))
    assert losses[-1] < 1e-3 < losses[0]
    assert agent.steps == 200


@pytest.mark.parametrize("batch_first", [False, True])
def test_learns_on_sequences(batch_first):
    agent = ContinualLearningAgent(controller(batch_first=batch_first), ExperienceReplay(50), lr=0.01)
    x = draw(4, 4, 3)
    losses = [agent.train_step(x, x[..., :2], torch.ones(4, 4)) for _ in range(30)]
    assert losses[-1] < 0.7 * losses[0]


def test_the_order_of_axes_does_not_matter():
    x, y, mask = draw(5, 4, 3), draw(5, 4, 2, seed=1), (draw(5, 4, seed=2) > 0).float()
    first, second = ContinualLearningAgent(controller()), ContinualLearningAgent(controller(batch_first=True))
    turned = (value.transpose(0, 1) for value in (x, y, mask))
    assert first.train_step(x, y, mask) == pytest.approx(second.train_step(*turned), rel=1e-5)


@pytest.mark.parametrize("memory", ["reset", "persist"])
def test_judging_changes_nothing(memory):
    agent = ContinualLearningAgent(controller(), ExperienceReplay(50), memory=memory)
    x, y = draw(5, 4, 3), draw(5, 4, 2)
    for _ in range(3):
        agent.train_step(x, y)
    before = snapshot(agent)
    agent.evaluate(x, y)
    agent.predict(x)
    assert same(before, snapshot(agent))


def test_judging_changes_no_mode_and_no_generator():
    model = linear(dropout=0.5)
    model[2].eval()  # frozen batch norm inside a model that trains
    agent = ContinualLearningAgent(model, ExperienceReplay(50, "uniform"))
    agent.train_step(draw(8, 3), draw(8, 2))
    before = snapshot(agent)
    first, second = agent.predict(draw(8, 3)), agent.predict(draw(8, 3))
    assert torch.equal(first, second)
    assert same(before, snapshot(agent))


def test_dropout_draws_from_the_agents_own_generator():
    x, y = draw(8, 3), draw(8, 2)
    results = []
    for other in (1, 2):
        agent = ContinualLearningAgent(linear(dropout=0.5), seed=3)
        torch.manual_seed(other)
        outside = torch.get_rng_state()
        results.append([agent.train_step(x, y) for _ in range(3)])
        assert torch.equal(outside, torch.get_rng_state())
    assert results[0] == results[1]


def test_a_replayed_batch_is_one_forward_pass():
    class Counting(nn.Linear):
        sizes = []

        def forward(self, x):
            self.sizes.append(len(x))
            return super().forward(x)

    agent = ContinualLearningAgent(Counting(3, 2), ExperienceReplay(50), replay_batch_size=8)
    for _ in range(3):
        agent.train_step(draw(16, 3), draw(16, 2))
    assert Counting.sizes == [16, 24, 24]


def test_priorities_are_the_losses(monkeypatch):
    replay, calls = ExperienceReplay(50, "proportional", alpha=1.0), []
    agent = ContinualLearningAgent(nn.Linear(3, 2), replay, lr=0.0)
    x, y = draw(12, 3), draw(12, 2)
    update = replay.update_priorities
    monkeypatch.setattr(replay, "update_priorities", lambda *given: calls.append(given) or update(*given))
    agent.train_step(x, y)
    assert len(set(replay.probabilities().round(6).tolist())) == 1 and not calls  # new ones are equally urgent
    agent.train_step(x, y)
    with torch.no_grad():
        losses = (agent.model(x) - y).square().mean(1)
    ((indices, priorities),) = calls
    assert torch.allclose(torch.as_tensor(priorities, dtype=torch.float32), losses[torch.as_tensor(indices)])
    chances = replay.probabilities()
    first, last = indices[0], indices[-1]
    assert chances[first] / chances[last] == pytest.approx(float(priorities[0] / priorities[-1]), rel=1e-5)


def test_replayed_losses_are_weighted():
    """With the new targets right, only the replayed loss moves the parameters, and its weight scales its gradient."""
    moves = []
    for weight in (1.0, 2.0):
        torch.manual_seed(0)
        model = nn.Linear(3, 2)
        replay = ExperienceReplay(10, "uniform")
        replay.extend({"x": draw(4, 3), "y": draw(4, 2)})
        agent = ContinualLearningAgent(model, replay, replay_weight=weight, replay_batch_size=4, clip=1e9)
        agent.train_step(draw(2, 3, seed=1), model(draw(2, 3, seed=1)).detach())
        moves.append(model.weight.grad.clone())
    assert torch.allclose(2 * moves[0], moves[1], atol=1e-6)


def test_gradients_are_clipped_and_the_rate_follows_the_schedule():
    schedule = cosine_schedule(100, warm_up=10, flat=0.5, floor=0.1)
    assert schedule(0) == pytest.approx(1 / 11) and schedule(30) == 1 and schedule(100) == pytest.approx(0.1)
    agent = ContinualLearningAgent(nn.Linear(3, 2), clip=0.01, lr=0.1, schedule=schedule)
    agent.train_step(100 * draw(4, 3), draw(4, 2))
    norm = torch.cat([p.grad.flatten() for p in agent.model.parameters()]).norm()
    assert norm <= 0.0101
    assert agent.optimiser.param_groups[0]["lr"] == pytest.approx(0.1 / 11)


def test_memory_persists_or_resets_by_choice():
    x, y = draw(5, 4, 3), draw(5, 4, 2)
    reset, persist = (ContinualLearningAgent(controller(), memory=memory) for memory in ("reset", "persist"))
    assert reset.train_step(x, y) == persist.train_step(x, y)  # both start at the initial state
    assert reset.state is None and not persist.state.hidden.requires_grad
    assert not torch.allclose(reset.predict(x), persist.predict(x))
    persist.reset_memory()
    assert torch.allclose(reset.predict(x), persist.predict(x))


def test_memory_persists_beside_replayed_episodes():
    agent = ContinualLearningAgent(controller(), ExperienceReplay(20), memory="persist", replay_batch_size=3, lr=0.0)
    for step in range(3):
        agent.train_step(draw(5, 4, 3, seed=step), draw(5, 4, 2))
    alone = ContinualLearningAgent(controller(), memory="persist", lr=0.0)
    for step in range(3):
        alone.train_step(draw(5, 4, 3, seed=step), draw(5, 4, 2))
    assert torch.allclose(agent.state.hidden, alone.state.hidden, atol=1e-6)
    assert len(agent.state.hidden) == 4


def test_the_mask_says_which_steps_count():
    agent = ContinualLearningAgent(controller())
    x, y, mask = draw(5, 4, 3), draw(5, 4, 2), torch.ones(5, 4)
    mask[3:] = 0
    other = y.clone()
    other[3:] += 10
    assert agent.evaluate(x, y, mask) == agent.evaluate(x, other, mask)
    assert agent.evaluate(x[:3], y[:3]) == pytest.approx(agent.evaluate(x, y, mask), abs=1e-6)


@pytest.mark.parametrize("method", ["maml", "first-order", "anil", "meta-sgd"])
def test_meta_learns_over_tasks_and_adapts(method):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))
    meta = MetaLearner(model, inner_lr=0.1, method=method)
    agent = ContinualLearningAgent(model, ExperienceReplay(100), meta, support_size=5, lr=0.02)
    x, slopes = draw(20, 10, 1), draw(20, 1, 1, seed=1)
    losses = [agent.train_step(x, slopes * x) for _ in range(60)]
    assert losses[-1] < 0.7 * losses[0]
    before = snapshot(agent)
    adapted = agent.adapt(x[0, :5], slopes[0] * x[0, :5], num_steps=5)
    after = agent.evaluate(x[0, 5:], slopes[0] * x[0, 5:], adapted=adapted)
    plain = agent.model(x[0, 5:]) - slopes[0] * x[0, 5:]
    assert after < plain.square().mean().item()
    agent.evaluate(x, slopes * x)
    assert same(before, snapshot(agent))
    assert not any(value.requires_grad for value in adapted.values())


def test_meta_adapts_a_memory_controller():
    model = controller(batch_first=True, addressing="content")
    meta = MetaLearner(model, inner_lr=0.1)
    agent = ContinualLearningAgent(model, None, meta, support_size=2)
    assert agent.train_step(draw(3, 4, 5, 3), draw(3, 4, 5, 2)) > 0  # 3 tasks of 4 episodes of 5 steps
    adapted = agent.adapt(draw(2, 5, 3), draw(2, 5, 2))
    assert agent.predict(draw(2, 5, 3), adapted).shape == (2, 5, 2)


def test_learn_shows_no_bar_unless_asked(capsys):
    agent = ContinualLearningAgent(nn.Linear(3, 2))
    stream = [(draw(4, 3), draw(4, 2))] * 3
    assert len(agent.learn(stream)) == 3 and capsys.readouterr().err == ""
    assert len(agent.learn(stream, start=1, progress=True)) == 2 and "2/2" in capsys.readouterr().err


def test_classification_losses_work():
    agent = ContinualLearningAgent(nn.Linear(3, 5), ExperienceReplay(20), loss=nn.functional.cross_entropy, lr=0.05)
    x, y = draw(12, 3), torch.arange(12) % 5
    losses = [agent.train_step(x, y) for _ in range(50)]
    assert losses[-1] < losses[0]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_device():
    agent = ContinualLearningAgent(controller(), ExperienceReplay(20), device="cuda", memory="persist")
    x, y = draw(5, 4, 3), draw(5, 4, 2)
    losses = [agent.train_step(x, y, torch.ones(5, 4)) for _ in range(20)]
    assert losses[-1] < losses[0]
    assert agent.predict(x).device.type == "cuda" and agent.evaluate(x, y) > 0


def test_fractional_masks_are_weights_and_steps_without_weight_do_not_count():
    agent = ContinualLearningAgent(controller())
    x, y, mask = draw(5, 4, 3), draw(5, 4, 2), torch.zeros(5, 4)
    mask[0, :3] = 0.01
    one_step = agent.evaluate(x[:1], y[:1], torch.tensor([[1.0, 1, 1, 0]]))
    assert agent.evaluate(x, y, mask) == pytest.approx(one_step, rel=1e-5)  # the fourth has no step that counts: 0


@pytest.mark.parametrize(
    "loss", [nn.MSELoss(), nn.MSELoss(reduction="sum"), nn.SmoothL1Loss(), nn.functional.l1_loss,
             partial(nn.functional.huber_loss, delta=0.5)],
)  # fmt: skip
def test_losses_of_torch_work_as_classes_and_as_functions(loss):
    agent = ContinualLearningAgent(nn.Linear(3, 2), ExperienceReplay(20), loss=loss, lr=0.05)
    x = draw(12, 3)
    losses = [agent.train_step(x, x[:, :2]) for _ in range(50)]
    assert losses[-1] < losses[0]
    if isinstance(loss, nn.MSELoss):
        assert agent.evaluate(x, x[:, :2]) == pytest.approx(nn.functional.mse_loss(agent.predict(x), x[:, :2]).item())
        assert loss.reduction in ("mean", "sum")  # the caller's own is left alone


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(), nn.functional.cross_entropy])
def test_cross_entropy_takes_classes_or_their_chances(loss):
    agent = ContinualLearningAgent(nn.Linear(3, 5), ExperienceReplay(20), loss=loss)
    agent.train_step(draw(12, 3), torch.arange(12) % 5)
    agent = ContinualLearningAgent(nn.Linear(3, 5), ExperienceReplay(20), loss=loss)
    assert agent.train_step(draw(12, 3), torch.softmax(draw(12, 5), 1)) > 0


def test_a_step_under_autocast_trains_and_replays():
    for model, x, y in ((nn.Linear(3, 2), draw(4, 3), draw(4, 2)), (controller(), draw(5, 4, 3), draw(5, 4, 2))):
        agent = ContinualLearningAgent(model, ExperienceReplay(20))
        before = [parameter.clone() for parameter in model.parameters()]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            for _ in range(3):
                agent.train_step(x, y)
            assert torch.isfinite(agent.predict(x)).all()
        assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
        assert not all(torch.equal(p, q) for p, q in zip(before, model.parameters(), strict=True))


def test_numbers_of_numpy_are_numbers():
    first = ContinualLearningAgent(linear(), ExperienceReplay(np.int64(9), seed=np.int64(3)), lr=np.float32(0.5),
                                   replay_batch_size=np.int32(4), seed=np.int64(3))  # fmt: skip
    second = ContinualLearningAgent(linear(), ExperienceReplay(9, seed=3), lr=0.5, replay_batch_size=4, seed=3)
    stream = [(draw(4, 3), draw(4, 2))] * 3
    assert first.learn(stream, start=np.int64(1), save_every=np.int64(2)) == second.learn(stream, start=1, save_every=2)
