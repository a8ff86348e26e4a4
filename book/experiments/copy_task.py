"""Many seeds of the copy task: NTM, DNC, a tuned LSTM as large, and the recipe with one habit changed (chapter 3).

    python -m book.experiments.copy_task [ntm dnc lstm ...]

adds the runs that are missing to book/results/copy_task.json: for each the processor's seconds and the held-out error
in bits a sequence while it learned, and the share of wrong bits at lengths up to 120, with the slots it was trained
with and with more. The LSTM's learning rate is chosen on seeds of its own (TUNING_SEEDS, a third of the updates), and
it gets as many updates as fit the processor's time of an NTM: six times as many.
"""

import sys
import time

import torch

from book.experiments.common import complete, stored_runs
from neuralmem import MemoryConfig, MemoryController, NeuralMemoryBank
from neuralmem.training import train_on_sequences
from neuralmem.worlds.sequences import bits_per_sequence, copy_task, share_of_wrong_bits

NAME = "copy_task"
LENGTHS = (20, 40, 80, 120)
UPDATES, LSTM_UPDATES, TUNING_UPDATES = 500, 3000, 1000
SEEDS = {"ntm": range(20), "dnc": range(5), "lstm": range(5)}
RATES, TUNING_SEEDS = (1e-3, 3e-3, 1e-2, 3e-2), (100, 101)  # of the LSTM
HABITS = {  # the recipe with one habit changed, five seeds each
    "ntm, sharpened": {"sharpening": True},
    "ntm, beta_2 0.999": {"beta_2": 0.999},
    "ntm, no warm-up": {"warm_up": 0},
    "ntm, unclipped": {"clip": float("inf")},
    "ntm, rate never falls": {"flat": 1.0},
    "ntm, start drawn and fixed": {"start": "fixed"},
    "ntm, start drawn and trained": {"start": "trained"},
}


def build(model, slots=32, start="constant", sharpening=False):
    """The controller of one kind; the plain LSTM has about as many parameters as the NTM.

    `start` is how the memory begins: "constant", or rows drawn at random, "fixed" for ever or "trained" like weights.
    """
    if model.startswith("lstm"):
        return MemoryController(9, 80, 8)
    initial = "constant" if start == "constant" else "learned"
    config = MemoryConfig(slots, 16, 1, addressing=model[:3], sharpening=sharpening, initial_memory=initial)
    controller = MemoryController(9, 64, 8, NeuralMemoryBank(config))
    if start == "fixed":
        controller.bank.initial_rows.requires_grad_(False)
    return controller


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
        """(updates, seconds, held-out error in bits a sequence, or None where training diverged)"""
        error = float(bits_per_sequence(self.controller(self.test.inputs)[0], self.test))
        return [self.count, self.seconds, error if error < float("inf") else None]


def rate_of(model):
    """The learning rate of a model: given by its name, chosen on the tuning seeds (the LSTM), or the recipe's."""
    if model.startswith("lstm, rate "):
        return float(model.removeprefix("lstm, rate "))
    if model != "lstm":
        return 1e-2

    tuned = {rate: stored_runs(NAME, model=f"lstm, rate {rate}") for rate in RATES}
    missing = [rate for rate, runs in tuned.items() if len(runs) < len(TUNING_SEEDS)]
    if missing:
        raise ValueError(f"the LSTM is tuned first: of the rates {missing} not every tuning seed is stored")
    return min(RATES, key=lambda rate: sum(run["curve"][-1][2] for run in tuned[rate]))


def run(model, seed):
    """Train one controller from nothing and test it on sequences drawn by other generators."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    change = HABITS.get(model, {})
    of_the_bank = {key: change[key] for key in change if key in ("start", "sharpening")}
    recipe = {key: change[key] for key in change if key not in of_the_bank}
    controller = build(model, **of_the_bank)
    watch = Stopwatch(controller, copy_task, seed)
    rate, updates = rate_of(model), UPDATES if model != "lstm" else LSTM_UPDATES
    if model.startswith("lstm, rate"):
        updates = TUNING_UPDATES
    train_on_sequences(controller, watch, bits_per_sequence, updates, lr=rate, seed=seed, **recipe)
    watch.look()
    row = {"lr": rate, "curve": watch.curve, "wrong_bits": {}}
    row["parameters"] = sum(p.numel() for p in controller.parameters())
    if model not in SEEDS:
        return row
    generator = torch.Generator().manual_seed(20_000 + seed)
    for name, slots in {"32 slots": 32, "136 slots": 136}.items() if model != "lstm" else {"": 0}.items():
        net = with_slots(model, controller, slots)
        row["wrong_bits"][name] = [wrong_bits(net, length, generator) for length in LENGTHS]
    return row


def main(models):
    """Make what is missing of the models; the LSTM's tuning comes before the LSTM."""
    seeds = {f"lstm, rate {rate}": TUNING_SEEDS for rate in RATES} | SEEDS | dict.fromkeys(HABITS, range(5))
    names = [name for name in seeds if not models or name in models or name.split(",")[0] in models]
    plan = [{"model": name, "seed": seed} for name in names for seed in seeds[name]]
    complete(NAME, plan, run, command="python -m book.experiments.copy_task", lengths=LENGTHS)


if __name__ == "__main__":
    main(sys.argv[1:])
