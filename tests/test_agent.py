"""The agent: what a step does, what judging leaves alone, and how its parts compose."""

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
from neuralmem.worlds import split_generator
from neuralmem.worlds.functions import FOUR_TASKS, constant_errors, function_pairs, pairs_as_episodes


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


class TestFunctionStreams:
    def test_constants_are_those_of_the_book(self):
        assert list(constant_errors().values()) == pytest.approx([0.0154, 0.00003, 0.0041, 0.000106], rel=0.06)

    @pytest.mark.parametrize("task", FOUR_TASKS)
    def test_no_row_is_in_both_splits(self, task):
        train, test = (function_pairs(task, 500, split_generator(split, 0))[0] for split in ("train", "test"))
        assert not (train[:, None] == test).all(-1).any()

    def test_splits_and_seeds_never_share_a_generator(self):
        starts = [split_generator(split, seed) for split in ("train", "test") for seed in range(9)]
        assert len({tuple(torch.randn(4, generator=start).tolist()) for start in starts}) == 18

    def test_episodes_show_the_answer_one_step_late(self):
        x, y = function_pairs("tanh+2", (3, 4), split_generator("train", 0), dim=5)
        inputs, targets, mask = pairs_as_episodes(x, y)
        assert inputs.shape == (4, 3, 11) and targets.shape == (4, 3, 5) and mask.shape == (4, 3)
        assert torch.equal(inputs[2, 1, :5], x[1, 2]) and torch.equal(inputs[2, 1, 5:10], y[1, 1])
        assert torch.equal(targets[2, 1], y[1, 2])
        assert (inputs[0, :, 5:] == 0).all() and (mask[0] == 0).all() and (mask[1:] == 1).all()


AGENT = ContinualLearningAgent(nn.Linear(3, 2), ExperienceReplay(9))
SEQUENCES = ContinualLearningAgent(controller())
X, Y = torch.zeros(4, 3), torch.zeros(4, 2)
ERROR_CASES = [
    ("model", lambda: ContinualLearningAgent("lstm"), TypeError, "model must be a Module, got str"),
    ("no model", lambda: ContinualLearningAgent(None), TypeError, "model must be a Module"),
    ("replay", lambda: ContinualLearningAgent(nn.Linear(1, 1), replay=[]), TypeError, "replay must be a Exp"),
    ("meta", lambda: ContinualLearningAgent(nn.Linear(1, 1), meta=1), TypeError, "meta must be"),
    ("meta of another model",
     lambda: ContinualLearningAgent(nn.Linear(1, 1), meta=MetaLearner(nn.Linear(1, 1)), support_size=2),
     ValueError, "meta must be a MetaLearner of `model`"),
    ("support", lambda: ContinualLearningAgent(m := nn.Linear(1, 1), meta=MetaLearner(m)), TypeError, "support_size"),
    ("memory", lambda: ContinualLearningAgent(nn.Linear(1, 1), memory="keep"), ValueError, "memory must be one of"),
    ("persist", lambda: ContinualLearningAgent(nn.Linear(1, 1), memory="persist"), ValueError, "no sequence model"),
    ("lr", lambda: ContinualLearningAgent(nn.Linear(1, 1), lr=-1), ValueError, "lr must be"),
    ("clip", lambda: ContinualLearningAgent(nn.Linear(1, 1), clip="1"), TypeError, "clip must be a number"),
    ("batch", lambda: ContinualLearningAgent(nn.Linear(1, 1), replay_batch_size=0), ValueError, "replay_batch_size"),
    ("x", lambda: AGENT.train_step([1.0], Y), TypeError, "x must be a tensor, got list"),
    ("no data", lambda: AGENT.train_step(X[:0], Y[:0]), ValueError, "x must hold at least one experience"),
    ("y short", lambda: AGENT.train_step(X, Y[:2]), ValueError, "y must begin with (4,)"),
    ("y wide", lambda: AGENT.train_step(X, torch.zeros(4, 1)), ValueError, "y must fit the prediction (4, 2)"),
    ("NaN", lambda: AGENT.train_step(X / 0, Y), ValueError, "x must hold finite numbers"),
    ("mask", lambda: AGENT.train_step(X, Y, Y[:, 0]), ValueError, "mask is for sequence models"),
    ("mask shape", lambda: SEQUENCES.train_step(draw(5, 4, 3), draw(5, 4, 2), torch.ones(4)), ValueError, "mask must"),
    ("adapt", lambda: AGENT.adapt(X, Y), ValueError, "adapt needs an agent with meta"),
    ("split", lambda: split_generator("validation", 0), ValueError, "split must be one of 'train', 'test'"),
    ("task", lambda: function_pairs("tan", 3, None), ValueError, "task must be one of"),
    ("pairs", lambda: pairs_as_episodes(X, Y), ValueError, "x must be (B, T, D), got (4, 3)"),
]  # fmt: skip


@pytest.mark.parametrize("label, call, error, words", ERROR_CASES)
def test_errors_name_the_argument(label, call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value)


def test_errors_of_a_step_change_no_parameter():
    agent = ContinualLearningAgent(nn.Linear(3, 2), ExperienceReplay(9))
    agent.train_step(draw(4, 3), draw(4, 2))
    before = [p.clone() for p in agent.model.parameters()]
    with pytest.raises(ValueError, match="shape of the experiences in replay"):
        agent.train_step(draw(4, 3), torch.zeros(4, 2, 1))
    with pytest.raises(ValueError, match="gradient must be finite"):
        agent.train_step(draw(4, 3) * 1e30, draw(4, 2))
    with pytest.raises(ValueError, match="memory that persists"):
        persist = ContinualLearningAgent(controller(), memory="persist")
        persist.train_step(draw(5, 4, 3), draw(5, 4, 2))
        persist.evaluate(draw(5, 2, 3), draw(5, 2, 2))
    assert all(torch.equal(p, q) for p, q in zip(before, agent.model.parameters(), strict=True))
