"""How experiences are put together: taken apart into arrays to be stored, and put together again (chapter 4).

The form of an experience is the list of the names of a dict, the length of a tuple, or "" for one array. Its columns
are arrays with a leading axis, one row an experience.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

__all__ = ["allocated", "as_stored", "joined", "numpy_of", "taken_apart"]

Form = list[str] | int | str
NUMPY = (np.ndarray, np.generic)


def taken_apart(
    name: str,
    experiences: Any,
    form: Form | None = None,
    arrays: Sequence[np.ndarray] | None = None,
    single: bool = False,
) -> tuple[Form, list[np.ndarray]]:
    """Return (form, columns) of experiences, or of a `single` one, as columns of length 1.

    Raises ValueError or TypeError, naming the argument, unless they are put together as `form` says and have the
    shapes and dtypes of `arrays` (both None: any). Chapter 4.
    """
    found, parts = _parts(name, experiences)
    if form is not None and found != form:
        raise ValueError(f"{name} must be put together as the first was, {form!r}, got {found!r}")
    columns = [numpy_of(name, part) for part in parts]
    if single:
        columns = [column[None] for column in columns]
    elif any(column.ndim == 0 for column in columns) or len({len(column) for column in columns}) != 1:
        shapes = [column.shape for column in columns]
        raise ValueError(f"{name} must be arrays that share one leading axis, got shapes {shapes}")
    for i, (array, column) in enumerate(zip(arrays or (), columns, strict=False)):
        if column.shape[1:] != array.shape[1:] or column.dtype != array.dtype:
            part = "" if found == "" else f"[{found[i] if isinstance(found, list) else i!r}]"
            _refuse(name + part, array, column)
    return found, columns


def as_stored(experience: Any, form: Form | None, arrays: Sequence[np.ndarray]) -> Sequence | None:
    """Return the parts of one experience if they are arrays just like the rows of `arrays`, or else None.

    A quick look, which most experiences pass; what does not is for `taken_apart`, which says what is wrong. Chapter 4.
    """
    if isinstance(form, list):
        alike = isinstance(experience, dict) and len(experience) == len(form)
        parts = [experience.get(name) for name in form] if alike else []
    else:
        alike = type(experience) is tuple and len(experience) == form
        parts = experience if alike else [experience]
        alike = alike or form == ""
    for array, part in zip(arrays, parts, strict=False):
        alike = alike and isinstance(part, NUMPY) and part.dtype == array.dtype and part.shape == array.shape[1:]
    return parts if alike else None


def allocated(capacity: int, columns: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return arrays of zeros for `capacity` rows like those of `columns`; TypeError where torch has no such numbers."""
    for column in columns:
        torch.from_numpy(np.empty(0, column.dtype))
    return [np.zeros((capacity, *column.shape[1:]), column.dtype) for column in columns]


def joined(form: Form | None, parts: Sequence) -> Any:
    """Return the parts put together as `form` says: a dict, a tuple, or the one there is."""
    if isinstance(form, list):
        return dict(zip(form, parts, strict=True))
    return tuple(parts) if isinstance(form, int) else parts[0]


def numpy_of(name: str, value: Any, dtype: torch.dtype | None = None) -> np.ndarray:
    """Return an array of `value`; Python's numbers and lists get `dtype`, or torch's default one. Raises TypeError."""
    if isinstance(value, NUMPY) and value.dtype.kind in "biufc":
        return np.asarray(value)
    try:
        return torch.as_tensor(value, dtype=dtype).detach().cpu().numpy()
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{name} must hold numbers, arrays or tensors, got {type(value).__name__}: {error}") from None


def _parts(name, experiences):
    """The form of experiences and their parts, in its order."""
    form: Form
    if isinstance(experiences, dict):
        form = sorted(experiences) if all(isinstance(key, str) for key in experiences) else []
        parts = [experiences[key] for key in form]
    elif isinstance(experiences, tuple):
        form, parts = len(experiences), experiences
    else:
        form, parts = "", [experiences]
    if not parts:
        raise TypeError(f"{name} must be a dict with names as keys, a tuple or one array, got {experiences!r}")
    return form, parts


def _refuse(label, array, column):
    """Say why a column cannot be stored in an array, and what to do."""
    if column.dtype != array.dtype:
        raise TypeError(f"{label} must have dtype {array.dtype} as those stored, got {column.dtype}")
    cure = "make all of one shape (pad, and mask what was added), or keep a replay for each shape"
    raise ValueError(f"{label} must be {array.shape[1:]} each as those stored, got {column.shape[1:]}: {cure}")
