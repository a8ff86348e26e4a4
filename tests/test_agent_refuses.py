"""What the agent refuses, by name; a step is whole or not at all, and nothing is broadcast."""

import numpy as np
import pytest
import torch
from test_agent import controller, draw, linear, same, snapshot
from torch import nn

from neuralmem import ContinualLearningAgent, ExperienceReplay, MetaLearner


class TestAStepIsWholeOrNotAtAll:
    """Whatever is wrong, it is said before anything has changed: parameters, moments, buffers, generators, replay."""

    @staticmethod
    def refuse(agent, words, *given):
        before = snapshot(agent)
        with pytest.raises((ValueError, TypeError, RuntimeError)) as caught:
            agent.train_step(*given)
        assert words in str(caught.value)
        assert same(before, snapshot(agent))

    @pytest.fixture(params=["proportional", "rank", "uniform", "reservoir"])
    def agent(self, request):
        agent = ContinualLearningAgent(linear(dropout=0.5), ExperienceReplay(9, request.param))
        agent.train_step(draw(4, 3), draw(4, 2))
        return agent

    def test_rows(self, agent):
        self.refuse(agent, "x must be a Tensor", [1.0], draw(4, 2))
        self.refuse(agent, "(3,) each as those stored, got (2,): make all of one shape", draw(4, 2), draw(4, 2))
        self.refuse(agent, "experiences['y'] must have dtype float32", draw(4, 3), torch.zeros(4, 2, dtype=torch.int64))
        self.refuse(agent, "experiences['x'] must have dtype float32", draw(4, 3).double(), draw(4, 2).double())
        self.refuse(agent, "gradient must be finite", draw(4, 3) * 1e30, draw(4, 2) * 1e30)
        self.refuse(agent, "", draw(4, 3), draw(4, 2) * 1e38)  # a loss that overflows

    def test_a_loss_that_cannot_be_a_priority(self):
        def margin(prediction, y, reduction):
            return prediction - y

        agent = ContinualLearningAgent(linear(), ExperienceReplay(9), loss=margin)
        agent.train_step(draw(4, 3), draw(4, 2))
        self.refuse(agent, "priorities must be finite and at least 0", draw(4, 3), draw(4, 2) + 100)

    def test_a_loss_that_raises(self):
        def picky(prediction, y, reduction):
            assert len(y) == 4, "more than four"
            return nn.functional.mse_loss(prediction, y, reduction=reduction)

        agent = ContinualLearningAgent(linear(dropout=0.5), ExperienceReplay(9), loss=picky)
        agent.train_step(draw(4, 3), draw(4, 2))
        before = snapshot(agent)
        with pytest.raises(AssertionError, match="more than four"):
            agent.train_step(draw(4, 3), draw(4, 2))
        assert same(before, snapshot(agent))

    @pytest.mark.parametrize("memory", ["reset", "persist"])
    def test_sequences(self, memory):
        agent = ContinualLearningAgent(controller(), ExperienceReplay(9), memory=memory)
        agent.train_step(draw(5, 4, 3), draw(5, 4, 2), torch.ones(5, 4))
        self.refuse(agent, "put together as the first was, ['mask', 'x', 'y'], got ['x', 'y']", draw(5, 4, 3),
                    draw(5, 4, 2))  # fmt: skip
        longer = draw(7, 4, 3), draw(7, 4, 2), torch.ones(7, 4)
        self.refuse(agent, "(5,) each as those stored, got (7,): make all of one shape (pad, and mask", *longer)
        self.refuse(agent, "mask must be (5, 4)", draw(5, 4, 3), draw(5, 4, 2), torch.ones(5, 4, 1))
        self.refuse(agent, "mask must be (5, 4) weights of at least 0", draw(5, 4, 3), draw(5, 4, 2), -torch.ones(5, 4))
        self.refuse(agent, "have dtype float32", draw(5, 4, 3), draw(5, 4, 2), torch.ones(5, 4, dtype=torch.bool))
        self.refuse(agent, "y must begin with (5, 4)", draw(5, 4, 3), draw(4, 5, 2), torch.ones(5, 4))

    def test_tasks(self):
        model = nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 1))
        agent = ContinualLearningAgent(model, ExperienceReplay(9), MetaLearner(model), support_size=2)
        agent.train_step(draw(3, 5, 1), draw(3, 5, 1))
        self.refuse(agent, "x must hold more than 2 points a task, got (3, 2, 1)", draw(3, 2, 1), draw(3, 2, 1))
        self.refuse(agent, "(5, 1) each as those stored, got (6, 1)", draw(3, 6, 1), draw(3, 6, 1))
        self.refuse(agent, "each as those stored", draw(3, 5, 1), draw(3, 5))

    def test_what_is_refused_first_fixes_nothing(self):
        agent = ContinualLearningAgent(nn.Linear(3, 2), ExperienceReplay(9))
        self.refuse(agent, "y must fit", draw(4, 3), draw(4, 1))
        assert agent.replay.arrays is None
        agent.train_step(draw(4, 3), draw(4, 2))


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize("width, y", [(1, (4, 2)), (2, (4, 1)), (1, (4,)), (1, (4, 4)), (4, (4, 1))])
def test_nothing_is_broadcast(width, y):
    """A loss of (4, 1) against (4, 2) would count each prediction twice."""
    agent = ContinualLearningAgent(nn.Linear(3, width))
    for call in (agent.train_step, agent.evaluate):
        with pytest.raises(ValueError, match="y must fit the prediction"):
            call(draw(4, 3), draw(*y))


def test_adapted_parameters_are_judged_by_the_learners_loss_and_nothing_is_broadcast():
    model = nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 1))
    meta = MetaLearner(model, loss=lambda prediction, y: (prediction - y).abs().mean())
    agent = ContinualLearningAgent(model, None, meta, support_size=2)
    x, y = draw(5, 1), draw(5, 1, seed=1)
    adapted = agent.adapt(x, y)
    assert agent.evaluate(x, y, adapted=adapted) == pytest.approx(float((agent.predict(x, adapted) - y).abs().mean()))
    with pytest.raises(ValueError, match="y must fit the prediction"):
        agent.evaluate(x, y[:, 0], adapted=adapted)
    with pytest.raises(ValueError, match="need an agent with meta"):
        ContinualLearningAgent(nn.Linear(1, 1)).predict(x, adapted)


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
    ("x", lambda: AGENT.train_step([1.0], Y), TypeError, "x must be a Tensor, got list"),
    ("a number of a wrong kind", lambda: ContinualLearningAgent(nn.Linear(1, 1), lr=True), TypeError, "lr must be a n"),
    ("seed", lambda: ContinualLearningAgent(nn.Linear(1, 1), seed=1.5), TypeError, "seed must be an integer"),
    ("seed below 0", lambda: ContinualLearningAgent(nn.Linear(1, 1), seed=-1), ValueError, "seed must be at least 0"),
    ("betas", lambda: ContinualLearningAgent(nn.Linear(1, 1), betas=0.9), ValueError, "betas must be"),
    ("a third beta", lambda: ContinualLearningAgent(nn.Linear(1, 1), betas=(0.9, 0.9, 0.9)), ValueError, "betas must"),
    ("beta of 1", lambda: ContinualLearningAgent(nn.Linear(1, 1), betas=(0.9, 1.0)), ValueError, "betas must"),
    ("schedule", lambda: ContinualLearningAgent(nn.Linear(1, 1), schedule=0.1), TypeError, "schedule must be a func"),
    ("device", lambda: ContinualLearningAgent(nn.Linear(1, 1), device="gpu"), ValueError, "device must be"),
    ("loss by name", lambda: ContinualLearningAgent(nn.Linear(1, 1), loss="mse"), TypeError, "loss must be"),
    ("a class of losses", lambda: ContinualLearningAgent(nn.Linear(1, 1), loss=nn.MSELoss), TypeError, "got MSELoss"),
    ("a loss that is a mean", lambda: ContinualLearningAgent(nn.Linear(1, 1), loss=lambda p, y: (p - y).mean()),
     TypeError, "(prediction, y, reduction='none')"),
    ("nothing to train", lambda: ContinualLearningAgent(nn.Identity()), ValueError, "at least one parameter to train"),
    ("all frozen", lambda: ContinualLearningAgent(nn.Linear(1, 1).requires_grad_(False)), ValueError, "to train"),
    ("lazy", lambda: ContinualLearningAgent(nn.LazyLinear(2)), ValueError, "call it once on data"),
    ("support without meta", lambda: ContinualLearningAgent(nn.Linear(1, 1), support_size=2), ValueError, "with meta"),
    ("predict an array", lambda: AGENT.predict(np.zeros((4, 3), np.float32)), TypeError, "x must be a Tensor, got nda"),
    ("predict a number", lambda: AGENT.predict(torch.tensor(1.0)), ValueError, "x must hold experiences"),
    ("predict a row", lambda: SEQUENCES.predict(torch.zeros(3)), ValueError, "x must hold experiences"),
    ("evaluate an array", lambda: AGENT.evaluate(X, np.zeros((4, 2))), TypeError, "y must be a Tensor"),
    ("a stream of tensors", lambda: AGENT.learn(torch.zeros(3, 2, 4, 3)), TypeError, "stream must give (x, y) or"),
    ("start", lambda: AGENT.learn([], start=-1), ValueError, "start must be at least 0"),
    ("save_every", lambda: AGENT.learn([], save_every=0), ValueError, "save_every"),
    ("no data", lambda: AGENT.train_step(X[:0], Y[:0]), ValueError, "x must hold at least one experience"),
    ("y short", lambda: AGENT.train_step(X, Y[:2]), ValueError, "y must begin with (4,)"),
    ("y wide", lambda: AGENT.train_step(X, torch.zeros(4, 1)), ValueError, "y must fit the prediction (4, 2)"),
    ("NaN", lambda: AGENT.train_step(X / 0, Y), ValueError, "x must hold finite numbers"),
    ("mask", lambda: AGENT.train_step(X, Y, Y[:, 0]), ValueError, "mask is for sequence models"),
    ("mask shape", lambda: SEQUENCES.train_step(draw(5, 4, 3), draw(5, 4, 2), torch.ones(4)), ValueError, "mask must"),
    ("adapt", lambda: AGENT.adapt(X, Y), ValueError, "adapt needs an agent with meta"),
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
    with pytest.raises(ValueError, match="must be \\(2,\\) each as those stored"):
        agent.train_step(draw(4, 3), torch.zeros(4, 2, 1))
    with pytest.raises(ValueError, match="gradient must be finite"):
        agent.train_step(draw(4, 3) * 1e30, draw(4, 2))
    with pytest.raises(ValueError, match="memory that persists"):
        persist = ContinualLearningAgent(controller(), memory="persist")
        persist.train_step(draw(5, 4, 3), draw(5, 4, 2))
        persist.evaluate(draw(5, 2, 3), draw(5, 2, 2))
    assert all(torch.equal(p, q) for p, q in zip(before, agent.model.parameters(), strict=True))
