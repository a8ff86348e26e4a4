"""Seven starting points for sine waves, 5 seeds each, and 5, 10 and 20 examples a task (chapter 5).

    python -m book.experiments.sinusoids [methods | methods/shots ...]

writes book/results/sinusoids.json: for each run its seconds, the step size that did best on 500 validation tasks (null:
the one it was trained with), and the squared error on 1,000 test tasks after 0, 1 and 10 steps at the own and at the
tuned step size: [mean over tasks (null: infinite), median over tasks]. A few tasks that diverge decide the mean.
"""

import json
import math
import sys
import time
from pathlib import Path

import torch
from torch import nn

from neuralmem import MetaLearner
from neuralmem.training import train_meta
from neuralmem.worlds import split_generator
from neuralmem.worlds.sinusoids import sinusoid_tasks

RESULTS = Path(__file__).parent.parent / "results"
LEARNERS = {
    "MAML": {"method": "maml"},
    "first order": {"method": "first-order"},
    "ANIL": {"method": "anil"},
    "Reptile": {"method": "reptile", "inner_lr": 0.02, "num_steps": 5},
    "Meta-SGD": {"method": "meta-sgd"},
    "pretrained": {"num_steps": 0},
    "from scratch": None,
}
MORE_SHOTS = ("MAML/5", "MAML/20", "Meta-SGD/5", "Meta-SGD/20")
SEEDS, UPDATES, TASKS, QUERY = 5, 8000, 25, 30
STEPS, RATES = (0, 1, 10), (None, 0.001, 0.003, 0.01, 0.03, 0.1)


def network(seed):
    """Finn et al.'s network: 1-40-40-1 with rectified linear units."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(1, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1))


@torch.no_grad()
def errors(meta, sets, steps, lr=None):
    """[mean, median] over tasks of the squared error on the query set after `steps` steps."""
    losses = meta.task_losses(*sets, num_steps=steps, lr=lr).nan_to_num(nan=math.inf)
    return [float(losses.mean()), float(losses.median())]


def run(method, shots, seed):
    """Train one learner from nothing, choose step sizes on validation tasks, and test it."""
    torch.set_num_threads(1)
    meta = MetaLearner(network(seed), **(LEARNERS[method] or {}))
    began = time.perf_counter()
    if LEARNERS[method] is not None:
        draws = split_generator("train", seed)
        train_meta(meta, lambda generator: sinusoid_tasks(TASKS, shots, QUERY, generator), UPDATES, draws, lr=1e-2)
    seconds = time.perf_counter() - began
    validation = sinusoid_tasks(500, shots, 100, torch.Generator().manual_seed(10_000 + seed))
    test = sinusoid_tasks(1000, shots, 100, split_generator("test", seed))
    row = {"method": method, "shots": shots, "seed": seed, "seconds": round(seconds, 1)}
    row |= {"rate": {}, "own": {}, "tuned": {}}
    for steps in STEPS:
        row["rate"][steps] = best = min(RATES, key=lambda rate: errors(meta, validation, steps, rate)[1])
        for name, rate in (("own", None), ("tuned", best)):
            mean, middle = errors(meta, test, steps, rate)
            row[name][steps] = [mean if math.isfinite(mean) else None, middle]
    return row


def main(names):
    """Run the named methods ("MAML" or "MAML/20") and store what each seed gave beside what is there of the others."""
    path = RESULTS / "sinusoids.json"
    for name in names:
        method, _, shots = name.partition("/")
        rows = [run(method, int(shots or 10), seed) for seed in range(SEEDS)]
        stored = json.loads(path.read_text()) if path.exists() else {"runs": []}
        others = [old for old in stored["runs"] if (old["method"], old["shots"]) != (method, rows[0]["shots"])]
        stored |= {"command": "python -m book.experiments.sinusoids", "torch": torch.__version__}
        path.write_text(json.dumps(stored | {"updates": UPDATES, "runs": others + rows}, indent=1) + "\n")
        print(name, [row["tuned"] for row in rows], flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or [*LEARNERS, *MORE_SHOTS])
