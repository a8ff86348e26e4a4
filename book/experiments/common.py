"""What the experiments share: where results are kept, what has still to be run, and the processor's seconds.

An experiment is a list of runs, each named by a few facts (`{"model": "ntm", "seed": 3}`), and a function that makes
one of them. `complete` makes those that are not stored yet and stores each as soon as it is there, so that a script
that was stopped goes on where it was; delete a run from the file to have it made again.
"""

import json
import os
import platform
import time
from pathlib import Path

import torch

RESULTS = Path(__file__).parents[1] / "results"


def load(name):
    """What book/results/<name>.json holds, or {} where there is no such file."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def store(name, results):
    """Write results to book/results/<name>.json, whole or not at all, every number as it is.

    The versions of Python and torch are kept beside them. Raises ValueError where a number is NaN or infinite (JSON has
    neither: say with null that a run diverged) and TypeError for what is no JSON; the file is then as it was before.
    """
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    text = json.dumps(results | {"versions": versions}, indent=1, allow_nan=False) + "\n"
    RESULTS.mkdir(exist_ok=True)
    beside = RESULTS / f"{name}.json.{os.getpid()}"
    try:
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, RESULTS / f"{name}.json")
    finally:
        beside.unlink(missing_ok=True)


def stored_runs(name, **facts):
    """The stored runs of which all `facts` hold: a list of dicts."""
    runs = load(name).get("runs", [])
    return [run for run in runs if all(run.get(key) == value for key, value in facts.items())]


def seeds_done(name, **facts):
    """The seeds of the stored runs of which all `facts` hold: a set."""
    return {run["seed"] for run in stored_runs(name, **facts)}


def add_runs(name, rows, **about):
    """Store runs beside those that are stored; `about` as in `complete`."""
    results = load(name)  # read anew: another process may have stored a run meanwhile
    store(name, results | about | {"runs": [*results.get("runs", []), *rows]})


def complete(name, plan, run, **about):
    """Make the runs of `plan` that are not stored, and store each at once beside those that are.

    `plan` is a list of dicts, the facts that name a run; run(**facts) returns what it measured, a dict. `about` (the
    command, the settings) is stored beside the runs. Returns all stored runs.
    """
    for facts in plan:
        if stored_runs(name, **facts):
            continue
        add_runs(name, [facts | run(**facts)], **about)
        print(*facts.values(), "stored", flush=True)
    return stored_runs(name)


def processor_seconds(function, *args, **kwargs):
    """Call the function; return what it returns and the seconds that the processor worked, whatever else ran."""
    began = time.process_time()
    result = function(*args, **kwargs)
    return result, time.process_time() - began
