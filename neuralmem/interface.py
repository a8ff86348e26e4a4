"""What the controller says to the bank: one vector, cut into parts, each squashed to its range (chapters 2 and 3)."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .tape import by_hand, watched

ATEN = torch.ops.aten
Part = tuple[str, tuple[int, ...], int]
"""How a part is cut out: kind of squashing, shape (-1, heads, width) or (-1, heads), and size."""

KINDS = {  # by the last word of a part's name
    "add": "none", "erase": "sigmoid", "keys": "none", "masks": "sigmoid", "shifts": "softmax", "modes": "softmax",
    "strengths": "oneplus", "gammas": "oneplus", "interpolation": "sigmoid", "gates": "sigmoid",
}  # fmt: skip
SCALARS = ("strengths", "gammas", "interpolation", "gates")


def cut(name: str, heads: int, width: int) -> Part:
    """How the part of that name, such as "read_keys", is cut out of the interface vector."""
    kind = name.rpartition("_")[2]
    return KINDS[kind], (-1, heads) if kind in SCALARS else (-1, heads, width), heads * width


def squash(layout: tuple[Part, ...], interface: Tensor) -> Any:
    """Cut (B, I) into the parts of `layout`, each squashed as its kind says (see `SQUASH`)."""
    return _squashed(layout, interface) if watched(interface.device.type) else _made(layout)(interface)


@cache
def _made(layout):
    """The function of an interface that `squash` is for one layout, with its gradient."""
    count, sizes = len(layout), [size for *_, size in layout]

    def gradient(*given):
        slopes, interface, parts = given[:count], given[count], given[count + 1 :]
        result, pieces = [], interface.split_with_sizes(sizes, -1)
        for (kind, *_), slope, part, raw in zip(layout, slopes, parts, pieces, strict=True):
            if kind == "sigmoid":
                slope = ATEN.sigmoid_backward(slope, part)
            elif kind == "softmax":
                slope = torch._softmax_backward_data(slope, part, -1, part.dtype)
            slope = slope.reshape(raw.shape)
            result.append(ATEN.softplus_backward(slope, raw, 1, 20) if kind == "oneplus" else slope)
        return (torch.cat(result, -1),)

    return by_hand(gradient, results=None)(partial(_squashed, layout))


def _squashed(layout, interface):
    pieces = interface.split_with_sizes([size for *_, size in layout], -1)
    return tuple(SQUASH[kind](piece.reshape(shape)) for (kind, shape, _), piece in zip(layout, pieces, strict=True))


SQUASH: dict[str, Callable[[Tensor], Tensor]] = {
    "none": lambda x: x,
    "sigmoid": torch.sigmoid,
    "oneplus": lambda x: 1 + F.softplus(x),
    "softmax": lambda x: torch.softmax(x, -1),
}
