"""A reader's own file: read as it is meant, cut into windows that ask for what comes next, or refused with a reason."""

import math
from datetime import datetime, timedelta

import pytest
import torch

from neuralmem.series import MISSING, Table, read_csv, table_of, windows

PLAIN = "time,a,b,c,y\n" + "".join(f"2026-01-{day:02},{day},{-day},0.5,{day * 10}\n" for day in range(1, 9))


@pytest.fixture
def written(tmp_path):
    def write(text, encoding="utf-8"):
        path = tmp_path / "mine.csv"
        path.write_text(text, encoding=encoding)
        return path

    return write


def table(values, times=None):
    values = torch.tensor(values, dtype=torch.float64)
    return Table(tuple("yab"[: values.shape[1]]), values, values[:, 0].clone(), "y", times)


# Reading


def test_a_plain_file_of_five_columns(written):
    found = read_csv(written(PLAIN), "y", time="time")
    assert found.names == ("a", "b", "c", "y") and found.values.dtype == torch.float64
    assert found.values[2].tolist() == [3, -3, 0.5, 30] and found.answers.tolist() == [10.0 * i for i in range(1, 9)]
    assert found.times[0] == datetime(2026, 1, 1) and found.target == "y"


def test_semicolons_decimal_commas_and_a_byte_order_mark(written):
    path = written("a;y\r\n1,5;2,25\r\n-3,0;1e3\r\n\r\n", "utf-8-sig")
    assert read_csv(path, "y", delimiter=";", decimal=",").values.tolist() == [[1.5, 2.25], [-3, 1000]]


@pytest.mark.parametrize(
    ("cells", "form"),
    [(["31.01.2026", "01.02.2026"], "%d.%m.%Y"), (["2026-01-31T23:00", "2026-02-01 00:00:00"], None)],
)
def test_dates_in_the_form_that_is_named(written, cells, form):
    path = written("".join(f"{day},{number}\n" for day, number in zip(["day", *cells], ["y", 1, 2], strict=True)))
    times = read_csv(path, "y", time="day", time_format=form).times
    assert timedelta(0) < times[1] - times[0] <= timedelta(days=1)


def test_times_of_several_zones_are_one_order(written):
    path = written("t,y\n2026-03-29T01:00:00+01:00,1\n2026-03-29T03:00:00+02:00,2\n")
    times = read_csv(path, "y", time="t").times
    assert times[1] - times[0] == timedelta(hours=1)


HOLES = "a,y\n1,10\n,20\n3,NaN\n4,40\n"


def test_missing_values_are_an_error_until_it_is_said_what_they_mean(written):
    with pytest.raises(ValueError, match=r"'a' lacks 1 values, the first in line 3.*missing='last'.*missing='drop'"):
        read_csv(written(HOLES), "y")


def test_the_last_value_stands_for_a_missing_one_but_never_for_an_answer(written):
    found = read_csv(written(HOLES), "y", missing="last")
    assert found.values.tolist() == [[1, 10], [1, 20], [3, 20], [4, 40]]
    assert [math.isnan(answer) for answer in found.answers] == [False, False, True, False]
    questions = windows(found, 1)
    assert questions.y.tolist() == [20, 40] and questions.skipped == {"across a gap": 0, "no answer": 1}
    assert questions.last.tolist() == [10, 20]  # what was filled in is known, not asked


def test_a_row_that_was_dropped_leaves_a_gap_that_windows_find(written):
    text = "t,a,y\n" + "".join(f"2026-01-{day:02},{'' if day == 4 else 1},{day}\n" for day in range(1, 9))
    found = read_csv(written(text), "y", time="t", missing="drop")
    assert len(found.values) == len(found.times) == 7
    with pytest.raises(ValueError, match="1 gaps in the times, the first between 2026-01-03.*gaps='skip'"):
        windows(found, 2)
    assert windows(found, 2, gaps="skip").y.tolist() == [3, 7, 8]


@pytest.mark.parametrize("word", [*MISSING, "NaN", " NA "])
def test_each_word_for_missing(word):
    found = table_of([{"y": "1"}, {"y": word}, {"y": "3"}], "y", missing="last")
    assert found.values[:, 0].tolist() == [1, 1, 3]


def test_an_iterator_of_dicts_is_a_table_too():
    found = table_of(({"y": number, "a": None if number == 1 else 2} for number in range(3)), "y", missing="drop")
    assert found.values.tolist() == [[0, 2], [2, 2]] and found.times is None


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("", {}, "at least 2 rows, got 0"),
        ("a,y\n", {}, "at least 2 rows, got 0"),
        ("a,y\n1,2\n", {}, "at least 2 rows, got 1"),
        ("a,y\n1,2\n3\n", {}, "line 3: 2 cells are named, got 1"),
        ("a,y\n1,2\n3,4,5\n", {}, "line 3: 2 cells are named, got 3"),
        ("a,a,y\n1,2,3\n", {}, "names a column twice: a"),
        ("a;y\n1;2\n", {}, "pass delimiter=';'"),
        ("a\ty\n1\t2\n", {}, r"pass delimiter='\\t'"),
        ("a,y\n1,2\n1,x\n", {}, r"column 'y', line 3: 'x' is no number.*ignore=\['y'\]"),
        ("a,b,y\n1,rain,2\n2,sun,3\n", {}, r"column 'b', line 2: 'rain'.*ignore=\['b'\]"),
        ('a,y\n"1,5",2\n3,4\n', {}, "column 'a', line 2: '1,5'.*pass decimal=','"),
        ("a;y\n1.5;2\n", {"delimiter": ";", "decimal": ","}, r"'1\.5' is no number with decimal=','.*decimal='\.'"),
        ("d,y\n2026-01-01,2\n2026-01-02,3\n", {}, "column 'd', line 2.*pass time='d'"),
        ("d,y\n1.2.2026,2\n2.2.2026,3\n", {"time": "d"}, "no time of the form ISO 8601.*pass time_format"),
        ("d,y\n2026-01-01,2\n", {"time": "d", "time_format": "%d.%m.%Y"}, r"of the form '%d\.%m\.%Y'"),
        ("d,y\n2026-01-02,2\n2026-01-01,3\n", {"time": "d"}, "line 3: times must increase"),
        ("d,y\n2026-01-02,2\n2026-01-02,3\n", {"time": "d"}, "line 3: times must increase"),
        ("d,y\n2026-01-02,2\n2026-01-03T00:00+01:00,3\n", {"time": "d"}, "with and without a time zone"),
        ("a,y\n1,inf\n2,3\n", {}, "'y', line 2: numbers must be finite"),
        ("a,y\n,1\n2,3\n", {"missing": "last"}, "'a', line 2: no value before the first"),
        ("a,y\n1,\n2,3\n", {"missing": "drop"}, "at least 2 rows, got 1 of 2"),
        ("a,y\n1,2\n", {"missing": "mean"}, "missing must be one of"),
        ("a,y\n1,2\n3,4\n", {"time": "when"}, "time must name a column, one of a, y; got 'when'"),
        ("a,y\n1,2\n3,4\n", {"ignore": ["z"]}, "ignore must name a column"),
        ("a,y\n1,2\n3,4\n", {"ignore": ["y"]}, "target must be a column of numbers"),
    ],
)
def test_what_cannot_be_read_is_said_with_column_line_and_what_to_pass(written, text, options, words):
    with pytest.raises(ValueError, match=words):
        read_csv(written(text), "y", **options)


def test_other_refusals(written, tmp_path):
    with pytest.raises(ValueError, match="target must name a column, one of time, a, b, c, y; got 'z'"):
        read_csv(written(PLAIN), "z")
    with pytest.raises(FileNotFoundError):
        read_csv(tmp_path / "nowhere.csv", "y")
    with pytest.raises(TypeError, match="rows must hold dicts"):
        table_of([[1, 2], [3, 4]], "y")
    with pytest.raises(ValueError, match=r"line 2: the columns must be \['a', 'y'\], got \['y'\]"):
        table_of([{"a": 1, "y": 2}, {"y": 3}], "y")


# Windows


def test_a_window_holds_the_last_rows_and_asks_for_the_one_after_the_horizon():
    found = windows(table([[float(t), 10.0 * t] for t in range(6)]), length=2, horizon=2)
    assert found.x.tolist() == [[0, 0, 1, 10], [1, 10, 2, 20], [2, 20, 3, 30]]
    assert found.y.tolist() == [3, 4, 5] and found.last.tolist() == [1, 2, 3] and found.rows.tolist() == [1, 2, 3]
    assert found.cue.shape == (3, 0) and found.horizon == 2


def test_no_window_reaches_across_a_gap():
    times = [datetime(2026, 1, 1) + timedelta(hours=hour) for hour in (0, 1, 2, 3, 10, 11, 12, 13)]
    found = windows(table([[float(t)] for t in range(8)], times), length=2, gaps="skip")
    assert found.y.tolist() == [2, 3, 6, 7] and found.skipped["across a gap"] == 2
    assert found.times == [times[place] for place in (2, 3, 6, 7)]


def test_months_are_even_steps():
    times = [datetime(2026, month, 1) for month in range(1, 9)]
    assert len(windows(table([[float(t)] for t in range(8)], times), 2).y) == 6


def test_a_period_is_a_phase_of_the_time_of_the_answer():
    times = [datetime(2026, 1, 1) + timedelta(hours=6 * step) for step in range(9)]
    found = windows(table([[float(t)] for t in range(9)], times), length=1, horizon=2, cue=timedelta(days=1))
    torch.testing.assert_close(found.cue[0], torch.tensor([-1.0, 0.0], dtype=torch.float64))  # noon
    torch.testing.assert_close(found.cue[4], found.cue[0])
    torch.testing.assert_close(found.x[:, 1:], found.cue)


def test_labels_are_one_number_each():
    found = windows(table([[0.0, 7], [1, 5], [2, 7], [3, 7]]), length=1, cue="a")
    assert found.cue.tolist() == [[0, 1], [1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("values", "options", "words"),
    [
        ([[1.0], [2.0], [3.0]], {"length": 2}, "length=2 and horizon=1 need 4 rows, got 3"),
        ([[1.0], [2.0], [3.0]], {"length": 0}, "length must be at least 1"),
        ([[1.0], [2.0], [3.0]], {"length": 1, "horizon": 0}, "horizon must be at least 1"),
        ([[5.0], [5.0], [5.0]], {"length": 1}, "'y' is 5.0 in all 2 answers"),
        ([[1.0], [2.0], [3.0]], {"length": 1, "gaps": "fill"}, "gaps must be one of"),
        ([[1.0], [2.0], [3.0]], {"length": 1, "cue": "b"}, "cue must name columns, some of y; got 'b'"),
        ([[1.0], [2.0], [3.0]], {"length": 1, "cue": timedelta(days=1)}, "needs the column of times"),
        ([[float(t)] for t in range(60)], {"length": 1, "cue": "y"}, "60 different values, at most 50"),
    ],
)
def test_windows_refuse_what_asks_for_nothing(values, options, words):
    with pytest.raises(ValueError, match=words):
        windows(table(values), **options)


def test_gaps_that_leave_nothing_are_said():
    times = [datetime(2026, 1, 1) + timedelta(hours=hour) for hour in (0, 1, 5, 6, 10, 11, 15)]
    with pytest.raises(ValueError, match="only 0 of 4 windows lie between gaps"):
        windows(table([[float(t)] for t in range(7)], times), length=3, gaps="skip")
