"""The optional run on MNIST: its files are read, its protocol is followed, on small generated images."""

import gzip

import numpy as np
import pytest
import torch

from book.experiments import split_mnist


def images(count, seed=0, side=6):
    """Bytes (count, side, side) in which each of ten classes lights a place of its own, and labels (count,)."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 10
    x = rng.integers(0, 60, (count, side * side))
    for place in range(3):
        x[np.arange(count), labels * 3 + place] = 255
    return x.reshape(count, side, side).astype(np.uint8), labels.astype(np.uint8)


def idx(array):
    """MNIST's format: two zeros, 8 for bytes, the number of axes, their lengths, the bytes."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.tobytes()


@pytest.fixture
def folder(tmp_path):
    (x, y), (new_x, new_y) = images(600), images(100, seed=1)
    arrays = {"train-images-idx3": x, "train-labels-idx1": y, "t10k-images-idx3": new_x, "t10k-labels-idx1": new_y}
    for name, array in arrays.items():
        (tmp_path / f"{name}-ubyte.gz").write_bytes(gzip.compress(idx(array)))
    return tmp_path


def test_all_forms_of_the_files_are_read_alike(folder):
    (x, y), (new_x, new_y) = images(600), images(100, seed=1)
    np.savez(folder / "keras.npz", x_train=x, y_train=y, x_test=new_x, y_test=new_y)
    labels = np.concatenate([y, new_y]).astype(str)  # as openml.org has them
    np.savez(folder / "whole.npz", x=np.concatenate([x, new_x]).reshape(700, -1), y=labels)
    results = [split_mnist.read(path) for path in (folder, folder / "keras.npz", folder / "whole.npz")]
    for train, test in results:
        assert train[0].shape == (600, 36) and train[0].dtype == torch.float32 and train[0].max() == 1
        assert train[1].tolist() == y.tolist() and test[1].tolist() == new_y.tolist()
        assert torch.equal(train[0], results[0][0][0]) and torch.equal(test[0], results[0][1][0])


def test_rehearsal_keeps_what_is_lost_without_it():
    (x, y), (new_x, new_y) = images(600), images(100, seed=1)
    sets = split_mnist._as_rows(x, y), split_mnist._as_rows(new_x, new_y)
    kept = split_mnist.run(*sets, "class", 0, steps=40, batch=32, stored=20)
    assert kept.shape == (5,) and kept.mean() > 0.9
    lost = split_mnist.run(*sets, "class", 0, steps=40, batch=32, stored=0)
    assert lost.mean() < 0.5


def test_the_command_prints_all_scenarios_and_repeats_exactly(folder, capsys):
    first = split_mnist.main([str(folder), "--seeds", "2", "--steps", "5"])
    said = capsys.readouterr().out
    assert [line.split(":")[0] for line in said.splitlines()] == ["task", "domain", "class"] == list(first)
    assert "published 88.79" in said
    again = split_mnist.main([str(folder), "--seeds", "2", "--steps", "5"])
    assert all((first[name] == again[name]).all() for name in first)


def test_without_a_file_it_says_how_to_get_one_and_fetches_nothing(monkeypatch, capsys):
    monkeypatch.setattr(split_mnist, "fetch", lambda: pytest.fail("fetched unasked"))
    assert split_mnist.main([]) is None and "--openml" in capsys.readouterr().out


def test_openml_is_asked_only_by_its_option(monkeypatch):
    asked = []
    monkeypatch.setattr(split_mnist, "fetch", lambda: asked.append(1) or (_ for _ in ()).throw(OSError("no network")))
    with pytest.raises(SystemExit):
        split_mnist.main(["--openml"])
    assert asked == [1]


def wrong(folder, name):
    if name == "cut short":
        path = folder / "train-images-idx3-ubyte.gz"
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-1]))
    if name == "no label file":
        (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    if name == "not IDX":
        (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"hello"))
    other = {"nothing there": "nowhere.npz", "no x": "y.npz", "no npz": "text.npz", "nine classes": "nine.npz"}
    np.savez(folder / "y.npz", y=np.arange(3))
    (folder / "text.npz").write_text("hello")
    x, y = images(100)
    np.savez(folder / "nine.npz", x=x[y < 9], y=y[y < 9])
    return folder / other.get(name, "")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cut short", "must hold 21600 bytes"),
        ("no label file", "it lacks t10k-labels"),
        ("not IDX", "is no IDX file"),
        ("nothing there", "does not exist"),
        ("no x", "with x and y"),
        ("no npz", "with x and y"),
        ("nine classes", "all ten of them"),
    ],
)
def test_a_wrong_file_is_named(folder, capsys, name, words):
    with pytest.raises(SystemExit):
        split_mnist.main([str(wrong(folder, name))])
    assert words in capsys.readouterr().err
