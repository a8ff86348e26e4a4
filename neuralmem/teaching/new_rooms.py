"""Chapter 5's measured step in the world of chapter 6: a model of a new room from its first transitions."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from ..closed_form import ridge
from ..meta import MetaLearner
from ..training import train_meta
from ..worlds import rooms, split_generator

__all__ = ["batches", "compare", "errors", "least_squares", "network", "prior_of", "stays"]

STEPS, SEEN_MOST, QUERY = 32, 16, 10
PENALTIES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
Prior = tuple[torch.Tensor, torch.Tensor]


def stays(count: int, split: str, seed: int) -> rooms.Transitions:
    """`count` stays of 32 steps of babble, each in a room of its own: features (count, 32, 4)."""
    return rooms.transitions(count, split, seed, stays=1, steps=STEPS)


def batches(known: rooms.Transitions) -> Callable[[torch.Generator], tuple[torch.Tensor, ...]]:
    """A draw of 48 tasks for training: 2, 4, 8 or 16 transitions as support set, the ten after them as query set."""

    def draw(generator):
        chosen = torch.randint(len(known.features), (48,), generator=generator)
        n = 2 ** int(torch.randint(1, 5, (), generator=generator))
        x, y = known.features[chosen], known.targets[chosen]
        return x[:, :n], y[:, :n], x[:, n : n + QUERY], y[:, n : n + QUERY]

    return draw


def network(seed: int) -> nn.Sequential:
    """4-32-32-1 with hyperbolic tangents."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))


def prior_of(known: rooms.Transitions) -> Prior:
    """What rooms are like, from those known: the mean (5, 1) of their linear models, and a root of their spread (5, 5).

    The model of a room is linear in the features and 1; each room's own is fitted to its 32 transitions.
    """
    x, y = _with_one(known.features), known.targets
    mean = ridge(x.flatten(0, 1), y.flatten(0, 1), 1.0)
    away = (ridge(x, y, 0.1) - mean).squeeze(-1)  # (rooms, 5)
    return mean, torch.linalg.cholesky(away.mT @ away / len(away))


def least_squares(prior: Prior, penalty: float, x: torch.Tensor, y: torch.Tensor, asked: torch.Tensor) -> torch.Tensor:
    """Predictions for `asked` (K, m, 4) of the linear model nearest to x (K, n, 4), y (K, n, 1) and to the prior.

    w = mean + spread · v, where v minimises |x w - y|^2 + penalty · |v|^2.
    """
    mean, spread = prior
    moved = ridge(_with_one(x) @ spread, y - _with_one(x) @ mean, penalty)
    return _with_one(asked) @ (mean + spread @ moved)


def errors(predict: Callable, known: rooms.Transitions, seen: Sequence[int], noisy: bool = False) -> dict[int, float]:
    """{n: error} of predict(x, y, asked) on the steps from 16 on, after the first n: squared error over variance.

    A constant has 1. The truth is without noise, or with it where `noisy` (what an agent could measure itself).
    """
    asked, truth = known.features[:, SEEN_MOST:], (known.targets if noisy else known.clean)[:, SEEN_MOST:]
    found = {}
    for n in seen:
        with torch.no_grad():
            answer = predict(known.features[:, :n], known.targets[:, :n], asked)
        found[n] = float((answer - truth).square().mean() / truth.var())
    return found


def compare(seeds: Sequence[int], seen: Sequence[int] = (2, 4, 8, 16), updates: int = 250) -> dict[str, dict]:
    """{method: {"n = 2": [error of each seed], ...}} in 500 new rooms, after 2,000 rooms to learn from.

    The penalty of least squares is chosen for each n on 300 other rooms.
    """
    rows: dict[str, dict] = {}
    for seed in seeds:
        known, test, choosing = stays(2000, "train", seed), stays(500, "test", seed), stays(300, "train", 1000 + seed)
        draws, learner = batches(known), MetaLearner(network(seed), inner_lr=0.05, num_steps=3, method="meta-sgd")
        fixed = MetaLearner(network(seed), num_steps=0)
        for meta in (learner, fixed):
            train_meta(meta, draws, updates, split_generator("train", seed), lr=5e-3)
        methods: dict[str, Callable] = {
            "mean of the n changes": _mean_so_far,
            "no adaptation": partial(_adapted, fixed),
            "Meta-SGD, 3 steps": partial(_adapted, learner),
        }
        found = {name: errors(predict, test, seen) for name, predict in methods.items()}
        priors = {"least squares": (torch.zeros(5, 1), torch.eye(5)), "least squares with a prior": prior_of(known)}
        for name, prior in priors.items():
            found[name] = _tuned(prior, choosing, test, seen)
        for name, by_seen in found.items():
            for n, error in by_seen.items():
                rows.setdefault(name, {}).setdefault(f"n = {n}", []).append(error)
    return rows


def _mean_so_far(x, y, asked):
    return y.mean(1, keepdim=True).expand(-1, asked.shape[1], -1)


def _adapted(meta, x, y, asked):
    return meta.predict_tasks(meta.adapt_tasks(x, y), asked)


def _tuned(prior, choosing, test, seen):
    """Errors of least squares with the penalty that is best for each n on other rooms."""

    def with_penalty(penalty):
        return lambda x, y, asked: least_squares(prior, penalty, x, y, asked)

    tried = {penalty: errors(with_penalty(penalty), choosing, seen, noisy=True) for penalty in PENALTIES}
    best = {n: min(PENALTIES, key=lambda penalty: tried[penalty][n]) for n in seen}
    return {n: errors(with_penalty(best[n]), test, [n])[n] for n in seen}


def _with_one(x):
    """A last column of ones, for an intercept."""
    return F.pad(x, (0, 1), value=1.0)
