"""scikit-learn's digits: split into tasks of two classes (chapter 4), and as few-shot tasks (chapter 5)."""

import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import torch

from .._validate import choice, positive_int

Pair = tuple[torch.Tensor, torch.Tensor]


class ClassTask(NamedTuple):
    """One task of a split: what to train on and what to test on. Fields are tensors; n rows, O outputs of the model.

    `*_x` (n, D) floats; `*_y` (n,) the output that is right; `mask` (O,) the outputs among which the model may choose.
    """

    train_x: torch.Tensor
    train_y: torch.Tensor
    test_x: torch.Tensor
    test_y: torch.Tensor
    mask: torch.Tensor


def split_classes(train: Pair, test: Pair, scenario: str, classes_per_task: int = 2) -> list[ClassTask]:
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
            parts.append((x[rows], label[y[rows]]))
        (train_x, train_y), (test_x, test_y) = parts
        tasks.append(ClassTask(train_x, train_y, test_x, test_y, mask))
    return tasks


def digits() -> tuple[Pair, Pair]:
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


def split_digits(scenario: str) -> list[ClassTask]:
    """The digits as 5 ClassTasks of 2 classes each: 0 and 1, 2 and 3, ... (chapter 4); scenario as in split_classes."""
    return split_classes(*digits(), scenario)


def digit_tasks(
    tasks: int,
    shots: int,
    query: int,
    classes: Sequence[int],
    generator: torch.Generator,
    ways: int = 3,
    turned: bool = False,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Few-shot tasks on the digits: tell `ways` of `classes` apart, from `shots` examples of each (chapter 5).

    Classes are drawn and numbered anew for each task; no image is in both sets. With `turned`, each class of a task is
    shown turned by 0, 1, 2 or 3 quarters, as Santoro et al. 2016 make new classes of characters: four times as many
    classes. Returns support_x (K, ways·shots, 64), support_y (K, ways·shots) in 0..ways-1, query_x and query_y the same
    with `query` rows a class. Raises ValueError.
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
    if turned:
        quarters = torch.randint(4, (tasks, ways), generator=generator)
        images = turn(images, quarters.unsqueeze(-1).expand(images.shape[:3]))
    labels = torch.arange(ways).view(1, ways, 1).expand(images.shape[:3])
    support = images[:, :, :shots].flatten(1, 2), labels[:, :, :shots].flatten(1, 2)
    return *support, images[:, :, shots:].flatten(1, 2), labels[:, :, shots:].flatten(1, 2)


def turn(images: torch.Tensor, quarters: torch.Tensor) -> torch.Tensor:
    """Square images (..., side·side), each turned to the left by its number of quarters (...), 0 to 3 (chapter 5)."""
    side = math.isqrt(images.shape[-1])
    square = images.unflatten(-1, (side, side))
    turned = torch.stack([torch.rot90(square, quarter, (-2, -1)) for quarter in range(4)])
    chosen = quarters.view(1, *quarters.shape, 1, 1).expand(1, *square.shape)
    return turned.gather(0, chosen).squeeze(0).flatten(-2)
