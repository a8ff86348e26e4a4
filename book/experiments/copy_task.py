"""Many seeds of the copy task: NTM, DNC, an LSTM as large, and the recipe with one part changed (chapter 3).

    python -m book.experiments.copy_task [ntm dnc lstm ...]

writes book/results/copy_task.json: for each run the processor's seconds and the test error in bits a sequence while it
learned, and the share of wrong bits at lengths up to 120, with the slots it was trained with and with more.
"""

import json
import sys
import time
from pathlib import Path

import torch

from neuralmem import MemoryConfig, MemoryController, NeuralMemoryBank
from neuralmem.training import train_on_sequences
from neuralmem.worlds.sequences import bits_per_sequence, copy_task, share_of_wrong_bits

RESULTS = Path(__file__).parent.parent / "results"
LENGTHS = (20, 40, 80, 120)
UPDATES = {"lstm": 1500}
SEEDS = {"ntm": 20, "dnc": 5, "lstm": 3}
OTHERWISE = {  # the recipe with one part changed
    "ntm, sharpened": {"sharpening": True},
    "ntm, unclipped": {"clip": float("inf")},
    "ntm, rate never falls": {"flat": 1.0},
    "ntm, started at random": {"initial_memory": "learned"},
}


def build(model, slots=32, **settings):
    """The controller of one kind; the plain LSTM has about as many parameters as the NTM."""
    if model == "lstm":
        return MemoryController(9, 80, 8)
    settings = {"sharpening": False} | settings
    config = MemoryConfig(slots, 16, num_read_heads=1, addressing=model[:3], **settings)
    return MemoryController(9, 64, 8, NeuralMemoryBank(config))


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


class Stopwatch:
    """A `draw` that tests the controller every 50 draws, and counts the processor's seconds between the tests."""

    def __init__(self, controller, draw, seed, tests=256):
        self.controller, self.draw, self.curve, self.count, self.seconds = controller, draw, [], 0, 0.0
        self.test = draw(tests, torch.Generator().manual_seed(10_000 + seed))
        self.began = time.process_time()

    def __call__(self, batch_size, generator, **settings):
        if self.count % 50 == 0:
            self.look()
        self.count += 1
        return self.draw(batch_size, generator, **settings)

    @torch.no_grad()
    def look(self):
        """Note what `measured` gives; the seconds of doing so do not count."""
        self.seconds += time.process_time() - self.began
        self.curve.append(self.measured())
        self.began = time.process_time()

    def measured(self):
        """(updates, seconds, test error in bits a sequence)"""
        error = float(bits_per_sequence(self.controller(self.test.inputs)[0], self.test))
        return [self.count, round(self.seconds, 2), error]


def run(model, seed):
    """Train one controller from nothing and test it on sequences drawn by other generators."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    change = OTHERWISE.get(model, {})
    settings = {key: change[key] for key in ("sharpening", "initial_memory") if key in change}
    controller = build(model, **settings)
    watch = Stopwatch(controller, copy_task, seed)
    recipe = {"lr": 3e-3 if model == "lstm" else 1e-2} | {key: change[key] for key in change if key not in settings}
    train_on_sequences(controller, watch, bits_per_sequence, UPDATES.get(model, 500), seed=seed, **recipe)
    watch.look()
    row = {"model": model, "seed": seed, "curve": watch.curve, "wrong_bits": {}}
    row["parameters"] = sum(p.numel() for p in controller.parameters())
    if model in OTHERWISE:
        return row
    generator = torch.Generator().manual_seed(20_000 + seed)
    for name, slots in {"32 slots": 32, "136 slots": 136}.items() if model != "lstm" else {"": 0}.items():
        net = with_slots(model, controller, slots)
        row["wrong_bits"][name] = [wrong_bits(net, length, generator) for length in LENGTHS]
    return row


def main(models):
    """Run the models and store what each seed gave beside what is there of the others."""
    path = RESULTS / "copy_task.json"
    for model in models:
        rows = []
        for seed in range(SEEDS.get(model, 3)):
            rows.append(run(model, seed))
            print(model, seed, rows[-1]["curve"][-1], rows[-1]["wrong_bits"], flush=True)
        stored = json.loads(path.read_text()) if path.exists() else {"runs": []}
        stored |= {"command": "python -m book.experiments.copy_task", "torch": torch.__version__, "lengths": LENGTHS}
        stored["runs"] = [row for row in stored["runs"] if row["model"] != model] + rows
        path.write_text(json.dumps(stored, indent=1))


if __name__ == "__main__":
    main(sys.argv[1:] or [*SEEDS, *OTHERWISE])
