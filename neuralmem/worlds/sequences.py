"""Copy, repeat copy and associative recall: sequences that must be remembered (chapter 3)."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F

from .._validate import positive_int


class SequenceBatch(NamedTuple):
    """What a sequence model sees, and what it should say where: time first, batch second."""

    inputs: torch.Tensor  # (T, B, D)
    targets: torch.Tensor  # (T, B, K) bits
    mask: torch.Tensor  # (T, B) 1 where the answer counts
    lengths: torch.Tensor  # (B,) steps of each sequence, its answer included


def copy_task(batch_size, generator, min_length=1, max_length=20, bits=8):
    """Copy (Graves et al. 2014, section 4.1): random bits, an end marker, then the same bits must be said.

    Lengths are uniform in min_length..max_length. Returns a SequenceBatch with T = 2·longest + 1, D = bits + 1
    (the last channel holds the marker) and K = bits. Raises ValueError or TypeError naming the argument.
    """
    return repeat_copy_task(batch_size, generator, min_length, max_length, 1, 1, bits, say_end=False)


def repeat_copy_task(
    batch_size, generator, min_length=1, max_length=10, min_repeats=1, max_repeats=10, bits=8, say_end=True
):
    """Repeat copy (Graves et al. 2014, section 4.2): the marker's height says how often the bits must be said.

    The number of repeats is given as repeats/10; with `say_end` the answer closes with an end bit of its own. Returns
    a SequenceBatch with D = bits + 1 and K = bits (+ 1 with `say_end`).
    """
    lengths = _uniform("length", min_length, max_length, batch_size, generator)
    repeats = _uniform("repeats", min_repeats, max_repeats, batch_size, generator)
    totals = lengths + 1 + lengths * repeats + int(say_end)
    steps = int(totals.max())
    inputs = torch.zeros(steps, batch_size, bits + 1)
    targets, mask = torch.zeros(steps, batch_size, bits + int(say_end)), torch.zeros(steps, batch_size)
    for row, (length, times, total) in enumerate(zip(lengths.tolist(), repeats.tolist(), totals.tolist(), strict=True)):
        pattern = torch.randint(0, 2, (length, bits), generator=generator).float()
        inputs[:length, row, :bits] = pattern
        inputs[length, row, bits] = times / 10 if say_end else 1.0
        targets[length + 1 : length + 1 + length * times, row, :bits] = pattern.repeat(times, 1)
        if say_end:
            targets[total - 1, row, bits] = 1.0
        mask[length + 1 : total, row] = 1.0
    return SequenceBatch(inputs, targets, mask, totals)


def associative_recall_task(batch_size, generator, min_items=2, max_items=6, item_length=3, bits=6):
    """Associative recall (Graves et al. 2014, section 4.3): a list of items, then one of them; say the one after it.

    An item is `item_length` steps of random bits behind a delimiter; the query is marked by a delimiter of its own on
    either side. Returns a SequenceBatch with D = bits + 2 and K = bits.
    """
    items = _uniform("items", min_items, max_items, batch_size, generator, low=2)
    block = item_length + 1
    totals = items * block + block + 1 + item_length
    steps = int(totals.max())
    inputs = torch.zeros(steps, batch_size, bits + 2)
    targets, mask = torch.zeros(steps, batch_size, bits), torch.zeros(steps, batch_size)
    for row, (count, total) in enumerate(zip(items.tolist(), totals.tolist(), strict=True)):
        pattern = torch.randint(0, 2, (count, item_length, bits), generator=generator).float()
        asked = int(torch.randint(0, count - 1, (1,), generator=generator))
        for place, item in enumerate((*pattern, pattern[asked])):
            inputs[place * block, row, bits if place < count else bits + 1] = 1.0
            inputs[place * block + 1 : (place + 1) * block, row, :bits] = item
        inputs[(count + 1) * block, row, bits + 1] = 1.0
        targets[total - item_length : total, row] = pattern[asked + 1]
        mask[total - item_length : total, row] = 1.0
    return SequenceBatch(inputs, targets, mask, totals)


def bits_per_sequence(logits, batch):
    """Cross-entropy of the answers in bits, summed over each sequence and averaged over the batch: a 0-d tensor."""
    nats = F.binary_cross_entropy_with_logits(logits, batch.targets, reduction="none").sum(-1)
    return (nats * batch.mask).sum() / (batch.mask.shape[1] * math.log(2))


def share_of_wrong_bits(logits, batch):
    """Share of the answers' bits that are wrong when each is called by its sign, a float."""
    wrong = ((logits > 0) != (batch.targets > 0.5)).float().mean(-1)
    return float((wrong * batch.mask).sum() / batch.mask.sum())


def _uniform(name, least, most, count, generator, low=1):
    """`count` whole numbers drawn uniformly from least..most."""
    if positive_int(f"min_{name}", least) < low or positive_int(f"max_{name}", most) < least:
        raise ValueError(f"min_{name} and max_{name} must satisfy {low} <= min <= max, got {least} and {most}")
    return torch.randint(least, most + 1, (positive_int("batch_size", count),), generator=generator)
