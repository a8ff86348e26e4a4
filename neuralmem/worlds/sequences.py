"""Copy, repeat copy and associative recall: sequences that must be remembered (chapter 3)."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F

from .._validate import positive_int


class SequenceBatch(NamedTuple):
    """What a sequence model sees, and what it should say where: time first, batch second."""

    inputs: torch.Tensor  # (T, B, d_x)
    targets: torch.Tensor  # (T, B, d_y) bits
    mask: torch.Tensor  # (T, B) 1 where the answer counts
    lengths: torch.Tensor  # (B,) steps of each sequence, its answer included


def copy_task(
    batch_size: int, generator: torch.Generator, min_length: int = 1, max_length: int = 20, bits: int = 8
) -> SequenceBatch:
    """Copy (Graves et al. 2014, section 4.1): random bits, an end marker, then the same bits must be said.

    Lengths are uniform in min_length..max_length. Returns a SequenceBatch with T = 2·longest + 1, d_x = bits + 1
    (the last channel holds the marker) and d_y = bits. Raises ValueError or TypeError naming the argument. Chapter 3.
    """
    return repeat_copy_task(batch_size, generator, min_length, max_length, 1, 1, bits, say_end=False)


def repeat_copy_task(
    batch_size: int,
    generator: torch.Generator,
    min_length: int = 1,
    max_length: int = 10,
    min_repeats: int = 1,
    max_repeats: int = 10,
    bits: int = 8,
    say_end: bool = True,
) -> SequenceBatch:
    """Repeat copy (Graves et al. 2014, section 4.2): the marker's height says how often the bits must be said.

    The number of repeats is given as repeats/10; with `say_end` the answer closes with an end bit of its own. Returns
    a SequenceBatch with d_x = bits + 1 and d_y = bits (+ 1 with `say_end`). Raises ValueError or TypeError. Chapter 3.
    """
    lengths = _uniform("length", min_length, max_length, batch_size, generator)
    repeats = _uniform("repeats", min_repeats, max_repeats, batch_size, generator)
    totals, bits = lengths + 1 + lengths * repeats + int(say_end), positive_int("bits", bits)
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


def associative_recall_task(
    batch_size: int,
    generator: torch.Generator,
    min_items: int = 2,
    max_items: int = 6,
    item_length: int = 3,
    bits: int = 6,
) -> SequenceBatch:
    """Associative recall (Graves et al. 2014, section 4.3): a list of items, then one of them; say the one after it.

    An item is `item_length` steps of random bits behind a delimiter; the query is marked by a delimiter of its own on
    either side. Returns a SequenceBatch with d_x = bits + 2 and d_y = bits. Raises ValueError or TypeError. Chapter 3.
    """
    items = _uniform("items", min_items, max_items, batch_size, generator, low=2)
    block, bits = positive_int("item_length", item_length) + 1, positive_int("bits", bits)
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


def bits_per_sequence(logits: torch.Tensor, batch: SequenceBatch) -> torch.Tensor:
    """Cross-entropy of the answers in bits, summed over each sequence and averaged over the batch: a 0-d tensor.

    logits (T, B, d_y) are those of a 1 at each bit of `batch.targets`. Raises ValueError for another shape. Chapter 3.
    """
    _fitting(logits, batch)
    nats = F.binary_cross_entropy_with_logits(logits, batch.targets, reduction="none").sum(-1)
    return (nats * batch.mask).sum() / (batch.mask.shape[1] * math.log(2))


def share_of_wrong_bits(logits: torch.Tensor, batch: SequenceBatch) -> float:
    """Share of the answers' bits that are wrong when each is called by the sign of its logit, in 0..1.

    logits (T, B, d_y). Raises ValueError for another shape, and where the batch asks for no answer. Chapter 3.
    """
    _fitting(logits, batch)
    if not batch.mask.any():
        raise ValueError("batch.mask must ask for at least one answer, got zeros only")
    wrong = ((logits > 0) != (batch.targets > 0.5)).float().mean(-1)
    return float((wrong * batch.mask).sum() / batch.mask.sum())


def last_rows_again(batch: SequenceBatch, rows: int = 1) -> torch.Tensor:
    """A rival that needs no training: it says the last `rows` rows before the marker, over and over.

    The marker is the first step at which the last input channel is not 0; in associative recall that is the query's,
    and the last item has `item_length` rows. Returns logits (T, B, d_y), ½ for a 1 and -½ for a 0. Chapter 3.
    """
    sequences = torch.arange(batch.inputs.shape[1])
    marker = (batch.inputs[..., -1] != 0).int().argmax(0)  # (B,)
    place = (batch.mask.cumsum(0) - 1).long().clamp_min(0) % positive_int("rows", rows)  # (T, B) in 0..rows-1
    said = batch.inputs[(marker - rows + place).clamp_min(0), sequences]
    return F.pad(said, (0, 1))[..., : batch.targets.shape[-1]] - 0.5


def _fitting(logits, batch):
    """Raise unless there is one logit for each target."""
    if logits.shape != batch.targets.shape:
        wanted = tuple(batch.targets.shape)
        raise ValueError(f"logits must be (T, B, d_y) as the targets are, {wanted}, got {tuple(logits.shape)}")


def _uniform(name, least, most, count, generator, low=1):
    """`count` whole numbers drawn uniformly from least..most."""
    if positive_int(f"min_{name}", least) < low or positive_int(f"max_{name}", most) < least:
        raise ValueError(f"min_{name} and max_{name} must satisfy {low} <= min <= max, got {least} and {most}")
    return torch.randint(least, most + 1, (positive_int("batch_size", count),), generator=generator)
