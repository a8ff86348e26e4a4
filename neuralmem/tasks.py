"""The worlds of the book. Every draw takes its generator; train and test draws come from separate ones."""

import math
from functools import cache
from typing import NamedTuple

import torch
import torch.nn.functional as F

from ._validate import choice, positive_int, real, shaped

# Sequences: copy, repeat copy, associative recall (chapter 3)


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


def train_on_sequences(controller, draw, updates, lr=1e-2, seed=0, batch_size=32, clip=1.0, flat=0.3, beta_2=0.9):
    """Train a controller from nothing on batches `draw(batch_size, generator)`: the recipe of chapter 3.

    Adam with a small beta_2 forgets old gradient sizes quickly; the rate warms up, stays flat, and from `flat` of the
    updates on falls to 2 % along half a cosine; the gradient is clipped to norm `clip`. Returns the losses in bits a
    sequence, one an update.
    """
    generator, losses = torch.Generator().manual_seed(seed), []
    optimiser = torch.optim.Adam(controller.parameters(), lr=lr, betas=(0.9, beta_2))
    factor = cosine_schedule(positive_int("updates", updates), flat=flat)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
    for _ in range(updates):
        batch = draw(batch_size, generator)
        loss = bits_per_sequence(controller(batch.inputs)[0], batch)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(controller.parameters(), clip)
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
    return losses


def cosine_schedule(steps, warm_up=20, flat=0.4, floor=0.02):
    """A learning-rate schedule: a function from the step's number to a factor in (0, 1].

    It rises over `warm_up` steps, stays at 1 until `flat`·steps, then falls to `floor` along half a cosine.
    """
    steps, floor = positive_int("steps", steps), real("floor", floor, 0, 1)
    start = real("flat", flat, 0, 1) * steps

    def factor(step):
        fallen = min(1.0, max(0.0, (step - start) / max(1.0, steps - start)))
        return min(1.0, (step + 1) / (warm_up + 1)) * (floor + (1 - floor) * (1 + math.cos(math.pi * fallen)) / 2)

    return factor


def _uniform(name, least, most, count, generator, low=1):
    """`count` whole numbers drawn uniformly from least..most."""
    if positive_int(f"min_{name}", least) < low or positive_int(f"max_{name}", most) < least:
        raise ValueError(f"min_{name} and max_{name} must satisfy {low} <= min <= max, got {least} and {most}")
    return torch.randint(least, most + 1, (positive_int("batch_size", count),), generator=generator)


# Digits (chapters 4 to 6)


class ClassTask(NamedTuple):
    """One task of a split: what to train on and what to test on. Fields are tensors; n rows, O outputs of the model.

    `*_x` (n, D) floats; `*_y` (n,) the output that is right; `mask` (O,) the outputs among which the model may choose.
    """

    train_x: torch.Tensor
    train_y: torch.Tensor
    test_x: torch.Tensor
    test_y: torch.Tensor
    mask: torch.Tensor


def split_classes(train, test, scenario, classes_per_task=2):
    """Cut a classification into a sequence of ClassTasks of a few classes each, in one of three scenarios (chapter 4).

    "task": the model is told the task, so it chooses among that task's classes only; "domain": it is not told, but only
    asked which of its classes (the first, the second ...) it is; "class": it must choose among all (van de Ven et
    al. 2022). train and test are pairs x (n, D), y (n,) with classes 0, 1, ... Raises ValueError for another scenario.
    """
    choice("scenario", scenario, ("task", "domain", "class"))
    count = int(train[1].max()) + 1
    if count % positive_int("classes_per_task", classes_per_task):
        raise ValueError(f"classes_per_task must divide the {count} classes, got {classes_per_task}")
    tasks = []
    for first in range(0, count, classes_per_task):
        label, outputs = torch.arange(count), count
        if scenario == "domain":
            label, outputs = label % classes_per_task, classes_per_task
        mask = torch.ones(outputs, dtype=torch.bool)
        if scenario == "task":
            mask = (label >= first) & (label < first + classes_per_task)
        parts = []
        for x, y in (train, test):
            rows = (y >= first) & (y < first + classes_per_task)
            parts += [x[rows], label[y[rows]]]
        tasks.append(ClassTask(*parts, mask))
    return tasks


def digits():
    """scikit-learn's 1,797 digits of 8 x 8 pixels as (train, test): pairs x (n, 64) in [0, 1], y (n,) in 0..9.

    The split is fixed: every fourth image of each class is for testing.
    """
    from sklearn.datasets import load_digits  # here, because it takes a second to import

    x, y = map(torch.from_numpy, load_digits(return_X_y=True))
    rank = torch.stack([(y[: i + 1] == y[i]).sum() for i in range(len(y))])  # the how manieth of its class
    x, held_out = (x / 16).float(), rank % 4 == 0
    return (x[~held_out], y[~held_out]), (x[held_out], y[held_out])


@cache
def _all_digits():
    """The digits of both splits together, read once."""
    return tuple(map(torch.cat, zip(*digits(), strict=True)))


def split_digits(scenario):
    """The digits as 5 ClassTasks of 2 classes each: 0 and 1, 2 and 3, ... (chapter 4); scenario as in split_classes."""
    return split_classes(*digits(), scenario)


# Sinusoids (chapter 5)


def sinusoid_tasks(tasks, support, query, generator):
    """K = `tasks` sine waves y = a·sin(x - p): a in [0.1, 5], p in [0, pi], x in [-5, 5] (chapter 5; Finn et al. 2017).

    Returns (support_x, support_y, query_x, query_y), each (K, rows, 1). Raises ValueError or TypeError.
    """
    tasks, rows = positive_int("tasks", tasks), positive_int("support", support) + positive_int("query", query)
    draws = torch.rand(tasks, rows + 2, 1, generator=generator)
    amplitude, phase = 0.1 + 4.9 * draws[:, :1], math.pi * draws[:, 1:2]
    x = 10 * draws[:, 2:] - 5
    y = amplitude * torch.sin(x - phase)
    return x[:, :support], y[:, :support], x[:, support:], y[:, support:]


def digit_tasks(tasks, shots, query, classes, generator, ways=3):
    """Few-shot tasks on the digits: tell `ways` of `classes` apart, from `shots` examples of each (chapter 5).

    Classes are drawn and numbered anew for each task; no image is in both sets. Returns support_x (K, ways·shots, 64),
    support_y (K, ways·shots) in 0..ways-1, query_x and query_y the same with `query` rows a class. Raises ValueError.
    """
    if not 2 <= positive_int("ways", ways) <= len(classes):
        raise ValueError(f"ways must lie in 2..{len(classes)} for {len(classes)} classes, got {ways}")
    x, y = _all_digits()
    rows = [(y == label).nonzero().squeeze(1) for label in classes]
    fewest = min(map(len, rows))
    if positive_int("shots", shots) + positive_int("query", query) > fewest:
        raise ValueError(f"shots + query must be at most {fewest} images a class, got {shots} + {query}")
    table = torch.stack([row[:fewest] for row in rows])  # (classes, fewest)
    chosen = torch.rand(tasks, len(classes), generator=generator).argsort(1)[:, :ways]
    order = torch.rand(tasks, ways, fewest, generator=generator).argsort(2)[:, :, : shots + query]
    images = x[table[chosen].gather(2, order)]  # (K, ways, shots + query, 64)
    labels = torch.arange(ways).view(1, ways, 1).expand(images.shape[:3])
    parts = images[:, :, :shots], labels[:, :, :shots], images[:, :, shots:], labels[:, :, shots:]
    return tuple(part.flatten(1, 2) for part in parts)


def turned_tasks(sets, generator):
    """Few-shot tasks of square images with each task's images in one of 8 positions: turned and mirrored (chapter 5).

    `sets` is (support_x, support_y, query_x, query_y), x (K, n, side·side); returned is the same with x turned.
    """
    support_x, support_y, query_x, query_y = sets
    positions = torch.randint(8, (len(support_x),), generator=generator).tolist()
    side = math.isqrt(support_x.shape[-1])

    def turn(x):
        images = x.unflatten(-1, (side, side))
        images = [task.mT if place > 3 else task for task, place in zip(images, positions, strict=True)]
        turned = [torch.rot90(task, place % 4, (-2, -1)) for task, place in zip(images, positions, strict=True)]
        return torch.stack(turned).flatten(-2)

    return turn(support_x), support_y, turn(query_x), query_y


def train_meta(meta, draw, updates, lr=5e-3, seed=0):
    """Minimise a MetaLearner's outer loss by Adam, its rate falling along a cosine to 0 (chapter 5).

    `draw(generator)` gives (support_x, support_y, query_x, query_y) from the "train" draws of `seed`. Returns `meta`.
    """
    generator, optimiser = split_generator("train", seed), torch.optim.Adam(meta.parameters(), lr)
    for update in range(positive_int("updates", updates)):
        optimiser.param_groups[0]["lr"] = lr * (1 + math.cos(math.pi * update / updates)) / 2
        optimiser.zero_grad()
        meta.loss_after_adaptation(*draw(generator)).backward()
        optimiser.step()
    return meta


# Function streams: the four tasks of the demo (chapters 0 and 6)


FOUR_TASKS = {
    "sin": lambda x: torch.sin(x.mean(-1, keepdim=True)).expand_as(x),
    "cos": lambda x: 0.5 * torch.cos(x.mean(-1, keepdim=True)).expand_as(x),
    "tanh+2": lambda x: torch.tanh(0.5 * x + 2),
    "tanh+3": lambda x: torch.tanh(0.5 * x + 3),
}
"""The demo's tasks in their order: functions from x (..., D) to y (..., D); the first two see the mean of x only."""


def split_generator(split, seed):
    """The generator of the "train" or the "test" draws of a seed: no two (split, seed) share one (chapter 0)."""
    return torch.Generator().manual_seed(2 * seed + (choice("split", split, ("train", "test")) == "test"))


def function_pairs(task, size, generator, dim=64):
    """Pairs of one of FOUR_TASKS: x (*size, dim) standard normal, y = f(x) of the same shape (chapters 0 and 6).

    `size` is an integer or a tuple. Raises ValueError for an unknown task.
    """
    size = (size,) if isinstance(size, int) else tuple(size)
    x = torch.randn(*size, dim, generator=generator)
    return x, FOUR_TASKS[choice("task", task, FOUR_TASKS)](x)


def pairs_as_episodes(x, y):
    """Pairs of one task as sequences in which each pair is first a question, then an example (chapter 6).

    At step t the model is asked for y_t, shown x_t and the answer to the question before, y_{t-1}. x, y (B, T, D);
    returns inputs (T, B, 2D + 1) = [x_t, y_{t-1}, 1 once there is an example], targets (T, B, D) and mask (T, B), 0 at
    the first step, where nothing says yet which task it is.
    """
    shaped("x", x, "B T D")
    shaped("y", y, "B T D", B=x.shape[0], T=x.shape[1])
    x, y = x.transpose(0, 1), y.transpose(0, 1)
    seen = torch.ones_like(x[..., :1])
    seen[0] = 0
    before = torch.cat([torch.zeros_like(y[:1]), y[:-1]])
    return torch.cat([x, before, seen], dim=-1), y, seen.squeeze(-1)


def constant_errors(samples=20_000, seed=0, dim=64):
    """Held-out mean squared error of the best constant of each of FOUR_TASKS: a dict of floats (chapter 0)."""
    train, test = split_generator("train", seed), split_generator("test", seed)
    errors = {}
    for task in FOUR_TASKS:
        constant = function_pairs(task, samples, train, dim)[1].mean()
        errors[task] = float((function_pairs(task, samples, test, dim)[1] - constant).square().mean())
    return errors


# A dynamic environment: cue-value recall whose coding changes (chapter 6)


def season_alphabets(seasons, generator, symbols=8, width=16):
    """The symbols of each season, as the agent sees them: (seasons, symbols, width) of -1 and 1, no two alike.

    Symbol number s means the same bits in every season; what it looks like is drawn anew. Chapter 6.
    """
    total = positive_int("seasons", seasons) * positive_int("symbols", symbols)
    if total > 2 ** positive_int("width", width):
        raise ValueError(f"width must allow {total} different symbols, got {width}")
    looks = torch.randperm(2**width, generator=generator)[:total].view(seasons, symbols)
    return _signs(looks, width)


def recall_episodes(alphabet, size, generator, cues=4, stores=8, asks=6, cue_bits=6):
    """Episodes in which symbols are stored under cues, overwritten, and asked for (chapter 6).

    The first step stores; the others are shuffled; a store picks any of the episode's cues, so it may overwrite; an
    ask picks a cue that holds something. `alphabet` (S, A) is one season's. Returns x (size, T, 2 + cue_bits + A) =
    [store?, ask?, cue, symbol (zeros at an ask)] and y (size, T, log2 S): the bits, -1 or 1, of the symbol stored last
    under the cue at an ask, 0 at a store. T = stores + asks.
    """
    shaped("alphabet", alphabet, "S A")
    steps = positive_int("stores", stores) + positive_int("asks", asks)
    if positive_int("cues", cues) > 2**cue_bits:
        raise ValueError(f"cues must be at most 2**cue_bits = {2**cue_bits}, got {cues}")
    order = torch.rand(positive_int("size", size), steps, generator=generator)
    order[:, 0] = -1
    asking = order.argsort(1).argsort(1) >= stores
    looks = torch.rand(size, 2**cue_bits, generator=generator).argsort(1)[:, :cues]
    rows, held = torch.arange(size), torch.full((size, cues), -1)
    cue, symbol = torch.empty(2, size, steps, dtype=torch.long)
    for t in range(steps):
        new, anywhere = (torch.randint(high, (size,), generator=generator) for high in (len(alphabet), cues))
        known = torch.where(held >= 0, torch.rand(size, cues, generator=generator), -1.0).argmax(1)
        cue[:, t] = torch.where(asking[:, t], known, anywhere)
        held[rows, cue[:, t]] = torch.where(asking[:, t], held[rows, cue[:, t]], new)
        symbol[:, t] = held[rows, cue[:, t]]
    ask = asking.unsqueeze(-1).float()
    x = torch.cat([1 - ask, ask, _signs(looks.gather(1, cue), cue_bits), alphabet[symbol] * (1 - ask)], dim=-1)
    return x, _signs(symbol, (len(alphabet) - 1).bit_length()) * ask


def recall_sessions(alphabet, sessions, episodes, generator, **settings):
    """Sessions of episodes that share a hidden answer code: the bits permuted and some of them flipped (chapter 6).

    Returns x (sessions, episodes, T, D) and y (sessions, episodes, T, bits), otherwise as `recall_episodes`, which
    takes `settings`. Nothing in x tells the code.
    """
    total = positive_int("sessions", sessions) * positive_int("episodes", episodes)
    x, y = recall_episodes(alphabet, total, generator, **settings)
    bits = y.shape[-1]
    x, y = x.unflatten(0, (sessions, episodes)), y.unflatten(0, (sessions, episodes))
    places = torch.rand(sessions, bits, generator=generator).argsort(1)[:, None, None].expand_as(y)
    flips = 2.0 * torch.randint(2, (sessions, 1, 1, bits), generator=generator) - 1
    return x, y.gather(-1, places) * flips


def asked_loss(prediction, target, reduction="mean"):
    """Logistic loss of bits: log(1 + exp(-target·prediction)) where the target is -1 or 1, 0 where it is 0."""
    loss = torch.nn.functional.softplus(-target * prediction) * target.abs()
    return loss if reduction == "none" else loss.mean()


def wrong_bits(prediction, target):
    """Share of the asked bits whose sign is wrong, a float: 0.5 is guessing."""
    asked = target != 0
    return float(((prediction > 0) != (target > 0))[asked].float().mean())


def _signs(numbers, bits):
    """The lowest `bits` binary digits of integers (...), as -1 and 1 (..., bits)."""
    return ((numbers.unsqueeze(-1) >> torch.arange(bits)) & 1) * 2.0 - 1
