"""What chapter 8 adds: its checks, its recipe on a reader's own files, and what its stored results hold."""

import math
from datetime import date, timedelta
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from conftest import ROOT
from exercises import assert_tells_apart

from book.experiments import common
from book.experiments import streams as experiment
from neuralmem.prequential import LastValue, Linear
from neuralmem.teaching.checks import chapter_8 as checks
from neuralmem.worlds import streams as worlds


def questions(values, length, horizon, by=0, start=None):
    rows, answers = [], []
    for end in range(length, len(values) - horizon + 1):
        rows.append(values[end - length : end])
        place = end - length if start == "first" else end - 1
        answers.append(values[place + horizon + by])
    return rows, answers


def known(rows, horizon, now):
    return len([row for row in rows if now - row >= horizon])


def fill(values):
    found, newest = [], None
    for value in values:
        newest = newest if value is None else value
        found.append(newest)
    return found


def fill_back(values):
    return fill(values[::-1])[::-1]


def fill_line(values):
    found = fill(values)
    for place, value in enumerate(values):
        if value is None and found[place] is not None:
            after = [later for later in values[place:] if later is not None]
            if after:
                back = next(age for age in range(1, place + 1) if values[place - age] is not None)
                ahead = next(p for p in range(place, len(values)) if values[p] is not None) - place
                found[place] = (ahead * values[place - back] + back * after[0]) / (back + ahead)
    return found


def fill_mean(values):
    held = [value for value in values if value is not None]
    return [sum(held) / len(held) if value is None else value for value in values]


def fade(losses, fading):
    weights = fading ** np.arange(len(losses))[::-1] if fading else np.eye(len(losses))[-1]
    return float(np.average(losses, weights=weights))


def label_mean(labels, changes, label, strength):
    weights = [1.0 if other == label else math.exp(-strength) for other in labels]
    return sum(w * change for w, change in zip(weights, changes, strict=True)) / (1 + sum(weights))


def label_mean_of_weights(labels, changes, label, strength):
    weights = [1.0 if other == label else math.exp(-strength) for other in labels]
    return sum(w * change for w, change in zip(weights, changes, strict=True)) / sum(weights)


ANSWERS = [
    (checks.check_questions, questions, [
        (lambda v, n, h: questions(v, n, h, by=-1), "too early"),
        (lambda v, n, h: questions(v, n, h, start="first"), "not from its first"),
        (lambda v, n, h: ([row[::-1] for row in questions(v, n, h)[0]], questions(v, n, h)[1]), "backwards"),
        (lambda v, n, h: tuple(part[:-1] for part in questions(v, n, h)), "For the example"),
        (lambda v, n, h: questions(v, n, h)[0], "items are asked for"),
    ]),
    (checks.check_known, known, [
        (lambda rows, horizon, now: known(rows, 1, now), "every earlier question"),
        (lambda rows, horizon, now: known(rows, horizon + 1, now), "this very row"),
        (lambda rows, horizon, now: max(0, known(rows, 0, now) - horizon), "questions instead of rows"),
        (lambda rows, horizon, now: len(rows), "whole stream"),
    ]),
    (checks.check_filled, fill, [
        (fill_line, "look into the future"),
        (fill_back, "comes after it"),
        (fill_mean, "the whole list"),
        (lambda values: [0.0 if value is None else value for value in values], "like any other"),
        (lambda values: [fill_back(values)[0] if v is None else v for v in fill(values)], "leave None there"),
        (lambda values: [v if v is not None else values[max(p - 1, 0)] for p, v in enumerate(values)], "two holes"),
    ]),
    (checks.check_faded, fade, [
        (lambda losses, fading: fade(losses[::-1], fading), "oldest loss counts most"),
        (lambda losses, fading: sum(losses) / len(losses), "use the fading factor"),
        (lambda losses, fading: fade(losses, fading) * sum(fading**i for i in range(len(losses))), "the sum S"),
        (lambda losses, fading: fade(losses, fading) * np.mean(fading ** np.arange(len(losses))), "number of losses"),
        (lambda losses, fading: checks.exponential(losses, fading), "started from 0"),
    ]),
    (checks.check_by_label, label_mean, [
        (lambda labels, changes, label, s: label_mean(labels, changes, label, 1e9), "do not count at all"),
        (lambda labels, changes, label, s: label_mean(labels, changes, label, 0), "use the strength"),
        (label_mean_of_weights, "the 1 below"),
        (lambda labels, changes, label, s: label_mean([2 * (o == label) for o in labels], changes, 0, s), "ANOTHER"),
        (lambda labels, changes, label, s: label_mean(labels, changes, label, s)
         * (1 + sum(1.0 if o == label else math.exp(-s) for o in labels)) / (1 + len(labels)), "number of rows"),
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("check", "right", "wrong"), ANSWERS, ids=[case[0].__name__ for case in ANSWERS])
def test_checks_tell_a_right_answer_from_plausible_wrong_ones(check, right, wrong, capsys):
    assert_tells_apart(check, right, wrong, capsys)


# The recipe


def cells():
    notebook = nbformat.read(ROOT / "book" / "08_stream.ipynb", as_version=4)
    return [cell.source for cell in notebook.cells if "recipe" in cell.metadata.get("tags", [])]


RECIPE = (Path(__file__).parent / "own_stream.py").read_text(encoding="utf-8")
PLAIN = {"time": "time"}
FILES = {  # name: (how a row of five columns is written, form)
    "plain": ("time,a,b,mode,y", ",".join, PLAIN),
    "semicolons and decimal commas": (
        "time;a;b;mode;y",
        lambda row: ";".join(row).replace(".", ","),
        {"time": "time", "delimiter": ";", "decimal": ","},
    ),
    "dates": (
        "time,a,b,mode,y",
        lambda row: ",".join(["{2}.{1}.{0}".format(*row[0].split("-")), *row[1:]]),
        {"time": "time", "time_format": "%d.%m.%Y"},
    ),
    "missing values": (
        "time,a,b,mode,y",
        lambda row: ",".join([row[0], "" if row[0].endswith("-07") else row[1], *row[2:]]),
        {"time": "time", "missing": "last"},
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_readers_file_of_five_columns_goes_through_the_recipe(name, tmp_path, capsys):
    head, written, form = FILES[name]
    rows, day = [head], date(2026, 1, 1)
    for row in worlds.returning_laws(60, torch.Generator().manual_seed(0), laws=2, stay=10):
        numbers = [f"{row[key]:.4f}" for key in ("a", "b", "law", "y")]
        rows.append(written([day.isoformat(), *numbers]))
        day += timedelta(days=1)
    path = tmp_path / "mine.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    settings = f"""
from datetime import timedelta
path, target, unit = {str(path)!r}, "y", "units"
form = {form!r}
length, horizon, cue = 2, 1, "mode"
saved = {str(tmp_path / "agent")!r}
"""
    ours, theirs = RECIPE.split("\n\nfrom functools", 1)
    assert len(ours.splitlines()) < 10, "what is replaced is what a reader edits, no more"
    done = {}
    exec(compile(settings + "\nfrom functools" + theirs, "recipe", "exec"), done)
    assert "58 questions" in capsys.readouterr().out or name == "missing values"
    errors = done["report"].errors()
    assert len(errors) == 9 and all(np.isfinite(error).all() and len(error) > 30 for error in errors.values())
    again = done["rest"].errors()["agent"]
    np.testing.assert_allclose(errors["agent, seed 0"][-len(again) :], again, atol=1e-4)
    frame = done["report_table"](done["report"]).frame
    assert list(frame.index) == ["constant", "last value", "running mean", "linear, last n", "agent"]


def test_the_recipe_is_what_the_page_shows_and_has_at_most_40_lines():
    assert "\n\n".join(cells()) + "\n" == RECIPE
    assert len([line for line in RECIPE.splitlines() if line.strip()]) <= 40


# The stored results


def test_every_rule_ran_on_every_stream_with_five_seeds():
    runs = common.load("streams")["runs"]
    for stream in experiment.STREAMS:
        found = [run for run in runs if run["stream"] == stream]
        assert sorted(run["seed"] for run in found) == list(experiment.SEEDS)
        for run in found:
            rules = {*experiment.PLAIN, "linear, last n", *experiment.PARTS}
            assert set(run["rules"]) == rules and all(len(row["pieces"]) == 12 for row in run["rules"].values())
            assert run["hindsight"]["error"] <= run["rules"]["linear, last n"]["error"] + 1e-9
    lengths = {(row["length"], row["n"]) for row in common.load("streams")["grid"]}
    assert len(lengths) == len(experiment.LENGTHS) * (len(experiment.MEMORIES) + 1)


def test_a_stored_run_is_made_by_the_code_that_is_here():
    run = common.stored_runs("streams", stream="water flow", seed=0)[0]
    questions, first = experiment.stream_of("water flow"), experiment.STREAMS["water flow"]
    rules = {"last value": LastValue(), "linear, last n": Linear(**run["linear"])}
    rules["memory alone"] = experiment.agent(questions, **{**run["agent"], "hidden": 0})
    for name, row in experiment.measured(rules, questions, first).items():
        assert row["error"] == pytest.approx(run["rules"][name]["error"], rel=1e-2), name


def test_equal_chances():
    assert len(experiment.LINEAR) == len(experiment.MEMORY) + len(experiment.NETWORK) == 12
