from datetime import timedelta
from tempfile import mkdtemp

from neuralmem.worlds.streams import path_of

path, target, unit = path_of("weather"), "temp_max", "°C"
form = {"time": "date", "time_format": "%Y/%m/%d", "ignore": ["weather"]}
length, horizon, cue = 2, 1, timedelta(days=365.25)
saved = f"{mkdtemp()}/my_agent"  # a path of yours

from functools import partial

from neuralmem.prequential import (
    Constant, LastValue, Linear, RunningMean, grid, prequential, tune)
from neuralmem.series import read_csv, windows
from neuralmem.stream_agent import StreamAgent
from neuralmem.teaching.progress import progress
from neuralmem.teaching.stream_results import report_figure, report_table

table = read_csv(path, target, **form)
stream = windows(table, length, horizon, cue=cue, gaps="skip")
first = len(stream.y) // 4  # for scales and tuning, and never scored
print(len(stream.y), "questions; left out:", stream.skipped)
agent = partial(StreamAgent, stream.x.shape[1], stream.cue.shape[1])
penalty = (1, 10, 100)
choices = grid(n=(25, 50, 150, 10_000), penalty=penalty)
linear = tune(Linear, choices, stream, first, progress)
choices = grid(strength=(0, 2, 20), penalty=penalty)
memory = tune(partial(agent, hidden=0), choices, stream, first, progress)
choices = grid(lr=(3e-4, 1e-3, 3e-3))
network = tune(partial(agent, **memory, seed=100), choices, stream, first, progress)

rules = {"constant": Constant(), "last value": LastValue()}
rules |= {"running mean": RunningMean(), "linear, last n": Linear(**linear)}
for seed in range(5):
    rules[f"agent, seed {seed}"] = agent(**memory, **network, seed=seed)
report = prequential(rules, stream, first, progress=progress)
half = len(stream.y) // 2
early = agent(**memory, **network, seed=0)
prequential({"agent": early}, stream, first, stop=half)
early.save(saved)  # and on another day, in another process:
late = StreamAgent.load(saved)
rest = prequential({"agent": late}, stream, first, start=half)

report_table(report, unit)

report_figure(report, stream, unit, marked="constant")
