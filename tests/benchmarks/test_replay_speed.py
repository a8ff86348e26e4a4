"""Prioritised replay's speed against cpprb and the naive way, in turns in one process; a cycle = add 1, sample 64 with
their weights, update 64.

    python -m pytest tests/benchmarks/test_replay_speed.py -s
"""

import time
from statistics import median

import numpy as np
import pytest
from bars import judge

from neuralmem import ExperienceReplay

ALPHA, BETA, BATCH, TURNS = 0.6, 0.4, 64, 60


def transitions(count, rng):
    """Columns of an experience of a small control task."""
    before, after = rng.normal(size=(2, count, 4)).astype(np.float32)
    reward, done = rng.normal(size=(2, count)).astype(np.float32)
    return {"obs": before, "act": rng.integers(0, 4, count), "rew": reward, "next_obs": after, "done": done}


class Naive:
    """Priorities in one array, drawn by `choice(p=)`."""

    def __init__(self, capacity, columns, priorities):
        self.arrays, self.priorities, self.next = columns, priorities.copy(), 0
        self.rng = np.random.default_rng(0)

    def cycle(self, experience, priorities):
        for name, value in experience.items():
            self.arrays[name][self.next] = value
        self.priorities[self.next] = self.priorities.max()
        self.next = (self.next + 1) % len(self.priorities)
        chances = self.priorities**ALPHA
        chances /= chances.sum()
        indices = self.rng.choice(len(chances), BATCH, p=chances)
        weights = (len(chances) * chances[indices]) ** -BETA
        batch = {name: array[indices] for name, array in self.arrays.items()}
        self.priorities[indices] = priorities
        return batch, weights / weights.max()


class Ours:
    def __init__(self, capacity, columns, priorities):
        self.replay = ExperienceReplay(capacity, alpha=ALPHA)
        self.replay.extend(columns, priorities)

    def cycle(self, experience, priorities):
        self.replay.add(experience)
        batch = self.replay.sample(BATCH, BETA)
        self.replay.update_priorities(batch.indices, priorities)
        return batch.data, batch.weights


class Cpprb:
    def __init__(self, capacity, columns, priorities):
        from cpprb import PrioritizedReplayBuffer

        forms = {name: {"shape": array.shape[1:] or 1, "dtype": array.dtype} for name, array in columns.items()}
        self.replay = PrioritizedReplayBuffer(capacity, forms, alpha=ALPHA)
        self.replay.add(**columns, priorities=priorities)

    def cycle(self, experience, priorities):
        self.replay.add(**experience)
        batch = self.replay.sample(BATCH, BETA)
        self.replay.update_priorities(batch["indexes"], priorities)
        return batch, batch["weights"]


@pytest.mark.parametrize("capacity", [10_000, 100_000, 1_000_000])
@pytest.mark.parametrize("peer", ["cpprb", "naive"])
def test_cycles_a_second(peer, capacity):
    if peer == "cpprb":
        pytest.importorskip("cpprb", reason="pip install -r tests/benchmarks/requirements.txt")
    rng = np.random.default_rng(0)
    columns, priorities = transitions(capacity, rng), rng.gamma(1.0, size=capacity) + 0.01
    buffers = {kind: kind(capacity, columns, priorities) for kind in (Ours, Cpprb if peer == "cpprb" else Naive)}
    repeats = {Ours: 100, Cpprb: 100, Naive: 2 if capacity == 1_000_000 else 20}
    seconds = {kind: [] for kind in buffers}
    new = transitions(100, rng)
    singles = [{name: column[i] for name, column in new.items()} for i in range(100)]
    updates = rng.gamma(1.0, size=(100, BATCH)) + 0.01
    for _ in range(TURNS):
        for kind, buffer in buffers.items():
            began = time.process_time()
            for experience, changed in zip(singles[: repeats[kind]], updates, strict=False):
                data, weights = buffer.cycle(experience, changed)
            seconds[kind].append((time.process_time() - began) / repeats[kind])
            assert all(len(data[name]) == BATCH for name in columns)
            assert len(weights) == BATCH and 0 < min(weights) and max(weights) <= 1  # by the largest of batch or buffer
    mine, theirs = (1 / median(taken) for taken in seconds.values())
    ratios = [b / a for a, b in zip(*seconds.values(), strict=True)]
    name = "cpprb" if peer == "cpprb" else "numpy choice(p=)"
    judge(f"replay, {capacity:,} items", name, mine, theirs, ratios, "cycles a second")


@pytest.mark.parametrize("capacity", [10_000, 100_000, 1_000_000])
@pytest.mark.parametrize("kind", ["uniform", "reservoir"])
def test_a_draw_without_priorities_is_little_more_than_an_index(kind, capacity):
    """Against `array[places]` of the same arrays at random places, which may repeat, and nothing else."""
    replay, rng = ExperienceReplay(capacity, kind), np.random.default_rng(0)
    columns = transitions(capacity, rng)
    replay.extend(columns)

    def index():
        places = rng.integers(0, capacity, BATCH)
        return {name: column[places] for name, column in columns.items()}

    seconds = {function: [] for function in (lambda: replay.sample(BATCH).data, index)}
    for _ in range(TURNS):
        for function, taken in seconds.items():
            began = time.process_time()
            for _ in range(100):
                data = function()
            taken.append((time.process_time() - began) / 100)
            assert all(len(data[name]) == BATCH for name in columns)
    ratios = [a / b for a, b in zip(*seconds.values(), strict=True)]
    mine, theirs = (1e6 * median(taken) for taken in seconds.values())
    judge(f"{kind} draw, {capacity:,} items", "an index", mine, theirs, ratios, "microseconds")
