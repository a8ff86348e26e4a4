"""Starting points for sine waves, 5 seeds each, in two worlds, and 5, 10 and 20 examples a task (chapter 5).

    python -m book.experiments.sinusoids            all runs that are not stored yet: book/results/sinusoids.json
    python -m book.experiments.sinusoids WORD ...   those whose world or method is one of the words

A run has its world ("frequency 1", or "0.8 to 1.2": frequencies drawn from that interval), method, shots and seed. It
stores its processor seconds, the step size that did best on 500 validation tasks (null: the one it was trained with),
and the squared error on 1,000 test tasks after 0, 1 and 10 steps at the own and at the tuned step size: [mean over
tasks (null: infinite), median over tasks]. A few tasks that diverge decide the mean. About 25 s of one core a run.
"""

import math
import sys
from functools import partial

import torch
from torch import nn

from book.experiments.common import complete, processor_seconds
from neuralmem import MetaLearner
from neuralmem.training import train_meta
from neuralmem.worlds import split_generator
from neuralmem.worlds.sinusoids import sinusoid_tasks

WORLDS = {"frequency 1": (1.0, 1.0), "0.8 to 1.2": (0.8, 1.2)}
LEARNERS = {
    "MAML": {"method": "maml"},
    "first order": {"method": "first-order"},
    "ANIL": {"method": "anil"},
    "Reptile": {"method": "reptile", "inner_lr": 0.02, "num_steps": 5},
    "Meta-SGD": {"method": "meta-sgd"},
    "pretrained": {"num_steps": 0},
    "from scratch": None,
}
SEEDS, UPDATES, TASKS, QUERY = 5, 8000, 25, 30
STEPS, RATES = (0, 1, 10), (None, 0.001, 0.003, 0.01, 0.03, 0.1)


def plan():
    """The runs: each learner with 10 shots in the first world, more shots, and the published methods in the second."""
    published = ("Meta-SGD", "MAML")
    runs = [("frequency 1", method, 10) for method in LEARNERS]
    runs += [("frequency 1", method, shots) for method in published for shots in (5, 20)]
    runs += [("0.8 to 1.2", method, 10) for method in published]
    names = ("world", "method", "shots", "seed")
    return [dict(zip(names, (*run, seed), strict=True)) for run in runs for seed in range(SEEDS)]


def network(seed):
    """Finn et al.'s network: 1-40-40-1 with rectified linear units."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(1, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1))


@torch.no_grad()
def errors(meta, sets, steps, lr=None):
    """[mean, median] over tasks of the squared error on the query set after `steps` steps."""
    losses = meta.task_losses(*sets, num_steps=steps, lr=lr).nan_to_num(nan=math.inf)
    return [float(losses.mean()), float(losses.median())]


def run(world, method, shots, seed):
    """Train one learner from nothing, choose step sizes on validation tasks, and test it."""
    torch.set_num_threads(1)
    meta, seconds = MetaLearner(network(seed), **(LEARNERS[method] or {})), 0.0
    draw = partial(sinusoid_tasks, frequency=WORLDS[world])
    if LEARNERS[method] is not None:
        draws = split_generator("train", seed)
        batch = partial(draw, TASKS, shots, QUERY)
        meta, seconds = processor_seconds(train_meta, meta, batch, UPDATES, draws, lr=1e-2)
    validation = draw(500, shots, 100, torch.Generator().manual_seed(10_000 + seed))
    test = draw(1000, shots, 100, split_generator("test", seed))
    row = {"seconds": round(seconds, 1), "rate": {}, "own": {}, "tuned": {}}
    for steps in map(str, STEPS):
        row["rate"][steps] = best = min(RATES, key=lambda rate: errors(meta, validation, int(steps), rate)[1])
        for name, rate in (("own", None), ("tuned", best)):
            mean, middle = errors(meta, test, int(steps), rate)
            row[name][steps] = [mean if math.isfinite(mean) else None, middle]
    return row


def main(words):
    """Make the runs that are not stored yet, all or those whose world or method is one of the words."""
    chosen = [facts for facts in plan() if any(w in (facts["world"], facts["method"]) for w in words) or not words]
    about = {"command": "python -m book.experiments.sinusoids", "updates": UPDATES}
    complete("sinusoids", chosen, run, **about)


if __name__ == "__main__":
    main(sys.argv[1:])
