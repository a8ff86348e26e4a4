"""Speed and memory of the controllers against `dnc` 1.1.0, taken in turns in one process, on one thread.

    python -m pytest tests/benchmarks/test_memory_speed.py -s

Forward and backward, LSTM 128, N = 128. Processor time, which a busy machine disturbs less than the clock on the wall.
The NTM of chapter 3 is compared with the package as it was before a sequence ran on a tape, read from the history of
this repository.
"""

import re
import shutil
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from statistics import median

import pytest
import torch
from bars import judge
from conftest import ROOT

from neuralmem import MemoryConfig, MemoryController, NeuralMemoryBank

INPUTS, HIDDEN, SLOTS = 10, 128, 128
BATCHES = {1: 25, 16: 12, 64: 6}  # batch size: rounds
BEFORE = "750a6dada2c47b81a8f060e997926302ce931d05"
MISSING = "dnc is not installed: pip install -r tests/benchmarks/requirements.txt"


def bank_and_controller(addressing, width, readers):
    torch.manual_seed(0)
    bank = NeuralMemoryBank(MemoryConfig(SLOTS, width, readers, addressing=addressing))
    return MemoryController(INPUTS, HIDDEN, INPUTS, bank)


def package(addressing, width, readers, steps, batch):
    """A function that runs one forward and backward pass of the package's controller."""
    controller = bank_and_controller(addressing, width, readers)
    return passes(controller, lambda inputs: controller(inputs)[0], steps, batch)


def peer(width, readers, steps, batch):
    """The same of `dnc`, with the one LSTM layer that the package has."""
    from dnc import DNC

    torch.manual_seed(0)
    sizes = {"num_hidden_layers": 1, "nr_cells": SLOTS, "cell_size": width, "read_heads": readers}
    controller = DNC(INPUTS, HIDDEN, batch_first=False, **sizes)
    return passes(controller, lambda inputs: controller(inputs, reset_experience=True)[0], steps, batch)


def passes(module, call, steps, batch):
    inputs = torch.randn(steps, batch, INPUTS)

    def run():
        module.zero_grad()
        call(inputs).square().mean().backward()

    return run


def seconds_in_turns(runs, rounds):
    """Processor seconds of each function, one list a function; the first, warming, turn is left out."""
    taken = [[] for _ in runs]
    for turn in range(rounds + 1):
        for run, times in zip(runs, taken, strict=True):
            began = time.process_time()
            run()
            if turn:
                times.append(time.process_time() - began)
    return taken


@pytest.mark.parametrize("batch", BATCHES)
def test_a_dnc_step_is_faster(batch):
    pytest.importorskip("dnc", reason=MISSING)
    mine, theirs = seconds_in_turns([package("dnc", 64, 4, 20, batch), peer(64, 4, 20, batch)], BATCHES[batch])
    each = [1e3 * median(times) / 20 for times in (mine, theirs)]
    judge(f"DNC step, B={batch}", "dnc", *each, [b / a for a, b in zip(mine, theirs, strict=True)], "ms")


@pytest.mark.parametrize("batch", BATCHES)
def test_an_ntm_step_takes_a_part_of_dnc_s_time(batch):
    pytest.importorskip("dnc", reason=MISSING)
    mine, theirs = seconds_in_turns([package("ntm", 20, 1, 40, batch), peer(20, 4, 20, batch)], BATCHES[batch])
    each = 1e3 * median(mine) / 40, 1e3 * median(theirs) / 20
    judge(f"NTM step, B={batch}", "dnc", *each, [a / 40 / (b / 20) for a, b in zip(mine, theirs, strict=True)], "ms")


def package_of(commit, folder):
    """The modules `bank` and `controller` of the package as it was at a commit, under another name."""
    archive = subprocess.run(["git", "archive", commit, "neuralmem"], cwd=ROOT, capture_output=True)
    if archive.returncode:
        pytest.skip(f"the history of this repository does not reach back to {commit[:7]}")
    subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
    (folder / "neuralmem").rename(folder / "neuralmem_before")
    sys.path.insert(0, str(folder))
    try:
        return [import_module(f"neuralmem_before.{name}") for name in ("bank", "controller")]
    finally:
        sys.path.remove(str(folder))


def test_an_ntm_step_of_chapter_3_is_faster_than_it_was(tmp_path):
    banks, controllers = package_of(BEFORE, tmp_path)
    runs = []
    for config, bank, controller in (
        (MemoryConfig, NeuralMemoryBank, MemoryController),
        (banks.MemoryConfig, banks.NeuralMemoryBank, controllers.MemoryController),
    ):
        torch.manual_seed(0)
        module = controller(INPUTS, 64, INPUTS, bank(config(32, 16, 1, addressing="ntm")))
        runs.append(passes(module, lambda inputs, module=module: module(inputs)[0], 40, 32))
    mine, theirs = seconds_in_turns(runs, 25)
    each = [1e3 * median(times) / 40 for times in (mine, theirs)]
    ratios = [b / a for a, b in zip(mine, theirs, strict=True)]
    judge("NTM step of chapter 3, B=32", "the package before its tape", *each, ratios, "ms")


@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
def test_a_compiled_bank_takes_less_time_and_does_the_same():
    eager, compiled = (bank_and_controller("dnc", 64, 4) for _ in range(2))
    compiled.bank.compile(fullgraph=True)
    inputs = torch.randn(20, 16, INPUTS)
    runs = [passes(module, lambda x, module=module: module(x)[0], 20, 16) for module in (eager, compiled)]
    began = time.perf_counter()
    torch.testing.assert_close(compiled(inputs)[0], eager(inputs)[0], rtol=1e-5, atol=1e-6)
    runs[1]()
    print(f"\ncompiling took {time.perf_counter() - began:.0f} s")
    plain, fused = seconds_in_turns(runs, 12)
    each = [1e3 * median(times) / 20 for times in (fused, plain)]
    ratios = [a / b for a, b in zip(plain, fused, strict=True)]
    judge("DNC step, B=16, bank compiled", "bank not compiled", *each, ratios, "ms")


def peak_megabytes(run):
    """Peak resident memory of this process once `run` has been called, above what it had before."""

    def high_water():  # not getrusage: there a child starts at its parent's peak
        return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024

    before = high_water()
    run()
    return high_water() - before


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from Linux's /proc")
def test_peak_memory_is_half():
    pytest.importorskip("dnc", reason=MISSING)
    calls = "t.package('dnc', 64, 4, 40, 64)", "t.peer(64, 4, 40, 64)"
    rounds = [[peak_of(call) for call in calls] for _ in range(7)]  # the peer's: when garbage is collected differs
    ours, theirs = (median(peaks) for peaks in zip(*rounds, strict=True))
    ratios = [mine / other for mine, other in rounds]
    judge("DNC, peak memory, B=64", "dnc", ours, theirs, ratios, "MB")


def peak_of(call):
    """Peak memory in MB of a call of this module, in a process of its own."""
    code = f"import sys; sys.path[:0] = {[str(Path(__file__).parent), *sys.path]!r}; import torch, dnc"
    code += f"; import test_memory_speed as t; torch.set_num_threads(1); print(t.peak_megabytes(lambda: {call}()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)
