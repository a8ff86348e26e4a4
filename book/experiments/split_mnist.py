"""Split MNIST in three scenarios, after van de Ven et al. 2022 (chapter 4).

    python -m book.experiments.split_mnist PATH
    python -m book.experiments.split_mnist --openml

PATH is a .npz file (x_train, y_train, x_test, y_test, or x and y) or a folder with
the four IDX files of MNIST; --openml lets scikit-learn fetch "mnist_784". Nothing
is downloaded unasked, MNIST is no part of this repository, and without arguments
this prints how to use it. Each method of a scenario is stored in book/results as
soon as it is there; a run that was stopped goes on where it was. With --bfloat16 the
products of matrices are made in bfloat16 while training (weights, losses, updates
and tests stay float32), which takes two thirds of the time on processors that have
it; the stored results were made so.

The protocol is that of the authors' released code (GMvandeVen/continual-learning).
Five contexts of two digits; which digits meet is drawn anew for each seed. A
perceptron 784-400-400-10 (two outputs in the domain scenario). 2,000 batches of 128
a context, Adam at 1e-3, never reset. After each context 100 random rows of each of
its classes are stored. From then on a batch of 128 stored rows goes with each batch
of new rows; in context k the new rows count 1/k and the stored ones the rest. Joint
training has the same 10,000 batches of 128, drawn from all contexts. What differs:
five seeds instead of twenty, and the stored batch is drawn from all that is stored,
not context by context. Three rivals are not theirs: a network that learns the
stored rows and nothing else (2,000 batches of 128), the nearest stored row, and the
nearest mean of a class.
"""

import argparse

import torch
import torch.nn.functional as F

from neuralmem import ExperienceReplay
from neuralmem.metrics import confidence_interval

from .common import complete, processor_seconds
from .mnist import fetch, read

SCENARIOS = ("class", "domain", "task")
METHODS = (
    "replay",
    "none",
    "joint",
    "stored rows only",
    "nearest stored row",
    "nearest class mean",
)
DIGITS, CONTEXTS, HIDDEN = 10, 5, 400


class World:
    """MNIST as S seeds meet it: a scenario, and an order of the digits for each.

    Images are shared. `place` (S, n) says how many digits come before the one on an
    image; its context is place // 2.
    """

    def __init__(self, train, test, scenario, seeds):
        self.scenario, self.seeds = scenario, seeds
        self.images, self.tests = train[0], test[0]
        self.outputs = 2 if scenario == "domain" else DIGITS
        self.orders = []
        for seed in seeds:
            generator = torch.Generator().manual_seed(seed)
            self.orders.append(torch.randperm(DIGITS, generator=generator))
        self.place = torch.stack(
            [order[train[1]] for order in self.orders]
        )  # (S, n)
        self.test_place = torch.stack([order[test[1]] for order in self.orders])

    def labels(self, place):
        """The right answer for a digit before which `place` others are learned."""
        return place % 2 if self.scenario == "domain" else place

    def allowed(self, place):
        """The outputs (..., outputs) among which the network may choose."""
        if self.scenario == "task":
            return torch.arange(DIGITS) // 2 == place[..., None] // 2
        return torch.ones(self.outputs, dtype=torch.bool)

    def contexts(self):
        """The training rows of each context, and within it of each seed."""
        context = self.place // 2
        return [
            [(c == k).nonzero().squeeze(1) for c in context]
            for k in range(CONTEXTS)
        ]

    def stores(self, count):
        """What is stored after each context, by seed: `count` rows of each class."""
        generators = [
            torch.Generator().manual_seed(3000 + seed) for seed in self.seeds
        ]
        found = []
        for phase in self.contexts():
            kept = []
            for rows, place, generator in zip(
                phase, self.place, generators, strict=True
            ):
                kept.append(some_of_each(rows, place[rows], count, generator))
            found.append(kept)
        return found


class Networks:
    """S perceptrons with PyTorch's initial weights, trained side by side."""

    def __init__(self, inputs, outputs, seeds, bfloat16=False):
        self.parameters, self.bfloat16 = [], bfloat16
        generators = [torch.Generator().manual_seed(1000 + seed) for seed in seeds]
        sizes = (inputs, HIDDEN, HIDDEN, outputs)
        for a, b in zip(sizes, sizes[1:], strict=False):
            for shape in ((a, b), (1, b)):
                draws = [torch.rand(shape, generator=g) for g in generators]
                values = (2 * torch.stack(draws) - 1) / a**0.5
                self.parameters.append(values.requires_grad_())
        fused = {} if torch.__version__ < "2.4" else {"fused": True}
        self.optimiser = torch.optim.Adam(self.parameters, 1e-3, **fused)

    def __call__(self, x, bfloat16=False):
        """x (S, n, inputs) -> (S, n, outputs)"""
        layers = list(zip(self.parameters[::2], self.parameters[1::2], strict=True))
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            for weight, bias in layers[:-1]:
                x = torch.baddbmm(bias, x, weight).relu()
            weight, bias = layers[-1]
            return torch.baddbmm(bias, x, weight).float()

    def step(self, world, rows, shares):
        """One step of Adam on images rows (S, n); column i counts shares[i]."""
        place = world.place.gather(1, rows)
        scores = self(world.images[rows], self.bfloat16)
        if world.scenario == "task":
            scores = scores.masked_fill(~world.allowed(place), -torch.inf)
        labels = world.labels(place)
        losses = F.cross_entropy(scores.transpose(1, 2), labels, reduction="none")
        self.optimiser.zero_grad()
        (losses * shares).sum().backward()
        self.optimiser.step()

    @torch.no_grad()
    def accuracy(self, world):
        """Share (S, contexts) of the test rows of each context that are right."""
        scores = self(world.tests.expand(len(world.seeds), -1, -1))
        scores = scores.masked_fill(~world.allowed(world.test_place), -torch.inf)
        return by_context(
            scores.argmax(-1) == world.labels(world.test_place), world
        )


def by_context(right, world):
    """Mean (S, contexts) of `right` (S, tests) over the tests of each context."""
    context = world.test_place // 2
    columns = []
    for number in range(CONTEXTS):
        here = (context == number).float()
        columns.append((right * here).sum(1) / here.sum(1))
    return torch.stack(columns, 1)


def passes(rows, size, generator):
    """Without end: `rows` in a new order each time round, in pieces of `size`.

    As in the authors' loader, an incomplete last piece is left out.
    """
    size = min(size, len(rows))
    while True:
        order = rows[torch.randperm(len(rows), generator=generator)]
        yield from order[: len(order) // size * size].split(size)


def some_of_each(rows, classes, count, generator):
    """At most `count` random ones of `rows` (n,) of each class; classes (n,)."""
    chosen = []
    for number in classes.unique():
        here = rows[classes == number]
        chosen.append(here[torch.randperm(len(here), generator=generator)[:count]])
    return torch.cat(chosen)


def learn(world, phases, steps, batch=128, stores=None, bfloat16=False):
    """Accuracies (S, phases, contexts) after each phase.

    phases: training rows of each phase and seed; stores: the rows to store after it.
    """
    seeds = world.seeds
    networks = Networks(world.images.shape[1], world.outputs, seeds, bfloat16)
    generators = [torch.Generator().manual_seed(2000 + seed) for seed in seeds]
    replays = [ExperienceReplay(60_000, "uniform", seed=seed) for seed in seeds]
    trace = []
    for number, phase in enumerate(phases, 1):
        pairs = zip(phase, generators, strict=True)
        streams = [passes(rows, batch, generator) for rows, generator in pairs]
        for _ in range(steps):
            rows = torch.stack([next(stream) for stream in streams])
            shares = torch.full((rows.shape[1],), 1 / rows.shape[1])
            if len(replays[0]):
                count = min(batch, len(replays[0]))
                old = torch.stack([replay.sample(count).data for replay in replays])
                rest = torch.full((count,), (1 - 1 / number) / count)
                rows = torch.cat([rows, old], 1)
                shares = torch.cat([shares / number, rest])
            networks.step(world, rows, shares)
        for index, replay in enumerate(replays if stores else ()):
            replay.extend(stores[number - 1][index])
        trace.append(networks.accuracy(world))
    return torch.stack(trace, 1)


def nearest(world, kept):
    """Accuracy (S, 1, contexts) of the label of the nearest stored row."""
    right = []
    for index, rows in enumerate(kept):
        distances = torch.cdist(world.tests, world.images[rows])
        place, asked = world.place[index, rows], world.test_place[index]
        if world.scenario == "task":
            elsewhere = place // 2 != asked[:, None] // 2
            distances = distances.masked_fill(elsewhere, torch.inf)
        answer = world.labels(place[distances.argmin(1)])
        right.append(answer == world.labels(asked))
    return by_context(torch.stack(right), world)[:, None]


def nearest_mean(world):
    """The same for the nearest of ten mean images, one for each class."""
    rows = torch.arange(DIGITS)
    right = []
    for index in range(len(world.seeds)):
        place, asked = world.place[index], world.test_place[index]
        means = torch.stack(
            [world.images[place == digit].mean(0) for digit in rows]
        )
        distances = torch.cdist(world.tests, means)
        if world.scenario == "task":
            elsewhere = rows // 2 != asked[:, None] // 2
            distances = distances.masked_fill(elsewhere, torch.inf)
        right.append(world.labels(distances.argmin(1)) == world.labels(asked))
    return by_context(torch.stack(right), world)[:, None]


def accuracies(method, world, steps, batch=128, stored=100, bfloat16=False):
    """Accuracies (S, phases, contexts) of a method after each phase that it has."""
    contexts, stores = world.contexts(), world.stores(stored)
    settings = {"batch": batch, "bfloat16": bfloat16}
    everything = torch.arange(len(world.images))
    kept = [torch.cat(rows) for rows in zip(*stores, strict=True)]
    if method == "none":
        return learn(world, contexts, steps, **settings)
    if method == "replay":
        return learn(world, contexts, steps, stores=stores, **settings)
    if method == "stored rows only":
        return learn(world, [kept], steps, **settings)
    if method == "joint":
        rows = [everything for _ in world.seeds]
        return learn(world, [rows], steps * CONTEXTS, **settings)
    return nearest(world, kept) if "row" in method else nearest_mean(world)


def main(arguments=None):
    """Read MNIST as asked, run everything, print and write the accuracies."""
    parser = argparse.ArgumentParser(description="Split MNIST in three scenarios.")
    parser.add_argument("path", nargs="?", help=".npz file or folder of IDX files")
    parser.add_argument(
        "--openml", action="store_true", help="fetch it by scikit-learn"
    )
    parser.add_argument("--bfloat16", action="store_true", help="faster products")
    parser.add_argument("--seeds", type=int, default=5, help="at least 2")
    parser.add_argument("--steps", type=int, default=2000, help="batches a context")
    parser.add_argument(
        "--out", default="split_mnist", help="book/results/OUT.json"
    )
    chosen = parser.parse_args(arguments)
    if chosen.seeds < 2 or chosen.steps < 1:
        parser.error(
            f"need 2 seeds and 1 step, got {chosen.seeds} and {chosen.steps}"
        )
    if chosen.path and chosen.openml:
        parser.error("give PATH or --openml, not both")
    if not chosen.path and not chosen.openml:
        parser.print_help()
        return None
    try:
        train, test = fetch() if chosen.openml else read(chosen.path)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    settings = {"steps": chosen.steps, "bfloat16": chosen.bfloat16}
    seeds, plan = list(range(chosen.seeds)), []
    for scenario in SCENARIOS:
        for method in METHODS:
            facts = {"scenario": scenario, "method": method, "seeds": seeds}
            plan.append(facts | settings)

    def run(scenario, method, seeds, steps, bfloat16):
        world = World(train, test, scenario, seeds)
        found, seconds = processor_seconds(
            accuracies, method, world, steps, bfloat16=bfloat16
        )
        mean, half = confidence_interval(100 * found[:, -1].mean(1))
        print(f"{scenario}, {method}: {mean:.2f} ± {half:.2f} %, {seconds:.0f} s")
        rounded = found.double().numpy().round(5).tolist()
        orders = [order.tolist() for order in world.orders]
        return {"accuracy": rounded, "orders": orders, "seconds": round(seconds, 1)}

    command = "python -m book.experiments.split_mnist PATH --bfloat16"
    return complete(chosen.out, plan, run, command=command)


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # for this process: numbers below 1e-38 cost time
    main()
