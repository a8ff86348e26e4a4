"""Your own data: a table of numbers in the order of time, cut into windows that ask for what comes next (chapter 8).

Nothing here guesses. What a file means that is not plain numbers (another decimal sign, a date, a hole) is said by an
argument; without it an error names the column, the line and the argument.
"""

import csv
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ._validate import choice, instance, positive_int

MISSING = ("", "na", "n/a", "nan", "null", "none", "-", "?")
"""What a cell without a value holds, in small letters and without blanks."""
MOST_LABELS = 50
"""So many different values may a column have that serves as a cue."""


class Table(NamedTuple):
    """Numbers in the order of time: `values` (T, D) float64 with the `names` of its D columns; `answers` (T,) is the
    target, NaN where it was not measured; `times` has T datetimes, or None where no column of times was named."""

    names: tuple[str, ...]
    values: Tensor
    answers: Tensor
    target: str
    times: list[datetime] | None


class Windows(NamedTuple):
    """What is known and what is asked, n times. x (n, F): a window of all columns, then the cue; y (n,) the answer;
    last (n,) the target's newest value in the window; cue (n, C), C maybe 0; `rows` (n,) the newest row of a window.
    The answer of question i is known from row `rows[i] + horizon` on. `skipped` counts what was left out, and why."""

    x: Tensor
    y: Tensor
    last: Tensor
    cue: Tensor
    rows: Tensor
    horizon: int
    skipped: dict[str, int]
    times: list[datetime] | None


def read_csv(
    path: str | os.PathLike, target: str, *, time: str | None = None, time_format: str | None = None,
    delimiter: str = ",", decimal: str = ".", missing: str = "raise", ignore: Sequence[str] = (),
    encoding: str = "utf-8-sig",
) -> Table:  # fmt: skip
    """A CSV file with one line of names as a Table; the arguments are those of `table_of`.

    Built on the standard library's `csv`, not on pandas, for two reasons: the package itself does not need pandas, and
    `csv` says in which line a row stands and guesses no type. A file whose numbers are not understood is thus an error
    here, and not a column of text later. Raises FileNotFoundError; ValueError for no rows, a ragged row (its line is
    named), a name that comes twice, and all that `table_of` refuses.
    """
    with open(path, encoding=encoding, newline="") as file:
        reader = csv.reader(file, delimiter=delimiter)
        names = [name.strip() for name in next(reader, [])]
        if len(names) == 1 and (found := next((sign for sign in ";\t,|" if sign in names[0]), None)):
            raise ValueError(f"{path} has one column, {names[0]!r}: pass delimiter={found!r}")
        rows, lines = [], []
        for row in reader:
            if not row:
                continue  # an empty line, as at the end of most files
            if len(row) != len(names):
                raise ValueError(f"{path}, line {reader.line_num}: {len(names)} cells are named, got {len(row)}")
            rows.append(dict(zip(names, row, strict=True)))
            lines.append(reader.line_num)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{path} names a column twice: {', '.join(twice)}")
    return table_of(
        rows, target, time=time, time_format=time_format, decimal=decimal, missing=missing, ignore=ignore, lines=lines
    )


def table_of(
    rows: Iterable[Mapping[str, Any]], target: str, *, time: str | None = None, time_format: str | None = None,
    decimal: str = ".", missing: str = "raise", ignore: Sequence[str] = (), lines: Sequence[int] | None = None,
) -> Table:  # fmt: skip
    """Rows of an iterator, each a dict from a column's name to its cell, as a Table.

    `target` is the column to be predicted, `time` one of dates and times (ISO 8601, or `time_format` as in strptime),
    which must increase; `ignore` lists columns to leave out. A cell is a number or its text, with `decimal` as its
    sign. `missing` says what becomes of a cell without a value: "raise"; "last", the column's newest value before it;
    "drop", the whole row goes, which leaves a gap for `windows` to find. A target that was not measured is never an
    answer, whatever is filled in for it. `lines` numbers the rows for messages, from 1 where it is not given.
    Raises ValueError naming the column and the line, TypeError for rows that are no dicts.
    """
    choice("missing", missing, ("raise", "last", "drop"))
    rows = [dict(instance("rows must hold dicts; a row", row, Mapping)) for row in rows]  # type: ignore[type-abstract]
    numbers = list(lines) if lines is not None else list(range(1, len(rows) + 1))
    names = _names(rows, target, time, ignore)
    for row, line in zip(rows, numbers, strict=True):
        if row.keys() != rows[0].keys():
            raise ValueError(f"line {line}: the columns must be {sorted(rows[0])}, got {sorted(row)}")
    times = None if time is None else _times([row[time] for row in rows], numbers, time, time_format)
    values = []
    for row, line in zip(rows, numbers, strict=True):
        values.append([_number(row[name], name, line, decimal) for name in names])
    table = torch.tensor(values, dtype=torch.float64)
    holes = torch.isnan(table)
    if missing == "raise" and bool(holes.any()):
        column = int(holes.any(0).nonzero()[0])
        count, line = int(holes[:, column].sum()), numbers[int(holes[:, column].nonzero()[0])]
        hint = "missing='last' takes the value before it, missing='drop' leaves the row out"
        raise ValueError(f"column {names[column]!r} lacks {count} values, the first in line {line}: {hint}")
    answers = table[:, names.index(target)].clone()
    if missing == "last":
        table = _filled(table, names, numbers)
    elif missing == "drop":
        whole = ~holes.any(1)
        table, answers = table[whole], answers[whole]
        times = None if times is None else [moment for moment, kept in zip(times, whole.tolist(), strict=True) if kept]
    if len(table) < 2:
        raise ValueError(f"a stream needs at least 2 rows, got {len(table)} of {len(rows)}")
    return Table(tuple(names), table, answers, target, times)


def windows(
    table: Table, length: int, horizon: int = 1, *, cue: str | Sequence[str] | timedelta | None = None,
    gaps: str = "raise",
) -> Windows:  # fmt: skip
    """Cut a Table into questions: the last `length` rows are known, the target `horizon` rows later is asked.

    x_t = (v_{t-length+1}, ..., v_t, cue), y_t = target_{t+horizon}; v_t (D,) a row of the table, T rows give at most
    T - length - horizon + 1 questions. `cue` says by what a situation is known again: the names of columns of labels,
    one number a label, 1 where it is that of the newest row and 0 elsewhere; or a timedelta, a period of the calendar,
    as the cosine and sine of its phase at the time of the answer, which is known beforehand. `gaps` where the steps
    between the times are not even: "raise", or "skip" what would reach across one. Questions whose answer was not
    measured are left out; `skipped` counts both. Raises ValueError for a table that is too short, gaps, or an answer
    that never changes.
    """
    length, horizon = positive_int("length", length), positive_int("horizon", horizon)
    choice("gaps", gaps, ("raise", "skip"))
    total = len(table.values) - length - horizon + 1
    if total < 2:
        needed = length + horizon + 1
        raise ValueError(f"length={length} and horizon={horizon} need {needed} rows, got {len(table.values)}")
    newest = torch.arange(length - 1, length - 1 + total)
    across, measured = _across_gaps(table, newest, length, horizon, gaps), ~torch.isnan(table.answers[newest + horizon])
    kept = newest[measured & ~across]
    if len(kept) < 2:
        raise ValueError(f"only {len(kept)} of {total} windows lie between gaps and have an answer: shorten length")
    shown = _cues(table, kept, kept + horizon, cue)
    columns = table.values.unfold(0, length, 1)[kept - length + 1]  # (n, D, length)
    x = torch.cat([columns.transpose(1, 2).flatten(1), shown], 1)
    y = table.answers[kept + horizon]
    if bool((y == y[0]).all()):
        raise ValueError(f"column {table.target!r} is {float(y[0])} in all {len(y)} answers: nothing to predict")
    skipped = {"across a gap": int(across.sum()), "no answer": int((~measured & ~across).sum())}
    times = None if table.times is None else [table.times[place] for place in (kept + horizon).tolist()]
    last = table.values[kept, table.names.index(table.target)]
    return Windows(x, y, last, shown, kept, horizon, skipped, times)


def _names(rows, target, time, ignore):
    """The columns of numbers, or an error where a name that was given is none of the table's."""
    if not rows:
        raise ValueError("a stream needs at least 2 rows, got 0")
    given = [("target", target), *([("time", time)] if time is not None else []), *(("ignore", one) for one in ignore)]
    for argument, name in given:
        if name not in rows[0]:
            raise ValueError(f"{argument} must name a column, one of {', '.join(map(str, rows[0]))}; got {name!r}")
    if target == time or target in ignore:
        raise ValueError(f"target must be a column of numbers, got {target!r}, which is named in time or ignore, too")
    return [name for name in rows[0] if name != time and name not in ignore]


def _number(cell, name, line, decimal):
    """A cell as a float, NaN where it holds none."""
    if cell is None:
        return math.nan
    if isinstance(cell, int | float):
        number = float(cell)
    else:
        text = str(cell).strip()
        if text.lower() in MISSING:
            return math.nan
        number = _read(text, name, line, decimal)
    if math.isinf(number):
        raise ValueError(f"column {name!r}, line {line}: numbers must be finite, got {cell}")
    return number


def _read(text, name, line, decimal):
    other = "," if decimal == "." else "."
    try:
        if decimal != "." and "." in text:
            raise ValueError
        return float(text.replace(decimal, ".") if decimal != "." else text)
    except ValueError:
        pass
    try:
        float(text.replace(other, ".").replace(decimal, "." if other != "," else decimal))
        hint = f"pass decimal={other!r}"
    except ValueError:
        hint = f"pass ignore=[{name!r}] to leave the column out, or make numbers of its words"
        if sum(sign.isdigit() for sign in text) >= 6 and any(sign in text for sign in "-/.:"):
            hint = f"pass time={name!r} if these are dates"
    raise ValueError(f"column {name!r}, line {line}: {text!r} is no number with decimal={decimal!r}; {hint}") from None


def _times(cells, numbers, name, time_format):
    """The cells as datetimes, which must increase."""
    found = []
    for cell, line in zip(cells, numbers, strict=True):
        try:
            text = str(cell).strip()
            moment = datetime.fromisoformat(text) if time_format is None else datetime.strptime(text, time_format)
        except ValueError:
            wanted = "ISO 8601 (2026-01-31 or 2026-01-31T12:00)" if time_format is None else repr(time_format)
            hint = "; pass time_format, such as '%d.%m.%Y'" if time_format is None else ""
            raise ValueError(f"column {name!r}, line {line}: {cell!r} is no time of the form {wanted}{hint}") from None
        found.append(cell if isinstance(cell, datetime) else moment)
    if len({moment.tzinfo is None for moment in found}) > 1:
        raise ValueError(f"column {name!r} mixes times with and without a time zone")
    for (before, after), line in zip(pairwise(found), numbers[1:], strict=True):
        if after <= before:
            raise ValueError(f"column {name!r}, line {line}: times must increase, got {after} after {before}")
    return found


def _filled(table, names, numbers):
    """The table with each hole filled by the newest value above it."""
    rows = table.clone()
    for row in range(len(rows)):
        holes = torch.isnan(rows[row])
        if row == 0 and bool(holes.any()):
            name = names[int(holes.nonzero()[0])]
            raise ValueError(f"column {name!r}, line {numbers[0]}: no value before the first that could stand for it")
        rows[row, holes] = rows[row - 1, holes]
    return rows


def _across_gaps(table, newest, length, horizon, gaps):
    """(n,) whether a question reaches across a gap: a step of more than one and a half times the usual."""
    if table.times is None:
        return torch.zeros(len(newest), dtype=torch.bool)
    steps = [(after - before).total_seconds() for before, after in pairwise(table.times)]
    usual = median(steps)
    wide = torch.tensor([step > 1.5 * usual for step in steps])
    if bool(wide.any()) and gaps == "raise":
        first = int(wide.nonzero()[0])
        where = f"the first between {table.times[first]} and {table.times[first + 1]}"
        raise ValueError(f"{int(wide.sum())} gaps in the times, {where}: gaps='skip' leaves out what crosses one")
    passed = torch.cat([torch.zeros(1, dtype=torch.int64), wide.long().cumsum(0)])
    return passed[newest + horizon] > passed[newest - length + 1]


def _cues(table, newest, asked, cue):
    """(n, C) what a situation is known by; C = 0 without a cue."""
    if cue is None:
        return table.values.new_zeros(len(newest), 0)
    if isinstance(cue, timedelta):
        if table.times is None:
            raise ValueError("cue is a period of the calendar, which needs the column of times: pass time= to read_csv")
        start = datetime(2000, 1, 1, tzinfo=table.times[0].tzinfo)
        passed = [(table.times[place].replace(tzinfo=start.tzinfo) - start) / cue for place in asked.tolist()]
        turns = 2 * math.pi * torch.tensor(passed, dtype=torch.float64)
        return torch.stack([turns.cos(), turns.sin()], 1)
    labels = []
    for name in [cue] if isinstance(cue, str) else cue:
        if name not in table.names:
            raise ValueError(f"cue must name columns, some of {', '.join(table.names)}; got {name!r}")
        column = table.values[:, table.names.index(name)]
        found = column.unique()
        if len(found) > MOST_LABELS:
            hint = f"at most {MOST_LABELS} make a label: round the column, or cut it into a few classes"
            raise ValueError(f"cue {name!r} has {len(found)} different values, {hint}")
        labels.append((column[newest].unsqueeze(1) == found).to(table.values))
    return torch.cat(labels, 1)
