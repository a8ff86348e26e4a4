"""The training loops that the chapters derive, and their learning-rate schedule (chapters 3 and 5)."""

import math
from collections.abc import Callable
from typing import Any

import torch

from ._validate import positive_int, real
from .meta import MetaLearner


def train_on_sequences(
    controller: torch.nn.Module,
    draw: Callable[[int, torch.Generator], Any],
    loss: Callable[[torch.Tensor, Any], torch.Tensor],
    updates: int,
    lr: float = 1e-2,
    seed: int = 0,
    batch_size: int = 32,
    clip: float = 1.0,
    warm_up: int = 20,
    flat: float = 0.3,
    beta_2: float = 0.9,
) -> list[float]:
    """Train a controller to lower `loss(outputs, batch)`, a 0-d tensor, on batches `draw(batch_size, generator)`.

    The recipe of chapter 3: Adam with a small beta_2, which forgets old sizes of the gradient quickly; the rate is
    lr times `cosine_schedule(updates, warm_up, flat)`; all gradients together are clipped to norm `clip` (infinite:
    not at all). `batch.inputs` is (T, B, D) and `controller(batch.inputs)` returns (outputs (T, B, K), state); all
    draws come from one generator of `seed`, none from torch's own. Returns the loss of each update, before the step.
    Raises ValueError or TypeError naming the argument, before anything is changed.
    """
    factor = cosine_schedule(positive_int("updates", updates), warm_up, flat)
    rate, size = _positive("lr", lr), positive_int("batch_size", batch_size)
    limit = clip if clip == math.inf else _positive("clip", clip)
    generator, losses = torch.Generator().manual_seed(seed), []
    optimiser = torch.optim.Adam(controller.parameters(), lr=rate, betas=(0.9, real("beta_2", beta_2, 0, 1)))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
    for _ in range(updates):
        batch = draw(size, generator)
        outputs, _ = controller(batch.inputs)
        error = loss(outputs, batch)
        optimiser.zero_grad()
        error.backward()
        torch.nn.utils.clip_grad_norm_(controller.parameters(), limit)
        optimiser.step()
        schedule.step()
        losses.append(float(error.detach()))
    return losses


def train_meta(
    meta: MetaLearner,
    draw: Callable[[Any], tuple],
    updates: int,
    generator: Any,
    lr: float = 5e-3,
) -> MetaLearner:
    """Minimise a MetaLearner's outer loss by Adam, its rate falling along a cosine to 0 (chapter 5).

    `draw(generator)` gives (support_x, support_y, query_x, query_y). Returns `meta`. Raises ValueError or TypeError
    naming the argument.
    """
    steps, rate = positive_int("updates", updates), _positive("lr", lr)
    optimiser = torch.optim.Adam(meta.parameters(), rate)
    for update in range(steps):
        optimiser.param_groups[0]["lr"] = rate * (1 + math.cos(math.pi * update / steps)) / 2
        optimiser.zero_grad()
        meta.loss_after_adaptation(*draw(generator)).backward()
        optimiser.step()
    return meta


def cosine_schedule(
    steps: int, warm_up: float = 20, flat: float = 0.4, floor: float = 0.02
) -> Callable[[int], float]:
    """A learning-rate schedule (chapter 3): a function from the number of a step, from 0 on, to a factor in (0, 1].

    It rises over `warm_up` steps, stays at 1 until step `flat`·steps, and then falls along half a cosine to `floor`,
    where it stays from `steps` on. Raises ValueError or TypeError naming the argument.
    """
    steps, warm_up, floor = positive_int("steps", steps), real("warm_up", warm_up, 0), real("floor", floor, 0, 1)
    start = real("flat", flat, 0, 1) * steps

    def factor(step: int) -> float:
        fallen = min(1.0, max(0.0, (step - start) / max(1.0, steps - start)))
        return min(1.0, (step + 1) / (warm_up + 1)) * (floor + (1 - floor) * (1 + math.cos(math.pi * fallen)) / 2)

    return factor


def _positive(name, value):
    """Return `value` as float, or raise unless it is a finite number above 0."""
    if real(name, value, 0) == 0:
        raise ValueError(f"{name} must be above 0, got {value}")
    return float(value)
