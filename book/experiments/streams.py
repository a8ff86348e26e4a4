"""Rules and agents on three streams, prequentially (chapter 8).

    python -m book.experiments.streams

Two real streams, each with two horizons, and one whose laws return
(neuralmem.worlds.streams). The first part of a stream is for tuning and scales and is
not scored. Equal chances: twelve settings for the linear model, nine for the memory
and three more for the network beside it, judged on the first part alone, the network
with seed 100. A row in which a part is missing keeps all other settings. Seeds start
networks; on the stream of laws they draw the stream, too. Stored are mean absolute
errors, and the errors of pieces of a stream, so that two rules can be compared piece
by piece. `hindsight` is the linear model that would have been best on what is scored:
no rule, a bound on what tuning could have brought. `grid` is what the explorer shows.
"""

from datetime import timedelta
from functools import cache, partial

import numpy as np
import torch

from neuralmem.prequential import (
    Constant,
    LastValue,
    Linear,
    RunningMean,
    grid,
    prequential,
    tune,
)
from neuralmem.series import read_csv, table_of, windows
from neuralmem.stream_agent import StreamAgent
from neuralmem.worlds import streams as worlds

from .common import complete, load, store

NAME = "streams"
SEEDS = range(5)
TUNING_SEED = 100
PIECES = 12
ALL = 10_000
LINEAR = grid(n=(25, 50, 150, ALL), penalty=(1, 10, 100))
MEMORY = grid(strength=(0, 2, 20), penalty=(1, 10, 100))
NETWORK = grid(lr=(3e-4, 1e-3, 3e-3))
PLAIN = {"constant": Constant, "last value": LastValue, "running mean": RunningMean}
PARTS = {
    "memory alone": dict(hidden=0),
    "network, no replay": dict(k=0, batch=0),
    "network + replay": dict(k=0),
    "network + prioritised replay": dict(k=0, kind="proportional"),
    "memory + network, no replay": dict(batch=0),
    "memory + network + replay": {},
}
STREAMS = {
    "weather": 365,
    "weather, a week ahead": 365,
    "water flow": 300,
    "water flow, half a day ahead": 300,
    "laws that return": 400,
}
LENGTHS, MEMORIES = (1, 2, 4, 8, 16), (25, 50, 100, 200, 400, ALL)


def weather(horizon=1, length=2):
    """Tomorrow's highest temperature in Seattle from the last days."""
    path = worlds.path_of("weather")
    form = dict(time="date", time_format="%Y/%m/%d", ignore=["weather"])
    table = read_csv(path, "temp_max", **form)
    return windows(table, length, horizon, cue=timedelta(days=365.25))


def water_flow(horizon=1, length=24):
    """The next hour's flow through a pipeline from the last day."""
    table = read_csv(worlds.path_of("water flow"), "Water flow [l/s]", time="Time")
    return windows(table, length, horizon, cue=timedelta(days=1), gaps="skip")


@cache
def stream_of(name, seed=0):
    """A stream of STREAMS as Windows; the seed draws that of laws."""
    if name == "laws that return":
        generator = torch.Generator().manual_seed(seed)
        rows = worlds.returning_laws(1500, generator)
        return windows(table_of(rows, "y"), 1, cue="law")
    read = weather if name.startswith("weather") else water_flow
    return read({"a week": 7, "half a day": 12}.get(name.partition(", ")[2][:-6], 1))


def agent(stream, **settings):
    """A StreamAgent that remembers everything."""
    sizes = stream.x.shape[1], stream.cue.shape[1]
    return StreamAgent(*sizes, **{"k": ALL, **settings})


@cache
def settings_of(name):
    """What tuning on the first part of a stream chose: (linear, agent)."""
    stream, first = stream_of(name, TUNING_SEED), STREAMS[name]
    linear = tune(Linear, LINEAR, stream, first)
    memory = tune(partial(agent, stream, hidden=0), MEMORY, stream, first)
    make = partial(agent, stream, seed=TUNING_SEED, **memory)
    return linear, memory | tune(make, NETWORK, stream, first)


def measured(rules, stream, first):
    """Mean and pieces of the absolute errors of each rule."""
    errors = prequential(rules, stream, first).errors()
    return {
        name: {
            "error": float(error.mean()),
            "pieces": [float(part.mean()) for part in np.array_split(error, PIECES)],
        }
        for name, error in errors.items()
    }


def run(stream, seed):
    """Every rule on one stream, each agent started from the seed."""
    linear, chosen = settings_of(stream)
    questions, first = stream_of(stream, seed), STREAMS[stream]
    rules = {name: make() for name, make in PLAIN.items()}
    rules["linear, last n"] = Linear(**linear)
    for name, part in PARTS.items():
        rules[name] = agent(questions, seed=seed, **{**chosen, **part})
    rows = measured(rules, questions, first)
    many = {str(setting): Linear(**setting) for setting in LINEAR}
    best = measured(many, questions, first)
    least = min(best, key=lambda name: best[name]["error"])
    return {
        "linear": linear, "agent": chosen, "questions": len(questions.y) - first,
        "rules": rows, "hindsight": best[least] | {"setting": least},
    }  # fmt: skip


def window_grid():
    """Errors of the linear model on the weather by window length and n."""
    found = []
    for length in LENGTHS:
        stream = weather(length=length)
        first = STREAMS["weather"] + 1 - length  # the same days are scored
        rules = {str(n): Linear(n, 10.0) for n in MEMORIES}
        rows = measured(rules | {"last value": LastValue()}, stream, first)
        found += [{"length": length, "n": n} | row for n, row in rows.items()]
    return found


def main():
    """Run what is not stored yet."""
    torch.set_num_threads(1)
    plan = [dict(stream=name, seed=seed) for name in STREAMS for seed in SEEDS]
    complete(NAME, plan, run, command="python -m book.experiments.streams")
    if "grid" not in load(NAME):
        store(NAME, load(NAME) | {"grid": window_grid()})


if __name__ == "__main__":
    main()
