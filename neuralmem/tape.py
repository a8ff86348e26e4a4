"""What runs at every step, without autograd's bookkeeping between two steps: a tape of equations and their gradients.

An equation of `by_hand` is a node of autograd's graph or, while a sequence runs `taped`, a line on a tape, and then
autograd sees the whole sequence as one node. A node in Python costs 10 to 20 microseconds, a line two; and a weight's
gradient, the sum of every step's product of slope and input, is one product at the end. Chapter 3's controller runs so.
"""

import threading
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ._validate import autocasts


class Active(threading.local):
    """The tape that is being written in this thread, or None."""

    tape: list | None = None


class Later(NamedTuple):
    """A weight's slope, slope^T x, or a bias's, the sum of the slopes (x None), to be summed over all steps at once."""

    slope: Tensor
    x: Tensor | None


ACTIVE = Active()


def watched(device_type: str) -> bool:
    """Whether each operation must be seen: by a transform of torch.func, by a compiler, or by autocast."""
    seen = torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()
    return seen or autocasts(device_type)


def _exactly(backward):
    """The backward pass in the precision of what was computed, though it may be called where autocast is on."""

    @wraps(backward)
    def exactly(ctx, *slopes):
        kind = next((slope.device.type for slope in slopes if slope is not None), "cpu")
        if not autocasts(kind):
            return backward(ctx, *slopes)
        with torch.autocast(kind, enabled=False):
            return backward(ctx, *slopes)

    return exactly


def by_hand(gradient: Callable, results: int | None = 1) -> Callable:
    """Give an equation its gradient: `gradient(*slopes of the results, *inputs, *all that the equation returns)`.

    The first `results` of the tensors that the equation returns (None: all) are results, the others what the gradient
    needs again. Where a gradient of the gradient is asked for, or where each operation must be seen, autograd
    differentiates the equation itself.
    """

    def decorate(equation: Callable) -> Callable:
        class ByHand(torch.autograd.Function):
            @staticmethod
            def forward(ctx, *inputs):
                outputs = equation(*inputs)
                ctx.save_for_backward(*inputs, *outputs)
                ctx.count = len(inputs)
                ctx.set_materialize_grads(False)
                return outputs

            @staticmethod
            @_exactly
            def backward(ctx, *slopes):
                saved, count = ctx.saved_tensors, ctx.count
                if torch.is_grad_enabled() or torch._C._are_functorch_transforms_active():
                    return _again(lambda *inputs: equation(*inputs)[:results], saved[:count], slopes)
                slopes = _filled(slopes[:results], saved[count:])
                found = gradient(*slopes, *saved)
                return tuple(_summed([one]) if isinstance(one, Later) else one for one in found)

        @wraps(equation)
        def call(*inputs: Tensor) -> Any:
            if watched(inputs[0].device.type):
                outputs = equation(*inputs)
            elif ACTIVE.tape is not None:
                outputs = equation(*inputs)
                ACTIVE.tape.append((gradient, results, inputs, outputs))
            else:
                outputs = ByHand.apply(*inputs) if torch.is_grad_enabled() else equation(*inputs)
            return outputs[0] if results == 1 else outputs[:results]

        return call

    return decorate


class _Taped(torch.autograd.Function):
    """A function of tensors, made of equations of `by_hand` and nothing else that a slope must pass."""

    @staticmethod
    def forward(ctx, run, *inputs):
        ACTIVE.tape = lines = []
        try:
            outputs = run(*inputs)
        finally:
            ACTIVE.tape = None
        kept = {id(one): one for one in inputs}
        for _, _, given, found in lines:
            kept.update((id(one), one) for one in (*given, *found))
        place = dict(zip(kept, range(len(kept)), strict=True))
        ctx.lines = [
            (gradient, results, [place[id(one)] for one in given], [place[id(one)] for one in found])
            for gradient, results, given, found in lines
        ]
        ctx.run, ctx.given = run, [place[id(one)] for one in inputs]
        ctx.ends = [place[id(one)] for one in outputs]
        ctx.save_for_backward(*kept.values())
        ctx.set_materialize_grads(False)
        return tuple(one.detach() for one in outputs)  # what is kept must not lead back to this node: none were freed

    @staticmethod
    @_exactly
    def backward(ctx, *slopes):
        saved = ctx.saved_tensors
        if torch.is_grad_enabled() or torch._C._are_functorch_transforms_active():
            return None, *_again(ctx.run, [saved[place] for place in ctx.given], slopes)
        known: dict[int, Tensor] = {}
        later: dict[int, list[Later]] = {}
        for place, slope in zip(ctx.ends, slopes, strict=True):
            _add(known, place, slope)
        for gradient, results, given, found in reversed(ctx.lines):
            ends = [known.pop(place, None) for place in found[:results]]
            if all(end is None for end in ends):
                continue
            values = [saved[place] for place in (*given, *found)]
            parts = gradient(*_filled(ends, values[len(given) :]), *values)
            for place, slope in zip(given, parts, strict=True):
                if isinstance(slope, Later):
                    later.setdefault(place, []).append(slope)
                else:
                    _add(known, place, slope)
        for place, steps in later.items():
            _add(known, place, _summed(steps))
        return None, *(known.get(place) for place in ctx.given)


def taped(run: Callable, *inputs: Tensor) -> Sequence[Tensor]:
    """Return run(*inputs), a tuple of tensors; every equation in `run` that a slope must pass is one of `by_hand`."""
    return _Taped.apply(run, *inputs)


def _add(known, place, slope):
    if slope is not None:
        known[place] = known[place] + slope if place in known else slope


def _filled(slopes, outputs):
    """The slopes, zeros where there is none."""
    return [torch.zeros_like(o) if slope is None else slope for slope, o in zip(slopes, outputs, strict=False)]


def _summed(steps):
    """The slope of a weight or a bias, over all steps."""
    slope = torch.cat([step.slope for step in steps])
    return slope.sum(0) if steps[0].x is None else slope.mT @ torch.cat([step.x for step in steps])


def _again(run, inputs, slopes):
    """Slopes of the inputs that can be differentiated again, by autograd through `run` itself."""
    with torch.enable_grad():
        given = [one.view_as(one) for one in inputs]  # of one tensor given twice, each by itself
        free = [one for one in given if one.requires_grad]
        pairs = [(end, slope) for end, slope in zip(run(*given), slopes, strict=False) if slope is not None]
        ends, slopes = zip(*[(end, slope) for end, slope in pairs if end.requires_grad], strict=True)
        found = iter(torch.autograd.grad(ends, free, slopes, create_graph=True, materialize_grads=True))
    return tuple(next(found) if one.requires_grad else None for one in given)


def changed(module: nn.Module) -> bool:
    """Whether hooks, a compiled call or a forward of its own make a module do something else than its class says."""
    hooks = module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks
    everywhere = nn.modules.module._global_forward_hooks, nn.modules.module._global_forward_pre_hooks
    return any(hooks) or any(everywhere) or module._compiled_call_impl is not None or "forward" in module.__dict__
