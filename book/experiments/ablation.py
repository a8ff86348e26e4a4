"""The ablation of chapter 6: which part of the agent is needed for what.

    python -m book.experiments.ablation            all methods, seeds 0 to 4; writes book/results/ablation.json
    python -m book.experiments.ablation --tune     how the agents without meta-learning were tuned, on the design
                                                   seeds 100 and 101; writes book/results/ablation_tuning.json

About 4 minutes of one core a seed. Chapter 6 says what the world is and what is measured.
"""

import json
import os
import platform
import sys
import time
from functools import partial
from pathlib import Path

import torch
from torch import nn

from neuralmem.agent import ContinualLearningAgent, cosine_schedule, sweep
from neuralmem.bank import MemoryConfig, NeuralMemoryBank
from neuralmem.controller import MemoryController
from neuralmem.meta import BATCHED, MetaLearner
from neuralmem.replay import ExperienceReplay
from neuralmem.worlds import split_generator
from neuralmem.worlds.seasons import asked_loss, recall_episodes, recall_sessions, season_alphabets, wrong_bits

SEASONS, VISITS = 5, (0, 1, 2, 3, 4, 1)  # the last visit is a return
SCHOOL, UPDATES = 600, 150  # updates of schooling, of each visit (with ten looks at the error on the way)
FRESH, EPISODES, REVEALED = 4, 8, 4  # sessions an update, episodes a session, of which so many are revealed first
BITS, INPUTS, FEATURES = 3, 2 + 6 + 16, 16
HEAD = ["1.weight", "1.bias"]
METHODS = {
    "full": {"memory", "replay", "meta"},
    "no memory": {"replay", "meta"},
    "no replay": {"memory", "meta"},
    "no meta": {"memory", "replay"},
    "none": set(),
    "joint": {"memory", "meta", "all seasons"},
}
SEEDS, DESIGN_SEEDS = range(5), range(100, 102)
PLAIN_RATES = (3e-6, 3e-5, 3e-4, 3e-3)  # slow learning rates tried for the agents without meta-learning
TUNERS = [(rate, steps, "head") for rate in (0.3, 1.0, 2.0, 7.0, 20.0) for steps in (5, 30)]
TUNERS += [(rate, 30, "all") for rate in (0.03, 0.1, 0.3)] + [(1.0, 5, "all")]
JOBS = int(os.environ.get("JOBS", -1))  # processes side by side; -1 for all cores
RESULTS = Path(__file__).parents[1] / "results"


class EpisodeReader(nn.Module):
    """A controller over episodes (..., T, D) -> features (..., T, F), each episode from an empty memory."""

    def __init__(self, controller):
        super().__init__()
        self.controller = controller

    def forward(self, x):
        """Run all episodes as one batch."""
        features, _ = self.controller(x.flatten(0, -3).transpose(0, 1))
        return features.transpose(0, 1).unflatten(0, x.shape[:-2])


BATCHED.add(EpisodeReader)  # it keeps nothing and branches on nothing: the sessions may run together


def build(memory, seed):
    """A controller with a bank, or an LSTM with as many parameters, and a linear head."""
    torch.manual_seed(seed)
    bank = None
    if memory:
        bank = NeuralMemoryBank(
            MemoryConfig(8, 16, 1, temporal_links=False, key_size=8, deallocation=True, associative_start=True)
        )
    controller = MemoryController(INPUTS, 48 if memory else 59, FEATURES, bank, input_to_interface=memory)
    return nn.Sequential(EpisodeReader(controller), nn.Linear(FEATURES, BITS))


def school(memory, seed, updates=SCHOOL):
    """What all methods start from: a model that recalls season 0 when answers are given in the plain code."""
    model, generator = build(memory, seed), split_generator("train", seed)
    alphabet = alphabets(seed)[0]
    agent = ContinualLearningAgent(
        model, loss=asked_loss, lr=1e-2 if memory else 3e-3, betas=(0.9, 0.9), schedule=cosine_schedule(updates)
    )
    agent.learn((recall_episodes(alphabet, 32, generator) for _ in range(updates)), progress=False)
    return model.state_dict()


def alphabets(seed):
    """The seasons' alphabets of a seed."""
    return season_alphabets(SEASONS, torch.Generator().manual_seed(10**6 + seed))


def make_agent(parts, seed, start=None, lr=3e-5):
    """The agent composed of `parts`, and the learner by which it adapts to a session when it is judged.

    `lr` is the slow learning rate without meta-learning; it and the tuner's settings are the best of `tune`.
    """
    model = build("memory" in parts, seed)
    if start is not None:
        model.load_state_dict(start)
    tuner = MetaLearner(model, asked_loss, inner_lr=2.0, num_steps=30, method="anil", adapt_only=HEAD)
    meta = MetaLearner(model, asked_loss, inner_lr=2.0, num_steps=5, method="meta-sgd", adapt_only=HEAD)
    agent = ContinualLearningAgent(
        model, ExperienceReplay(200, "reservoir", seed=seed) if "replay" in parts else None,
        meta if "meta" in parts else None, loss=asked_loss, lr=5e-3 if "meta" in parts else lr,
        betas=(0.9, 0.99), support_size=REVEALED, replay_batch_size=FRESH, seed=seed,
        schedule=lambda step: cosine_schedule(UPDATES, 0, 0, 0.05)(step % UPDATES),
    )  # fmt: skip
    return agent, agent.meta or tuner


@torch.no_grad()
def errors(learner, x, y, revealed):
    """Wrong bits of the episodes after the first `revealed` of each session, which are adapted to: a share."""
    adapted = learner.adapt_tasks(x[:, :revealed], y[:, :revealed])
    return wrong_bits(learner.predict_tasks(adapted, x[:, revealed:]), y[:, revealed:])


@torch.no_grad()
def prequential(learner, x, y):
    """Wrong bits of each episode of sessions, answered after adaptation to those before it: a list."""
    first = wrong_bits(learner.model(x[:, :1]), y[:, :1])
    return [first] + [errors(learner, x[:, : n + 1], y[:, : n + 1], n) for n in range(1, x.shape[1])]


def constant_error(y, revealed):
    """Wrong bits of always answering each bit's majority in the revealed episodes of the session."""
    guess = y[:, :revealed].sum((1, 2), keepdim=True) + 0.5
    return wrong_bits(guess.expand_as(y[:, revealed:]), y[:, revealed:])


def run(method, seed, starts, visits=VISITS, updates=UPDATES):
    """One life of one method: R (visits, seasons), prequential errors by episode, errors around the switches."""
    began, parts = time.perf_counter(), METHODS[method]
    train, test = split_generator("train", 1000 + seed), split_generator("test", 1000 + seed)
    looks, symbols = split_generator("test", 2000 + seed), alphabets(seed)
    agent, learner = make_agent(parts, seed, starts["memory" in parts, seed])
    R, steps, curve, constants = [], [], [], []
    for season in visits:
        for update in range(updates):
            if update % max(1, updates // 10) == 0:
                curve.append(errors(learner, *recall_sessions(symbols[season], 16, EPISODES, looks), REVEALED))
            agent.train_step(*_stream(symbols, season, "all seasons" in parts, train))
        tests = [recall_sessions(alphabet, 32, EPISODES, test) for alphabet in symbols]
        R.append([errors(learner, x, y, REVEALED) for x, y in tests])
        steps.append(prequential(learner, *tests[season]))
        constants.append(constant_error(tests[season][1], REVEALED))
    return {"R": R, "prequential": steps, "curve": curve, "constant": constants, "seconds": time.perf_counter() - began}


def _stream(symbols, season, every_season, generator):
    """What arrives at one update: FRESH sessions of the season, or for joint training twice as many of all seasons."""
    if not every_season:
        return recall_sessions(symbols[season], FRESH, EPISODES, generator)
    seasons = torch.randint(SEASONS, (2 * FRESH,), generator=generator).tolist()
    pairs = [recall_sessions(symbols[s], 1, EPISODES, generator) for s in seasons]
    return tuple(torch.cat(parts) for parts in zip(*pairs, strict=True))


def quantities(result, visits=VISITS):
    """The three numbers of chapter 6, shares of wrong bits: recall, retention and adaptation.

    Retention is read when every season of the life has been visited once, before any of them returns.
    """
    R, steps, seasons = result["R"], result["prequential"], list(dict.fromkeys(visits))
    earlier = [R[len(seasons) - 1][season] for season in seasons[:-1]]
    return {
        "recall": sum(R[visit][season] for visit, season in enumerate(visits)) / len(visits),
        "retention": sum(earlier) / len(earlier),
        "adaptation": sum(sum(step[1:4]) / 3 for step in steps) / len(steps),
    }


def single_thread(function, *arguments):
    """Call a function on one thread, as every worker of the sweep does."""
    torch.set_num_threads(1)
    return function(*arguments)


def whole(seeds, methods=METHODS, n_jobs=-1, visits=VISITS, updates=UPDATES, schooling=SCHOOL):
    """All methods on all seeds: {method: [result of each seed]}."""
    kinds = sorted({"memory" in METHODS[method] for method in methods})
    states = sweep(partial(single_thread, partial(school, updates=schooling)), kinds, seeds, n_jobs)
    starts = {(memory, seed): state for memory in states for seed, state in zip(seeds, states[memory], strict=True)}
    life = partial(run, starts=starts, visits=visits, updates=updates)
    return sweep(partial(single_thread, life), methods, seeds, n_jobs)


def tune(pair, seed):
    """Wrong bits of episodes 2 to 4 in season 3 of an agent without meta-learning, for every way to fine-tune it."""
    method, lr = pair
    parts, symbols, train = METHODS[method], alphabets(seed), split_generator("train", 1000 + seed)
    agent, _ = make_agent(parts, seed, school("memory" in parts, seed), lr)
    for season in VISITS[:4]:
        agent.learn((_stream(symbols, season, False, train) for _ in range(UPDATES)), progress=False)
    x, y = recall_sessions(symbols[VISITS[3]], 16, EPISODES, split_generator("test", 1000 + seed))
    found = {}
    for rate, steps, names in TUNERS:
        learner = MetaLearner(
            agent.model, asked_loss, rate, steps, "first-order", HEAD if names == "head" else None
        )
        found[f"{names}, rate {rate}, {steps} steps"] = sum(prequential(learner, x[:, :4], y[:, :4])[1:]) / 3
    return found


def write(name, command, seeds, began, **rest):
    """Write results with what is needed to repeat them."""
    record = {
        "command": command, "seeds": list(seeds), "seconds": round(time.perf_counter() - began),
        "versions": {"python": platform.python_version(), "torch": torch.__version__}, **rest,
    }  # fmt: skip
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")


def main(arguments):
    """Run, print what every seed came to, and write the results."""
    began, command = time.perf_counter(), "python -m book.experiments.ablation"
    if "--tune" in arguments:
        pairs = [("no meta", lr) for lr in PLAIN_RATES]
        tried = sweep(partial(single_thread, tune), pairs, DESIGN_SEEDS, JOBS)
        results = {f"{method}, lr {lr}": lives for (method, lr), lives in tried.items()}
        return write("ablation_tuning", f"{command} --tune", DESIGN_SEEDS, began, results=results)
    results = whole(SEEDS, n_jobs=JOBS)
    for method, lives in results.items():
        for seed, life in zip(SEEDS, lives, strict=True):
            numbers = ", ".join(f"{name} {value:.4f}" for name, value in quantities(life).items())
            print(f"{method}, seed {seed}: {numbers}, {life['seconds']:.0f} s")
    write("ablation", command, SEEDS, began, visits=VISITS, updates=UPDATES, results=results)


if __name__ == "__main__":
    main(sys.argv[1:])
