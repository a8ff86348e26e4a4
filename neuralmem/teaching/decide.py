"""The decision page: from a symptom to a part, its chapter, what it brought and what it costs, from stored results."""

from typing import NamedTuple

import numpy as np

from . import rooms_results, stream_results
from .comparisons import split_mnist_rows
from .results import load
from .sequence_results import wrong_bits

LAWS, WATER = "laws that return", "water flow"


class Row(NamedTuple):
    """One line of the page; `chapters` are numbers, all else is text."""

    symptom: str
    first: str
    part: str
    brought: str
    cost: str
    chapters: tuple[int, ...]


NAMES = {
    0: "00_demo", 1: "01_addressing", 2: "02_bank", 3: "03_controller", 4: "04_replay", 5: "05_maml", 6: "06_agent",
    8: "08_stream",
}  # fmt: skip


def rows() -> list[Row]:
    """The lines of the page, their numbers read from the stored results."""
    rooms, streams = load("rooms"), load("streams")
    mnist = split_mnist_rows(load("split_mnist")["runs"])
    few = load("few_shot_digits")["runs"]

    def room(agent):
        return rooms_results.samples(rooms, "core", agent, "cost").mean()

    def season(agent):
        return rooms_results.samples(rooms, "seasons", agent, "A after B", "cost").mean()

    def stream(name, rule):
        return stream_results.errors(streams, name, rule).mean()

    def digits(method):
        return np.mean([run["accuracy"][method] for run in few])

    by_key = room(rooms_results.LAST) / room(rooms_results.OURS)
    laws = stream(LAWS, stream_results.LINEAR) / stream(LAWS, stream_results.MEMORY)
    kept = season(rooms_results.OURS) / season(rooms_results.OURS + ", replay")
    accident = stream(WATER, "network + prioritised replay") / stream(WATER, "network + replay")
    plain = stream(WATER, stream_results.LAST) / stream(WATER, stream_results.LINEAR)
    wrong = {model: np.mean(wrong_bits("recall", model, "as trained")) for model in ("lstm", "ntm")}
    slower = _seconds("sequence_tasks", task="recall", model="ntm") / _seconds(
        "sequence_tasks", task="recall", model="lstm"
    )
    learned = _sine("pretrained") / _sine("MAML")
    return [
        Row(
            "The numbers look too good", "a constant, and rows that are new", "none yet: test first",
            "chapter 0's demo is no better than a constant", "a minute", (0,),
        ),
        Row(
            "It changes slowly, or you have little data", "the last value; a linear model on all of the past",
            "none", f"pipeline: the last value's error is {plain:.2f} of the tuned linear model's",
            "nothing", (8,),
        ),
        Row(
            "Situations come back, and something labels them", "one fit for each label",
            "memory read by a key",
            f"cost on returns {by_key:.1f} times lower than on the last steps; laws that return: error {laws:.1f} "
            "times lower", "every row is stored, and all are compared at each step", (1, 6, 8),
        ),
        Row(
            "The answer lies far back in the same sequence", "an LSTM; attention, if all of it fits",
            "bank and controller",
            f"recall: {_percent(wrong['ntm'])} wrong bits against the LSTM's {_percent(wrong['lstm'])}",
            f"{slower:.0f} times the LSTM's seconds for an update", (2, 3),
        ),
        Row(
            "New data destroy old abilities", "train on the stored rows alone",
            "replay from a reservoir",
            f"ten digits in pairs: {mnist['none']['class'].mean():.0f} % to {mnist['replay']['class'].mean():.0f} %; "
            f"the stored rows alone {mnist['stored rows only']['class'].mean():.0f} %; seasons of rooms: cost "
            f"{kept:.1f} times lower", "what is stored, and larger updates", (4, 6),
        ),
        Row(
            "Some rows are rare and some cannot be learned", "uniform draws", "no priorities by error",
            f"pipeline with failures: {accident:.1f} times the error with priorities", "a sum tree",
            (4, 8),
        ),
        Row(
            "A new task gives a handful of examples", "nearest neighbour; ridge on raw features",
            "a learned start, if the tasks are related",
            f"sines: median error {learned:.0f} times lower than from pretraining; digits: "
            f"{100 * digits('MAML'):.0f} % against {100 * digits('nearest neighbour'):.0f} % (nearest neighbour)",
            "many tasks to train on, second derivatives", (5,),
        ),
        Row(
            "It must act, and its world changes", "least squares for each label", "all of it, with a planner",
            f"{room('no adaptation') / room(rooms_results.OURS):.1f} times lower cost than without adaptation; least "
            f"squares with the right features {room(rooms_results.TABLE) / room(rooms_results.OURS):.2f} of ours",
            "a model to plan with", (6,),
        ),
    ]  # fmt: skip


def page() -> str:
    """The page as a Markdown table, whose links lead to the chapters."""
    lines = ["| You see | Try first; then the part | What it brought here; what it costs | In |", "|---" * 4 + "|"]
    for row in rows():
        links = ", ".join(f"[{number}](../{NAMES[number]}.ipynb)" for number in row.chapters)
        tried, brought = f"{row.first}; **{row.part}**", f"{row.brought}; *{row.cost}*"
        lines.append(f"| {' | '.join([row.symptom, tried, brought, links])} |")
    return "\n".join(lines)


def _seconds(name, **facts):
    """Seconds for an update, the mean over the runs of which the facts hold."""
    runs = [run for run in load(name)["runs"] if all(run[key] == value for key, value in facts.items())]
    return np.mean([run["seconds"] / run["updates"] for run in runs])


def _sine(method):
    """Median squared error on 10-shot sines after ten steps, the mean over seeds."""
    runs = [run for run in load("sinusoids")["runs"] if (run["world"], run["method"]) == ("frequency 1", method)]
    return np.mean([run["tuned"]["10"][1] for run in runs if run["shots"] == 10])


def _percent(share):
    return f"{100 * share:.1f} %"
