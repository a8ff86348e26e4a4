"""The optional run on MNIST: its files are read, its protocol is followed, on small generated images."""

import gzip

import numpy as np
import pytest
import torch

from book.experiments import mnist, split_mnist
from book.experiments.common import load
from neuralmem.worlds.digits import split_classes


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


@pytest.fixture
def sets():
    (x, y), (new_x, new_y) = images(600), images(100, seed=1)
    return mnist._as_rows(x, y), mnist._as_rows(new_x, new_y)


def test_all_forms_of_the_files_are_read_alike(folder):
    (x, y), (new_x, new_y) = images(600), images(100, seed=1)
    np.savez(folder / "keras.npz", x_train=x, y_train=y, x_test=new_x, y_test=new_y)
    labels = np.concatenate([y, new_y]).astype(str)  # as openml.org has them
    np.savez(folder / "whole.npz", x=np.concatenate([x, new_x]).reshape(700, -1), y=labels)
    results = [mnist.read(path) for path in (folder, folder / "keras.npz", folder / "whole.npz")]
    for train, test in results:
        assert train[0].shape == (600, 36) and train[0].dtype == torch.float32 and train[0].max() == 1
        assert train[1].tolist() == y.tolist() and test[1].tolist() == new_y.tolist()
        assert torch.equal(train[0], results[0][0][0]) and torch.equal(test[0], results[0][1][0])


@pytest.mark.parametrize("scenario", ["task", "domain", "class"])
def test_a_seed_meets_the_scenario_of_the_chapter_with_its_own_order_of_digits(sets, scenario):
    train, test = sets
    world = split_mnist.World(train, test, scenario, [3, 4])
    assert world.orders[0].tolist() != world.orders[1].tolist()
    place = world.orders[1][train[1]]
    for number, task in enumerate(split_classes((train[0], place), (test[0], world.orders[1][test[1]]), scenario)):
        rows = world.contexts()[number][1]
        assert torch.equal(world.images[rows], task.train_x)
        assert torch.equal(world.labels(world.place[1, rows]), task.train_y)
        allowed = world.allowed(world.place[1, rows])
        assert torch.equal(allowed.expand(len(rows), -1), task.mask.expand(len(rows), -1))


def test_what_is_stored_is_as_many_rows_of_each_class_of_a_context(sets):
    world = split_mnist.World(*sets, "class", [0, 1])
    for number, kept in enumerate(world.stores(10)):
        for index, rows in enumerate(kept):
            places = world.place[index, rows].tolist()
            assert sorted(places) == [2 * number] * 10 + [2 * number + 1] * 10 and len(set(rows.tolist())) == 20


def test_a_seed_learns_the_same_alone_as_beside_others(sets):
    found = []
    for seeds in ([0, 1], [1]):
        world = split_mnist.World(*sets, "class", seeds)
        found.append(split_mnist.learn(world, world.contexts(), 6, 32, world.stores(10))[-1])
    assert (found[0] - found[1]).abs().max() < 0.06  # at most one of 20 test rows, by rounding


def test_the_shares_of_new_and_stored_rows_are_those_of_the_paper(sets, monkeypatch):
    seen = []
    step = split_mnist.Networks.step

    def note(self, world, rows, shares):
        seen.append((rows.shape[1], shares[:32].sum().item(), shares[32:].sum().item()))
        step(self, world, rows, shares)

    monkeypatch.setattr(split_mnist.Networks, "step", note)
    world = split_mnist.World(*sets, "class", [0])
    split_mnist.learn(world, world.contexts(), 1, 32, world.stores(20))
    assert [rows for rows, _, _ in seen] == [32, 64, 64, 64, 64]
    assert [new for _, new, _ in seen] == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4, 1 / 5])
    assert [old for _, _, old in seen] == pytest.approx([0, 1 / 2, 2 / 3, 3 / 4, 4 / 5])


@pytest.mark.parametrize("bfloat16", [False, True])
def test_rehearsal_keeps_what_is_lost_without_it(sets, bfloat16):
    world, last = split_mnist.World(*sets, "class", [0, 1]), {}
    for method in split_mnist.METHODS:
        found = split_mnist.accuracies(method, world, 40, 32, 20, bfloat16)
        assert found.dtype == torch.float32 and found.shape == (2, 5 if method in ("none", "replay") else 1, 5)
        last[method] = found[:, -1].mean(1)
    assert last.pop("none").max() < 0.5 and min(score.min() for score in last.values()) > 0.9, last


def test_the_command_prints_and_stores_all_scenarios_and_goes_on_where_it_was(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("book.experiments.common.RESULTS", tmp_path)
    first = split_mnist.main([str(folder), "--seeds", "2", "--steps", "3"])
    assert {(run["scenario"], run["method"]) for run in first} == {
        (scenario, method) for scenario in ("task", "domain", "class") for method in split_mnist.METHODS
    }
    assert all(len(run["accuracy"]) == len(run["orders"]) == 2 for run in first)
    assert "class, joint:" in capsys.readouterr().out and load("split_mnist")["runs"] == first
    monkeypatch.setattr(split_mnist, "accuracies", lambda *args, **settings: pytest.fail("made again"))
    assert split_mnist.main([str(folder), "--seeds", "2", "--steps", "3"]) == first


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
