"""Checks of arguments, one for each kind: each names the argument, what came and what was expected."""

import cmath
import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

Kind = TypeVar("Kind")


def integer(name: str, value: Any, low: int | None = None, high: int | None = None) -> int:
    """Return `value`, Python's or NumPy's, as int, or raise if it is not an integer in [low, high]."""
    if type(value) is not int and (isinstance(value, bool) or not isinstance(value, Integral)):
        raise TypeError(f"{name} must be an integer, got {_shown(value)}")
    number = int(value)
    if low is not None and number < low:
        raise ValueError(f"{name} must be at least {low}, got {number}")
    if high is not None and number > high:
        raise ValueError(f"{name} must be at most {high}, got {number}")
    return number


def positive_int(name: str, value: Any) -> int:
    """Return `value` as int, or raise if it is not an integer of at least 1."""
    return integer(name, value, low=1)


def real(name: str, value: Any, low: float | None = None, high: float | None = None) -> float:
    """Return `value` as float, or raise if it is not a finite number in [low, high]."""
    if type(value) is not float and (isinstance(value, bool) or not isinstance(value, Real)):
        raise TypeError(f"{name} must be a number, got {_shown(value)}")
    try:
        number = float(value)
    except OverflowError:  # an integer of 400 digits
        number = math.inf
    inside = math.isfinite(number)
    inside = inside and (low is None or number >= low) and (high is None or number <= high)
    if not inside:
        bounds = f"in [{'-inf' if low is None else low}, {'inf' if high is None else high}]"
        raise ValueError(f"{name} must be a finite number {bounds}, got {value}")
    return number


def positive_real(name: str, value: Any) -> float:
    """Return `value`, or raise if it is not a finite number above 0."""
    if real(name, value, low=0) == 0:
        raise ValueError(f"{name} must be positive, got {value}")
    return float(value)


def boolean(name: str, value: Any) -> bool:
    """Return `value`, Python's or NumPy's, as bool, or raise: a string or a number is not taken for a truth value."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {_shown(value)}")
    return bool(value)


def choice(name: str, value: Any, options: Iterable[Kind]) -> Kind:
    """Return the one of `options` that `value` is, or raise."""
    options = tuple(options)
    for option in options:
        if isinstance(value, type(option)) and value == option:
            return option
    raise ValueError(f"{name} must be one of {', '.join(map(repr, options))}, got {value!r}")


def instance(name: str, value: Any, kind: type[Kind], optional: bool = False) -> Kind:
    """Return `value`, or raise if it is not of the class `kind` (or, where `optional`, None)."""
    if not isinstance(value, kind) and not (optional and value is None):
        wanted = f"a {kind.__name__}{' or None' if optional else ''}"
        raise TypeError(f"{name} must be {wanted}, got {type(value).__name__}")
    return value  # type: ignore[return-value]


def tensor(name: str, value: Any) -> Tensor:
    """Return `value`, or raise if it is not a torch.Tensor of a floating dtype."""
    if not isinstance(value, Tensor):
        hint = " (torch.as_tensor makes one of it)" if isinstance(value, np.ndarray) else ""
        raise TypeError(f"{name} must be a tensor, got {type(value).__name__}{hint}")
    if not value.is_floating_point():
        raise TypeError(f"{name} must have a floating dtype, got {value.dtype}")
    return value


def floating(name: str, dtype: Any) -> torch.dtype:
    """Return `dtype`, or raise if it is not one of torch's floating dtypes."""
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise TypeError(f"{name} must be a floating dtype of torch, got {dtype!r}")
    return dtype


def shaped(name: str, value: Any, letters: str, like: Tensor | None = None, **sizes: int) -> Tensor:
    """Return `value`, or raise unless it is a floating tensor shaped as `letters` say.

    `letters` is a string such as "B R W"; a letter given in `sizes` must have that size, and a letter that
    occurs twice must have the same size. `like` is a tensor whose dtype and device must be shared.
    """
    tensor(name, value)
    names, shape = letters.split(), value.shape
    fits, known = len(names) == len(shape), sizes.copy()
    for letter, size in zip(names, shape, strict=False):
        fits = fits and known.setdefault(letter, size) == size
    if not fits:
        wanted = ", ".join(f"{letter}={sizes[letter]}" for letter in names if letter in sizes)
        raise ValueError(
            f"{name} must be ({', '.join(names)}){' with ' + wanted if wanted else ''}, got {tuple(shape)}"
        )
    if like is not None and value.dtype != like.dtype:
        raise TypeError(f"{name} must have dtype {like.dtype}, got {value.dtype}")
    if like is not None and value.device != like.device:
        raise ValueError(f"{name} must be on device {like.device}, got {value.device}")
    return value


def finite(name: str, value: Tensor) -> Tensor:
    """Return `value`, or raise if any of its numbers is NaN or infinite."""
    total = value.detach().sum()  # one pass; where it is not finite, as a sum that overflows, each number is looked at
    if not cmath.isfinite(total.item()) and not torch.isfinite(value).all():
        bad = int((~torch.isfinite(value)).sum())
        raise ValueError(f"{name} must hold finite numbers, got {bad} NaN or infinite of {value.numel()}")
    return value


def autocasts(device_type: str) -> bool:
    """Whether autocast is on, and dtypes may differ; before PyTorch 2.4 each device had a function of its own."""
    try:
        return torch.is_autocast_enabled(device_type)
    except TypeError:
        return torch.is_autocast_cpu_enabled() if device_type == "cpu" else torch.is_autocast_enabled()


def _shown(value: Any) -> str:
    """A value and its type, of which a long one (an array, say) shows its type alone."""
    text = repr(value)
    return f"{text} ({type(value).__name__})" if len(text) <= 60 else f"a {type(value).__name__}"
