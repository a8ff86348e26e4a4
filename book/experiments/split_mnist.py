"""Split MNIST in three scenarios, by the protocol of van de Ven, Tuytelaars & Tolias 2022 (chapter 4). Optional.

    python -m book.experiments.split_mnist PATH        a .npz file with x and y, or a folder with MNIST's four IDX files
    python -m book.experiments.split_mnist --openml    lets scikit-learn fetch "mnist_784" from openml.org

Five contexts of two digits, one after the other; a perceptron 784-400-400-10 (two outputs where the scenario has no
more); 2,000 batches of 128 a context; Adam at 1e-3; after each context 100 random rows of each of its classes are
stored, and rehearsed in batches of 128. The new rows count 1/k in context k, the rehearsed ones the rest.
Prints the accuracy over all contexts at the end, in per cent, beside the published one. Nothing is downloaded unasked,
and MNIST is not part of this repository: without arguments this prints how to use it, and ends.
"""

import argparse
import gzip
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from neuralmem import ExperienceReplay
from neuralmem.metrics import confidence_interval
from neuralmem.worlds.digits import split_classes

PUBLISHED = {"task": 98.98, "domain": 93.75, "class": 88.79}  # ER, 100 rows a class; van de Ven et al. 2022
IDX = ["train-images", "train-labels", "t10k-images", "t10k-labels"]


def read_idx(path):
    """The array in a file of MNIST's own format, which may be gzipped."""
    data = (gzip.decompress if path.suffix == ".gz" else bytes)(path.read_bytes())
    if len(data) < 4 or data[:3] != b"\0\0\x08":
        raise ValueError(f"{path} is no IDX file of bytes: it begins with {data[:4]!r}")
    shape = np.frombuffer(data, ">i4", data[3], 4)
    values = np.frombuffer(data, np.uint8, offset=4 + 4 * data[3])
    if len(values) != shape.prod():
        raise ValueError(f"{path} must hold {shape.prod()} bytes for shape {tuple(shape)}, it holds {len(values)}")
    return values.reshape(shape)


def read(path):
    """((train x, y), (test x, y)) of MNIST at `path`; images become rows in [0, 1]. Raises ValueError and OSError."""
    path = Path(path)
    if path.is_dir():
        found = [sorted(path.glob(f"{name}*ubyte*")) for name in IDX]
        missing = [name for name, files in zip(IDX, found, strict=True) if not files]
        if missing:
            raise FileNotFoundError(f"{path} must hold MNIST's IDX files, it lacks {', '.join(missing)}")
        arrays = [read_idx(files[0]) for files in found]
        return _as_rows(*arrays[:2]), _as_rows(*arrays[2:])
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    try:
        file = np.load(path)
        if {"x_train", "y_train", "x_test", "y_test"} <= set(file):
            return _as_rows(file["x_train"], file["y_train"]), _as_rows(file["x_test"], file["y_test"])
        x, y = file["x"], file["y"]
    except (KeyError, ValueError, TypeError, OSError, EOFError) as error:
        raise ValueError(f"{path} must be a .npz file with x and y, or x_train, y_train, x_test, y_test") from error
    return _cut(*_as_rows(x, y))


def fetch():
    """The same from openml.org, through scikit-learn and its cache."""
    from sklearn.datasets import fetch_openml

    return _cut(*_as_rows(*fetch_openml("mnist_784", version=1, as_frame=False, return_X_y=True)))


def _as_rows(x, y):
    x, y = np.asarray(x), np.asarray(y).astype(np.int64)
    if len(x) != len(y) or y.ndim != 1 or set(y.tolist()) != set(range(10)):
        raise ValueError(f"need as many images as labels 0..9, all ten of them, got {x.shape} and {y.shape}")
    x = torch.from_numpy(x.reshape(len(x), -1).astype(np.float32))
    return (x / 255 if x.max() > 1 else x), torch.from_numpy(y)


def _cut(x, y):
    """MNIST's own split: the last seventh, 10,000 of 70,000, is for testing."""
    cut = len(x) - len(x) // 7
    return (x[:cut], y[:cut]), (x[cut:], y[cut:])


def batches(x, y, size, generator):
    """Without end, shuffled anew each time round; an incomplete last batch is left out."""
    size = min(size, len(x))
    while True:
        order = torch.randperm(len(x), generator=generator)
        for rows in order[: len(order) // size * size].split(size):
            yield x[rows], y[rows]


def loss_on(model, x, y, mask):
    """Cross-entropy among the outputs that the mask allows; mask (outputs,) or (B, outputs)."""
    return F.cross_entropy(model(x).masked_fill(~mask, -torch.inf), y)


def network(inputs, outputs, seed):
    """A perceptron inputs-400-400-outputs with PyTorch's initial weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        first, second, last = nn.Linear(inputs, 400), nn.Linear(400, 400), nn.Linear(400, outputs)
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), last)


def store(replay, context, count, generator):
    """Keep `count` random rows of each class of a context."""
    for label in context.train_y.unique():
        rows = (context.train_y == label).nonzero().squeeze(1)
        rows = rows[torch.randperm(len(rows), generator=generator)[:count]]
        mask = context.mask.expand(len(rows), -1)
        replay.extend({"x": context.train_x[rows], "y": context.train_y[rows], "mask": mask})


def run(train, test, scenario, seed, steps=2000, batch=128, stored=100):
    """Accuracy (contexts,) on each context at the end."""
    contexts, generator = split_classes(train, test, scenario, 2), torch.Generator().manual_seed(seed)
    model = network(train[0].shape[1], len(contexts[0].mask), seed)
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)
    replay = ExperienceReplay(len(train[0]), "uniform", seed=seed)
    for number, context in enumerate(contexts, 1):
        new = batches(context.train_x, context.train_y, batch, generator)
        for _ in range(steps):
            loss = loss_on(model, *next(new), context.mask)
            if len(replay):
                old = replay.sample(min(batch, len(replay))).data
                loss = loss / number + (1 - 1 / number) * loss_on(model, old["x"], old["y"], old["mask"])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        store(replay, context, stored, generator)
    with torch.no_grad():
        scores = [model(context.test_x).masked_fill(~context.mask, -torch.inf) for context in contexts]
    right = [(s.argmax(1) == context.test_y).float().mean() for s, context in zip(scores, contexts, strict=True)]
    return torch.stack(right).numpy()


def main(arguments=None):
    """Read MNIST as asked, run all scenarios and seeds, print accuracies; returns them, or None without data."""
    parser = argparse.ArgumentParser(description="Split MNIST in three scenarios (chapter 4).")
    parser.add_argument("path", nargs="?", help=".npz file or folder of IDX files")
    parser.add_argument("--openml", action="store_true", help="let scikit-learn fetch MNIST from openml.org")
    parser.add_argument("--seeds", type=int, default=5, help="at least 2")
    parser.add_argument("--steps", type=int, default=2000, help="batches a context")
    chosen = parser.parse_args(arguments)
    if chosen.seeds < 2 or chosen.steps < 1:
        parser.error(f"--seeds must be at least 2 and --steps at least 1, got {chosen.seeds} and {chosen.steps}")
    if chosen.path and chosen.openml:
        parser.error("give PATH or --openml, not both")
    if not chosen.path and not chosen.openml:
        parser.print_help()
        return None
    try:
        train, test = fetch() if chosen.openml else read(chosen.path)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    accuracies = {}
    for scenario, published in PUBLISHED.items():
        began = time.process_time()
        runs = [run(train, test, scenario, seed, chosen.steps) for seed in range(chosen.seeds)]
        accuracies[scenario] = 100 * np.array(runs).mean(1)
        mean, half = confidence_interval(accuracies[scenario])
        seconds = time.process_time() - began
        print(f"{scenario}: {mean:.2f} ± {half:.2f} (published {published}); {seconds:.0f} s", flush=True)
    return accuracies


if __name__ == "__main__":
    main()
