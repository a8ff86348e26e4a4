"""Chapter 4's remedies against forgetting, each for L lanes at once; the page shows each for one network."""

import numpy as np
import torch
import torch.nn.functional as F

from ..replay import ExperienceReplay
from .lanes import NEW, OLD, Lanes, Networks, adam, cross_entropies


class Naive:
    """No remedy: the new rows only."""

    @property
    def called(self) -> str:
        """What a progress bar calls it."""
        return type(self).__name__

    def start(self, lanes: Lanes, k: int) -> None:
        """Called when task k begins."""
        self.lanes = lanes

    def finish(self, networks: Networks, k: int) -> None:
        """Called when task k is over."""

    def gradients(self, networks: Networks, rows: torch.Tensor) -> None:
        """Leave the gradients of a step in the networks; rows (L, 16) are the numbers of the new rows."""
        networks.losses(self.lanes.batch(rows)).mean(1).sum().backward()


class Replay(Naive):
    """New rows and as many stored ones as OLD, from a buffer for each lane; priorities are the losses when replayed.

    The arguments are lists, one entry a lane, or one for all: `kinds`, `capacities`, `alphas`, `betas` as in
    ExperienceReplay; `scales` says where importance weights are divided by their "mean" (else by the largest in the
    batch, as the buffer does), and `factors` multiply them.
    """

    def __init__(
        self,
        lanes: Lanes,
        kinds: str | list[str] = "reservoir",
        capacities: int | list[int] = 100,
        alphas: float | list[float] = 0.6,
        betas: float | list[float] = 0.4,
        scales: str | list[str] = "max",
        factors: float | list[float] = 1.0,
    ):
        self.lanes, count = lanes, len(lanes.seeds)

        def each(value):
            return list(value) if isinstance(value, list | tuple) else [value] * count

        settings = zip(each(capacities), each(kinds), each(alphas), lanes.seeds, strict=True)
        self.buffers = [ExperienceReplay(capacity, kind, alpha, seed=seed) for capacity, kind, alpha, seed in settings]
        self.prioritised = [i for i, kind in enumerate(each(kinds)) if kind in ("proportional", "rank")]
        self.betas, self.factors = each(betas), torch.tensor(each(factors))[:, None]
        self.by_mean = torch.tensor([scale == "mean" for scale in each(scales)])[:, None]

    def recall(self, n: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Rows (L, n) drawn from each lane's buffer and their weights (L, n), 0 where a buffer holds fewer than n."""
        rows, scales, self.drawn = [], [], []
        for buffer, beta in zip(self.buffers, self.betas, strict=True):
            batch = buffer.sample(n if buffer.kind in ("proportional", "rank") else min(n, len(buffer)), beta)
            missing = n - len(batch.indices)
            rows.append(F.pad(batch.data, (0, missing)))
            scales.append(F.pad(batch.weights * n / len(batch.indices), (0, missing)))
            self.drawn.append(batch.indices)
        weights = torch.stack(scales)
        weights = torch.where(self.by_mean, weights / weights.mean(1, keepdim=True), weights)
        return torch.stack(rows), weights * self.factors

    def gradients(self, networks: Networks, rows: torch.Tensor) -> None:
        """Mean loss of the new rows plus weighted mean loss of the rehearsed ones; then the new rows are stored."""
        new = self.lanes.batch(rows)
        if len(self.buffers[0]):
            old, weights = self.recall(OLD)
            both = networks.losses(self.lanes.batch(torch.cat([rows, old], 1)))
            errors = both[:, NEW:]
            total = both[:, :NEW].mean(1) + (weights * errors).mean(1)
            priorities = errors.detach().numpy()
            for i in self.prioritised:
                self.buffers[i].update_priorities(self.drawn[i], priorities[i])
        else:
            total = networks.losses(new).mean(1)
        total.sum().backward()
        for buffer, numbers in zip(self.buffers, rows, strict=True):
            buffer.extend(numbers)


class DERpp(Replay):
    """DER++: half of the rehearsed rows ask for the stored logits again, the other half for the labels."""

    def gradients(self, networks: Networks, rows: torch.Tensor) -> None:
        """As in Buzzega et al. 2020, eq. 6, with both weights 1/2."""
        total_rows, count = [rows], OLD // 2
        if len(self.buffers[0]):
            first = [buffer.sample(min(count, len(buffer))).data for buffer in self.buffers]
            second = [buffer.sample(min(count, len(buffer))).data for buffer in self.buffers]
            total_rows += [torch.stack([data["row"] for data in drawn]) for drawn in (first, second)]
        batch = self.lanes.batch(torch.cat(total_rows, 1))
        scores = networks(batch.x)
        losses = cross_entropies(scores, batch)
        total = losses[:, :NEW].mean(1)
        if len(total_rows) > 1:
            half, exists = total_rows[1].shape[1], self.lanes.exists
            drift = scores[:, NEW : NEW + half] - torch.stack([data["answers"] for data in first])
            drift = (drift.square().mean(1) * exists).sum(1) / exists.sum(1)
            total = total + 0.5 * drift + 0.5 * losses[:, NEW + half :].mean(1)
        total.sum().backward()
        answers = scores[:, :NEW].detach()
        for buffer, numbers, each in zip(self.buffers, rows, answers, strict=True):
            buffer.extend({"row": numbers, "answers": each})


class AGEM(Replay):
    """A-GEM: stored rows of earlier tasks only have a veto on the direction of a step (Chaudhry et al. 2019)."""

    def __init__(self, lanes: Lanes):
        super().__init__(lanes)
        self.generators = lanes.generators(add=100)

    def gradients(self, networks: Networks, rows: torch.Tensor) -> None:
        """The new rows' gradient without the part that would increase the loss on stored rows."""
        super(Replay, self).gradients(networks, rows)
        if len(self.buffers[0]):
            old, _ = self.recall(OLD)
            loss = networks.losses(self.lanes.batch(old)).mean(1).sum()
            reference = torch.autograd.grad(loss, networks.parameters)
            steps = [p.grad for p in networks.parameters if p.grad is not None]
            dot = torch.stack([(step * g).sum((1, 2)) for step, g in zip(steps, reference, strict=True)]).sum(0)
            size = torch.stack([(g * g).sum((1, 2)) for g in reference]).sum(0)
            share = (dot / size).clamp(max=0)[:, None, None]
            for step, g in zip(steps, reference, strict=True):
                step -= share * g

    def finish(self, networks: Networks, k: int) -> None:
        """Store 200 random rows of the task that is over: the veto is about earlier tasks."""
        first, last = self.lanes.first[k : k + 2]
        for buffer, generator in zip(self.buffers, self.generators, strict=True):
            buffer.extend(first + torch.randint(last - first, (200,), generator=generator))


class EWC(Naive):
    """EWC: weights that mattered to earlier tasks are held where they were (Kirkpatrick et al. 2017, eq. 3).

    `strengths` is lambda, a number or one a lane. What is kept of all earlier tasks is two sums, of F and of F·theta*.
    """

    def __init__(self, lanes: Lanes, strengths: float | list[float]):
        self.strengths = torch.as_tensor(strengths, dtype=torch.float32).reshape(-1, 1, 1)
        self.sums: list[tuple] = []
        self.generators = lanes.generators(add=100)

    def gradients(self, networks: Networks, rows: torch.Tensor) -> None:
        """The new rows' gradient, and that of lambda/2 · sum of F (theta - theta*)^2."""
        super().gradients(networks, rows)
        if self.sums:
            for p, (fisher, anchored) in zip(networks.parameters, self.sums, strict=True):
                p.grad += self.strengths * (fisher * p.detach() - anchored)

    def finish(self, networks: Networks, k: int) -> None:
        """Note the weights, and how much the answers depend on each: squared gradients at answers drawn by itself."""
        first, last = self.lanes.first[k : k + 2]
        rows = [first + torch.randint(last - first, (100,), generator=g) for g in self.generators]
        batch = self.lanes.batch(torch.stack(rows))
        layers = networks.layers(batch.x)
        chances = layers[-1].detach().masked_fill(~batch.mask, -1e9).softmax(-1)
        drawn = [torch.multinomial(c, 1, generator=g).squeeze(1) for c, g in zip(chances, self.generators, strict=True)]
        loss = cross_entropies(layers[-1], batch._replace(y=torch.stack(drawn))).sum()
        inputs = [batch.x, *(layer.detach().relu() for layer in layers[:-1])]
        fishers = []
        for x, slope in zip(inputs, torch.autograd.grad(loss, layers), strict=True):
            # a row's gradient is the product x·slope, so the sum of their squares is a product of squares
            fishers += [x.square().mT @ slope.square() / 100, slope.square().sum(1, keepdim=True) / 100]
        parts = [(f, f * p.detach()) for f, p in zip(fishers, networks.parameters, strict=True)]
        before = self.sums or [(0, 0)] * len(parts)
        self.sums = [(f + f_0, a + a_0) for (f, a), (f_0, a_0) in zip(parts, before, strict=True)]


class Joint(Naive):
    """Every step draws from all rows of all tasks so far: the reference, which stores everything."""

    def start(self, lanes: Lanes, k: int) -> None:
        """One more task to draw from."""
        super().start(lanes, k)
        self.known, self.draws = lanes.first[k + 1], lanes.generators(add=100 * (k + 1))

    def gradients(self, networks: Networks, rows: torch.Tensor) -> None:
        """As many rows as the others train on in a step: 48."""
        rows = torch.stack([torch.randint(self.known, (NEW + OLD,), generator=g) for g in self.draws])
        super().gradients(networks, rows)


class GDumb(Naive):
    """GDumb: keep a hundred rows, as many of each task, and train a new network on them alone when asked."""

    def gradients(self, networks: Networks, rows: torch.Tensor) -> None:
        """Nothing is learned from the stream: the optimiser finds no gradient and leaves the weights alone."""

    def finish(self, networks: Networks, k: int, steps: int = 300) -> None:
        """`steps` steps on all kept rows at once; the trained weights take the place of the networks'."""
        share, kept = 100 // (k + 1), []
        for generator in self.lanes.generators(add=100 * (k + 1)):
            bounds = zip(self.lanes.first[: k + 1], self.lanes.first[1 : k + 2], strict=True)
            kept.append(torch.cat([a + torch.randperm(b - a, generator=generator)[:share] for a, b in bounds]))
        batch, fresh = self.lanes.batch(torch.stack(kept)), Networks(self.lanes.seeds)
        optimiser = adam(fresh.parameters)
        for _ in range(steps):
            optimiser.zero_grad()
            fresh.losses(batch).mean(1).sum().backward()
            optimiser.step()
        for p, q in zip(networks.parameters, fresh.parameters, strict=True):
            p.data.copy_(q.data)


class Watched(Replay):
    """Replay by priority that counts, in the last phase, which rehearsed rows are of the task that is trained."""

    called = "replay by priority"

    def start(self, lanes: Lanes, k: int) -> None:
        """The shares of the phase that begins are counted anew."""
        super().start(lanes, k)
        self.begun = [buffer.seen for buffer in self.buffers]
        self.shares: list[list[float]] = []
        self.means: list[np.ndarray] = []

    def recall(self, n: int) -> tuple[torch.Tensor, torch.Tensor]:
        """As in Replay, and noted."""
        rows, weights = super().recall(n)
        new = [(drawn >= begun).mean() for drawn, begun in zip(self.drawn, self.begun, strict=True)]
        self.shares.append(new)
        self.means.append(weights.mean(1).numpy())
        return rows, weights
