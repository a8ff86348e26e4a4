"""All of it: a continual-learning agent composed of a model, replay and a meta-learner (chapter 6)."""

import json
import os
from pathlib import Path

import joblib
import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import nn
from tqdm import tqdm

from ._validate import choice, finite, positive_int, real
from .bank import MemoryState
from .controller import ControllerState

FORMAT = "neuralmem agent 1"


def squared_error(prediction, target):
    """Squared error of every number, shaped as the prediction: the agent averages it over each row."""
    if prediction.shape != target.shape:
        raise ValueError(f"y must have the prediction's shape {tuple(prediction.shape)}, got {tuple(target.shape)}")
    return nn.functional.mse_loss(prediction, target, reduction="none")


class ContinualLearningAgent:
    """Learns from a stream, one batch at a time, and keeps what it learned (chapter 6).

    `model` maps x (B, ...) to a prediction (B, ...), or to a tuple that begins with it (a MemoryController with
    `batch_first=True`). `replay` (an ExperienceReplay or None): each step rehearses `replay_batch` stored experiences
    in the same forward pass, at `replay_weight`, and gives them their new losses as priorities. `meta` (a
    MetaLearner over this model, or None): an experience is then a whole task of n rows, x (B, n, ...); the first
    `support_rows` of them adapt the parameters and the loss is taken on the rest.
    `loss(prediction, target)` gives the loss of every number. `memory="reset"` starts each batch with an empty memory;
    "persist" goes on from where the last training batch ended (detached), until `reset_memory`.
    Gradients are clipped to norm `clip`; the learning rate is `lr` times `schedule(step)`.
    Raises ValueError or TypeError naming the argument.
    """

    def __init__(
        self, model, replay=None, meta=None, *, loss=squared_error, lr=1e-3, betas=(0.9, 0.999), clip=1.0,
        replay_batch=32, replay_weight=1.0, beta=0.4, support_rows=None, memory="reset", schedule=None, device="cpu",
    ):  # fmt: skip
        if not isinstance(model, nn.Module):
            raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
        if meta is not None and (meta.model is not model or meta.method == "reptile"):
            raise ValueError("meta must be a MetaLearner of this very model, with a method other than 'reptile'")
        self.device = torch.device(device)
        self.model, self.replay, self.meta, self.loss = model.to(self.device), replay, meta, loss
        self.settings = {
            "lr": real("lr", lr, 0), "betas": [real("betas", b, 0, 1) for b in betas], "clip": real("clip", clip, 0),
            "replay_batch": positive_int("replay_batch", replay_batch), "beta": real("beta", beta, 0),
            "replay_weight": real("replay_weight", replay_weight, 0),
            "support_rows": support_rows if support_rows is None else positive_int("support_rows", support_rows),
            "memory": choice("memory", memory, ("reset", "persist")),
        }  # fmt: skip
        self.schedule = schedule or (lambda step: 1.0)
        self.parameters = list((meta.to(self.device) if meta else self.model).parameters())
        self.optimizer = torch.optim.Adam(self.parameters, lr=lr, betas=tuple(self.settings["betas"]))
        self.steps = 0
        self.state = None  # what a persistent memory holds

    def train_step(self, x, y, mask=None):
        """Learn from one batch, x (B, ...) and y (B, ...), and from replayed experiences; return the new loss.

        `mask` weighs the loss of every number of y (it is broadcast to it from the left); it is stored with x and y.
        """
        fresh = self._experiences(x, y, mask)
        batch, count = fresh, len(fresh["x"])
        rehearse = self.replay is not None and len(self.replay) > 0
        if rehearse:
            old = self.replay.sample(self.settings["replay_batch"], self.settings["beta"])
            batch = {key: torch.cat([value, old.data[key].to(value)]) for key, value in fresh.items()}
        losses, state = self._losses(batch, count)
        total = losses[:count].mean()
        if rehearse:
            weights = old.weights.to(losses)
            total = total + self.settings["replay_weight"] * (weights * losses[count:]).mean()
        self._descend(total)
        self.state = state
        if self.replay is not None:
            values = losses.detach().cpu().double().numpy() + 1e-6
            if rehearse:
                self.replay.update_priorities(old.indices, values[count:])
            self.replay.extend({key: value.cpu() for key, value in fresh.items()}, values[:count])
        self.steps += 1
        return float(losses[:count].detach().mean())

    def learn(self, stream, progress=False):
        """`train_step` on every (x, y) or (x, y, mask) of `stream`; return the losses as an array.

        `progress=True` draws a bar on stderr.
        """
        return np.array([self.train_step(*batch) for batch in tqdm(stream, disable=not progress)])

    def adapt(self, x, y, num_steps=None, lr=None):
        """Parameters adapted to one task's rows x (n, ...), y (n, ...): a dict for `predict`. Changes nothing."""
        if self.meta is None:
            raise ValueError("adapt needs an agent with a meta-learner, this one has meta=None")
        adapted = self.meta.adapt(self._tensor("x", x), self._tensor("y", y), num_steps, lr)
        return {name: value.detach() for name, value in adapted.items()}

    @torch.no_grad()
    def predict(self, x, adapted=None):
        """The prediction for x (B, ...), with `adapted` parameters if given; changes nothing."""
        training = self.model.training
        self.model.eval()
        try:
            return self._forward(self._tensor("x", x), adapted)[0]
        finally:
            self.model.train(training)

    def evaluate(self, x, y, mask=None, adapted=None):
        """Mean loss on x (B, ...), y (B, ...) as a float; changes nothing."""
        data = self._experiences(x, y, mask)
        return float(self._rows(self.predict(data["x"], adapted), data).mean())

    def reset_memory(self):
        """Empty a persistent memory."""
        self.state = None

    def save(self, path):
        """Write all that `load` needs to `path`, at once or not at all: a kill at any moment leaves the old file."""
        tensors, header = {}, {"format": FORMAT, "steps": self.steps, "settings": self.settings}
        holder = self.meta or self.model
        tensors |= {f"model.{name}": value for name, value in holder.state_dict().items()}
        optimizer = self.optimizer.state_dict()
        for index, entry in optimizer["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in entry.items()}
        if self.replay is not None:
            state = self.replay.state_dict()
            tensors |= {f"replay.{name}": value for name, value in state.items() if isinstance(value, torch.Tensor)}
            header["replay"] = {name: value for name, value in state.items() if not isinstance(value, torch.Tensor)}
        if self.state is not None:
            tensors |= {f"memory.{name}": value for name, value in _flatten(self.state).items()}
        tensors["generator"] = torch.get_rng_state()
        tensors = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
        path = Path(path)
        partial = path.with_name(f"{path.name}.partial")
        with open(partial, "wb") as file:
            file.write(safetensors.torch.save(tensors, {"neuralmem": json.dumps(header)}))
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)

    @classmethod
    def load(cls, path, model, replay=None, meta=None, *, loss=squared_error, schedule=None, device="cpu", rng=False):
        """The agent that was saved, ready to go on exactly: give it parts built as the saved ones were.

        `rng=True` also sets torch's global generator to where it stood (dropout draws from it). Nothing in the file
        is executed. Raises FileNotFoundError, or ValueError where the file is truncated, foreign or does not fit the
        parts, which are then as before.
        """
        try:
            with safetensors.safe_open(path, framework="pt") as file:
                header = json.loads((file.metadata() or {}).get("neuralmem", "{}"))
                tensors = {name: file.get_tensor(name) for name in file.keys()}
        except (safetensors.SafetensorError, json.JSONDecodeError) as error:
            raise ValueError(f"path must hold a saved agent, got {str(path)!r}: {error}") from error
        if header.get("format") != FORMAT:
            raise ValueError(f"path must hold a saved agent ({FORMAT!r}), got {header.get('format')!r}")
        settings = header["settings"]
        agent = cls(model, replay, meta, loss=loss, schedule=schedule, device=device, **settings)
        saved = _under(tensors, "model.")
        holder = meta or model
        own = {name: tuple(value.shape) for name, value in holder.state_dict().items()}
        if own != {name: tuple(value.shape) for name, value in saved.items()}:
            raise ValueError(f"model must have the saved parameters {sorted(saved)}, got {sorted(own)} or other shapes")
        if ("replay" in header) != (replay is not None):
            raise ValueError(f"replay must be given if and only if one was saved, got {replay!r}")
        if replay is not None:
            replay.load_state_dict(header["replay"] | _under(tensors, "replay."))
        holder.load_state_dict(saved)
        state = {}
        for name, value in _under(tensors, "optimizer.").items():
            index, _, key = name.partition(".")
            state.setdefault(int(index), {})[key] = value
        groups = agent.optimizer.state_dict()["param_groups"]
        agent.optimizer.load_state_dict({"state": state, "param_groups": groups})
        memory = _under(tensors, "memory.")
        agent.state = _unflatten({name: value.to(agent.device) for name, value in memory.items()}) if memory else None
        agent.steps = header["steps"]
        if rng:
            torch.set_rng_state(tensors["generator"])
        return agent

    def _tensor(self, name, value):
        value = torch.as_tensor(value).to(self.device)
        return finite(name, value) if value.is_floating_point() else value

    def _experiences(self, x, y, mask):
        data = {"x": self._tensor("x", x), "y": self._tensor("y", y)}
        if mask is not None:
            data["mask"] = self._tensor("mask", mask)
        for name, value in data.items():
            if value.dim() == 0 or len(value) == 0 or len(value) != len(data["x"]):
                raise ValueError(f"{name} must hold as many rows as x, at least one, got shape {tuple(value.shape)}")
        return data

    def _forward(self, x, adapted=None):
        """(prediction, controller state or None), starting from the memory kept."""
        arguments = (x,) if self.settings["memory"] == "reset" else (x, self.state)
        if adapted is None:
            output = self.model(*arguments)
        else:
            output = torch.func.functional_call(self.model, adapted, arguments)
        return output[:2] if isinstance(output, tuple) else (output, None)

    def _rows(self, prediction, data):
        """Loss of each row (B,): the mean over its numbers, weighted by the mask if there is one."""
        losses = self.loss(prediction, data["y"])
        if "mask" not in data:
            return losses.reshape(len(losses), -1).mean(1)
        mask = data["mask"]
        mask = mask.reshape(*mask.shape, *[1] * (losses.dim() - mask.dim())).expand_as(losses).to(losses)
        return (losses * mask).flatten(1).sum(1) / mask.flatten(1).sum(1).clamp_min(1e-12)

    def _losses(self, batch, count):
        """Loss of each experience, new ones first, in one forward pass; and the memory the new ones leave."""
        if self.meta is not None:
            return self._meta_losses(batch), None
        if self.settings["memory"] == "reset" or count == len(batch["x"]):
            prediction, state = self._forward(batch["x"])
            state = None if self.settings["memory"] == "reset" else _detach(state)
            return self._rows(prediction, batch), state
        fresh = {key: value[:count] for key, value in batch.items()}  # old ones start from an empty memory
        old = {key: value[count:] for key, value in batch.items()}
        prediction, state = self._forward(fresh["x"])
        replayed = self.model(old["x"])
        replayed = replayed[0] if isinstance(replayed, tuple) else replayed
        return torch.cat([self._rows(prediction, fresh), self._rows(replayed, old)]), _detach(state)

    def _meta_losses(self, batch):
        """Loss on each task's query rows after adaptation to its support rows."""
        if batch["x"].dim() < 2 or batch["x"].shape[1] < 2:
            raise ValueError(f"x must be (B, n, ...) with n at least 2 rows a task, got {tuple(batch['x'].shape)}")
        rows = self.settings["support_rows"] or batch["x"].shape[1] // 2
        x, y = batch["x"], batch["y"]
        return self.meta.task_losses(x[:, :rows], y[:, :rows], x[:, rows:], y[:, rows:])

    def _descend(self, total):
        """One step of the optimiser on a clipped gradient."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings["lr"] * self.schedule(self.steps)
        self.optimizer.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(self.parameters, self.settings["clip"])
        self.optimizer.step()


def sweep(run, methods, seeds, n_jobs=1):
    """`run(method, seed)` for every pair: {method: [result of each seed]}.

    On all cores with `n_jobs=-1`; on a cluster inside `with joblib.parallel_config(backend="dask"):`. Chapter 6.
    """
    pairs = [(method, seed) for method in methods for seed in seeds]
    results = joblib.Parallel(n_jobs=n_jobs)(joblib.delayed(run)(method, seed) for method, seed in pairs)
    return {method: results[i * len(seeds) : (i + 1) * len(seeds)] for i, method in enumerate(methods)}


def _detach(state):
    return None if state is None else _unflatten({name: value.detach() for name, value in _flatten(state).items()})


def _flatten(state):
    """A controller's state as a flat dict of its tensors."""
    flat = {name: getattr(state, name) for name in ("hidden", "cell", "reads")}
    memory = state.memory._asdict() if state.memory is not None else {}
    return flat | {f"memory.{name}": value for name, value in memory.items() if value is not None}


def _unflatten(flat):
    memory = _under(flat, "memory.")
    memory = MemoryState(**memory) if memory else None
    return ControllerState(flat["hidden"], flat["cell"], flat["reads"], memory)


def _under(tensors, prefix):
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
