"""The checks of chapter 5's exercises: random instances and awkward ones against a reference, one verdict each."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

from .judge import attempt, examine, verdict


def _generator(seed):
    return torch.Generator().manual_seed(7919 * seed + 5)


def check_reptile_start(function: Callable, seed: int = 0) -> bool:
    """Where Reptile comes to rest: function(curvatures (K,), targets (K,), rate, steps) -> number."""

    def gone(curvatures, rate, steps):
        return 1 - (1 - 2 * rate * curvatures) ** steps

    def weighted(weights):
        def start(curvatures, targets, rate, steps):
            weight = weights(curvatures, rate, steps)
            return (weight * targets).sum() / weight.sum()

        return start

    reference = weighted(gone)
    mistakes = [
        (weighted(lambda h, rate, k: h), "that is joint training's start, which one step gives, not many."),
        (
            weighted(lambda h, rate, k: torch.ones_like(h)),
            "that is the plain mean of the targets, the limit of many steps.",
        ),
        (
            weighted(lambda h, rate, k: h * gone(h, rate, k)),
            "a task pulls with what it has moved, not with its curvature as well.",
        ),
        (
            weighted(lambda h, rate, k: h * (1 - gone(h, rate, k)) ** 2),
            "these are MAML's weights; Reptile pulls towards the adapted weights.",
        ),
        (
            weighted(lambda h, rate, k: 1 - gone(h, rate, k)),
            "a task pulls with the share of the way that it has gone, not with what is left.",
        ),
    ]
    generator, instances = _generator(seed), {}
    instances["the two tasks, three steps"] = torch.tensor([1.0, 4.0]), torch.tensor([0.0, 10.0]), 0.1, 3
    for number, steps in enumerate((2, 4, 7)):
        curvatures = 0.5 + 3 * torch.rand(3, generator=generator)
        targets = 5 * torch.randn(3, generator=generator)
        rate = 0.03 + 0.1 * float(torch.rand((), generator=generator))
        instances[f"random tasks {number + 1}"] = curvatures, targets, rate, steps
    instances["one step"] = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([3.0, 0.0, -1.0]), 0.05, 1
    instances["a single task"] = torch.tensor([2.0]), torch.tensor([-4.0]), 0.1, 5
    instances["a thousand steps"] = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([3.0, 0.0, -1.0]), 0.05, 1000
    return examine(function, reference, instances, mistakes)


def _adapted(loss, start, rate, steps, second_order=True):
    weights = dict(start)
    for _ in range(steps):
        slopes = torch.autograd.grad(loss(weights), list(weights.values()), create_graph=second_order)
        moved = zip(weights.items(), slopes, strict=True)
        weights = {name: value - rate * slope for (name, value), slope in moved}
    return weights


def check_inner_loop(function: Callable, seed: int = 0) -> bool:
    """A differentiable inner loop: function(loss, start (dict), rate, steps) -> dict of adapted tensors."""
    generator = _generator(seed)
    for number, steps in enumerate((2, 1, 3, 0)):
        size = number + 2
        mix = torch.randn(size, size, generator=generator) / size
        aim = torch.randn(size, generator=generator)
        rate = 0.05 + 0.1 * float(torch.rand((), generator=generator))
        values = {"weight": torch.randn(size, generator=generator), "bias": torch.randn((), generator=generator)}

        def loss(weights, mix=mix, aim=aim):
            return ((torch.tanh(mix @ weights["weight"]) + weights["bias"] - aim) ** 2).sum()

        problem = _inner_loop_problem(function, loss, values, rate, steps)
        if problem:
            return verdict(problem)
    return verdict()


def _inner_loop_problem(function, loss, values, rate, steps):
    """What is wrong with an inner loop on one instance, or None."""
    start = {name: value.clone().requires_grad_() for name, value in values.items()}
    given = dict(start)
    got, problem = attempt(function, loss, given, rate, steps)
    if problem:
        return problem
    wanted = _adapted(loss, {name: value.clone().requires_grad_() for name, value in values.items()}, rate, steps)
    same = all(given.get(name) is value for name, value in start.items())
    if not same or any(not torch.equal(start[name].detach(), value) for name, value in values.items()):
        return "The start has moved: make new tensors, the next task needs the old ones."
    if not isinstance(got, dict) or set(got) != set(values):
        return f"A dict with the start's names {sorted(values)} is asked for, got {type(got).__name__} {list(got)[:4]}."
    for name, value in wanted.items():
        if not isinstance(got[name], torch.Tensor) or got[name].shape != value.shape:
            return f"Wrong shape or type of {name}: a tensor {tuple(value.shape)} is asked for."
        if got[name].dtype != value.dtype:
            return f"Wrong dtype of {name}: {value.dtype} is asked for, got {got[name].dtype}."
    if not all(torch.allclose(got[name], value, rtol=1e-4, atol=1e-6) for name, value in wanted.items()):
        return _wrong_steps(got, loss, values, rate, steps)
    if not all(value.requires_grad for value in got.values()):
        return "Right values, but no gradient leads back to the start."
    slopes = _probed(got, start)
    leaves = {name: value.clone().requires_grad_() for name, value in values.items()}
    right = _probed(_adapted(loss, leaves, rate, steps), leaves)
    if any(slope is None for slope in slopes):
        return "Right values, but no gradient leads back to the start."
    if not all(torch.allclose(a, b, rtol=1e-3, atol=1e-5) for a, b in zip(slopes, right, strict=True)):
        return "Right values, wrong gradient: that is first order. Is create_graph=True missing?"
    return None


def _probed(adapted, start):
    """The gradient, in the start, of a sum of the adapted tensors in which each has a weight of its own."""
    total = sum((number + 1.5) * adapted[name].sum() for number, name in enumerate(start))
    return torch.autograd.grad(total, list(start.values()), allow_unused=True)


def _wrong_steps(got, loss, values, rate, steps):
    """Why the adapted weights are not right: another number of steps, another rate, or something else."""

    def fits(other_rate, other_steps):
        leaves = {name: value.clone().requires_grad_() for name, value in values.items()}
        other = _adapted(loss, leaves, other_rate, other_steps)
        return all(torch.allclose(got[name], value, rtol=1e-4, atol=1e-6) for name, value in other.items())

    for count in range(5):
        if count != steps and fits(rate, count):
            return f"You took {count} step{'s' * (count != 1)} where `steps` is {steps}."
    if fits(-rate, steps):
        return "You went up the slope: descent subtracts rate times the gradient."
    return "Right shapes, wrong values: each step starts from the weights that the step before has reached."


def _task_losses(model, tasks, rate):
    losses, start = [], dict(model.named_parameters())
    for support_x, support_y, query_x, query_y in tasks:
        slopes = torch.autograd.grad(F.mse_loss(model(support_x), support_y), list(start.values()), create_graph=True)
        moved = zip(start.items(), slopes, strict=True)
        adapted = {name: value - rate * slope for (name, value), slope in moved}
        losses.append(F.mse_loss(functional_call(model, adapted, (query_x,)), query_y))
    return torch.stack(losses)


def _leaking(model, tasks, rate, forget, restore=False):
    """Losses as the faulty function gives them: the start moves, gradients add up, or both."""
    losses, before = [], [value.detach().clone() for value in model.parameters()]
    for support_x, support_y, query_x, query_y in tasks:
        if forget:
            model.zero_grad()
        F.mse_loss(model(support_x), support_y).backward()
        with torch.no_grad():
            for value in model.parameters():
                value -= rate * value.grad
        losses.append(F.mse_loss(model(query_x), query_y).detach())
        if restore:
            with torch.no_grad():
                for value, old in zip(model.parameters(), before, strict=True):
                    value.copy_(old)
    return torch.stack(losses)


def check_task_losses(function: Callable, seed: int = 0) -> bool:
    """Query loss of each task, all from the same start: function(model, tasks, rate) -> (K,)."""
    generator, problem = _generator(seed), None
    for count, width in ((3, 2), (2, 1), (1, 3), (5, 2)):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + count)
            layers = [nn.Linear(width, 4), nn.Tanh(), nn.Linear(4, 1)]
        rate = 0.05 + 0.2 * float(torch.rand((), generator=generator))
        sizes = [(4, width), (4, 1), (6, width), (6, 1)]
        tasks = [tuple(torch.randn(size, generator=generator) for size in sizes) for _ in range(count)]
        problem = problem or _task_losses_problem(function, nn.Sequential(*layers), tasks, rate)
    return verdict(problem)


def _task_losses_problem(function, model, tasks, rate):
    """What is wrong with the losses of one instance, or None."""
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    kept = [[part.clone() for part in task] for task in tasks]

    def again():
        model.zero_grad()
        with torch.no_grad():
            for name, value in model.named_parameters():
                value.copy_(before[name])

    right = _task_losses(model, tasks, rate)
    got, problem = attempt(function, model, tasks, rate)
    moved = any(not torch.equal(value.detach(), before[name]) for name, value in model.named_parameters())
    if problem:
        return problem
    if any(not torch.equal(*pair) for old, new in zip(kept, tasks, strict=True) for pair in zip(old, new, strict=True)):
        return "`tasks` was given to you and has changed: work on a copy of it."
    if not isinstance(got, torch.Tensor):
        return f"A tensor is asked for, got a {type(got).__name__}."
    if got.shape != right.shape:
        return f"Wrong shape: {tuple(right.shape)} is asked for, one loss a task, got {tuple(got.shape)}."
    if not torch.allclose(got.detach().double(), right.detach().double(), rtol=1e-4, atol=1e-6):
        wrong = []
        for forget, restore, why in [
            (True, False, "the second task starts where the first one ended."),
            (False, False, "the second task starts where the first ended, and with its gradient still added up."),
            (False, True, "the first task's gradient is still added to the second's."),
        ]:
            again()
            wrong.append((_leaking(model, tasks, rate, forget, restore), why))
        again()
        unused = torch.stack([F.mse_loss(model(query_x), query_y) for _, _, query_x, query_y in tasks])
        wrong.append((unused, "these are the losses of the start: the adapted weights are never used."))
        inner = torch.stack([_task_losses(model, [(x, y, x, y)], rate)[0] for x, y, _, _ in tasks])
        wrong.append((inner, "these are the losses on the support sets; the query sets judge."))
        for other, why in wrong:
            if torch.allclose(got.detach().double(), other.detach().double(), rtol=1e-4, atol=1e-6):
                return f"Right shape, wrong values: {why}"
        return "Right shape, wrong values: each task takes one step of size `rate` from the model's own weights."
    if moved:
        return "Right losses, but the model is not as it was: its weights have moved."
    if not got.requires_grad:
        return "Right losses, but no gradient leads from them to the model: is something detached?"
    slopes = [torch.autograd.grad(value.sum(), list(model.parameters())) for value in (got, right)]
    if not all(torch.allclose(a, b, rtol=1e-3, atol=1e-5) for a, b in zip(*slopes, strict=True)):
        return "Right losses, wrong gradient: that is first order. Is create_graph=True missing?"
    return None


def check_tuned_error(function: Callable, seed: int = 0) -> bool:
    """Test error of a step size chosen fairly: function(validation (rates, tasks), test (rates, tasks)) -> number."""

    def reference(validation, test):
        return test[validation.mean(1).argmin()].mean()

    mistakes = [
        (lambda v, t: t.mean(1).min(), "you chose on the test tasks, so they are no test any more."),
        (lambda v, t: t.min(0).values.mean(), "you chose anew for each test task, by looking at its answers."),
        (
            lambda v, t: v.mean(1).min(),
            "that is the validation error; the chosen rate has to be tried on the test tasks.",
        ),
        (lambda v, t: v.mean(), "that is the mean of all validation errors."),
        (
            lambda v, t: t[v.min(1).values.argmin()].mean(),
            "you chose the rate of the best single task; choose by the mean over tasks.",
        ),
        (lambda v, t: t[v.mean(1).argmax()].mean(), "you chose the worst rate: an error should be small."),
        (_by_task, "you chose a rate for each task; choose one, by its mean over the validation tasks."),
    ]
    generator, instances = _generator(seed), {}
    instances["the example"] = (
        torch.tensor([[1.0, 3.0], [2.0, 1.0], [4.0, 4.0]]),
        torch.tensor([[1.0, 1.0], [2.0, 4.0], [5.0, 0.0]]),
    )
    for number in range(4):
        validation = torch.rand(4, 6, generator=generator)
        test = torch.rand(4, 6, generator=generator) + torch.rand(4, 1, generator=generator)
        instances[f"random errors {number + 1}"] = validation, test
    instances["one rate"] = torch.tensor([[2.0, 5.0]]), torch.tensor([[1.0, 4.0]])
    instances["more test tasks than validation tasks"] = (
        torch.rand(3, 2, generator=generator),
        torch.rand(3, 9, generator=generator),
    )
    large = torch.rand(3, 5, generator=generator)
    large[0, 0] = 1e6
    instances["a task that diverged"] = large, torch.rand(3, 5, generator=generator)
    return examine(function, reference, instances, mistakes)


def _by_task(validation, test):
    if validation.shape != test.shape:
        return test[validation.mean(1).argmin()].mean()
    return test.gather(0, validation.argmin(0, keepdim=True)).mean()


def check_nearest_centroid(function: Callable, seed: int = 0) -> bool:
    """Few-shot labels without learning: function(support_x (n, D), support_y (n,), query_x (m, D)) -> labels (m,)."""

    def centres(x, y):
        return torch.stack([x[y == label].mean(0) for label in y.unique()])

    def reference(x, y, query):
        return y.unique()[torch.cdist(query, centres(x, y)).argmin(1)]

    def sums(x, y, query):
        total = torch.stack([x[y == label].sum(0) for label in y.unique()])
        return y.unique()[torch.cdist(query, total).argmin(1)]

    mistakes = [
        (
            lambda x, y, q: y[torch.cdist(q, x).argmin(1)],
            "that is the nearest neighbour's label; take the class whose mean is nearest.",
        ),
        (
            lambda x, y, q: y.unique()[torch.cdist(q, centres(x, y)).argmax(1)],
            "that is the class whose mean is farthest.",
        ),
        (
            lambda x, y, q: torch.cdist(q, centres(x, y)).argmin(1),
            "you return the place of the nearest mean; its label is asked for, and labels need not be 0, 1, 2.",
        ),
        (
            lambda x, y, q: y.unique()[(q @ centres(x, y).T).argmax(1)],
            "the largest product is not the smallest distance: a long mean wins it.",
        ),
        (sums, "you took the sums of the classes, which are not of one size; the means are asked for."),
    ]
    instances = {
        "the example": (
            torch.tensor([[0.0, 0], [6, 0], [10, 0], [10, 2]]),
            torch.tensor([0, 0, 1, 1]),
            torch.tensor([[1.0, 0], [7, 0], [9, 1]]),
        )
    }
    generator = _generator(seed)
    for number in range(4):
        middles = 2 * torch.randn(3, 2, generator=generator) + 3
        labels = torch.tensor([0, 1, 2, 0, 1, 0, 0])[torch.randperm(7, generator=generator)]
        x = middles[labels] + torch.randn(7, 2, generator=generator)
        instances[f"random points {number + 1}"] = x, labels, 3 + 3 * torch.randn(9, 2, generator=generator)
    x, labels, query = instances["random points 1"]
    instances["labels 3, 5 and 8"] = x, torch.tensor([3, 5, 8])[labels], query
    instances["points far from 0"] = x + 100, labels, query + 100
    instances["one class"] = x[:2], torch.tensor([4, 4]), query[:3]
    instances["one query"] = x, labels, query[:1]
    return examine(function, reference, instances, mistakes)
