"""The four tasks of chapter 0 once more, posed so that they can be solved (chapter 6).

    python -m book.experiments.four_tasks

The tasks come one after the other. An agent sees earlier pairs (x, y) of the task at hand, and must answer for the
next x. Writes book/results/four_tasks.json: for each method and seed the held-out error of every task after each task,
and the processor's seconds; for the first seed of the full agent also the memory after one test episode.
"""

import json
import platform
import time
from pathlib import Path

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
from neuralmem.training import cosine_schedule
from neuralmem.worlds import split_generator
from neuralmem.worlds.functions import FOUR_TASKS, function_pairs, pairs_as_episodes

RESULTS = Path(__file__).parents[1] / "results"
SEEDS, UPDATES, BATCH, PAIRS, SUPPORT = range(5), 150, 16, 10, 5  # updates a task, episodes an update, pairs an episode
METHODS = {
    "memory, replay": ("memory", True),
    "LSTM, replay": ("lstm", True),
    "memory": ("memory", False),
    "meta-learning, replay": ("meta", True),
    "meta-learning": ("meta", False),
    "none": ("plain", False),
}


def build(kind):
    """A controller with a memory, an LSTM with about as many parameters, or a plain network from x to y."""
    if kind == "memory":
        bank = NeuralMemoryBank(MemoryConfig(16, 64, 1, temporal_links=False, associative_start=True))
        return MemoryController(129, 96, 64, bank, input_to_interface=True)
    if kind == "lstm":
        return MemoryController(129, 151, 64)
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64))


def make_agent(method, seed):
    """The agent of one method; all learn from as many pairs an update."""
    torch.manual_seed(seed)
    kind, with_replay = METHODS[method]
    model, rows = build(kind), PAIRS if kind == "plain" else 1
    replay = ExperienceReplay(400 * rows, "reservoir", seed=seed) if with_replay else None
    meta = MetaLearner(model, inner_lr=0.1, num_steps=3, method="meta-sgd") if kind == "meta" else None
    return ContinualLearningAgent(
        model, replay, meta, lr=3e-3, betas=(0.9, 0.99), replay_batch_size=BATCH * rows, replay_weight=3.0, seed=seed,
        support_size=SUPPORT if meta else None, schedule=lambda step: cosine_schedule(UPDATES, 10)(step % UPDATES),
    )  # fmt: skip


def draw(kind, task, episodes, generator):
    """Pairs of one task in the form that a kind of model learns from."""
    x, y = function_pairs(task, (episodes, PAIRS), generator)
    if kind in ("memory", "lstm"):
        return pairs_as_episodes(x, y)
    return (x, y) if kind == "meta" else (x.flatten(0, 1), y.flatten(0, 1))


def run(method, seed):
    """One life: train on the four tasks in turn; R[i][j] is the held-out error on task j after training on task i."""
    torch.set_num_threads(1)
    agent, kind = make_agent(method, seed), METHODS[method][0]
    train, test = split_generator("train", seed), split_generator("test", seed)
    tests = [draw(kind, task, 200, test) for task in FOUR_TASKS]
    R, began = [], time.process_time()
    for task in FOUR_TASKS:
        agent.learn((draw(kind, task, BATCH, train) for _ in range(UPDATES)), progress=False)
        R.append([agent.evaluate(*pairs) for pairs in tests])
    row = {"method": method, "seed": seed, "R": R, "seconds": round(time.process_time() - began, 1)}
    row["parameters"] = sum(p.numel() for p in agent.model.parameters())
    if method == "memory, replay" and seed == 0:
        with torch.no_grad():
            _, state = agent.model(tests[0][0][:, :1])
        row["memory"] = [[round(value, 3) for value in slot] for slot in state.memory.memory[0].tolist()]
    return row


def linear_errors(seed=0, count=4000):
    """Held-out error of a least-squares line from x to y fitted to each task alone: what a linear fit can reach."""
    train, test, errors = split_generator("train", seed), split_generator("test", seed), {}
    for task in FOUR_TASKS:
        x, y = function_pairs(task, count, train)
        weights = torch.linalg.lstsq(torch.cat([x, torch.ones(count, 1)], 1), y).solution
        x, y = function_pairs(task, count, test)
        errors[task] = float((torch.cat([x, torch.ones(count, 1)], 1) @ weights - y).square().mean())
    return errors


def main():
    """Run all methods and seeds, print the last row of each, and write the results."""
    runs = []
    for method in METHODS:
        for seed in SEEDS:
            runs.append(run(method, seed))
            last = ", ".join(f"{error:.2g}" for error in runs[-1]["R"][-1])
            print(f"{method}, seed {seed}: {last}; {runs[-1]['seconds']} s", flush=True)
    record = {
        "command": "python -m book.experiments.four_tasks", "tasks": list(FOUR_TASKS), "linear": linear_errors(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__}, "runs": runs,
    }  # fmt: skip
    (RESULTS / "four_tasks.json").write_text(json.dumps(record) + "\n")


if __name__ == "__main__":
    main()
