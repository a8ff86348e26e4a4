"""The checks of chapter 4's exercises. Each draws its instances from `seed`."""

import copy
import numbers
from collections.abc import Callable

import numpy as np
import torch

from ...replay import ExperienceReplay
from .judge import attempt, examine, verdict


def check_kept(function: Callable, seed: int = 0) -> bool:
    """Chances that item i is still stored after t items: function(i, t, capacity) -> (in a ring, in a reservoir)."""
    rng = np.random.default_rng(seed)
    instances = {"i = 400, t = 1000, capacity 100": (400, 1000, 100)}
    for _ in range(4):
        capacity = int(rng.integers(2, 50))
        t = capacity + int(rng.integers(2, 500))
        i = int(rng.integers(capacity + 1, t + 1))
        instances[f"i = {i}, t = {t}, capacity {capacity}"] = (i, t, capacity)
    instances["the newest item"] = (77, 77, 10)
    instances["the oldest item that a ring still holds"] = (68, 77, 10)
    instances["the item that a ring has just lost"] = (67, 77, 10)
    instances["a buffer with one place"] = (5, 9, 1)

    def ring(i, t, capacity):
        return float(i > t - capacity)

    mistakes = [
        (
            lambda i, t, capacity: (ring(i, t, capacity), capacity / i),
            "capacity / i is the chance to be let in when it comes; later items may push it out again.",
        ),
        (lambda i, t, capacity: (1.0, capacity / t), "a ring holds the last `capacity` items and no others."),
        (lambda i, t, capacity: (0.0, capacity / t), "a ring does hold an item that came lately."),
        (
            lambda i, t, capacity: (float(i >= t - capacity), capacity / t),
            "the ring holds `capacity` items, and you count one more.",
        ),
        (lambda i, t, capacity: (capacity / t, ring(i, t, capacity)), "the ring comes first, the reservoir second."),
    ]
    return examine(function, lambda i, t, capacity: (ring(i, t, capacity), capacity / t), instances, mistakes)


def check_importance_weights(function: Callable, seed: int = 0) -> bool:
    """Weights of the drawn items, largest 1: function(priorities, drawn, alpha, beta) -> (n,)."""
    generator = torch.Generator().manual_seed(seed)
    instances = {"priorities 1, 4, 16, 64": (torch.tensor([1.0, 4.0, 16.0, 64.0]), torch.tensor([1, 3, 1]), 0.5, 0.5)}
    for number, (alpha, beta) in enumerate([(0.6, 0.4), (1.0, 1.0), (0.3, 0.8)], 1):
        priorities = 0.1 + 5 * torch.rand(12, generator=generator)
        drawn = torch.randperm(12, generator=generator)[:6]
        instances[f"random priorities {number}"] = (priorities, drawn, alpha, beta)
    some = torch.tensor([2.0, 1.0, 5.0])
    instances["alpha = 0"] = (some, torch.tensor([2, 0]), 0.0, 0.7)
    instances["beta = 0"] = (some, torch.tensor([2, 0]), 0.7, 0.0)
    instances["a single draw"] = (some, torch.tensor([1]), 0.7, 0.5)
    instances["a priority of 0 that was not drawn"] = (torch.tensor([0.0, 1.0, 3.0]), torch.tensor([1, 2]), 0.6, 0.5)
    instances["large priorities"] = (1e20 * some.double(), torch.tensor([0, 1, 2]), 1.0, 1.0)

    def plain(priorities, drawn, alpha, beta):
        scaled = priorities**alpha
        return (len(priorities) * scaled[drawn] / scaled.sum()) ** -beta

    def right(priorities, drawn, alpha, beta):
        weights = plain(priorities, drawn, alpha, beta)
        return weights / weights.max()

    def by(divisor):
        return lambda *args: plain(*args) / divisor(plain(*args))

    mistakes = [
        (plain, "they are not divided by the largest in the batch."),
        (by(torch.sum), "you made them sum to 1; divide by the largest instead."),
        (by(torch.mean), "you made their mean 1; divide by the largest instead."),
        (by(torch.min), "you divided by the smallest, so steps are scaled up; divide by the largest."),
        (lambda p, d, a, b: right(p, d, 1.0, b), "P(i) comes from p^alpha, and you took alpha for 1."),
        (lambda p, d, a, b: right(p, d, a, 1.0), "beta says how much of the bias is repaid, and you took it for 1."),
        (lambda p, d, a, b: right(p, d, a, -b), "the exponent is minus beta: what is drawn often must count less."),
        (lambda p, d, a, b: right(p[d], torch.arange(len(d)), a, b), "divide by the largest in the batch."),
    ]
    return examine(function, right, instances, mistakes)


def check_draw(function: Callable, seed: int = 0) -> bool:
    """The place where a running sum passes a fraction of the total: function(priorities, fraction) -> int."""
    rng = np.random.default_rng(seed)
    known = torch.tensor([2.0, 0.0, 1.0, 1.0])
    instances = {f"2, 0, 1, 1 and fraction {fraction}": (known, fraction) for fraction in (0.6, 0.5, 0.99, 0.0)}
    for number in range(4):
        priorities = torch.from_numpy(rng.integers(0, 9, 7) + (np.arange(7) == number)).float()
        instances[f"random priorities {number + 1}"] = (priorities, (rng.integers(0, 50) + 0.5) / 51)
    instances["zeros before the first priority"] = (torch.tensor([0.0, 0.0, 3.0]), 0.0)
    instances["a zero at the end"] = (torch.tensor([1.0, 3.0, 0.0]), 0.999)
    instances["a single item"] = (torch.tensor([0.25]), 0.5)
    instances["the newest item"] = (torch.tensor([1.0, 1.0, 6.0]), 0.9)

    def place(priorities, fraction, total=None):
        target = fraction * (priorities.sum() if total is None else total)
        return int((priorities.cumsum(0) <= target).sum())

    def at_least(priorities, fraction, total=None):
        target = fraction * (priorities.sum() if total is None else total)
        return int((priorities.cumsum(0) < target).sum())

    end, short = "the next item", "the newest item, at the end, is never drawn: your total leaves it out."
    mistakes = [
        (lambda p, f: place(p, f, p[:-1].sum()), short),
        (at_least, f"a target equal to the running sum belongs to {end} that has a priority."),
        (lambda p, f: at_least(p, f, p[:-1].sum()), short),
        (lambda p, f: place(p, f, 1.0), "the fraction is one of the total, and you took the total for 1."),
        (lambda p, f: int(f * len(p)), "every item is equally likely here: the priorities must count."),
        (lambda p, f: int(p.argmax()), "that is the item of highest priority; the fraction must decide."),
    ]
    return examine(function, place, instances, mistakes)


def check_rehearse(function: Callable, seed: int = 0) -> bool:
    """One replayed batch whose priorities are renewed: function(replay, loss_of, n, beta) -> weighted mean loss."""
    rng = np.random.default_rng(seed)
    for n, beta in [(8, 1.0), (5, 0.4), (16, 0.7), (1, 0.5)]:
        items, scale = torch.from_numpy(rng.normal(size=12)).float(), torch.tensor(float(rng.uniform(1, 3)))
        replay = ExperienceReplay(12, alpha=0.8, seed=int(rng.integers(1000)))
        replay.extend(items, rng.uniform(0.5, 4, 12))
        problem = _rehearsed(function, replay, scale.requires_grad_(), n, beta)
        if problem:
            return verdict(problem)
    return verdict()


def _rehearsed(function, replay, scale, n, beta):
    """What is wrong with one rehearsal, or None; the loss of an item x is scale · (x + 1)^2."""

    def loss_of(x):
        return scale * (x + 1).square()

    given, twin = copy.deepcopy(replay), copy.deepcopy(replay)
    got, problem = attempt(function, given, loss_of, n, beta)
    if problem:
        return problem
    batch = twin.sample(n, beta)
    losses = loss_of(batch.data)
    if not isinstance(got, torch.Tensor) or got.shape != ():
        shape = tuple(got.shape) if isinstance(got, torch.Tensor) else type(got).__name__
        return f"Wrong shape: the mean loss is one number, a tensor of shape (), got {shape}."
    if not got.requires_grad:
        return "The result is detached from the network: nothing can be learned from it."
    same = dict(rtol=1e-4, atol=1e-6)
    untouched = replay.probabilities()
    if np.allclose(given.probabilities(), untouched, **same):
        return "The priorities are not the new losses, so the same items are drawn for ever."
    means = {
        "each loss must be multiplied by its weight.": losses.mean(),
        "that is the sum, not the mean.": (batch.weights * losses).sum(),
        "divide by n, not by the sum of the weights.": (batch.weights * losses).sum() / batch.weights.sum(),
    }
    right = (batch.weights * losses).mean()
    twin.update_priorities(batch.indices, losses)
    if not torch.allclose(got, right, **same):
        for why, value in means.items():
            if torch.allclose(got, value, **same):
                return f"Right shape, wrong values: {why}"
        if given.rng.bit_generator.state != twin.rng.bit_generator.state:
            return f"Draw once, and n = {n} items: the buffer was asked for another number, or more than once."
        return f"Right shape, wrong values for n = {n}, beta = {beta}: got {float(got.detach()):.4g}."
    if not np.allclose(given.probabilities(), twin.probabilities(), **same):
        weighted = copy.deepcopy(replay)
        weighted.update_priorities(batch.indices, batch.weights * losses)
        if np.allclose(given.probabilities(), weighted.probabilities(), **same):
            return "The priorities must be the losses themselves, not the losses times their weights."
        return "Right value, but the priorities are not the losses of the items that were drawn."
    return None


def check_victim(function: Callable, seed: int = 0) -> bool:
    """Whom a balanced buffer gives up: function(labels, rng) -> place of a random item of the most frequent class."""
    rng = np.random.default_rng(seed)
    cases = {"labels 40, 17, 17, 25, 17, 40": np.array([40, 17, 17, 25, 17, 40])}
    for number in range(3):
        most = int(rng.integers(10, 99))
        labels = np.concatenate([rng.choice(np.arange(100, 105), 4, replace=False), [most] * int(rng.integers(2, 5))])
        cases[f"random labels {number + 1}"] = rng.permutation(labels)
    cases["one class only"] = np.array([7, 7, 7])
    cases["a single item"] = np.array([3])
    cases["two classes as frequent"] = np.array([5, 4, 4, 5, 6])
    return verdict(*(_gave_up(function, labels, label) for label, labels in cases.items()))


def _gave_up(function, labels, label, draws=200):
    """What is wrong with the choices for these labels, or None."""
    given, places = labels.copy(), []
    for start in range(draws):
        place, problem = attempt(function, given, np.random.default_rng(start))
        if problem:
            return problem
        if not isinstance(place, numbers.Integral) or isinstance(place, bool):
            return f"The place must be an integer, got {type(place).__name__} for {label}."
        places.append(int(place))
    if not np.array_equal(given, labels):
        return "`labels` was given to you and has changed: choose a place, the buffer does the rest."
    classes, counts = np.unique(labels, return_counts=True)
    frequent = np.isin(labels, classes[counts == counts.max()])
    if len(labels) > 2 and set(places) <= set(classes[counts == counts.max()].tolist()) and counts.max() > 1:
        return f"For {label} you return the label of the most frequent class: that is not a place in the buffer."
    if not all(0 <= place < len(labels) for place in places):
        outside = next(place for place in places if not 0 <= place < len(labels))
        return f"Place {outside} was given up for {label}, where there are {len(labels)} places."
    if not all(frequent[place] for place in places):
        return f"For {label}: an item was given up of a class that does not have the most items."
    again = [attempt(function, given, np.random.default_rng(start))[0] for start in range(draws)]
    if again != places:
        return "The same rng must give the same place: draw with the `rng` that is given."
    if (counts == counts.max()).sum() == 1 and len(set(places)) < frequent.sum():
        return f"For {label}: one item of the most frequent class is never given up: choose among them at random."
    return None
