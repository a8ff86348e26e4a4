"""A model of a new room from its first transitions: meta-learning, least squares, none (chapter 5).

    python -m book.experiments.new_rooms    all seeds that are not stored yet: book/results/new_rooms.json

Stored for each seed: the error over variance in 500 new rooms after n transitions, for each method.
"""

import torch

from book.experiments.common import complete, processor_seconds
from neuralmem.teaching import new_rooms

SEEDS, SEEN, UPDATES = 5, (2, 4, 8, 16), 250


def run(seed):
    """One seed: {method: {n: error}} and the seconds of the processor."""
    torch.set_num_threads(1)
    rows, seconds = processor_seconds(new_rooms.compare, [seed], SEEN, UPDATES)
    found = {name: {n: samples[0] for n, samples in row.items()} for name, row in rows.items()}
    return {"seconds": round(seconds, 1), "error": found}


if __name__ == "__main__":
    plan = [{"seed": seed} for seed in range(SEEDS)]
    complete("new_rooms", plan, run, command="python -m book.experiments.new_rooms", updates=UPDATES)
