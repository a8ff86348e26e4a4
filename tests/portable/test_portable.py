"""The tool that shows that nothing holds only on one processor: it moves what may move, and nothing else."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
import arithmetic  # noqa: E402
import elsewhere  # noqa: E402


def run(probe, seed=None, argument="", **options):
    """Run a probe in a new Python, on this machine or as on another one; return what it printed."""
    variables = {} if seed is None else elsewhere.settings(seed, **options)
    command = [sys.executable, "-W", "error::UserWarning", HERE / f"probe_{probe}.py", argument]
    done = subprocess.run(command, env={**os.environ, **variables}, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_inexact_results_differ_in_their_last_bits_and_the_same_call_gives_the_same_bits(kind):
    if kind == "float64" and not arithmetic.LONGDOUBLE_IS_WIDER:
        pytest.skip("numpy.longdouble is no wider than float64 here: float64 is left alone")
    here, one, two = (pickle.loads(run("inexact", seed, kind)) for seed in (None, 5, 10))
    assert len(here) >= 20
    for name, stored in here.items():
        values, others = np.frombuffer(stored, kind), np.frombuffer(one[name], kind)
        assert not np.array_equal(values, others), f"{name} is left as it was"
        assert one[name] != two[name], f"{name} does not depend on the seed"
        unit = np.finfo(kind).eps * max(1, np.abs(values).max())
        assert np.abs(values - others).max() < 100 * unit, f"{name} differs by more than last bits"


def test_without_the_arithmetic_the_results_are_those_of_this_processor():
    assert run("inexact", None, "float32") == run("inexact", 0, "float32", arithmetic=False)


@pytest.mark.parametrize("seed", [None, 1, 3])
def test_exact_results_and_gradients_stay(seed):
    run("exact", seed)


def test_moves_are_one_unit_up_or_down_as_often_and_it_begins_once_only():
    run("moves", 1)


def execute(folder, monkeypatch, seed, *sources):
    """Run cells in a kernel as on another machine."""
    for name, value in elsewhere.settings(seed).items():
        monkeypatch.setenv(name, value)
    notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
    NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()


@pytest.mark.parametrize("seed", [1, 2])
def test_an_assertion_to_the_last_bit_fails_in_a_kernel_as_on_another_machine(seed, tmp_path, monkeypatch):
    here = torch.linspace(0, 1, 64).exp().tolist()
    compared = f"import torch\nhere, there = torch.tensor({here}), torch.linspace(0, 1, 64).exp()"
    execute(tmp_path, monkeypatch, seed, compared, "assert torch.allclose(here, there)")
    with pytest.raises(CellExecutionError, match="AssertionError"):
        execute(tmp_path, monkeypatch, seed, compared, "assert torch.equal(here, there)")


def test_a_uniform_weighting_is_uniform_to_the_last_bit_by_luck_only(tmp_path, monkeypatch):
    uniform = "import torch\nuniform = torch.full((7,), 0.3).softmax(0)"
    execute(tmp_path, monkeypatch, 1, uniform, "assert torch.allclose(uniform, uniform[0])")
    with pytest.raises(CellExecutionError, match="AssertionError"):
        execute(tmp_path, monkeypatch, 1, uniform, "assert (uniform == uniform[0]).all()")


def test_a_kernel_starts_with_other_global_seeds_and_no_name_of_the_tool(tmp_path, monkeypatch):
    names = "assert not {'elsewhere', 'arithmetic', 'sys', 'torch', '_begin'} & set(dir()), dir()"
    seeds = "import torch, numpy\nassert (torch.initial_seed(), int(numpy.random.get_state()[1][0])) == (7, 7)"
    execute(tmp_path, monkeypatch, 7, names, seeds)


def test_what_a_process_starts_is_elsewhere_too():
    program = "import os, subprocess, sys; sys.exit(subprocess.call([sys.executable, *sys.argv[1:]]))"
    command = [sys.executable, "-c", program, HERE / "probe_moves.py"]
    assert subprocess.run(command, env={**os.environ, **elsewhere.settings(3)}).returncode == 0
    assert subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 1, "here nothing moves"
