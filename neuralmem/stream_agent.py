"""The agent of chapter 8: a network that rehearses, corrected by a fit on what is fetched from the past by its cue."""

import os

import torch
from torch import Tensor, nn

from . import persistence
from ._validate import choice, integer, positive_int, positive_real, real
from .agent import ContinualLearningAgent
from .closed_form import ridge
from .episodic import fetch, latest
from .persistence import restore, settings_of, tree_of
from .prequential import Question, with_one
from .replay import KINDS, ExperienceReplay


class StreamAgent:
    """A rule for `prequential` made of the parts of this book; each may be left out.

    ŷ = last + f(x) + (x, 1) · W. f is a network of one hidden layer, trained on each answer and on `batch` replayed
    ones from a buffer of a `kind` (chapter 4; `hidden=0`: no network; `batch=0`: no replay). W = ridge((x, 1), y - last
    - f(x), penalty) on the `k` rows of the memory that are fetched by the cue, each counting exp(strength · (cos - 1))
    (chapter 6; `k=0`: no memory; without a cue, the newest k). inputs F and cue C are the sizes of the questions.
    Raises ValueError or TypeError naming the argument.
    """

    def __init__(
        self, inputs: int, cue: int, *, k: int = 10_000, strength: float = 5.0, penalty: float = 10.0, hidden: int = 32,
        batch: int = 16, kind: str = "reservoir", lr: float = 1e-3, seed: int = 0,
    ) -> None:  # fmt: skip
        self.inputs, self.cue = positive_int("inputs", inputs), integer("cue", cue, low=0)
        self.k, self.strength = integer("k", k, low=0), real("strength", strength, low=0)
        self.penalty, self.hidden = positive_real("penalty", penalty), integer("hidden", hidden, low=0)
        self.batch, self.seed = integer("batch", batch, low=0), integer("seed", seed, low=0)
        self.lr, self.kind = real("lr", lr, low=0), choice("kind", kind, KINDS)
        self.x, self.changes = torch.zeros(0, inputs), torch.zeros(0)
        self.cues = torch.zeros(0, max(cue, 1))
        self.learner = _learner(self.inputs, hidden, batch, kind, lr, seed) if hidden else None

    def predict(self, question: Question) -> float:
        """The last value, what the network adds, and what the fetched rows correct."""
        places, weights = self._fetched(question)
        x = torch.cat([question.x.unsqueeze(0), self.x[places]])
        added = torch.zeros(len(x)) if self.learner is None else self.learner.predict(x)[:, 0]
        guess = question.last + float(added[0])
        if len(places) == 0:
            return guess
        left = (self.changes[places] - added[1:]).double().unsqueeze(1)
        fit = ridge(with_one(x[1:]), left, self.penalty, weights.double())
        return guess + float(with_one(question.x) @ fit[:, 0])

    def learn(self, question: Question, answer: float) -> None:
        """Store the row with its cue, and train the network on it and on what it rehearses."""
        change = torch.tensor([answer - question.last])
        if self.k:
            shown = question.cue if self.cue else torch.ones(1)
            self.x = torch.cat([self.x, question.x.unsqueeze(0)])
            self.changes, self.cues = torch.cat([self.changes, change]), torch.cat([self.cues, shown.unsqueeze(0)])
        if self.learner is not None:
            self.learner.train_step(question.x.unsqueeze(0), change.unsqueeze(0))

    def save(self, path: str | os.PathLike) -> None:
        """Write settings, network, replay and memory to one file, whole or not at all (chapter 6)."""
        learner = None if self.learner is None else tree_of(self.learner)
        memory = {"x": self.x, "changes": self.changes, "cues": self.cues}
        persistence.save({"stream agent": self._settings(), "memory": memory, "learner": learner}, path)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "StreamAgent":
        """The agent that was saved at `path`: it goes on as the saved one would have.

        Raises FileNotFoundError, or ValueError where the file is damaged or no stream agent's.
        """
        tree = persistence.load(path)
        if not isinstance(tree, dict) or tree.keys() != {"stream agent", "memory", "learner"}:
            raise ValueError(f"{path} holds no stream agent")
        agent = cls(**tree["stream agent"])
        for name, value in tree["memory"].items():
            setattr(agent, name, value)
        if agent.learner is not None:
            settings_of(tree["learner"], path)
            restore(agent.learner, tree["learner"], path)
        return agent

    def _settings(self):
        names = ("inputs", "cue", "k", "strength", "penalty", "hidden", "batch", "kind", "lr", "seed")
        return {name: getattr(self, name) for name in names}

    def _fetched(self, question: Question) -> tuple[Tensor, Tensor]:
        """Places (n,) and weights (n,) of the rows that count now, n at most k."""
        stored = len(self.x)
        if not self.k or not stored:
            return torch.zeros(0, dtype=torch.int64), torch.zeros(0)
        count, cues = torch.tensor([stored]), self.cues.unsqueeze(0)
        k = min(self.k, stored)
        if self.cue:
            places, weights = fetch(cues, count, question.cue.unsqueeze(0), k, self.strength)
        else:
            places, weights = latest(cues, count, k)
        return places[0], weights[0]


def _learner(inputs, hidden, batch, kind, lr, seed):
    """A network that starts by adding nothing, with replay where `batch` is not 0."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(inputs, hidden), nn.Tanh(), nn.Linear(hidden, 1))
    nn.init.zeros_(model[-1].weight)
    nn.init.zeros_(model[-1].bias)
    replay = ExperienceReplay(1000, kind, seed=seed) if batch else None
    return ContinualLearningAgent(model, replay, lr=lr, replay_batch_size=max(batch, 1), seed=seed)
