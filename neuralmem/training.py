"""The training loops that the chapters derive, and their learning-rate schedule (chapters 3 and 5)."""

import math

import torch

from ._validate import positive_int, real


def train_on_sequences(
    controller, draw, loss, updates, lr=1e-2, seed=0, batch_size=32, clip=1.0, flat=0.3, beta_2=0.9
):
    """Train a controller on batches `draw(batch_size, generator)` to lower `loss(outputs, batch)`: chapter 3's recipe.

    Adam with a small beta_2 forgets old gradient sizes quickly; the rate warms up, stays flat, and from `flat` of the
    updates on falls to 2 % along half a cosine; the gradient is clipped to norm `clip`. Returns the losses, one an
    update.
    """
    generator, losses = torch.Generator().manual_seed(seed), []
    optimiser = torch.optim.Adam(controller.parameters(), lr=lr, betas=(0.9, beta_2))
    factor = cosine_schedule(positive_int("updates", updates), flat=flat)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
    for _ in range(updates):
        batch = draw(batch_size, generator)
        error = loss(controller(batch.inputs)[0], batch)
        optimiser.zero_grad()
        error.backward()
        torch.nn.utils.clip_grad_norm_(controller.parameters(), clip)
        optimiser.step()
        schedule.step()
        losses.append(float(error.detach()))
    return losses


def train_meta(meta, draw, updates, generator, lr=5e-3):
    """Minimise a MetaLearner's outer loss by Adam, its rate falling along a cosine to 0 (chapter 5).

    `draw(generator)` gives (support_x, support_y, query_x, query_y). Returns `meta`.
    """
    optimiser = torch.optim.Adam(meta.parameters(), lr)
    for update in range(positive_int("updates", updates)):
        optimiser.param_groups[0]["lr"] = lr * (1 + math.cos(math.pi * update / updates)) / 2
        optimiser.zero_grad()
        meta.loss_after_adaptation(*draw(generator)).backward()
        optimiser.step()
    return meta


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
