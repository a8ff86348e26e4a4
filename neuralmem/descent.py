"""A step of gradient descent on plain layers with its gradient by hand: MAML's second order (chapter 5).

Autograd would make a graph of the backward pass of each inner step, some nodes for every line of it, and go through
that graph for the outer gradient. Here a step is one equation. Letters: K tasks, n rows, I inputs and O outputs of a
layer. All tasks share its weight (O, I) and bias (O,) before the first step; after it each has its own, (K, ...).
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .tape import by_hand

Kinds = tuple[type[nn.Module], ...]
"""What follows each linear layer of a module, a key of SQUASHES."""


class Squash(NamedTuple):
    """An elementwise function s, from x to a = s(x), whose derivatives are known from a alone."""

    forward: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor, Tensor], Tensor]  # a slope of a, and a -> the slope of x
    bend: Callable[[Tensor], Tensor] | None = None  # a -> d s'(x) / d a, where that is not 0


SQUASHES = {
    nn.Identity: Squash(lambda x: x, lambda slope, output: slope),
    nn.ReLU: Squash(torch.relu, lambda slope, output: torch.ops.aten.threshold_backward(slope, output, 0)),
    nn.Tanh: Squash(torch.tanh, torch.ops.aten.tanh_backward, lambda output: -2 * output),
    nn.Sigmoid: Squash(torch.sigmoid, torch.ops.aten.sigmoid_backward, lambda output: 1 - 2 * output),
}


def layer_kinds(module: nn.Sequential) -> Kinds | None:
    """The kinds of the layers; None where the module has others than linear ones with bias and those of SQUASHES."""
    kinds: list[type[nn.Module]] = []
    for layer in module._modules.values():
        if type(layer) is nn.Linear and layer.bias is not None:
            kinds.append(nn.Identity)
        elif type(layer) in SQUASHES and kinds and kinds[-1] is nn.Identity and not getattr(layer, "inplace", False):
            kinds[-1] = type(layer)
        else:
            return None
    return tuple(kinds) or None


def predicted(kinds: Kinds, weights: Sequence[Tensor], x: Tensor) -> Tensor:
    """The output (K, n, O) for x (K, n, I); `weights` holds weight and bias of each layer in turn."""
    return _equations(kinds)[0](x, *weights)


def descended(kinds: Kinds, weights: Sequence[Tensor], x: Tensor, y: Tensor, rate: Tensor) -> tuple[Tensor, ...]:
    """The weights, (K, ...) each, after one step against a slope of rate·(output - y) of the output."""
    return _equations(kinds)[1](x, y, rate, *weights)


@cache
def _equations(kinds: Kinds) -> tuple[Callable, Callable]:
    """`predicted` and `descended` for layers of these kinds, each with its gradient.

    What goes into layer l is a[l], and a[l + 1] = s(z) with z = a[l] W^T + b. The pull on z is p = raw·s'(z), where raw
    is rate·(y - a[L]) at the last layer and p W of the layer above at the others; a step moves W by p^T a[l], b by p.
    """
    count, squashes = len(kinds), [SQUASHES[kind] for kind in kinds]
    bends = any(squash.bend is not None for squash in squashes)

    def output(x, *weights):
        passed = _forward(squashes, weights, x)
        return passed[-1], *passed[1:-1]

    def output_gradient(slope, x, *given):
        weights, (end, *hidden) = given[: 2 * count], given[2 * count :]
        passed = [x, *hidden, end]
        pulls, _ = _backward(squashes, weights, passed, slope)
        to_x = _product(pulls[0], weights[0]) if x.requires_grad else None
        return to_x, *_to_weights(weights, pulls, passed)

    def step(x, y, rate, *weights):
        passed = _forward(squashes, weights, x)
        pulls, raws = _backward(squashes, weights, passed, (y - passed[-1]) * rate)
        moved = []
        for weight, bias, pull, below in zip(weights[::2], weights[1::2], pulls, passed[:-1], strict=True):
            moved += [torch.baddbmm(weight, pull.mT, below), bias + pull.sum(1)]
        return *moved, *passed[1:], *pulls, *(raws if bends else ())

    def step_gradient(*given):
        slopes, given = given[: 2 * count], given[2 * count :]
        (x, _, rate), weights, kept = given[:3], given[3 : 3 + 2 * count], given[3 + 4 * count :]
        passed, pulls, raws = [x, *kept[:count]], kept[count : 2 * count], kept[2 * count :]
        to_pulls, to_passed = [], []  # first what the moved weights say, the last things that were computed
        for weight, bias, pull, below in zip(slopes[::2], slopes[1::2], pulls, passed[:-1], strict=True):
            to_pulls.append(torch.baddbmm(bias.unsqueeze(1), below, weight.mT))
            to_passed.append(torch.bmm(pull, weight) if to_passed or x.requires_grad else None)
        to_raws = []  # then along the backward pass from its end, the first layer
        for place, squash in enumerate(squashes):
            if place:
                to_pulls[place] = _product(to_raws[-1], weights[2 * place].mT, onto=to_pulls[place])
            to_raws.append(squash.backward(to_pulls[place], passed[place + 1]))
        to_error = to_raws[-1] * rate
        to_passed.append(-to_error)
        for place, squash in enumerate(squashes):
            if squash.bend is not None:
                to_passed[place + 1].addcmul_(to_pulls[place] * raws[place], squash.bend(passed[place + 1]))
        downs, _ = _backward(squashes, weights, passed, to_passed[-1], to_passed)  # and last along the forward pass
        to_x = _product(downs[0], weights[0], onto=to_passed[0]) if x.requires_grad else None
        return to_x, to_error, None, *_to_weights(weights, downs, passed, slopes, pulls, to_raws)

    return by_hand(output_gradient)(output), by_hand(step_gradient, results=2 * count)(step)


def _forward(squashes, weights, x):
    """What goes into each layer, and last what comes out."""
    passed = [x]
    for squash, weight, bias in zip(squashes, weights[::2], weights[1::2], strict=True):
        shared, x = weight.dim() == 2, passed[-1]
        sums = F.linear(x, weight, bias) if shared else torch.baddbmm(bias.unsqueeze(1), x, weight.mT)
        passed.append(squash.forward(sums))
    return passed


def _backward(squashes, weights, passed, slope, more=None):
    """From the slope of the last output: those of each layer's sums, and of its output. `more` is added on the way."""
    pulls, raws = [], []
    for place in reversed(range(len(squashes))):
        raws.append(slope)
        pulls.append(squashes[place].backward(slope, passed[place + 1]))
        if place:
            slope = _product(pulls[-1], weights[2 * place], onto=None if more is None else more[place])
    return pulls[::-1], raws[::-1]


def _product(x, weight, onto=None):
    """x W, added to `onto`, which is overwritten: (K, n, O), (O, I) or (K, O, I) -> (K, n, I)."""
    if onto is None:
        return torch.matmul(x, weight) if weight.dim() == 2 else torch.bmm(x, weight)
    if weight.dim() == 2:
        onto.flatten(0, 1).addmm_(x.flatten(0, 1), weight)
        return onto
    return onto.baddbmm_(x, weight)


def _to_weights(weights, downs, passed, slopes=None, pulls=None, to_raws=None):
    """The slopes of weights and biases: of the forward pass and, after a step, of the backward pass and what moved."""
    found = []
    for place, (down, below) in enumerate(zip(downs, passed, strict=False)):
        shared, to_bias = weights[2 * place].dim() == 2, down.sum(1)
        if slopes is None:
            to_weight = _matched(down, below, None, shared)
        else:
            if place:  # both passes in one product
                down, below = torch.cat([down, pulls[place]], 1), torch.cat([below, to_raws[place - 1]], 1)
            to_weight, to_bias = _matched(down, below, slopes[2 * place], shared), to_bias + slopes[2 * place + 1]
        found += [to_weight, to_bias.sum(0) if shared else to_bias]
    return found


def _matched(left, right, onto, shared):
    """onto + left^T right of each task, (K, O, I), or (O, I), summed over the tasks, where they share the weight."""
    if not shared:
        return torch.bmm(left.mT, right) if onto is None else torch.baddbmm(onto, left.mT, right)
    left, right = left.flatten(0, 1).mT, right.flatten(0, 1)
    return left @ right if onto is None else torch.addmm(onto.sum(0), left, right)
