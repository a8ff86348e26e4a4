"""All of it: an agent composed of a model, replay and meta-learning; saved, resumed, swept over seeds (chapter 6)."""

import json
import os
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import joblib
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as safetensors_bytes
from torch import nn
from tqdm import tqdm

from ._validate import choice, finite, positive_int, real
from .meta import MetaLearner
from .replay import ExperienceReplay
from .training import cosine_schedule

__all__ = ["ContinualLearningAgent", "cosine_schedule", "sweep"]

FORMAT = "neuralmem agent 1"
SETTINGS = (
    "lr", "betas", "clip", "replay_batch_size", "replay_weight", "replay_beta", "support_size", "memory", "seed",
)  # fmt: skip


class ContinualLearningAgent:
    """A model that learns from a stream, rehearses what it saw and adapts to what is new (chapter 6).

    An *experience* is what replay stores and what gets one loss. For a model x -> y it is a row: x (B, ...),
    y (B, ...). For a sequence model, one with `initial_state` such as MemoryController, it is an episode: x (T, B, D),
    y (T, B, K), mask (T, B), 0 where a step does not count; the batch comes first where `model.batch_first`. With
    `meta` it is a task of n points, x (K, n, ...): the first `support_size` are adapted to, the rest are the query set.

    One step minimises, by Adam(lr·schedule(step), betas) on gradients clipped to the norm `clip`,

        mean of the new losses + replay_weight · mean of (importance weight · loss) over `replay_batch_size` replayed.

    `loss(prediction, y, reduction="none")` is as in torch.nn.functional; with `meta`, the learner's own loss counts.
    `memory` says where a sequence starts: "reset": at the model's initial state, always; "persist": where the
    sequence of the last `train_step` ended (no gradient flows back across steps), until `reset_memory`. Dropout and
    the like draw from the agent's own generator, started by `seed`. Raises ValueError or TypeError naming the argument.
    """

    def __init__(
        self, model, replay=None, meta=None, *, loss=nn.functional.mse_loss, lr=1e-3, betas=(0.9, 0.999), clip=1.0,
        schedule=None, replay_batch_size=8, replay_weight=1.0, replay_beta=0.4, support_size=None, memory="reset",
        device=None, seed=0,
    ):  # fmt: skip
        parts = {"model": (model, nn.Module), "replay": (replay, ExperienceReplay), "meta": (meta, MetaLearner)}
        for name, (part, kind) in parts.items():
            if not isinstance(part, kind) and (part is not None or name == "model"):
                raise TypeError(f"{name} must be a {kind.__name__}, got {type(part).__name__}")
        self.model, self.replay, self.meta = model, replay, meta
        self.loss, self.schedule = loss, schedule
        self.lr, self.clip = real("lr", lr, low=0), real("clip", clip, low=0)
        self.betas = tuple(real("betas", beta, 0, 1) for beta in betas)
        self.replay_batch_size = positive_int("replay_batch_size", replay_batch_size)
        self.replay_weight = real("replay_weight", replay_weight, low=0)
        self.replay_beta = real("replay_beta", replay_beta, low=0)
        self.memory, self.seed = choice("memory", memory, ("reset", "persist")), seed
        self.support_size = None if meta is None else positive_int("support_size", support_size)
        if meta is not None and (meta.model is not model or meta.method == "reptile"):
            raise ValueError("meta must be a MetaLearner of `model` with a loss for each task (not Reptile)")
        self.learner = model if meta is None else meta  # what is trained: with Meta-SGD, its rates too
        self.sequential = hasattr(model, "initial_state") and meta is None
        self.time_first = self.sequential and not getattr(model, "batch_first", False)
        if memory == "persist" and not self.sequential:
            raise ValueError("memory must be 'reset' for a model that is no sequence model, got 'persist'")
        self.device = torch.device(device) if device is not None else next(self.learner.parameters()).device
        self.learner.to(self.device)
        self.optimiser = torch.optim.Adam(self.learner.parameters(), lr=self.lr, betas=self.betas)
        self.steps, self.state = 0, None  # steps taken; with memory="persist", where the last sequence ended
        devices = ["cpu", self.device] if self.device.type == "cuda" else ["cpu"]
        self.random = [torch.Generator(place).manual_seed(seed).get_state() for place in devices]

    def train_step(self, x, y, mask=None):
        """One step on new experiences and, in the same forward pass, on replayed ones, whose priorities are then new.

        Returns the mean loss of the new experiences as a float. Raises ValueError where x, y or the gradient is not
        finite or shapes do not fit; no parameter has changed then.
        """
        new = self._experiences(x, y, mask)
        count, joined, old = len(new["x"]), new, None
        if self.replay is not None and len(self.replay):
            old = self.replay.sample(min(self.replay_batch_size, len(self.replay)), self.replay_beta)
            joined = {name: _join(name, value, old.data) for name, value in new.items()}
        state = self._start(count, len(joined["x"]) - count)
        with self._draws(keep=True):
            losses, state = self._losses(joined, state)
        total = losses[:count].mean()
        if old is not None:
            total = total + self.replay_weight * (old.weights.to(losses) * losses[count:]).mean()
        self._descend(total)
        losses = losses.detach()
        if old is not None:
            self.replay.update_priorities(old.indices, losses[count:])
        if self.replay is not None:
            self.replay.extend(new)
        if self.memory == "persist":
            self.state = _map(lambda tensor: tensor[:count].detach().clone(), state)  # truncated backpropagation
        return float(losses[:count].mean())

    def learn(self, stream, *, start=0, path=None, save_every=100, progress=None):
        """`train_step` on each (x, y) or (x, y, mask) of a stream; returns the list of losses.

        The first `start` items are passed over: a resumed agent goes on with `start=agent.steps` (of this stream).
        With `path` the agent saves itself every `save_every` steps. `progress` None shows a bar on a terminal only.
        """
        total = max(0, len(stream) - start) if hasattr(stream, "__len__") else None
        hidden = None if progress is None else not progress
        losses = []
        for experience in tqdm(islice(stream, start, None), total=total, disable=hidden, unit="step"):
            losses.append(self.train_step(*experience))
            if path is not None and self.steps % save_every == 0:
                self.save(path)
        return losses

    def adapt(self, x, y, num_steps=None, lr=None):
        """Parameters adapted to one task's x (n, ...), y (n, ...), for `predict(x, adapted)`; the model stays."""
        if self.meta is None:
            raise ValueError("adapt needs an agent with meta, got meta=None")
        with self._unchanged():
            adapted = self.meta.adapt(x.to(self.device), y.to(self.device), num_steps, lr)
        return {name: value.detach() for name, value in adapted.items()}

    def reset_memory(self):
        """Forget where the last sequence ended: the next one starts at the model's initial state."""
        self.state = None

    def predict(self, x, adapted=None):
        """The model's output for x, in eval mode; nothing in the agent changes, not even a generator."""
        x = x.to(self.device)
        with self._unchanged():
            if adapted is not None:
                return self.meta.predict(adapted, x)
            batch = x.shape[1 if self.time_first else 0]
            return self.model(x, self._start(batch))[0] if self.sequential else self.model(x)

    def evaluate(self, x, y, mask=None, adapted=None):
        """Mean loss over experiences, a float. With `meta` and no `adapted`: after adaptation to each task."""
        if adapted is not None:
            return float(self.loss(self.predict(x, adapted), y.to(self.device), reduction="none").mean())
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
            if not isinstance(value, torch.Tensor):
                raise TypeError(f"{name} must be a tensor, got {type(value).__name__}")
            if value.dim() < axes or value.numel() == 0:
                raise ValueError(f"{name} must hold at least one experience, got shape {tuple(value.shape)}")
            if value.shape[:axes] != x.shape[:axes]:
                raise ValueError(f"{name} must begin with {tuple(x.shape[:axes])} as x does, got {tuple(value.shape)}")
            finite(name, value)
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
        losses = self._turned(self.loss(prediction, self._turned(y), reduction="none"))
        if losses.shape != y.shape[: losses.dim()]:
            raise ValueError(f"y must fit the prediction {tuple(prediction.shape)}, got {tuple(self._turned(y).shape)}")
        if not self.sequential:
            return losses.reshape(len(x), -1).mean(1), None
        losses = losses.flatten(2).mean(2) if losses.dim() > 2 else losses  # (B, T)
        counted = given.get("mask", torch.ones_like(losses))
        return (losses * counted).sum(1) / counted.sum(1).clamp_min(1), state

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
        return _map(lambda *states: torch.cat(states), self.state, fresh) if replayed else self.state

    @contextmanager
    def _draws(self, keep):
        """Within: torch's global generators are the agent's own. After: as they were."""
        outside = _generators(self.device)
        _set_generators(self.random, self.device)
        try:
            yield
        finally:
            self.random = _generators(self.device) if keep else self.random
            _set_generators(outside, self.device)

    @contextmanager
    def _unchanged(self):
        """Eval mode, no gradient, and every module's mode and every generator put back afterwards."""
        modes = [(module, module.training) for module in self.learner.modules()]
        self.learner.eval()
        try:
            with torch.no_grad(), self._draws(keep=False):
                yield
        finally:
            for module, mode in modes:
                module.training = mode

    def save(self, path):
        """Write everything to `path` at once: whoever is killed meanwhile leaves the old file or the new, never a half.

        Parameters, optimiser, step, replay with its priorities and generator, the memory that persists, the agent's
        generators: one safetensors file of tensors and a JSON header of numbers and strings. No code.
        """
        tree = {
            "settings": {name: getattr(self, name) for name in SETTINGS},
            "functions": [_name(self.loss), _name(self.schedule)], "steps": self.steps,
            "parameters": dict(self.learner.state_dict()), "optimiser": self.optimiser.state_dict(),
            "replay": None if self.replay is None else self.replay.state_dict(),
            "state": self.state, "random": self.random,
        }  # fmt: skip
        tensors = {}
        header = {"format": FORMAT, "tree": json.dumps(_encode(tree, tensors))}
        part = Path(path).with_name(f".{Path(path).name}.part")  # in the same folder: a rename there is atomic
        with open(part, "wb") as file:
            file.write(safetensors_bytes(tensors, header))
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)

    @classmethod
    def load(cls, path, model, replay=None, meta=None, **settings):
        """The agent saved at `path`, in `model` (and `replay`, `meta`) built as they were: it goes on bit for bit.

        Numbers come from the file unless given again; `loss` and `schedule` are code, so the caller gives them again.
        Raises FileNotFoundError, or ValueError where the file is truncated, foreign or of another make: then nothing
        has been loaded. No code of the file is run.
        """
        tree = _read(path)
        agent = cls(model, replay, meta, **{**tree["settings"], **settings})
        wanted = {(name, value.shape) for name, value in agent.learner.state_dict().items()}
        odd = sorted({name for name, _ in wanted ^ {(name, value.shape) for name, value in tree["parameters"].items()}})
        if odd:
            raise ValueError(f"model must have the parameters saved in {path}; these differ: {', '.join(odd)}")
        if tree["functions"] != [_name(agent.loss), _name(agent.schedule)]:
            raise ValueError(f"loss and schedule must be those of {path}: {tree['functions']}")
        if (tree["replay"] is None) != (replay is None):
            raise ValueError(f"replay must be {'None' if replay else 'given'} as in {path}")
        if replay is not None:
            replay.load_state_dict(tree["replay"])
        agent.learner.load_state_dict(tree["parameters"])
        agent.optimiser.load_state_dict(tree["optimiser"])
        agent.steps, agent.random = tree["steps"], tree["random"]
        if tree["state"] is not None:
            agent.state = _map(lambda _, saved: saved.to(agent.device), model.initial_state(1), tree["state"])
        return agent


def sweep(run, methods, seeds, n_jobs=-1):
    """`run(method, seed)` for every method and seed, side by side: {method: [result of each seed]} (chapter 6).

    `n_jobs` processes, -1 for all cores. Under `joblib.parallel_config(backend="dask")` the same call runs on the
    cluster of the current `dask.distributed.Client`. Raises ValueError where there is nothing to run.
    """
    methods, seeds = list(methods), list(seeds)
    if not methods or not seeds:
        raise ValueError(f"methods and seeds must not be empty, got {methods} and {seeds}")
    results = joblib.Parallel(n_jobs=n_jobs)(joblib.delayed(run)(method, seed) for method in methods for seed in seeds)
    return {method: results[i * len(seeds) : (i + 1) * len(seeds)] for i, method in enumerate(methods)}


def _join(name, new, stored):
    if name not in stored or stored[name].shape[1:] != new.shape[1:]:
        raise ValueError(f"{name} must have the shape of the experiences in replay, got {tuple(new.shape[1:])} each")
    return torch.cat([new, stored[name].to(new)])


def _map(function, *trees):
    """Apply to the tensors of nested NamedTuples (None stays None)."""
    first = trees[0]
    if isinstance(first, tuple):
        return type(first)(*(_map(function, *parts) for parts in zip(*trees, strict=True)))
    return None if first is None else function(*trees)


def _generators(device):
    """States of torch's global generators: the processor's, and that of a CUDA device."""
    return [torch.get_rng_state()] + ([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])


def _set_generators(states, device):
    torch.set_rng_state(states[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states[1], device)


def _name(function):
    return None if function is None else getattr(function, "__qualname__", type(function).__name__)


def _encode(tree, tensors):
    """A nest of dicts, lists, tuples, numbers and strings as JSON, its tensors put aside into `tensors`."""
    if isinstance(tree, torch.Tensor):
        tensors[str(len(tensors))] = tree.detach().cpu().contiguous().clone()
        return {"tensor": str(len(tensors) - 1)}
    if isinstance(tree, dict):
        return {"dict": [[key, _encode(value, tensors)] for key, value in tree.items()]}
    if isinstance(tree, list | tuple):
        return {"list" if isinstance(tree, list) else "tuple": [_encode(value, tensors) for value in tree]}
    return tree


def _decode(tree, tensors):
    """What `_encode` took apart."""
    if not isinstance(tree, dict):
        return tree
    ((kind, value),) = tree.items()
    if kind == "tensor":
        return tensors[value]
    if kind == "dict":
        return {key: _decode(part, tensors) for key, part in value}
    return {"list": list, "tuple": tuple}[kind](_decode(part, tensors) for part in value)


def _read(path):
    """The tree that `save` wrote to `path`, or ValueError where it is no such file."""
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}
        if header.get("format") != FORMAT:
            raise ValueError(f"its format is {header.get('format')!r}, not {FORMAT!r}")
        return _decode(json.loads(header["tree"]), tensors)
    except (SafetensorError, ValueError, KeyError) as error:
        raise ValueError(f"{path} is not a whole saved agent: {error}") from error
