"""The experiment of chapter 7: four drawers, and which part of an agent pays when.

    python -m book.experiments.drawers            everything, seeds 10 to 14; writes book/results/drawers.json
    python -m book.experiments.drawers --tune     what was tried on the seeds 100 and 101, whose classes of cards are
                                                  their own, to choose the settings; writes
                                                  book/results/drawers_tuning.json

About 30 minutes of one core; the `seconds` of a run are those of its training. Runs that are stored are kept. The seeds
of an agent are trained as one stack of weights; with `--only MEMORY` the runs with one memory, for several cores.

Targets, set before the first run on the seeds 10 to 14. Free code, attention as memory and ridge as adaptation unless
said, means over the seeds; "6-9" is after 6 to 9 revealed answers, "known" where the class has been revealed.
 1. no adaptation, wholly new code, now, 6-9, known: at least 5 times the error of ridge
 2. no replay, old seasons, usual code, nothing revealed: at least 2.5 times the error with replay
 3. no replay, old seasons, wholly new code, 6-9, known: at least 1.8 times the error with replay
 4. no memory: error above 0.7 everywhere
 5. features trained without episodes, the same rule (ridge) at the test, now, 6-9, known: at least 1.5 times the error
 6. centroid worse than Meta-SGD, wholly new code, now, 6-9, known: by at least 1 point, paired by seed
 7. Meta-SGD, wholly new code, now, 6-9, known: at most 0.10
 8. replay within reach of joint training, old seasons, wholly new code, 6-9, all answers: at most 2 times its error
 9. season never lived in, wholly new code, 6-9, known: untrained pixels better than every trained agent, by 5 points
10. card older than 16 stores: the error of attention at least 3 times that of the DNC
11. DNC, now: usual code at most 0.12, wholly new code, known, at most 0.15
"""

import argparse
import time
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from neuralmem import ExperienceReplay
from neuralmem.teaching import drawers_agents as agents
from neuralmem.worlds import drawers, split_generator
from neuralmem.worlds.drawers import Life, Sessions

from . import common, drawers_judge
from .drawers_judge import DEALT, Judge, life_of, stacked, visits_of

SEEDS, FEWER, DESIGN_SEEDS = tuple(range(10, 15)), tuple(range(10, 13)), (100, 101)
FIRST, VISIT, LONG_FIRST = 600, 120, 1500  # updates of the first visit, of each other, of the LSTM's long schooling
BATCH, CAPACITY = 32, 200  # sessions an update, of which half are replayed; sessions in the reservoir
RATE = 1e-2


class Group(NamedTuple):
    """Agents of the same parts, which differ in seed and in what they rehearse."""

    memory: str
    head: str
    replay: tuple[str, ...] = ("replay",)  # "replay", "none" or "joint"
    code: str = "free"  # or "one-to-one"
    schooling: str = "mixed"  # number of classes dealt anew; "usual": none ever; "long": mixed, a longer first visit
    seeds: tuple[int, ...] = SEEDS
    rate: float = RATE

    def runs(self) -> list[dict]:
        """The facts that name each run."""
        facts = {"memory": self.memory, "head": self.head, "code": self.code, "schooling": self.schooling}
        return [facts | {"replay": replay, "seed": seed} for replay in self.replay for seed in self.seeds]


ALL_THREE = ("replay", "none", "joint")
GROUPS = [
    *(Group("attention", head, ALL_THREE) for head in agents.HEADS),
    Group("table", "ridge"),
    Group("DNC", "ridge", rate=5e-3),
    *(Group("attention", head, code="one-to-one") for head in agents.HEADS),
    Group("no memory", "ridge"),
    Group("attention", "no adaptation", schooling="usual"),
    Group("LSTM", "ridge", schooling="long"),
    Group("DNC", "ridge", ("none",), seeds=FEWER, rate=5e-3),
    Group("LSTM", "ridge"),
]


class Stack:
    """K agents of the same parts, trained as one: every weight has a leading axis of K, and no life sees another's."""

    def __init__(self, many: list[agents.Agent], rate: float):
        self.agent, self.rate = many[0], rate
        named = [dict(agent.named_parameters()) for agent in many]
        self.weights = {
            name: torch.stack([own[name].detach() for own in named]).requires_grad_() for name in named[0]
        }
        self.optimiser = torch.optim.Adam(self.weights.values(), rate, betas=(0.9, 0.99))

    def __call__(self, cards: Tensor, sessions: Sessions) -> tuple[Tensor, Tensor]:
        """Logits (K, B, R, 5) and drawn cards (K, B, R, 64) of cards (K, B, N, 64)."""
        return self._run(self.agent, self.weights, cards, sessions)

    @torch.no_grad()
    def codes(self, sessions: Sessions, split: str) -> tuple[Tensor, Tensor]:
        """What memory finds and what is opened (K, B, R, D)."""
        weights = {f"agent.{name}": value for name, value in self.weights.items()}
        return self._run(Codes(self.agent), weights, drawers.pictures(split)[sessions.card], sessions)

    @torch.no_grad()
    def wrong(self, sessions: Sessions) -> Tensor:
        """Which answers to test sessions are wrong: (K, B, R)."""
        return self(drawers.pictures("test")[sessions.card], sessions)[0].argmax(-1) != sessions.button

    def learn(self, sessions: Sessions, factor: float) -> float:
        """One update of each agent on its own sessions, its gradient clipped to norm 1; returns the mean loss."""
        self.optimiser.param_groups[0]["lr"] = self.rate * factor
        cards = drawers.pictures("train")[sessions.card]
        logits, drawn = self(cards, sessions)
        mean = drawers.loss(logits, drawn, drawers.opened(cards, sessions), sessions.button)
        self.optimiser.zero_grad()
        (len(cards) * mean).backward()  # the sum over agents, so that each has the gradient of its own loss
        gradients = [weight.grad for weight in self.weights.values() if weight.grad is not None]
        squares = [gradient.reshape(len(cards), -1).square().sum(1) for gradient in gradients]
        shrink = 1 / torch.stack(squares).sum(0).sqrt().clamp(min=1)
        for gradient in gradients:
            gradient.mul_(shrink.view(-1, *[1] * (gradient.dim() - 1)))
        self.optimiser.step()
        return float(mean.detach())

    @staticmethod
    def _run(module, weights, cards, sessions):
        def one(weights, cards, sessions):
            return functional_call(module, weights, (cards, Sessions(*sessions)))

        return vmap(one)(weights, cards, tuple(sessions))


class Codes(nn.Module):
    """An agent that says its codes instead of its answers."""

    def __init__(self, agent):
        super().__init__()
        self.agent = agent

    def forward(self, cards, sessions):
        return self.agent.codes(cards, sessions)


def batches(run: dict, life: Life, number: int, updates: int, buffer: ExperienceReplay | None) -> Iterator[Sessions]:
    """What one agent learns from at each update of a visit."""
    visits = visits_of(life)
    seasons = visits[:-1] if run["replay"] == "joint" else [visits[number]]
    fresh = BATCH if buffer is None else BATCH // 2
    generator = split_generator("train", 1000 * run["seed"] + number)
    dealt = (0,) if run["schooling"] == "usual" else DEALT
    one_to_one = run["code"] == "one-to-one"
    drawn = drawers.draw_sessions(life, seasons, updates * fresh, generator, "train", dealt, one_to_one)
    for first in range(0, updates * fresh, fresh):
        new = Sessions(*(values[first : first + fresh] for values in drawn))
        if buffer is None:
            yield new
        else:
            buffer.extend(tuple(new))
            old = buffer.sample(BATCH - fresh).data
            yield Sessions(*(torch.cat(pair) for pair in zip(new, old, strict=True)))


def visit(stack: Stack, runs: list[dict], lives: list[Life], number: int, buffers: list) -> float:
    """Learn during one visit, the rate falling linearly to 0; returns the processor's seconds."""
    began = time.process_time()
    updates = VISIT if number else LONG_FIRST if runs[0]["schooling"] == "long" else FIRST
    parts = zip(runs, lives, buffers, strict=True)
    streams = [batches(run, life, number, updates, buffer) for run, life, buffer in parts]
    for update, sessions in enumerate(zip(*streams, strict=True)):
        stack.learn(stacked(list(sessions)), 1 - update / updates)
    return time.process_time() - began


def run_group(group: Group, runs: list[dict]) -> list[dict]:
    """Train and judge the agents of a group as one stack; returns what each measured."""
    torch.set_num_threads(1)
    lives, seconds = [life_of(run["seed"]) for run in runs], 0.0
    stack = Stack([agents.build(group.memory, group.head, run["seed"]) for run in runs], group.rate)
    buffers = [
        ExperienceReplay(CAPACITY, "reservoir", seed=run["seed"]) if run["replay"] == "replay" else None
        for run in runs
    ]
    judge, visits = Judge(stack.wrong, runs, lives), visits_of(lives[0])
    ages: list[dict] = []
    rules: list[dict] = [{} for _ in runs]
    for number, season in enumerate(visits):
        seconds += visit(stack, runs, lives, number, buffers)
        if number < len(visits) - 2 or number == len(visits) - 1:
            judge.season("now", season, long=False)
            continue
        judge.all_seasons(season)  # every season but the new one has been learned
        ages = judge.by_age(season)
        if group.memory == "attention" and group.code == "free":
            rules = drawers_judge.judged_by_rules(stack.codes, runs, lives, season)
    parameters = sum(weight[0].numel() for weight in stack.weights.values())
    about = {"parameters": parameters, "seconds": round(seconds / len(runs), 1)}
    parts = zip(judge.results(), ages, rules, strict=True)
    return [about | row | {"ages": age} | rule for row, age, rule in parts]


def tuned() -> list[dict]:
    """Errors on validation images after the first visit, wholly new code, 6-9, known, for three rates; both seeds."""
    rows = []
    for head in agents.HEADS:
        for rate in (3e-3, 5e-3, 1e-2):
            group = Group("attention", head, ("none",), seeds=DESIGN_SEEDS, rate=rate)
            runs, lives = group.runs(), [life_of(seed) for seed in DESIGN_SEEDS]
            stack = Stack([agents.build("attention", head, seed) for seed in DESIGN_SEEDS], rate)
            visit(stack, runs, lives, 0, [None, None])
            sessions = drawers_judge.test_sessions(runs, lives, 0, 5, split="validation")
            with torch.no_grad():
                logits, _ = stack(drawers.pictures("validation")[sessions.card], sessions)
            wrong, known = logits.argmax(-1) != sessions.button, drawers.seen(sessions)
            errors = [drawers_judge.by_revealed(*life)["6-9"][1] for life in zip(wrong, known, strict=True)]
            rows.append({"head": head, "rate": rate, "error": errors})
    runs, lives = [{"seed": s, "code": "one-to-one"} for s in DESIGN_SEEDS], [life_of(s) for s in DESIGN_SEEDS]
    sessions = drawers_judge.test_sessions(runs, lives, 0, 5, 400, split="validation")
    for threshold in (1.5, 2.0, 2.25, 2.5, 2.75, 3.0, 1e9):
        wrong = drawers_judge.nearest_pixels(sessions, threshold, "validation") != sessions.button
        errors = wrong.float().mean((1, 2)).tolist()
        rows.append({"head": "pixels, one-to-one", "threshold": threshold, "error": errors})
    return rows


def main():
    """Make the runs that are not stored yet, or the tuning."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--tune", action="store_true", help="try settings on the design seeds")
    parser.add_argument("--only", choices=list(agents.MEMORIES), help="the runs with this memory")
    options = parser.parse_args()
    torch.set_num_threads(1)
    command = {"command": "python -m book.experiments.drawers"}
    if options.tune:
        common.store("drawers_tuning", {"command": command["command"] + " --tune", "runs": tuned()})
        return
    if options.only in (None, "table"):
        plan = [
            {"memory": "table", "head": head, "code": code, "schooling": "untrained", "replay": "none", "seed": seed}
            for head in drawers_judge.UNTRAINED
            for code in drawers_judge.THRESHOLDS
            for seed in SEEDS
        ]

        def untrained(head, code, seed, **_):
            return drawers_judge.judged_untrained(head, code, seed)

        common.complete("drawers", plan, untrained, **command)
    for group in [group for group in GROUPS if options.only in (None, group.memory)]:
        missing = [run for run in group.runs() if not common.stored_runs("drawers", **run)]
        if missing:
            rows = [run | row for run, row in zip(missing, run_group(group, missing), strict=True)]
            common.add_runs("drawers", rows, **command)
            print(*group[:5], f"{rows[0]['seconds']} s a life", flush=True)


if __name__ == "__main__":
    main()
