"""Repeat copy and associative recall, as the NTM paper sets them: NTM, DNC and an LSTM as large (chapter 3).

    python -m book.experiments.sequence_tasks [repeat recall]

writes book/results/sequence_tasks.json: for each run the test error in bits a sequence while it learned, and the share
of wrong bits on the lengths it was trained on and beyond.
"""

import json
import platform
import sys
import time
from pathlib import Path

import torch

from neuralmem import MemoryConfig, MemoryController, NeuralMemoryBank
from neuralmem.tasks import (
    associative_recall_task,
    bits_per_sequence,
    repeat_copy_task,
    share_of_wrong_bits,
    train_on_sequences,
)

RESULTS = Path(__file__).parent.parent / "results"
TASKS = {
    "repeat": (repeat_copy_task, 9, 9, 800, 1),  # the task, its inputs, its outputs, updates, seeds
    "recall": (associative_recall_task, 8, 6, 1000, 2),
}
BEYOND = {  # what each network is tested on: the settings it was trained on first
    "repeat": {
        "as trained": {},
        "20 rows": {"min_length": 20, "max_length": 20},
        "20 times": {"min_repeats": 20, "max_repeats": 20},
    },
    "recall": {"as trained": {}} | {f"{n} items": {"min_items": n, "max_items": n} for n in (8, 10, 12)},
}


def growing(count=300):
    """Repeat copy whose longest list and most repeats grow from 3 to 10 over the first `count` draws."""
    drawn = 0

    def draw(batch_size, generator):
        nonlocal drawn
        drawn += 1
        most = min(10, 3 + 7 * drawn // count)
        return repeat_copy_task(batch_size, generator, max_length=most, max_repeats=most)

    return draw


def build(model, inputs, outputs):
    """The controller of one kind; the plain LSTM has about as many parameters as the others."""
    if model == "lstm":
        return MemoryController(inputs, 80, outputs)
    bank = NeuralMemoryBank(MemoryConfig(32, 16, 1, addressing=model, sharpening=False))
    return MemoryController(inputs, 64, outputs, bank)


@torch.no_grad()
def tested(controller, draw, count=128, **settings):
    """Bits a sequence and share of wrong bits on fresh sequences."""
    batch = draw(count, settings.pop("generator"), **settings)
    outputs, _ = controller(batch.inputs)
    return float(bits_per_sequence(outputs, batch)), share_of_wrong_bits(outputs, batch)


def run(task, model, seed):
    """Train one controller from nothing and test it on sequences drawn by another generator."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    draw, inputs, outputs, updates, _ = TASKS[task]
    controller, began = build(model, inputs, outputs), time.process_time()
    rate = 3e-3 if model == "lstm" else 1e-2
    shown = growing() if task == "repeat" else draw
    losses = train_on_sequences(controller, shown, updates, lr=rate, seed=seed)
    row = {"task": task, "model": model, "seed": seed, "seconds": round(time.process_time() - began, 1)}
    row["curve"] = [round(sum(losses[i : i + 50]) / 50, 3) for i in range(0, updates, 50)]
    row["parameters"] = sum(p.numel() for p in controller.parameters())
    generator = torch.Generator().manual_seed(20_000 + seed)
    row["tests"] = {name: tested(controller, draw, generator=generator, **s) for name, s in BEYOND[task].items()}
    return row


def main(names):
    """Run the tasks and store what each run gave beside what is there of the others."""
    path = RESULTS / "sequence_tasks.json"
    for task in names:
        for model in ("ntm", "dnc", "lstm"):
            rows = [run(task, model, seed) for seed in range(TASKS[task][4])]
            for row in rows:
                print(task, model, row["seed"], row["seconds"], row["curve"][-1], row["tests"], flush=True)
            stored = json.loads(path.read_text()) if path.exists() else {"runs": []}
            stored["command"] = "python -m book.experiments.sequence_tasks"
            stored |= {"versions": {"python": platform.python_version(), "torch": torch.__version__}}
            stored["runs"] = [row for row in stored["runs"] if (row["task"], row["model"]) != (task, model)] + rows
            path.write_text(json.dumps(stored, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:] or list(TASKS))
