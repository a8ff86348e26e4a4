"""Methods × seeds: the same call serially, on all cores and on a cluster gives the same results."""

import os
import signal
import threading
import time

import joblib
import pytest
import torch

from neuralmem import ContinualLearningAgent
from neuralmem.sweep import sweep
from neuralmem.worlds import split_generator
from neuralmem.worlds.functions import function_pairs

METHODS = {"slow": 0.001, "fast": 0.01}


def run(method, seed, pause=0.0):
    """Train a linear model for a few steps and return its held-out error."""
    import torch  # the workers of a cluster import for themselves

    torch.set_num_threads(1)
    time.sleep(pause)
    torch.manual_seed(seed)
    agent = ContinualLearningAgent(torch.nn.Linear(64, 64), lr=METHODS[method], seed=seed)
    agent.learn(function_pairs("sin", 16, split_generator("train", seed * 100 + step)) for step in range(20))
    return agent.evaluate(*function_pairs("sin", 100, split_generator("test", seed)))


def slow_run(method, seed):
    return run(method, seed, pause=0.5)


def test_serial_and_parallel_agree():
    serial = sweep(run, METHODS, range(3), n_jobs=1)
    assert list(serial) == ["slow", "fast"] and all(len(results) == 3 for results in serial.values())
    assert serial["slow"] != serial["fast"] and len(set(serial["slow"])) == 3
    assert serial["fast"][1] == run("fast", 1)
    assert sweep(run, METHODS, range(3), n_jobs=2) == serial


@pytest.mark.parametrize("methods, seeds", [([], [0]), (["slow"], [])])
def test_nothing_to_run(methods, seeds):
    with pytest.raises(ValueError, match="methods and seeds must not be empty"):
        sweep(run, methods, seeds)


WRONG = [
    ("methods named by one word", lambda: sweep(run, "slow", [0]), TypeError, "methods must be a list or the like"),
    ("a number of seeds", lambda: sweep(run, ["slow"], 3), TypeError, "seeds must be a list or the like"),
    ("a method twice", lambda: sweep(run, ["slow", "slow"], [0]), ValueError, "must not hold one twice"),
    ("a seed twice", lambda: sweep(run, ["slow"], [0, 0]), ValueError, "must not hold one twice"),
    ("no function", lambda: sweep("run", ["slow"], [0]), TypeError, "run must be a function"),
    ("no processes", lambda: sweep(run, ["slow"], [0], n_jobs=0), ValueError, "n_jobs must be a number of processes"),
    ("half a process", lambda: sweep(run, ["slow"], [0], n_jobs=0.5), TypeError, "n_jobs must be an integer"),
]


@pytest.mark.parametrize(("label", "call", "error", "words"), WRONG, ids=[case[0] for case in WRONG])
def test_wrong_input_is_refused_by_name(label, call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value)


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed: pip install .[cluster]")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as local,
        distributed.Client(local) as client,
    ):
        yield client


def test_a_cluster_agrees_and_survives_a_killed_worker(cluster):
    serial = sweep(run, METHODS, range(4), n_jobs=1)
    with joblib.parallel_config(backend="dask"):
        assert sweep(run, METHODS, range(4)) == serial
    victim = next(iter(cluster.run(os.getpid).values()))
    killer = threading.Timer(0.7, os.kill, (victim, signal.SIGKILL))
    killer.start()
    with joblib.parallel_config(backend="dask"):
        assert sweep(slow_run, METHODS, range(4)) == serial
    killer.join()
    assert victim not in cluster.run(os.getpid).values()


def test_sweep_leaves_torch_threads_alone():
    before = torch.get_num_threads()
    sweep(abs_of, [1], [2], n_jobs=1)
    assert torch.get_num_threads() == before


def abs_of(method, seed):
    return abs(method - seed)
