"""All of it: an agent composed of a model, replay and meta-learning; saved and resumed (chapter 6)."""

import copy
import inspect
import os
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from . import persistence
from ._validate import choice, finite, instance, integer, positive_int, real
from .guards import drawing, in_eval_mode, whole_or_not_at_all
from .meta import MetaLearner
from .persistence import map_tensors, name_of
from .replay import ExperienceReplay
from .sweep import sweep
from .training import cosine_schedule

__all__ = ["ContinualLearningAgent", "cosine_schedule", "sweep"]


class ContinualLearningAgent:
    """A model that learns from a stream, rehearses what it saw and adapts to what is new (chapter 6).

    An *experience* is what replay stores and what gets one loss. For a model x -> y it is a row: x (B, ...),
    y (B, ...). For a sequence model, one with `initial_state` such as MemoryController, it is an episode: x (T, B, D),
    y (T, B, K), mask (T, B), 0 where a step does not count; the batch comes first where `model.batch_first`. With
    `meta` it is a task of n points, x (K, n, ...): the first `support_size` are adapted to, the rest are the query set.

    One step minimises, by Adam(lr·schedule(step), betas) on gradients clipped to the norm `clip`,

        mean of the new losses + replay_weight · mean of (importance weight · loss) over `replay_batch_size` replayed.

    `loss` is one of torch.nn, or a function (prediction, y, reduction="none") as in torch.nn.functional; with `meta`
    the learner's own loss counts.
    `memory` says where a sequence starts: "reset": at the model's initial state, always; "persist": where the
    sequence of the last `train_step` ended (no gradient flows back across steps), until `reset_memory`. Dropout and
    the like draw from the agent's own generator, started by `seed`. Raises ValueError or TypeError naming the argument.
    """

    def __init__(
        self, model: nn.Module, replay: ExperienceReplay | None = None, meta: MetaLearner | None = None, *,
        loss: Callable[..., Tensor] = nn.functional.mse_loss, lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999), clip: float = 1.0, schedule: Callable[[int], float] | None = None,
        replay_batch_size: int = 8, replay_weight: float = 1.0, replay_beta: float = 0.4,
        support_size: int | None = None, memory: str = "reset", device: str | torch.device | None = None, seed: int = 0,
    ) -> None:  # fmt: skip
        self.model = instance("model", model, nn.Module)
        self.replay = instance("replay", replay, ExperienceReplay, True)
        self.meta = instance("meta", meta, MetaLearner, True)
        self.loss, self.losses_of, self.schedule = loss, _entrywise(loss), schedule
        if schedule is not None and not callable(schedule):
            raise TypeError(f"schedule must be a function of the step or None, got {type(schedule).__name__}")
        self.lr, self.clip = real("lr", lr, low=0), real("clip", clip, low=0)
        if not isinstance(betas, tuple | list) or len(betas) != 2 or 1 in betas:
            raise ValueError(f"betas must be two numbers below 1, got {betas}")
        self.betas = real("betas", betas[0], 0, 1), real("betas", betas[1], 0, 1)
        self.replay_batch_size = positive_int("replay_batch_size", replay_batch_size)
        self.replay_weight = real("replay_weight", replay_weight, low=0)
        self.replay_beta = real("replay_beta", replay_beta, low=0)
        self.memory, self.seed = choice("memory", memory, ("reset", "persist")), integer("seed", seed, low=0)
        if meta is None and support_size is not None:
            raise ValueError(f"support_size is for an agent with meta, got {support_size} without")
        self.support_size = None if meta is None else positive_int("support_size", support_size)
        if meta is not None and (meta.model is not model or meta.method == "reptile"):
            raise ValueError("meta must be a MetaLearner of `model` with a loss for each task (not Reptile)")
        self.learner = model if meta is None else meta  # what is trained: with Meta-SGD, its rates too
        self.sequential = hasattr(model, "initial_state") and meta is None
        self.time_first = self.sequential and not getattr(model, "batch_first", False)
        if memory == "persist" and not self.sequential:
            raise ValueError("memory must be 'reset' for a model that is no sequence model, got 'persist'")
        self.device = _trained_on(self.learner, device)
        self.learner.to(self.device)
        self.optimiser = torch.optim.Adam(self.learner.parameters(), lr=self.lr, betas=self.betas)
        self.steps, self.state = 0, None  # steps taken; with memory="persist", where the last sequence ended
        devices = ["cpu", self.device] if self.device.type == "cuda" else ["cpu"]
        self.random = [torch.Generator(place).manual_seed(self.seed).get_state() for place in devices]

    def train_step(self, x: Tensor, y: Tensor, mask: Tensor | None = None) -> float:
        """One step on new experiences and, in the same forward pass, on replayed ones, whose priorities are then new.

        Returns the mean loss of the new experiences as a float. Raises ValueError or TypeError where x, y, mask, a loss
        or the gradient is not finite, or where shapes or dtypes do not fit the model or what replay holds; the agent
        is then as it was before, generators and batch-norm statistics included.
        """
        new = self._experiences(x, y, mask)
        count, joined, old = len(new["x"]), new, None
        with whole_or_not_at_all(self.learner, self.replay):
            if self.replay is not None:
                self.replay.check(new)
                if len(self.replay):
                    old = self.replay.sample(min(self.replay_batch_size, len(self.replay)), self.replay_beta)
                    joined = {name: torch.cat([value, old.data[name].to(value)]) for name, value in new.items()}
            state = self._start(count, len(joined["x"]) - count)
            with drawing(self.random, self.device) as random:
                losses, state = self._losses(joined, state)
            total = losses[:count].mean()
            if old is not None:
                total = total + self.replay_weight * (old.weights.to(losses) * losses[count:]).mean()
                self.replay.checked_priorities(losses[count:], len(losses) - count)
            self._descend(total)
        losses, self.random = losses.detach(), random
        if old is not None:
            self.replay.update_priorities(old.indices, losses[count:])
        if self.replay is not None:
            self.replay.extend(new)
        if self.memory == "persist":
            self.state = map_tensors(lambda part: part[:count].detach().clone(), state)  # truncated backpropagation
        return float(losses[:count].mean())

    def learn(
        self, stream: Iterable[tuple], *, start: int = 0, path: str | os.PathLike | None = None, save_every: int = 100,
        progress: bool | None = None,
    ) -> list[float]:  # fmt: skip
        """`train_step` on each (x, y) or (x, y, mask) of a stream; returns the list of losses.

        The first `start` items are passed over: a resumed agent goes on with `start=agent.steps` (of this stream).
        With `path` the agent saves itself every `save_every` steps. `progress` None shows a bar on a terminal only.
        """
        start, save_every = integer("start", start, low=0), positive_int("save_every", save_every)
        total = max(0, len(stream) - start) if isinstance(stream, Sized) else None
        hidden = None if progress is None else not progress
        losses = []
        for experience in tqdm(islice(stream, start, None), total=total, disable=hidden, unit="step"):
            if not isinstance(experience, tuple | list) or len(experience) not in (2, 3):
                raise TypeError(f"stream must give (x, y) or (x, y, mask), got {type(experience).__name__}")
            losses.append(self.train_step(*experience))
            if path is not None and self.steps % save_every == 0:
                self.save(path)
        return losses

    def adapt(self, x: Tensor, y: Tensor, num_steps: int | None = None, lr: float | None = None) -> dict[str, Tensor]:
        """Parameters adapted to one task's x (n, ...), y (n, ...), for `predict(x, adapted)`; the model stays."""
        if self.meta is None:
            raise ValueError("adapt needs an agent with meta, got meta=None")
        x, y = instance("x", x, Tensor), instance("y", y, Tensor)
        with self._unchanged():
            adapted = self.meta.adapt(x.to(self.device), y.to(self.device), num_steps, lr)
        return {name: value.detach() for name, value in adapted.items()}

    def reset_memory(self) -> None:
        """Forget where the last sequence ended: the next one starts at the model's initial state."""
        self.state = None

    def predict(self, x: Tensor, adapted: dict[str, Tensor] | None = None) -> Tensor:
        """The model's output for x, in eval mode; nothing in the agent changes, not even a generator."""
        x = instance("x", x, Tensor).to(self.device)
        if x.dim() < (2 if self.sequential else 1):
            raise ValueError(f"x must hold experiences, got shape {tuple(x.shape)}")
        with self._unchanged():
            if adapted is not None:
                if self.meta is None:
                    raise ValueError("adapted parameters need an agent with meta, got meta=None")
                return self.meta.predict(instance("adapted", adapted, dict), x)
            batch = x.shape[1 if self.time_first else 0]
            return self.model(x, self._start(batch))[0] if self.sequential else self.model(x)

    def evaluate(
        self, x: Tensor, y: Tensor, mask: Tensor | None = None, adapted: dict[str, Tensor] | None = None
    ) -> float:
        """Mean loss over experiences, a float. With `meta` and no `adapted`: after adaptation to each task."""
        if adapted is not None:
            prediction, y = self.predict(x, adapted), finite("y", instance("y", y, Tensor)).to(self.device)
            if mask is not None or (y.is_floating_point() and y.dim() != prediction.dim()):
                raise ValueError(f"y must fit the prediction {tuple(prediction.shape)}, got {tuple(y.shape)}, no mask")
            return float(self.meta.loss(prediction, y))
        given = self._experiences(x, y, mask)
        with self._unchanged():
            return float(self._losses(given, self._start(len(given["x"])))[0].mean())

    def _experiences(self, x, y, mask):
        """{"x", "y", "mask"} on the agent's device with the axis of experiences first, checked."""
        given = {"x": x, "y": y} | ({} if mask is None else {"mask": mask})
        if mask is not None and not self.sequential:
            raise ValueError("mask is for sequence models, got one for a model x -> y")
        axes = 2 if self.sequential or self.meta else 1
        for name, value in given.items():
            if instance(name, value, Tensor).dim() < axes or value.numel() == 0:
                raise ValueError(f"{name} must hold at least one experience, got shape {tuple(value.shape)}")
            if value.shape[:axes] != x.shape[:axes]:
                raise ValueError(f"{name} must begin with {tuple(x.shape[:axes])} as x does, got {tuple(value.shape)}")
            finite(name, value)
        if mask is not None and (mask.dim() != 2 or (mask < 0).any()):
            raise ValueError(f"mask must be {tuple(x.shape[:2])} weights of at least 0, got {tuple(mask.shape)}")
        if self.meta is not None and x.shape[1] <= self.support_size:
            raise ValueError(f"x must hold more than {self.support_size} points a task, got {tuple(x.shape)}")
        return {name: self._turned(value).to(self.device) for name, value in given.items()}

    def _turned(self, value):
        """Between the model's order of axes and experiences first."""
        return value.transpose(0, 1) if self.time_first else value

    def _losses(self, given, state):
        """The loss of each experience (B,), and where its sequence ended (or None)."""
        x, y = given["x"], given["y"]
        if self.meta is not None:
            cut = self.support_size
            return self.meta.task_losses(x[:, :cut], y[:, :cut], x[:, cut:], y[:, cut:]), None
        prediction = self.model(self._turned(x), state) if self.sequential else self.model(x)
        prediction, state = prediction if self.sequential else (prediction, None)
        losses, goal = self.losses_of(prediction, self._turned(y)), self._turned(y)
        if losses.shape != goal.shape[: losses.dim()] or losses.numel() > prediction.numel():  # something was broadcast
            raise ValueError(f"y must fit the prediction {tuple(prediction.shape)}, got {tuple(goal.shape)}")
        losses = self._turned(losses)
        if not self.sequential:
            return losses.reshape(len(x), -1).mean(1), None
        losses = losses.flatten(2).mean(2) if losses.dim() > 2 else losses  # (B, T)
        counted = given.get("mask", torch.ones_like(losses)).to(losses)
        counts = counted.sum(1)
        return (losses * counted).sum(1) / torch.where(counts > 0, counts, 1.0), state

    def _descend(self, total):
        """One clipped, scheduled step of Adam."""
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        norm = nn.utils.clip_grad_norm_(self.learner.parameters(), self.clip)
        if not torch.isfinite(norm):
            raise ValueError(f"the gradient must be finite, got norm {float(norm)} at step {self.steps}")
        for group in self.optimiser.param_groups:
            group["lr"] = self.lr * (1.0 if self.schedule is None else self.schedule(self.steps))
        self.optimiser.step()
        self.steps += 1

    def _start(self, new, replayed=0):
        """Where the sequences start: new ones as `memory` says, replayed ones always at the initial state."""
        if not self.sequential:
            return None
        if self.state is None:
            return self.model.initial_state(new + replayed)
        if len(self.state[0]) != new:
            raise ValueError(f"x must hold {len(self.state[0])} sequences as the memory that persists, got {new}")
        fresh = self.model.initial_state(replayed) if replayed else None
        return map_tensors(lambda *states: torch.cat(states), self.state, fresh) if replayed else self.state

    @contextmanager
    def _unchanged(self) -> Iterator[None]:
        """Eval mode, no gradient; every module's mode and every generator is put back afterwards."""
        with torch.no_grad(), in_eval_mode(self.learner), drawing(self.random, self.device):
            yield

    def save(self, path: str | os.PathLike) -> None:
        """Write everything to `path` at once (`persistence.save`): the old file or the new, never a half; no code.

        Parameters, optimiser, step, replay with its priorities and generator, the memory that persists, the agent's
        generators.
        """
        persistence.save(persistence.tree_of(self), path)

    @classmethod
    def load(
        cls, path: str | os.PathLike, model: nn.Module, replay: ExperienceReplay | None = None,
        meta: MetaLearner | None = None, **settings: Any,
    ) -> "ContinualLearningAgent":  # fmt: skip
        """The agent saved at `path`, in `model` (and `replay`, `meta`) built as they were: it goes on bit for bit.

        Numbers come from the file unless given again; `loss` and `schedule` are code, so the caller gives them again.
        Raises FileNotFoundError, or ValueError where the file is damaged, foreign or of another make: then nothing
        has been loaded.
        """
        tree = persistence.load(path)
        agent = cls(model, replay, meta, **{**persistence.settings_of(tree, path), **settings})
        persistence.restore(agent, tree, path)
        return agent


def _entrywise(loss):
    """The loss before any mean: a function (prediction, y) -> losses."""
    if isinstance(loss, nn.Module) and hasattr(loss, "reduction"):
        loss = copy.copy(loss)
        loss.reduction = "none"
        return loss
    if callable(loss) and not isinstance(loss, type):
        takes = inspect.signature(loss).parameters.values()
        if any(one.name == "reduction" or one.kind is one.VAR_KEYWORD for one in takes):
            return partial(loss, reduction="none")
    wanted = "a loss of torch.nn, or a function (prediction, y, reduction='none') as in torch.nn.functional"
    raise TypeError(f"loss must be {wanted}, got {name_of(loss)}")


def _trained_on(learner, device):
    """Where to train: by default where the parameters are, of which there must be some to train."""
    parameters = list(learner.parameters())
    if any(nn.parameter.is_lazy(parameter) for parameter in parameters):
        raise ValueError("model must know the sizes of its parameters: call it once on data before")
    if not any(parameter.requires_grad for parameter in parameters):
        raise ValueError("model must have at least one parameter to train, got none that requires a gradient")
    try:
        return parameters[0].device if device is None else torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"device must be one of torch's, such as 'cpu' or 'cuda', got {device!r}: {error}") from None
