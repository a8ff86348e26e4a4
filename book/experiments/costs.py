"""How the time and the memory of one training step grow with each size, for the appendix on run times.

    python -m book.experiments.costs

Seconds of the processor, medians of rounds: in each round every model has its turn at every size. Memory is the peak of
what torch holds in tensors during a step above what it held before (replay: what Python and NumPy hold), which does not
depend on the machine. About five minutes on one core.
"""

import time
import tracemalloc
from itertools import accumulate, product
from statistics import median

import numpy as np
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from book.experiments.common import complete
from neuralmem import ExperienceReplay, MemoryConfig, MemoryController, MetaLearner, NeuralMemoryBank
from neuralmem.worlds import split_generator
from neuralmem.worlds.sinusoids import sinusoid_tasks

COMMAND = "python -m book.experiments.costs"
ROUNDS, LEAST_SECONDS = 7, 0.02  # of one turn: a shorter step is taken several times
BASE = {"N": 64, "W": 16, "B": 4, "T": 8}
MODELS = {
    "LSTM": None,
    "content": {"addressing": "content"},
    "NTM": {"addressing": "ntm"},
    "DNC without links": {"addressing": "dnc", "temporal_links": False},
    "DNC with links": {"addressing": "dnc"},
}
SIZES = {
    "N": [2**power for power in range(4, 16)],
    "W": [2**power for power in range(3, 14)],
    "B": [2**power for power in range(11)],
    "T": [2**power for power in range(1, 10)],
    "items": [1_000, 4_000, 16_000, 64_000, 256_000, 1_024_000],
    "inner steps": [1, 2, 4, 8, 16, 32],
    "tasks": [4, 8, 16, 32, 64, 128, 256, 512, 1024],
}
MOST_SLOTS_WITH_LINKS = 2048  # 16 MiB of links for each sequence and step


def memory_step(model, sizes):
    """A function that makes one training step of a controller: inputs of 8 numbers, LSTM 64, one head that reads."""
    torch.manual_seed(0)
    options = MODELS[model]
    bank = options and NeuralMemoryBank(MemoryConfig(sizes["N"], sizes["W"], num_read_heads=1, **options))
    controller = MemoryController(8, 64, 8, bank)
    inputs = torch.randn(sizes["T"], sizes["B"], 8)
    return training(controller, lambda: controller(inputs)[0].square().mean())


def maml_step(steps, tasks):
    """One step of MAML on sinusoids, 10 points to adapt to and 10 to judge by, 1-40-40-1."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(1, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1))
    meta, sets = MetaLearner(model), sinusoid_tasks(tasks, 10, 10, split_generator("train", 0))
    return training(meta, lambda: meta.loss_after_adaptation(*sets, num_steps=steps))


def training(module, loss):
    optimiser = torch.optim.Adam(module.parameters())

    def step():
        loss().backward()
        optimiser.step()
        optimiser.zero_grad()  # at the end, so that a step frees what it made

    return step


def replay_cycle(items):
    """One cycle of a full prioritised replay: add 1, sample 64, update 64."""
    rng = np.random.default_rng(0)
    replay = ExperienceReplay(items, "proportional")
    replay.extend({"x": rng.normal(size=(items, 8)).astype(np.float32)}, rng.gamma(1.0, size=items) + 0.01)
    new, priorities = {"x": np.zeros(8, np.float32)}, rng.gamma(1.0, size=64) + 0.01

    def cycle():
        replay.add(new)
        replay.update_priorities(replay.sample(64).indices, priorities)

    return cycle


def peak_of_tensors(step):
    """The most bytes that tensors held during a step, above those before it."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        step()
    events = [event for event in seen.profiler.kineto_results.events() if event.name() == "[memory]"]
    events.sort(key=lambda event: event.start_ns())
    return max(accumulate(event.nbytes() for event in events))


def held_by(make):
    """The bytes that what `make` returns holds."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = make()
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return held if kept else 0


def in_turns(steps):
    """Median seconds of each function: in every round each has its turn."""
    repeats = {}
    for name, step in steps.items():
        step()  # the first call prepares more than later ones
        began = time.process_time()
        step()
        repeats[name] = max(1, int(LEAST_SECONDS / (time.process_time() - began + 1e-6)))
    taken = {name: [] for name in steps}
    for _ in range(ROUNDS):
        for name, step in steps.items():
            began = time.process_time()
            for _ in range(repeats[name]):
                step()
            taken[name].append((time.process_time() - began) / repeats[name])
    return {name: median(times) for name, times in taken.items()}


def steps_along(axis):
    """The steps to be timed along one axis: {(model, size): function}."""
    sizes = SIZES[axis]
    if axis == "items":
        return {("replay", size): replay_cycle(size) for size in sizes}
    if axis == "inner steps":
        return {("MAML", size): maml_step(size, 25) for size in sizes}
    if axis == "tasks":
        return {("MAML", size): maml_step(1, size) for size in sizes}
    pairs = [(model, size) for model, size in product(MODELS, sizes)]
    if axis == "N":
        pairs = [pair for pair in pairs if pair[0] != "DNC with links" or pair[1] <= MOST_SLOTS_WITH_LINKS]
    return {(model, size): memory_step(model, BASE | {axis: size}) for model, size in pairs}


def measured(axis):
    """Along one axis, for each model: its sizes, and at each the seconds and the peak bytes of one step."""
    began, steps = time.process_time(), steps_along(axis)
    for step in steps.values():
        step()  # the optimiser makes its moments at the first step
    if axis == "items":
        peaks = {(name, size): held_by(lambda size=size: replay_cycle(size)) for name, size in steps}
    else:
        peaks = {name: peak_of_tensors(step) for name, step in steps.items()}
    seconds, models = in_turns(steps), {}
    for model, size in steps:
        found = models.setdefault(model, {"sizes": [], "step_seconds": [], "peak_bytes": []})
        found["sizes"].append(size)
        found["step_seconds"].append(seconds[model, size])
        found["peak_bytes"].append(peaks[model, size])
    return {"models": models, "seconds": time.process_time() - began}


def main():
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    complete("costs", [{"axis": axis} for axis in SIZES], measured, command=COMMAND, base=BASE, rounds=ROUNDS)


if __name__ == "__main__":
    main()
