"""Four tasks learned one after the other by agents that see earlier pairs of the task at hand (chapter 6).

    python -m book.experiments.four_tasks

Twice: with chapter 0's own tasks, most of which hardly vary, and with four whose answers do. Writes
book/results/four_tasks.json: for each world, method and seed the held-out squared error of every task after each task
(`R`), after the last (`errors`), the same by the number of pairs shown (`by_shown`), the seconds of training
and the numbers that are learned (`parameters`). "rules" are what needs no training, or no more than a fit to one task.
About 16 minutes of one core; runs that are stored already are kept.

Set beforehand, for `varied`: with replay of 4,000 every task at most 0.35 of its constant and of the running mean, for
the LSTM and for the memory; without replay the first three tasks at least 5 times worse; nothing about memory against
LSTM.
"""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn

from neuralmem import (
    ContinualLearningAgent,
    ExperienceReplay,
    MemoryConfig,
    MemoryController,
    NeuralMemoryBank,
)
from neuralmem.training import cosine_schedule
from neuralmem.worlds import split_generator
from neuralmem.worlds.functions import FOUR_TASKS, VARIED_TASKS, function_pairs, pairs_as_episodes

from . import common

SEEDS = range(5)
BATCH, PAIRS = 16, 10  # sequences an update, pairs a sequence
TEST_SEQUENCES, ROWS = 400, 20_000  # held-out sequences a task; training rows for the rules that are fitted


class World(NamedTuple):
    """Four tasks, the size D of their rows, the updates a task, the width of an LSTM and the words of a memory."""

    tasks: dict[str, Callable]
    dim: int
    updates: int
    lstm: int
    words: int


class Method(NamedTuple):
    """What learns ("memory", "lstm", "plain"), the sequences that replay keeps, and the updates a task (None: all)."""

    kind: str
    capacity: int = 0
    updates: int | None = None


WORLDS = {
    "varied": World(VARIED_TASKS, dim=16, updates=600, lstm=128, words=32),
    "original": World(FOUR_TASKS, dim=64, updates=150, lstm=151, words=64),
}
METHODS = {
    "varied": {
        "plain network, replay": Method("plain", 4000),
        "LSTM": Method("lstm"),
        "memory": Method("memory"),
        "LSTM, replay": Method("lstm", 4000),
        "memory, replay": Method("memory", 4000),
        "LSTM, replay of 400, a third of the updates": Method("lstm", 400, 200),
        "LSTM, replay of 400": Method("lstm", 400),
    },
    "original": {
        "plain network, replay": Method("plain", 400),
        "LSTM, replay": Method("lstm", 400),
        "memory, replay": Method("memory", 400),
    },
}
ALONE = "one task alone, LSTM"


# The agents


def build(kind: str, world: World) -> nn.Module:
    """A controller with a memory, an LSTM with about as many parameters, or a plain network from x to y."""
    dim = world.dim
    inputs = 2 * dim + 1  # x, the answer to the question before, and whether there was one
    if kind == "memory":
        config = MemoryConfig(16, world.words, 1, temporal_links=False, associative_start=True)
        return MemoryController(inputs, 96, dim, NeuralMemoryBank(config), input_to_interface=True)
    if kind == "lstm":
        return MemoryController(inputs, world.lstm, dim)
    return nn.Sequential(nn.Linear(dim, 160), nn.ReLU(), nn.Linear(160, 160), nn.ReLU(), nn.Linear(160, dim))


def make_agent(method: Method, world: World, seed: int) -> ContinualLearningAgent:
    """The agent of one method; all learn from as many pairs an update, at a rate that falls within each task."""
    torch.manual_seed(seed)
    model = build(method.kind, world)
    rows = PAIRS if method.kind == "plain" else 1  # experiences a sequence
    replay = ExperienceReplay(method.capacity * rows, "reservoir", seed=seed) if method.capacity else None
    updates = method.updates or world.updates
    return ContinualLearningAgent(
        model, replay, lr=3e-3, betas=(0.9, 0.99), replay_batch_size=BATCH * rows, replay_weight=3.0, seed=seed,
        schedule=lambda step: cosine_schedule(updates, 10)(step % updates),
    )  # fmt: skip


def draw(kind: str, world: World, task: str, sequences: int, generator: torch.Generator) -> tuple[torch.Tensor, ...]:
    """Pairs of one task in the form that a kind of model learns from: rows, or sequences with a mask."""
    x, y = function_pairs(task, (sequences, PAIRS), generator, world.dim)
    return (x.flatten(0, 1), y.flatten(0, 1)) if kind == "plain" else pairs_as_episodes(x, y)


def errors_by_shown(agent: ContinualLearningAgent, pairs: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Squared error of an agent after 1, 2, ... pairs of a sequence were shown, (PAIRS - 1,); pairs x, y (B, T, D)."""
    x, y = pairs
    if not agent.sequential:
        return (agent.predict(x) - y).square().mean((0, 2))[1:]
    inputs, targets, _ = pairs_as_episodes(x, y)
    return (agent.predict(inputs) - targets).square().mean((1, 2))[1:]


def short(values: torch.Tensor) -> list[float]:
    """Four digits of each number, which is what the file keeps."""
    return [float(f"{value:.4g}") for value in values.tolist()]


def train(agent: ContinualLearningAgent, method: Method, world: World, task: str, generator: torch.Generator) -> None:
    """Learn one task from fresh sequences."""
    for _ in range(method.updates or world.updates):
        agent.train_step(*draw(method.kind, world, task, BATCH, generator))


def life(method: Method, world: World, seed: int, tests: list) -> dict:
    """Train on the tasks in turn, and look at all of them after each."""
    agent, generator = make_agent(method, world, seed), split_generator("train", seed)
    table, seconds = [], 0.0
    for task in world.tasks:
        seconds += common.processor_seconds(train, agent, method, world, task, generator)[1]
        table.append([errors_by_shown(agent, pairs) for pairs in tests])
    return {
        "R": [short(torch.stack(row).mean(1)) for row in table],
        "by_shown": [short(errors) for errors in table[-1]],
        "errors": short(torch.stack(table[-1]).mean(1)),
        "seconds": round(seconds, 1),
        "parameters": sum(p.numel() for p in agent.model.parameters()),
    }


def alone(world: World, seed: int, tests: list) -> dict:
    """An LSTM for each task, which has never met another: what sharing one network costs."""
    method, errors, seconds, parameters = Method("lstm"), [], 0.0, 0
    for task, pairs in zip(world.tasks, tests, strict=True):
        agent, generator = make_agent(method, world, seed), split_generator("train", seed)
        seconds += common.processor_seconds(train, agent, method, world, task, generator)[1]
        errors.append(errors_by_shown(agent, pairs).mean())
        parameters += sum(p.numel() for p in agent.model.parameters())
    return {"errors": short(torch.stack(errors)), "seconds": round(seconds, 1), "parameters": parameters}


# The rules without learning: each sees the pairs (x, y) shown so far in this sequence, (T, B, D), and answers the next


def running_mean(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """One number: the mean of all numbers shown so far."""
    shown = torch.arange(1, len(y)).view(-1, 1, 1)
    return (y.mean(2, keepdim=True).cumsum(0)[:-1] / shown).expand_as(y[1:])


def last_value(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The answer to the question before."""
    return y[:-1]


def nearest_shown(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The answer to that earlier question of this sequence which lies nearest."""
    answers = []
    for step in range(1, len(x)):
        nearest = (x[:step] - x[step]).square().sum(2).argmin(0)
        answers.append(y[nearest, torch.arange(y.shape[1])])
    return torch.stack(answers)


def ridge_of_shown(penalty: float, centred: bool) -> Callable:
    """A linear map fitted to the pairs of this sequence with a penalty on its slopes, about their mean or about 0."""

    def rule(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        x, y = x.transpose(0, 1), y.transpose(0, 1)
        answers = []
        for step in range(1, x.shape[1]):
            past, offset = x[:, :step], centred * y[:, :step].mean(1, keepdim=True)
            inner = past @ past.mT + penalty * torch.eye(step)
            slopes = past.mT @ torch.linalg.solve(inner, y[:, :step] - offset)
            answers.append(offset + x[:, step : step + 1] @ slopes)
        return torch.cat(answers, 1).transpose(0, 1)

    return rule


# The rules that are fitted to each task by itself


def with_ones(x: torch.Tensor) -> torch.Tensor:
    return torch.cat([x, torch.ones_like(x[..., :1])], -1)


def nearest_rows(x: torch.Tensor, rows: tuple[torch.Tensor, torch.Tensor], count: int) -> torch.Tensor:
    """Mean answer of the `count` training rows that lie nearest to each x (..., D)."""
    flat = x.flatten(0, -2)
    found = [torch.cdist(part, rows[0]).topk(count, largest=False).indices for part in flat.split(1000)]
    return rows[1][torch.cat(found)].mean(1).view_as(x)


def best_of(options: list, error_of: Callable):
    """The option with the least error."""
    return min(options, key=error_of)


def rules(world: World, seed: int, tests: list) -> dict:
    """The errors of all rules, {method: errors of the four tasks}: settings are chosen on training rows."""
    generator, errors = split_generator("train", seed), {}
    rows = {task: function_pairs(task, ROWS, generator, world.dim) for task in world.tasks}
    held = {task: function_pairs(task, (100, PAIRS), generator, world.dim) for task in world.tasks}
    lines = {task: torch.linalg.lstsq(with_ones(x), y).solution for task, (x, y) in rows.items()}

    def note(name, answers, targets):
        errors.setdefault(name, []).extend(short((answers - targets).square().mean()[None]))

    def held_ridge(setting):
        total = 0.0
        for x, y in held.values():
            x, y = x.transpose(0, 1), y.transpose(0, 1)
            total += float((ridge_of_shown(*setting)(x, y) - y[1:]).square().mean())
        return total

    settings = list(itertools.product([0.1, 1.0, 3.0, 10.0, 30.0, 100.0], [False, True]))
    ridge = ridge_of_shown(*best_of(settings, held_ridge))
    for task, pairs in zip(world.tasks, tests, strict=True):
        x, y = (part.transpose(0, 1) for part in pairs)
        asked, targets = x[1:], y[1:]
        held_x, held_y = held[task]

        def held_nearest(count, task=task, held_x=held_x, held_y=held_y):
            return float((nearest_rows(held_x, rows[task], count) - held_y).square().mean())

        count = best_of([1, 3, 10, 30, 100], held_nearest)
        note("constant (told the task)", rows[task][1].mean().expand_as(targets), targets)
        note("linear fit (told the task)", with_ones(asked) @ lines[task], targets)
        note("nearest rows (told the task)", nearest_rows(asked, rows[task], count), targets)
        note("running mean", running_mean(x, y), targets)
        note("last value", last_value(x, y), targets)
        note("nearest pair shown", nearest_shown(x, y), targets)
        note("ridge of the pairs shown", ridge(x, y), targets)
        note("linear fit that fits what was shown", chosen_line(x, y, lines), targets)
    return errors


def chosen_line(x: torch.Tensor, y: torch.Tensor, lines: dict) -> torch.Tensor:
    """The answer of that task's linear fit which was least wrong about the pairs shown so far."""
    answers = torch.stack([with_ones(x) @ line for line in lines.values()])  # (tasks, T, B, D)
    wrong = (answers - y).square().mean(3).cumsum(1)[:, :-1]
    best = wrong.argmin(0)[None, :, :, None].expand(1, -1, -1, y.shape[2])
    return answers[:, 1:].gather(0, best)[0]


def held_out(world: World, seed: int) -> list:
    """Held-out sequences of each task, x and y (B, T, D), the same for every method of a seed."""
    generator = split_generator("test", seed)
    return [function_pairs(task, (TEST_SEQUENCES, PAIRS), generator, world.dim) for task in world.tasks]


def run(world: str, method: str, seed: int) -> dict:
    """What one method does in one world with one seed."""
    torch.set_num_threads(1)
    place = WORLDS[world]
    tests = held_out(place, seed)
    if method == "rules":
        return {"errors": rules(place, seed, tests)}
    if method == ALONE:
        return alone(place, seed, tests)
    return life(METHODS[world][method], place, seed, tests)


def main() -> None:
    """Make the runs that are not stored yet."""
    plan = []
    for world, methods in METHODS.items():
        for method in ["rules", *methods, *([ALONE] if world == "varied" else [])]:
            plan += [{"world": world, "method": method, "seed": seed} for seed in SEEDS]
    tasks = {name: list(world.tasks) for name, world in WORLDS.items()}
    common.complete("four_tasks", plan, run, command="python -m book.experiments.four_tasks", tasks=tasks)


if __name__ == "__main__":
    main()
