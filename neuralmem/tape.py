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


class Outer(NamedTuple):
    """A slope left^T right - rows·factors, which is added to what is there already without a tensor of its own.

    Shapes: left (B, H, N), right (B, H, W), factors (B, N, 1) or None for 0; rows (B, N, W) is what the slope is of. A
    large memory's time goes into passes over it, and into fresh pages for each new tensor.
    """

    left: Tensor
    right: Tensor
    rows: Tensor
    factors: Tensor | None = None

    def onto(self, total: Tensor | None) -> Tensor:
        """The slope added to `total` in place; a tensor of its own where that is None."""
        left, right = self.left.mT, self.right
        total = torch.bmm(left, right) if total is None else total.baddbmm_(left, right)
        return total if self.factors is None else total.addcmul_(self.rows, self.factors, value=-1)


class Own(NamedTuple):
    """A slope that nobody else holds, so that others may be added to it in place."""

    slope: Tensor

    def onto(self, total: Tensor | None) -> Tensor:
        """The slope with `total` added to it in place."""
        return self.slope if total is None else self.slope.add_(total)


ACTIVE = Active()


def watched(device_type: str) -> bool:
    """Whether each operation must be seen: by a transform of torch.func, by a compiler, or by autocast."""
    seen = torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active()
    return seen or autocasts(device_type)


def _differentiated() -> bool:
    """Whether a backward pass is itself looked into: for a second gradient, a transform, or many slopes at once."""
    batched = torch._C._vmapmode_increment_nesting() > 1  # of torch.autograd.grad(..., is_grads_batched=True)
    torch._C._vmapmode_decrement_nesting()
    return batched or torch.is_grad_enabled() or torch._C._are_functorch_transforms_active()


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


def by_hand(gradient: Callable, results: int | None = 1, spends: int = 0) -> Callable:
    """Give an equation its gradient: `gradient(*slopes of the results, *inputs, *all that the equation returns)`.

    The first `results` of the tensors that the equation returns (None: all) are results, the others what the gradient
    needs again. The gradient may overwrite the first `spends` slopes. Where a gradient of the gradient is asked for, or
    where each operation must be seen, autograd differentiates the equation itself.
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
                if _differentiated():
                    return _again(lambda *inputs: equation(*inputs)[:results], saved[:count], slopes)
                slopes = _filled(slopes[:results], saved[count:])
                found = gradient(*(slope.clone() for slope in slopes[:spends]), *slopes[spends:], *saved)
                return tuple(_alone(one) for one in found)

        @wraps(equation)
        def call(*inputs: Tensor) -> Any:
            if ACTIVE.tape is not None:  # whoever began it has seen that nobody watches
                outputs = equation(*inputs)
                ACTIVE.tape.append((gradient, results, spends, inputs, outputs))
            elif watched(inputs[0].device.type):
                outputs = equation(*inputs)
            else:
                outputs = ByHand.apply(*inputs) if torch.is_grad_enabled() else equation(*inputs)
            return outputs[0] if results == 1 else outputs[:results]

        return call

    return decorate


class _Taped(torch.autograd.Function):
    """A function of tensors, made of equations of `by_hand` and nothing else that a slope must pass."""

    @staticmethod
    def forward(ctx, run, *inputs):
        ids = [id(one) for one in inputs]  # a tensor that is given twice has two slopes, so it needs two places
        inputs = [one.view_as(one) if id(one) in ids[:order] else one for order, one in enumerate(inputs)]
        ACTIVE.tape = lines = []
        try:
            outputs = run(*inputs)
        finally:
            ACTIVE.tape = None
        kept, place = list(inputs), {id(one): order for order, one in enumerate(inputs)}
        ctx.lines = []
        for *how, given, found in lines:
            for one in given:
                if id(one) not in place:  # a constant
                    place[id(one)] = len(kept)
                    kept.append(one)
            ctx.lines.append((*how, [place[id(one)] for one in given], len(kept), len(kept) + len(found)))
            place.update(zip(map(id, found), range(len(kept), len(kept) + len(found)), strict=True))
            kept += found
        ctx.run, ctx.count = run, len(inputs)
        ctx.ends = [place[id(one)] for one in outputs]
        ctx.save_for_backward(*kept)
        ctx.set_materialize_grads(False)
        return tuple(one.detach() for one in outputs)  # what is kept must not lead back to this node: none were freed

    @staticmethod
    @_exactly
    def backward(ctx, *slopes):
        saved = ctx.saved_tensors
        if _differentiated():
            return None, *_again(ctx.run, saved[: ctx.count], slopes)
        totals, later = _Totals(), {}
        for place, slope in zip(ctx.ends, slopes, strict=True):
            if slope is not None:
                totals.add(place, slope)
        for gradient, results, spends, given, first, last in reversed(ctx.lines):
            places = range(first, last if results is None else first + results)
            ends = [totals.pop(place, place < first + spends) for place in places]
            if all(end is None for end in ends):
                continue
            found = saved[first:last]
            parts = gradient(*_filled(ends, found), *(saved[place] for place in given), *found)
            for place, slope in zip(given, parts, strict=True):
                if isinstance(slope, Later):
                    later.setdefault(place, []).append(slope)
                elif slope is not None:
                    totals.add(place, slope)
        for place, steps in later.items():
            totals.add(place, _summed(steps))
        return None, *(totals.pop(place) for place in range(ctx.count))


class _Totals:
    """The slopes so far, by place on the tape; `own` holds the places whose tensor nobody else holds."""

    def __init__(self) -> None:
        self.known: dict[int, Tensor] = {}
        self.own: set[int] = set()
        self.outer: dict[int, list[Outer]] = {}  # all of a place are added in one pass, when it is asked for

    def add(self, place: int, slope: Tensor | Outer | Own) -> None:
        if isinstance(slope, Outer):
            self.outer.setdefault(place, []).append(slope)
            return
        before = self.known.get(place)
        if isinstance(slope, Own):
            total = slope.onto(before)
        elif before is None:
            self.known[place] = slope
            return
        else:
            total = before.add_(slope) if place in self.own else before + slope
        self.known[place] = total
        self.own.add(place)

    def pop(self, place: int, to_spend: bool = False) -> Tensor | None:
        """The slope of a place; a copy where it is to be spent and somebody else holds it, too."""
        total, outer, own = self.known.pop(place, None), self.outer.pop(place, None), place in self.own
        self.own.discard(place)
        if total is not None and not own and (outer or to_spend):
            total = total.clone()
        return _together(outer).onto(total) if outer else total


def _together(outer):
    """One slope for several of the same rows."""
    if len(outer) == 1:
        return outer[0]
    left, right = torch.cat([one.left for one in outer], 1), torch.cat([one.right for one in outer], 1)
    factors = [one.factors for one in outer if one.factors is not None]
    return Outer(left, right, outer[0].rows, sum(factors[1:], start=factors[0]) if factors else None)


def taped(run: Callable, *inputs: Tensor) -> Sequence[Tensor]:
    """Return run(*inputs), a tuple of tensors; every equation in `run` that a slope must pass is one of `by_hand`."""
    return _Taped.apply(run, *inputs)


def _alone(slope):
    """A slope as a tensor, where it is the only one."""
    if isinstance(slope, Later):
        return _summed([slope])
    return slope.onto(None) if isinstance(slope, Outer | Own) else slope


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
