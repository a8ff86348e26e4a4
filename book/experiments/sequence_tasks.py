"""Repeat copy and associative recall, as the NTM paper sets them: NTM, DNC and an LSTM as large (chapter 3).

    python -m book.experiments.sequence_tasks [repeat recall, or one run's name as in RECIPES]

adds the runs that are missing to book/results/sequence_tasks.json: for each the error on 128 held-out sequences every
50 updates (bits a sequence, those of them that are the end bit's, and the share of wrong bits) with the processor's
seconds up to then; and the same on fresh sequences of the lengths it was trained on and beyond, with as many slots as
in training and with twice as many.

Repeat copy has two things beside the recipe of copy. The end bit starts as the rare event it is (its row of the
output layer 0, its bias -5). And the answer grows by passes over the list: one pass over up to 20 rows, which is copy,
then two, three and five passes over up to 10 rows, then the whole answer.

Recall has no stages. The memory's keys come from the input too, not only from the hidden state; the NTM sharpens, and
the DNC starts as an associative memory and has the three refinements of Csordás & Schmidhuber (2019).
"""

import sys

import torch

from book.experiments.common import complete
from book.experiments.copy_task import Stopwatch
from neuralmem import MemoryConfig, MemoryController, NeuralMemoryBank
from neuralmem.training import train_on_sequences
from neuralmem.worlds.sequences import (
    SequenceBatch,
    associative_recall_task,
    bits_per_sequence,
    repeat_copy_task,
    share_of_wrong_bits,
)

TASKS = {"repeat": (repeat_copy_task, 9, 9, 8), "recall": (associative_recall_task, 8, 6, 6)}  # D, K, bits of content
MODERN = {"key_masking": True, "deallocation": True, "link_sharpening": True}  # Csordás & Schmidhuber 2019
RECIPES = {  # updates, seeds, what the bank has beside the settings of copy
    "repeat ntm": (1000, 3, {}),
    "repeat lstm": (1200, 3, {}),
    "recall ntm": (700, 3, {"sharpening": True}),
    "recall ntm, unsharpened": (700, 3, {}),
    "recall dnc": (1000, 3, {"associative_start": True} | MODERN),
    "recall lstm": (2000, 3, {}),
}
BEYOND = {  # what each network is tested on: the settings it was trained on first
    "repeat": {
        "as trained": {},
        "20 rows": {"min_length": 20, "max_length": 20},
        "20 times": {"min_repeats": 20, "max_repeats": 20},
    },
    "recall": {"as trained": {}} | {f"{n} items": {"min_items": n, "max_items": n} for n in (8, 10, 12)},
}
WHOLE = 11  # passes: more than are asked for
STAGES = ((0.3, 20, 1), (0.45, 10, 2), (0.55, 10, 3), (0.65, 10, 5), (1.0, 10, WHOLE))  # until when, rows, passes


def build(name, slots=32):
    """The controller of one kind; the plain LSTM has about as many parameters as the others."""
    task, model = name.split(" ", 1)
    _, inputs, outputs, content = TASKS[task]
    if model == "lstm":
        controller = MemoryController(inputs, 80, outputs)
    else:
        config = MemoryConfig(slots, 16, 1, addressing=model[:3], **{"sharpening": False} | RECIPES[name][2])
        bank, direct = NeuralMemoryBank(config), task == "recall"
        controller = MemoryController(inputs, 64, outputs, bank, input_to_interface=direct)
    with torch.no_grad():
        controller.output.weight[content:] = 0
        controller.output.bias[content:] = -5
    return controller


def first_passes(batch, passes):
    """Cut each answer of repeat copy after so many passes over its list; the marker still tells the true number."""
    length = batch.inputs[..., -1].argmax(0)  # (B,) where the marker is
    lengths = torch.minimum(batch.lengths, length + 1 + length * passes)
    steps = int(lengths.max())
    mask = batch.mask[:steps] * (torch.arange(steps).unsqueeze(1) < lengths)
    return SequenceBatch(batch.inputs[:steps], batch.targets[:steps], mask, lengths)


@torch.no_grad()
def tested(controller, batch, content):
    """Bits a sequence, those of them that are the end bit's, and the share of wrong bits."""
    outputs, _ = controller(batch.inputs)
    said, due = outputs[..., :content], batch._replace(targets=batch.targets[..., :content])
    bits = float(bits_per_sequence(outputs, batch))
    end = bits - float(bits_per_sequence(said, due))
    return {"bits": bits, "end bits": end, "wrong": share_of_wrong_bits(outputs, batch)}


class Lesson(Stopwatch):
    """A `draw` that leads through the stages of repeat copy and tests the controller on whole answers as it goes."""

    def __init__(self, controller, task, updates, seed):
        draw, *_, self.content = TASKS[task]
        super().__init__(controller, draw, seed, tests=128)
        self.task, self.updates = task, updates

    def __call__(self, batch_size, generator):
        if self.task == "repeat":
            rows, passes = next(stage[1:] for stage in STAGES if self.count + 1 <= stage[0] * self.updates)
            return first_passes(super().__call__(batch_size, generator, max_length=rows), passes)
        return super().__call__(batch_size, generator)

    def measured(self):
        """The updates, the processor's seconds without the tests, and the test."""
        return {"updates": self.count, "seconds": self.seconds} | tested(self.controller, self.test, self.content)


def run(task, model, seed):
    """Train one controller from nothing and test it on sequences drawn by another generator."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    name = f"{task} {model}"
    updates, controller = RECIPES[name][0], build(name)
    lesson = Lesson(controller, task, updates, seed)
    train_on_sequences(controller, lesson, bits_per_sequence, updates, seed=seed, flat=0.6)
    lesson.look()
    row = {"updates": updates, "seconds": lesson.curve[-1]["seconds"]}
    row["parameters"] = sum(p.numel() for p in controller.parameters())
    row |= {"curve": lesson.curve, "tests": {}}
    draw, *_, content = TASKS[task]
    for slots in (32,) if model == "lstm" else (32, 64):  # no parameter depends on the number of slots
        net, generator = build(name, slots), torch.Generator().manual_seed(20_000 + seed)
        net.load_state_dict(controller.state_dict())
        tests = {key: tested(net, draw(128, generator, **settings), content) for key, settings in BEYOND[task].items()}
        row["tests"]["lstm" if model == "lstm" else f"{slots} slots"] = tests
    return row


def main(names):
    """Make the runs of these tasks or recipes that are not there yet."""
    chosen = [recipe for recipe in RECIPES if not names or recipe in names or recipe.split()[0] in names]
    plan = []
    for name in chosen:
        task, model = name.split(" ", 1)
        plan += [{"task": task, "model": model, "seed": seed} for seed in range(RECIPES[name][1])]
    complete("sequence_tasks", plan, run, command="python -m book.experiments.sequence_tasks")


if __name__ == "__main__":
    main(sys.argv[1:])
