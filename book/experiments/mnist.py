"""MNIST from files that are there, or from openml.org where one asks for it."""

import gzip
from pathlib import Path

import numpy as np
import torch

IDX = ("train-images", "train-labels", "t10k-images", "t10k-labels")


def read_idx(path):
    """The array in a file of MNIST's own format, which may be gzipped."""
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    if len(data) < 4 or data[:3] != b"\0\0\x08":
        raise ValueError(
            f"{path} is no IDX file of bytes: it begins with {data[:4]!r}"
        )
    shape = np.frombuffer(data, ">i4", data[3], 4)
    values = np.frombuffer(data, np.uint8, offset=4 + 4 * data[3])
    if len(values) != shape.prod():
        raise ValueError(
            f"{path} must hold {shape.prod()} bytes for shape {tuple(shape)}, "
            f"it holds {len(values)}"
        )
    return values.reshape(shape)


def read(path):
    """((train x, y), (test x, y)) of MNIST at `path`; images are rows in [0, 1]."""
    path = Path(path)
    if path.is_dir():
        found = [sorted(path.glob(f"{name}*ubyte*")) for name in IDX]
        missing = [
            name for name, files in zip(IDX, found, strict=True) if not files
        ]
        if missing:
            raise FileNotFoundError(
                f"{path} must hold MNIST's IDX files, it lacks {', '.join(missing)}"
            )
        arrays = [read_idx(files[0]) for files in found]
        return _as_rows(*arrays[:2]), _as_rows(*arrays[2:])
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    names = ("x_train", "y_train", "x_test", "y_test")
    try:
        with np.load(path) as file:
            names = names if set(names) <= set(file) else ("x", "y")
            arrays = [file[name] for name in names]
    except (
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        OSError,
        EOFError,
    ) as error:
        expected = "x and y, or x_train, y_train, x_test, y_test"
        raise ValueError(f"{path} must be a .npz file with {expected}") from error
    if len(arrays) == 2:
        return _cut(*_as_rows(*arrays))
    return _as_rows(*arrays[:2]), _as_rows(*arrays[2:])


def fetch():
    """The same from openml.org, through scikit-learn and its cache."""
    from sklearn.datasets import fetch_openml

    x, y = fetch_openml("mnist_784", version=1, as_frame=False, return_X_y=True)
    return _cut(*_as_rows(x, y))


def _as_rows(x, y):
    x, y = np.asarray(x), np.asarray(y).astype(np.int64)
    if len(x) != len(y) or y.ndim != 1 or set(y.tolist()) != set(range(10)):
        raise ValueError(
            f"need as many images as labels 0..9, all ten of them, "
            f"got {x.shape} and {y.shape}"
        )
    x = torch.from_numpy(x.reshape(len(x), -1).astype(np.float32))
    return (x / 255 if x.max() > 1 else x), torch.from_numpy(y)


def _cut(x, y):
    """MNIST's own split: the last seventh, 10,000 of 70,000, is for testing."""
    cut = len(x) - len(x) // 7
    return (x[:cut], y[:cut]), (x[cut:], y[cut:])
