"""Saved and restored whole or not at all: an agent as one file of tensors, with a checksum (chapter 6)."""

import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as tensors_of_bytes
from safetensors.torch import save as bytes_of_tensors

from ._validate import integer

FORMAT = "neuralmem agent 2"
SETTINGS = (
    "lr", "betas", "clip", "replay_batch_size", "replay_weight", "replay_beta", "support_size", "memory", "seed",
)  # fmt: skip
EMPTY = b"0" * 64  # what stands in the file for the checksum while the checksum is computed
CHECKSUM = re.compile(rb'"checksum":"([0-9a-f]{64})"')


def save(tree: Any, path: str | os.PathLike) -> None:
    """Write `tree` to `path` at once: whoever is killed meanwhile leaves the old file or the new, never a half.

    `tree` is a nest of dicts, lists, tuples, tensors, numbers, strings and None. The file is a safetensors file of its
    tensors with a JSON header; in the header stands the SHA-256 of the whole file, in which its own place is held by
    zeros. No code is stored.
    """
    tensors: dict[str, torch.Tensor] = {}
    header = {"format": FORMAT, "checksum": EMPTY.decode(), "tree": json.dumps(_encode(tree, tensors))}
    content = bytes_of_tensors(tensors, header)
    checksum = hashlib.sha256(content).hexdigest().encode()
    path = Path(path)
    part = path.with_name(f".{path.name}.part")  # in the same folder: a rename there is atomic
    with open(part, "wb") as file:
        file.write(content.replace(b'"checksum":"' + EMPTY, b'"checksum":"' + checksum, 1))
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def load(path: str | os.PathLike) -> Any:
    """The nest that `save` wrote to `path`.

    FileNotFoundError where there is none; ValueError where the file is truncated, foreign, of another version, or
    changed by as much as one bit. No code of the file is run.
    """
    content = Path(path).read_bytes()
    found = CHECKSUM.search(content)
    whole = content if found is None else content[: found.start(1)] + EMPTY + content[found.end(1) :]
    if found is None or hashlib.sha256(whole).hexdigest() != found[1].decode():
        raise ValueError(f"{path} is not a whole saved agent: its checksum is missing or not that of its content")
    try:
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])["__metadata__"]
        if header["format"] != FORMAT:
            raise ValueError(f"its format is {header['format']!r}, not {FORMAT!r}")
        return _decode(json.loads(header["tree"]), tensors_of_bytes(content))
    except Exception as error:  # whatever a file with a right checksum holds, it is told by name
        raise ValueError(f"{path} is not a whole saved agent: {type(error).__name__}: {error}") from error


def tree_of(agent: Any) -> dict[str, Any]:
    """All that an agent is, beside its code: what `restore` needs to go on bit for bit."""
    return {
        "settings": {name: getattr(agent, name) for name in SETTINGS},
        "functions": [name_of(agent.loss), name_of(agent.schedule)], "steps": agent.steps,
        "parameters": dict(agent.learner.state_dict()), "optimiser": agent.optimiser.state_dict(),
        "replay": None if agent.replay is None else agent.replay.state_dict(),
        "state": agent.state, "random": agent.random,
    }  # fmt: skip


def settings_of(tree: Any, path: str | os.PathLike) -> dict[str, Any]:
    """The numbers with which a saved agent was made, or ValueError where the tree is no agent's."""
    parts = {"settings", "functions", "steps", "parameters", "optimiser", "replay", "state", "random"}
    whole = isinstance(tree, dict) and tree.keys() == parts
    whole = whole and all(isinstance(tree[name], dict) for name in ("settings", "parameters", "optimiser"))
    whole = whole and isinstance(tree["replay"], dict | None) and isinstance(tree["random"], list)
    if not whole or tree["settings"].keys() != set(SETTINGS) or not tree["random"]:
        raise ValueError(f"{path} is not a whole saved agent: it must hold {', '.join(sorted(parts))}")
    return tree["settings"]


def restore(agent: Any, tree: dict[str, Any], path: str | os.PathLike) -> None:
    """Make a new agent what the tree says; ValueError where it does not fit: then model and replay are untouched."""
    odd = _differences(tree["parameters"], agent.learner.state_dict())
    if odd:
        raise ValueError(f"model must have the parameters saved in {path}; these differ: {', '.join(odd)}")
    if tree["functions"] != [name_of(agent.loss), name_of(agent.schedule)]:
        raise ValueError(f"loss and schedule must be those of {path}: {tree['functions']}")
    if (tree["replay"] is None) != (agent.replay is None):
        raise ValueError(f"replay must be {'None' if agent.replay is not None else 'given'} as in {path}")
    try:
        _restore_own(agent, tree)
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a whole saved agent: {type(error).__name__}: {error}") from error
    if agent.replay is not None:
        agent.replay.load_state_dict(tree["replay"])  # whole or not at all
    agent.learner.load_state_dict(tree["parameters"])  # checked above


def _restore_own(agent, tree):
    """Take over what is neither the model's nor the replay's, but the new agent's own."""
    agent.steps = integer("steps", tree["steps"], low=0)
    for index, parameter in enumerate(agent.learner.parameters()):
        for name, value in tree["optimiser"]["state"].get(index, {}).items():
            if value.dim() and value.shape != parameter.shape:
                raise ValueError(f"the optimiser's {name} must be {tuple(parameter.shape)}, got {tuple(value.shape)}")
    agent.optimiser.load_state_dict(tree["optimiser"])
    for group in agent.optimiser.param_groups:
        group["betas"] = agent.betas
    for place, state in zip(["cpu", agent.device], tree["random"], strict=False):
        torch.Generator(place).set_state(state)  # raises where it is no generator's
    agent.random = [*tree["random"], *agent.random[len(tree["random"]) :]][: len(agent.random)]
    if tree["state"] is not None:
        like = agent.model.initial_state(len(tree["state"][0]))
        agent.state = map_tensors(lambda start, saved: saved.to(start).reshape(start.shape), like, tree["state"])


def _differences(saved, wanted):
    """Which entries of two state_dicts differ in name, shape or dtype, and how."""
    odd = []
    for name in sorted(saved.keys() | wanted.keys()):
        first, second = (
            f"{tuple(part[name].shape)} {part[name].dtype}" if name in part else "none" for part in (saved, wanted)
        )
        odd += [f"{name} (saved {first}, model {second})"] if first != second else []
    return odd


def map_tensors(function: Callable[..., Any], *trees: Any) -> Any:
    """Apply a function to the tensors of nests of tuples of one form, the first a nest of NamedTuples (None stays)."""
    first = trees[0]
    if isinstance(first, tuple):
        return type(first)(*(map_tensors(function, *parts) for parts in zip(*trees, strict=True)))
    return None if first is None else function(*trees)


def name_of(function: Any) -> str | None:
    """The name by which a file remembers a function, whose code it does not hold."""
    return None if function is None else getattr(function, "__qualname__", type(function).__name__)


def _encode(tree, tensors):
    """The nest as JSON, its tensors put aside into `tensors`."""
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
