"""Experiences taken apart into arrays, and put together again."""

import numpy as np
import pytest
import torch

from neuralmem.columns import allocated, as_stored, joined, numpy_of, taken_apart

EXPERIENCES = [
    {"y": np.int64(3), "x": np.arange(2.0, dtype=np.float32)},
    (np.ones(3), np.bool_(True)),
    np.arange(6.0).reshape(2, 3),
    np.float32(0.5),
    ((np.ones(2)),),
]


@pytest.mark.parametrize("experience", EXPERIENCES, ids=lambda one: type(one).__name__)
def test_what_is_taken_apart_is_put_together_again(experience):
    form, columns = taken_apart("experience", experience, single=True)
    back = joined(form, [column[0] for column in columns])
    assert type(back) is type(experience) and repr(back if not isinstance(back, dict) else sorted(back)) == repr(
        experience if not isinstance(experience, dict) else sorted(experience)
    )


@pytest.mark.parametrize("experience", EXPERIENCES, ids=lambda one: type(one).__name__)
def test_the_quick_look_sees_the_same_parts(experience):
    form, columns = taken_apart("experience", experience, single=True)
    arrays = allocated(5, columns)
    parts = as_stored(experience, form, arrays)
    assert parts is not None
    for part, array, column in zip(parts, arrays, columns, strict=True):
        array[2] = part
        np.testing.assert_array_equal(array[2], column[0])
        assert array.shape == (5, *column.shape[1:]) and array.dtype == column.dtype and not array[[0, 1, 3, 4]].any()


LIKE = {"x": np.zeros(2, np.float32), "y": np.int64(0)}
ODD = [
    {"x": np.zeros(2, np.float32)},
    {"x": np.zeros(2, np.float32), "z": np.int64(0)},
    {"x": np.zeros(3, np.float32), "y": np.int64(0)},
    {"x": np.zeros(2), "y": np.int64(0)},
    {"x": np.zeros(2, np.float32), "y": 0},
    {"x": torch.zeros(2), "y": np.int64(0)},
    {"x": [0.0, 0.0], "y": np.int64(0)},
    {"x": np.zeros(2, np.float32), "y": None},
    {0: np.zeros(2, np.float32), "y": np.int64(0)},
    (np.zeros(2, np.float32), np.int64(0)),
    np.zeros(2, np.float32),
    None,
    "word",
]


@pytest.mark.parametrize("odd", ODD, ids=map(str, range(len(ODD))))
def test_the_quick_look_passes_nothing_that_is_not_just_like_what_is_stored(odd):
    for like in (LIKE, tuple(LIKE.values()), LIKE["x"]):
        form, columns = taken_apart("experience", like, single=True)
        fits = type(odd) is type(like) and repr(odd) == repr(like)
        assert (as_stored(odd, form, allocated(4, columns)) is not None) == fits


def test_python_s_numbers_get_torch_s_default_type():
    assert numpy_of("x", 0.5).dtype == np.float32 and numpy_of("x", [1, 2]).dtype == np.int64
    assert numpy_of("x", 0.5, torch.float64).dtype == np.float64
    assert numpy_of("x", torch.ones(2, requires_grad=True)).tolist() == [1, 1]
    with pytest.raises(TypeError, match="x must hold numbers, arrays or tensors, got str"):
        numpy_of("x", "word")
    with pytest.raises(TypeError):
        allocated(3, [np.zeros(2, np.longdouble)])
