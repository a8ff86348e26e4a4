"""Checks of arguments: each names the argument, what came and what was expected."""

from numbers import Integral, Real

import torch


def positive_int(name, value):
    """Return `value` as int, or raise if it is not an integer of at least 1."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an integer, got {value!r} ({type(value).__name__})")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")
    return int(value)


def real(name, value, low=None, high=None):
    """Return `value` as float, or raise if it is not a finite number in [low, high]."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r} ({type(value).__name__})")
    inside = value == value and abs(value) != float("inf")
    inside = inside and (low is None or value >= low) and (high is None or value <= high)
    if not inside:
        bounds = f"in [{'-inf' if low is None else low}, {'inf' if high is None else high}]"
        raise ValueError(f"{name} must be a finite number {bounds}, got {value}")
    return float(value)


def choice(name, value, options):
    """Return `value`, or raise if it is not one of `options`."""
    if value not in options:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, options))}, got {value!r}")
    return value


def shaped(name, tensor, letters, like=None, **sizes):
    """Return `tensor`, or raise unless it is a floating tensor shaped as `letters` say.

    `letters` is a string such as "B R W"; a letter given in `sizes` must have that size, and a letter that
    occurs twice must have the same size. `like` is a tensor whose dtype and device must be shared.
    """
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(f"{name} must be a tensor, got {type(tensor).__name__}")
    if not tensor.is_floating_point():
        raise TypeError(f"{name} must have a floating dtype, got {tensor.dtype}")
    names, known = letters.split(), dict(sizes)
    fits = len(names) == tensor.dim()
    for letter, size in zip(names, tensor.shape, strict=False):
        fits = fits and known.setdefault(letter, size) == size
    if not fits:
        wanted = ", ".join(f"{letter}={sizes[letter]}" for letter in names if letter in sizes)
        raise ValueError(
            f"{name} must be ({', '.join(names)}){' with ' + wanted if wanted else ''}, got {tuple(tensor.shape)}"
        )
    if like is not None and tensor.dtype != like.dtype:
        raise TypeError(f"{name} must have dtype {like.dtype}, got {tensor.dtype}")
    if like is not None and tensor.device != like.device:
        raise ValueError(f"{name} must be on device {like.device}, got {tensor.device}")
    return tensor


def finite(name, tensor):
    """Return `tensor`, or raise if any of its numbers is NaN or infinite."""
    if not torch.isfinite(tensor).all():
        bad = int((~torch.isfinite(tensor)).sum())
        raise ValueError(f"{name} must hold finite numbers, got {bad} NaN or infinite of {tensor.numel()}")
    return tensor
