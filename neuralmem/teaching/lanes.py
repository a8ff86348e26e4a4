"""Chapter 4's loop for many networks at once: the page shows one network, this trains every seed.

A *lane* is one network: a scenario, a seed, and whatever a remedy sets for it. All tensors carry a leading axis of L
lanes that share nothing but the loop, so that lane l learns what its seed learns alone (a test trains both).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ..worlds.digits import split_digits
from .progress import progress

if TYPE_CHECKING:
    from .remedies import Naive

NEW, OLD = 16, 32  # new rows, and rehearsed rows, of a step


def new_network(outputs: int, seed: int) -> nn.Sequential:
    """A perceptron 64-64-64-outputs with PyTorch's initial weights, the same for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        hidden = [nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU()]
        return nn.Sequential(*hidden, nn.Linear(64, outputs))


class Batch(NamedTuple):
    """Rows of L lanes: x (L, n, 64), y (L, n), mask (L, n, O) of the outputs among which a row may choose."""

    x: torch.Tensor
    y: torch.Tensor
    mask: torch.Tensor


class Lanes:
    """What L lanes learn and are tested on: the split digits, each lane in its scenario and with its seed.

    A training row is known by its number in `x` (n, 64), where the tasks follow one another: task k has the rows
    first[k] to first[k + 1]. All lanes have ten outputs; in the domain scenario the mask leaves two of them.
    """

    def __init__(self, scenarios: Sequence[str], seeds: Sequence[int]):
        self.seeds, self.scenarios, self.outputs = list(seeds), list(scenarios), 10
        streams = {scenario: split_digits(scenario) for scenario in set(scenarios)}
        tasks = [streams[scenario] for scenario in self.scenarios]
        self.count = len(tasks[0])
        sizes = [len(task.train_x) for task in tasks[0]]
        self.first = np.concatenate([[0], np.cumsum(sizes)]).tolist()
        self.x = torch.cat([task.train_x for task in tasks[0]])
        self.y = torch.stack([torch.cat([task.train_y for task in lane]) for lane in tasks])
        self.task = torch.cat([torch.full((size,), k) for k, size in enumerate(sizes)])
        self.masks = torch.stack([torch.stack([self._padded(task.mask) for task in lane]) for lane in tasks])
        self.tests = [(k[0].test_x, torch.stack([lane.test_y for lane in k])) for k in zip(*tasks, strict=True)]
        self.lane = torch.arange(len(self.seeds))[:, None]
        widths = [len(lane[0].mask) for lane in tasks]
        self.exists = torch.arange(self.outputs) < torch.tensor(widths)[:, None]  # (L, O) outputs a lane really has

    def _padded(self, mask):
        return F.pad(mask, (0, self.outputs - len(mask)))

    def batch(self, rows: torch.Tensor) -> Batch:
        """The Batch of training rows (L, n)."""
        return Batch(self.x[rows], self.y.gather(1, rows), self.masks[self.lane, self.task[rows]])

    def generators(self, add: int = 0) -> list[torch.Generator]:
        """A generator for each lane, which starts from its seed + `add`."""
        return [torch.Generator().manual_seed(seed + add) for seed in self.seeds]


class Networks:
    """The networks of L lanes: weights (L, a, b) and biases (L, 1, b), each lane as `new_network` draws it."""

    def __init__(self, seeds: Sequence[int], outputs: int = 10):
        drawn = [list(new_network(outputs, seed).parameters()) for seed in seeds]
        self.parameters = []
        for weight, bias in zip(*(list(zip(*drawn, strict=True))[i::2] for i in (0, 1)), strict=True):
            self.parameters.append(torch.stack([w.detach().T for w in weight]).requires_grad_())
            self.parameters.append(torch.stack([b.detach()[None] for b in bias]).requires_grad_())

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """x (L, n, 64) -> (L, n, outputs)"""
        return self.layers(x)[-1]

    def layers(self, x: torch.Tensor) -> list[torch.Tensor]:
        """What each layer gives before its ReLU, one (L, n, width) a layer."""
        found: list[torch.Tensor] = []
        for weight, bias in zip(self.parameters[::2], self.parameters[1::2], strict=True):
            x = torch.baddbmm(bias, x.relu() if found else x, weight)
            found.append(x)
        return found

    def losses(self, batch: Batch) -> torch.Tensor:
        """Cross-entropy (L, n) among the outputs that the masks allow."""
        return cross_entropies(self(batch.x), batch)


def cross_entropies(scores: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Cross-entropy (L, n) of scores (L, n, O) among the outputs that a batch's masks allow."""
    scores = scores.masked_fill(~batch.mask, -1e9)
    return F.cross_entropy(scores.transpose(1, 2), batch.y, reduction="none")


@torch.no_grad()
def accuracies(networks: Networks, lanes: Lanes) -> torch.Tensor:
    """Share (L, tasks) of each task's test rows that are right."""
    columns = []
    for k, (x, y) in enumerate(lanes.tests):
        scores = networks(x.expand(len(lanes.seeds), -1, -1)).masked_fill(~lanes.masks[:, k, None], -1e9)
        columns.append((scores.argmax(-1) == y).float().mean(1))
    return torch.stack(columns, 1)


def adam(parameters: list[torch.Tensor], lr: float = 1e-3) -> torch.optim.Adam:
    """Adam; the fused one where PyTorch has it for the CPU, which is several times faster and gives the same."""
    if torch.__version__ >= "2.4":
        return torch.optim.Adam(parameters, lr=lr, fused=True)
    return torch.optim.Adam(parameters, lr=lr)


def learn(lanes: Lanes, remedy: "Naive", steps: int = 200, every: int | None = None) -> np.ndarray:
    """Train on one task after the other; returns accuracies (L, measurements, tasks), the first before any training.

    Each task has `steps` batches of 16 rows; measured is after every `every` steps (default: at the end of each task).
    """
    networks = Networks(lanes.seeds, lanes.outputs)
    optimiser, generators = adam(networks.parameters), lanes.generators()
    trace = [accuracies(networks, lanes)]
    for k in progress(range(lanes.count), remedy.called):
        first, size = lanes.first[k], lanes.first[k + 1] - lanes.first[k]
        picks = [torch.randint(size, (steps, NEW), generator=generator) for generator in generators]
        remedy.start(lanes, k)
        for step, rows in enumerate(torch.stack(picks, 1) + first, 1):
            optimiser.zero_grad()
            remedy.gradients(networks, rows)
            optimiser.step()
            if step == steps:
                remedy.finish(networks, k)
            if step % (every or steps) == 0:
                trace.append(accuracies(networks, lanes))
    return torch.stack(trace, 1).numpy()
