"""Many seeds of the copy task: NTM, DNC and an LSTM of as many parameters (chapter 3).

    python -m book.experiments.copy_task

writes book/results/copy_task.json: for each run its seconds, its test error in bits a sequence while it learned, and
the share of wrong bits at lengths up to 120, with the slots it was trained with and with more.
"""

import json
import sys
import time
from functools import partial
from pathlib import Path

import torch

from neuralmem import MemoryConfig, MemoryController, NeuralMemoryBank
from neuralmem.tasks import bits_per_sequence, copy_task, one_length, share_of_wrong_bits, train_on_sequences

RESULTS = Path(__file__).parent.parent / "results"
LENGTHS = (20, 40, 80, 120)
UPDATES = {"ntm": 700, "dnc": 800, "lstm": 2000}
SEEDS = {"ntm": 20, "dnc": 5, "lstm": 5}


def build(model, slots=32, hidden=64):
    """The controller of one kind; the plain LSTM has about as many parameters as the NTM."""
    if model == "lstm":
        return MemoryController(9, 80, 8)
    config = MemoryConfig(slots, 16, num_read_heads=1, addressing=model)
    return MemoryController(9, hidden, 8, NeuralMemoryBank(config))


def with_slots(model, trained, slots):
    """The same weights on a memory of another size: no parameter depends on the number of slots."""
    larger = build(model, slots)
    larger.load_state_dict(trained.state_dict())
    return larger


@torch.no_grad()
def wrong_bits(controller, length, generator):
    """Share of wrong bits on 64 fresh sequences of one length."""
    batch = copy_task(64, generator, length, length)
    return share_of_wrong_bits(controller(batch.inputs)[0], batch)


def run(model, seed):
    """Train one controller from nothing and test it on sequences drawn by another generator."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    controller = build(model)
    test = copy_task(256, torch.Generator().manual_seed(10_000 + seed))
    curve, began, training, draw = [], time.perf_counter(), 0.0, one_length(copy_task)

    def watched(batch_size, generator):
        nonlocal training, began
        if watched.count % 50 == 0:
            training += time.perf_counter() - began
            curve.append([watched.count, round(training, 2), _test(controller, test)])
            began = time.perf_counter()
        watched.count += 1
        return draw(batch_size, generator)

    watched.count = 0
    train_on_sequences(controller, watched, UPDATES[model], lr=3e-3 if model == "lstm" else 1e-2, seed=seed)
    training += time.perf_counter() - began
    curve.append([UPDATES[model], round(training, 2), _test(controller, test)])
    generator = torch.Generator().manual_seed(20_000 + seed)
    row = {"model": model, "seed": seed, "curve": curve, "parameters": sum(p.numel() for p in controller.parameters())}
    sizes = {"as trained": controller}
    if model != "lstm":
        sizes["136 slots"] = with_slots(model, controller, 136)
    errors = partial(wrong_bits, generator=generator)
    row["wrong_bits"] = {name: [errors(net, length) for length in LENGTHS] for name, net in sizes.items()}
    return row


def _test(controller, test):
    with torch.no_grad():
        return float(bits_per_sequence(controller(test.inputs)[0], test))


def main(models):
    """Run the models and store what each seed gave beside what is there of the others."""
    path = RESULTS / "copy_task.json"
    for model in models:
        rows = []
        for seed in range(SEEDS[model]):
            rows.append(run(model, seed))
            print(model, seed, rows[-1]["curve"][-1], rows[-1]["wrong_bits"], flush=True)
        stored = json.loads(path.read_text()) if path.exists() else {"runs": []}
        stored |= {"command": "python -m book.experiments.copy_task", "torch": torch.__version__, "lengths": LENGTHS}
        stored["runs"] = [row for row in stored["runs"] if row["model"] != model] + rows
        path.write_text(json.dumps(stored, indent=1))


if __name__ == "__main__":
    main(sys.argv[1:] or list(UPDATES))
