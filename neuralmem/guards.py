"""What must be put back: generators, modes, and a step that failed half-way (chapter 6)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from .replay import ExperienceReplay


@contextmanager
def drawing(random: list[Tensor], device: torch.device) -> Iterator[list[Tensor]]:
    """Within: torch's global generators stand at `random`. After: they are as they were.

    Yields a list that holds, when all went well, where the generators ended.
    """
    outside, ended = _generators(device), list(random)
    _set_generators(random, device)
    try:
        yield ended
        ended[:] = _generators(device)
    finally:
        _set_generators(outside, device)


@contextmanager
def in_eval_mode(module: nn.Module) -> Iterator[None]:
    """Within: eval mode. After: every part is in the mode in which it was."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode


@contextmanager
def whole_or_not_at_all(learner: nn.Module, replay: ExperienceReplay | None) -> Iterator[None]:
    """Where what is within fails: buffers and the replay's generator are put back, gradients are none."""
    buffers = [(buffer, buffer.clone()) for buffer in learner.buffers()]
    drawn: Any = None if replay is None else (replay.rng.bit_generator.state, getattr(replay, "order", None))
    try:
        yield
    except BaseException:
        for buffer, value in buffers:
            buffer.data.copy_(value)
        if replay is not None:
            replay.rng.bit_generator.state, replay.order = drawn
        learner.zero_grad(set_to_none=True)
        raise


def _generators(device):
    """States of torch's global generators: the processor's, and that of a CUDA device."""
    return [torch.get_rng_state()] + ([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])


def _set_generators(states, device):
    torch.set_rng_state(states[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states[1], device)
