"""What chapter 8 shows: the table and the figure of a run, and the stored runs."""

import numpy as np
import pytest
import torch

pytest.importorskip("pandas", reason="tables need the extra neuralmem[book]")
pytest.importorskip("jinja2", reason="tables need the extra neuralmem[book]")
from neuralmem.prequential import LastValue, Linear, RunningMean, prequential
from neuralmem.series import table_of, windows
from neuralmem.teaching import figures, results
from neuralmem.teaching import stream_results as shown

WEATHER, LAWS = "weather", "laws that return"


@pytest.fixture(scope="module")
def stored():
    return results.load("streams")


@pytest.fixture(scope="module")
def ran():
    noise = torch.randn(90, generator=torch.Generator().manual_seed(0)).cumsum(0)
    stream = windows(table_of([{"y": value} for value in noise.tolist()], "y"), 2)
    rules = {"last value": LastValue(), "mean": RunningMean()}
    rules |= {f"fit, seed {seed}": Linear(20 + seed) for seed in range(3)}
    return prequential(rules, stream, 30), stream


def test_a_report_has_a_row_a_rule_and_the_seeds_of_one_agent_together(ran):
    frame = shown.report_table(ran[0], "kg").frame
    assert list(frame.index) == ["last value", "mean", "fit"]
    error = ran[0].errors()["mean"].mean()
    assert frame.loc["mean", "mean error, kg"] == f"{error:.3f}" and "±" in frame.loc["fit", "mean error, kg"]
    paired = frame["minus the last value's, by piece"]
    assert paired["last value"] == "" and paired["mean"].startswith("+")


def test_a_report_draws_the_answers_and_a_line_a_rule(ran):
    above, below = shown.report_figure(*ran, marked=None).axes
    np.testing.assert_allclose(above.lines[0].get_ydata(), ran[0].answers)
    assert len(below.lines) == 3 and len(below.collections) == 1  # the seeds are a band


def test_marks_lie_where_losses_rose():
    class Report:
        def errors(self):
            return {"rule": np.concatenate([np.full(60, 1.0), np.full(60, 4.0)])}

    places = figures.streams.marks(Report(), "rule", 0.1, 3.0)
    assert places and 60 <= places[0] < 66 and figures.streams.marks(Report(), None) == []


def test_stored_errors_come_by_seed_and_what_is_not_stored_is_named(stored):
    rows = {run["seed"]: run for run in stored["runs"] if run["stream"] == LAWS}
    wanted = [rows[seed]["rules"]["memory alone"]["error"] for seed in range(5)]
    assert shown.errors(stored, LAWS, shown.MEMORY).tolist() == wanted
    assert shown.errors(stored, LAWS, shown.BOUND)[0] == rows[0]["hindsight"]["error"]
    with pytest.raises(ValueError, match="memory alone.*'nobody'"):
        shown.errors(stored, LAWS, "nobody")
    with pytest.raises(ValueError, match="weather.*'moon'"):
        shown.errors(stored, "moon", shown.LAST)


def test_differences_are_by_piece_on_one_stream_and_by_seed_on_many(stored):
    mean, half = shown.difference(stored, LAWS, shown.LINEAR, shown.MEMORY)
    by_seed = shown.errors(stored, LAWS, shown.LINEAR) - shown.errors(stored, LAWS, shown.MEMORY)
    assert mean == pytest.approx(by_seed.mean(), abs=1e-3) and half > 0
    mean, half = shown.difference(stored, WEATHER, shown.LAST, shown.LINEAR)
    assert mean == pytest.approx(float(shown.errors(stored, WEATHER, shown.LAST)[0] -
                                       shown.errors(stored, WEATHER, shown.LINEAR)[0]), abs=0.01)  # fmt: skip
    assert half > 0, "one stream and no seeds, but twelve pieces"
    assert shown.settled(stored, LAWS, shown.MEMORY, shown.LINEAR) == "better"
    assert shown.settled(stored, LAWS, shown.LINEAR, shown.MEMORY) == "worse"
    assert shown.settled(stored, LAWS, shown.LINEAR, shown.LINEAR) == "level"


def test_tables_and_figures_hold_every_rule(stored):
    rules = shown.rules(stored, WEATHER)
    frame = shown.stream_table(stored, WEATHER, "°C").frame
    assert list(frame.index) == rules and frame.loc[shown.LINEAR, "minus the linear model's"] == ""
    drawn = shown.streams_figure(stored, (WEATHER, LAWS)).axes
    assert len(drawn) == 2 and [label.get_text() for label in drawn[0].get_yticklabels()] == rules


def test_every_choice_of_the_explorer_changes_picture_and_words(stored):
    choices = shown.choices(stored)
    assert choices["n"][-1] == "all" and choices["length"] == sorted(choices["length"])
    seen = {shown.choice_figure(stored, length, n).seen for length in choices["length"] for n in choices["n"]}
    assert len(seen) == len(choices["length"]) * len(choices["n"])
    figure = shown.choice_figure(stored, 2, "all")
    row = next(row for row in stored["grid"] if row["length"] == 2 and row["n"] == "10000")
    assert figure.axes[1].lines[1].get_ydata() == pytest.approx(row["pieces"]) and "all answers" in figure.seen
