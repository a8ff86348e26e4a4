"""The worlds of the book. Every draw takes its generator; train and test draws come from separate ones."""

from typing import NamedTuple

import torch

from ._validate import choice, positive_int, shaped

# Sequences: copy, repeat copy, associative recall (chapter 3)


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


def split_digits(scenario):
    """The digits as 5 ClassTasks of 2 classes each: 0 and 1, 2 and 3, ... (chapter 4); scenario as in split_classes."""
    return split_classes(*digits(), scenario)


# Sinusoids (chapter 5)


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
