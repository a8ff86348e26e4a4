"""How a module runs on K tasks, each with its own weights: together where that is known to be right (chapter 5)."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.func import functional_call, vmap
from torch.nn.modules.batchnorm import _NormBase

from .bank import NeuralMemoryBank
from .controller import MemoryController
from .tape import changed

Weights = dict[str, torch.Tensor]
"""A model's parameters by name; for K tasks each has a leading axis of K."""

ELEMENTWISE = (nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.SiLU, nn.ELU, nn.LeakyReLU, nn.Softplus, nn.Identity)
BATCHED: set[type[nn.Module]] = {
    *ELEMENTWISE, nn.Sequential, nn.Linear, nn.Flatten, nn.Dropout, nn.LayerNorm, nn.GroupNorm,
    nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, MemoryController, NeuralMemoryBank,
}  # fmt: skip
"""Classes whose forward pass is known to be the same under vmap: a test compares each with a loop over tasks. A class
of your own may be added, if it keeps no state, has no side effect and does not branch on its data."""


def run(module: nn.Module, weights: Weights, x: torch.Tensor) -> torch.Tensor:
    """The outputs (K, n, ...) of a module for x (K, n, ...), task k with weights[name][k]."""
    if x.dim() == 3 and stackable(module):
        return _stacked(module, weights, x)
    if known(module):
        return vmap(lambda own, rows: call(module, own, rows), randomness="different")(weights, x)
    if len(x) == 1:
        return call(module, {name: value.squeeze(0) for name, value in weights.items()}, x.squeeze(0)).unsqueeze(0)
    own = {name: value.unbind(0) for name, value in weights.items()}
    tasks = enumerate(x.unbind(0))
    return torch.stack([call(module, {name: own[name][k].clone() for name in own}, rows) for k, rows in tasks])


def _stacked(module: nn.Module, weights: Weights, x: torch.Tensor) -> torch.Tensor:
    """`run` for a `stackable` module: one batched product a layer, of weight (K, out, in) and bias (K, out)."""
    for name, layer in module._modules.items():
        if isinstance(layer, nn.Linear):
            weight, bias = weights[f"{name}.weight"].mT, weights.get(f"{name}.bias")
            x = torch.bmm(x, weight) if bias is None else torch.baddbmm(bias.unsqueeze(1), x, weight)
        elif layer is not None:
            x = layer(x)
    return x


def call(module: nn.Module, weights: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """The module's output (the first of several) for one task, with its weights and copies of its buffers."""
    names = {value: name for name, value in module.named_parameters()}
    given = {name: buffer.clone() for name, buffer in module.named_buffers()}
    for prefix, part in module.named_modules():  # ties weights itself: functional_call does not restore a shared module
        given.update((name, weights[names[value]]) for name, value in part.named_parameters(prefix, recurse=False))
    with _statistics_of_the_batch(module), _twice_differentiable_attention():
        output = functional_call(module, given, (x,), tie_weights=False)
    return output[0] if isinstance(output, tuple) else output


@contextmanager
def _statistics_of_the_batch(module: nn.Module) -> Iterator[None]:
    """Batch norm neither reads nor writes its running statistics here, whatever its mode."""
    norms = [part for part in module.modules() if isinstance(part, _NormBase)]
    modes = [(norm, norm.training, norm.track_running_stats) for norm in norms]
    for norm in norms:
        norm.training, norm.track_running_stats = True, False
    try:
        yield
    finally:
        for norm, training, tracking in modes:
            norm.training, norm.track_running_stats = training, tracking


@contextmanager
def _twice_differentiable_attention() -> Iterator[None]:
    """Scaled dot-product attention by plain products: its fused kernels, the processor's too, have one derivative."""
    switches = torch.backends.cuda
    flash, efficient = switches.flash_sdp_enabled(), switches.mem_efficient_sdp_enabled()
    switches.enable_flash_sdp(False)
    switches.enable_mem_efficient_sdp(False)
    try:
        yield
    finally:
        switches.enable_flash_sdp(flash)
        switches.enable_mem_efficient_sdp(efficient)


def stackable(module: nn.Module) -> bool:
    """Whether a module is an nn.Sequential of distinct linear layers and elementwise functions, as torch made them."""
    if type(module) is not nn.Sequential or changed(module):
        return False
    seen: set[int] = set()
    for layer in module._modules.values():
        if type(layer) is nn.Linear:
            parameters = {id(value) for value in layer._parameters.values() if value is not None}
            if parameters & seen:
                return False
            seen |= parameters
        elif type(layer) not in ELEMENTWISE:
            return False
        if changed(layer):
            return False
    return True


def known(module: nn.Module) -> bool:
    """Whether every part of a module is of a class in BATCHED, as that class made it."""
    return all(type(part) in BATCHED and not changed(part) for part in module.modules())
