"""Tables of results as readers know them: one row a method, one column a quantity, mean and interval over seeds."""

import re
from collections.abc import Mapping
from hashlib import sha1
from numbers import Real
from typing import Any

import numpy as np

try:
    import jinja2  # noqa: F401 (pandas asks for it when a table is styled)
    import pandas as pd
except ImportError as error:
    raise ImportError(f"tables need {error.name}: python -m pip install 'neuralmem[book]'") from error

from ..metrics import confidence_interval, paired_difference

__all__ = ["ResultTable", "difference_text", "results_table"]


class ResultTable:
    """What `results_table` returns: shown as an HTML table, as text where there is none; `frame` holds the cells."""

    def __init__(self, frame: pd.DataFrame, marked: pd.DataFrame, caption: str):
        self.frame, self.marked, self.caption = frame, marked, caption

    def __repr__(self) -> str:
        return f"{self.caption}\n{self.frame.to_string()}" if self.caption else self.frame.to_string()

    def _repr_html_(self) -> str:
        bold = self.marked.map(lambda best: "font-weight: bold" if best else "")
        style = self.frame.style.apply(lambda _: bold, axis=None).set_table_attributes('class="results dataframe"')
        # pandas marks cells through their ids: a table with marks needs ids of its own, one without marks needs none
        style.set_uuid("table-" + sha1((self.caption + self.frame.to_csv()).encode()).hexdigest()[:8])
        if self.caption:  # pandas refuses an empty one
            style.set_caption(self.caption)
        page = style.to_html(cell_ids=False).replace(" ± ", "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}")
        return page if self.marked.to_numpy().any() else re.sub(r' id="T_[^"]*"', "", page)


def results_table(
    rows: Mapping[str, Mapping[str, Any]],
    caption: str = "",
    best: str | Mapping[str, str] | None = None,
    digits: int | Mapping[str, int] = 3,
    corner: str = "",
) -> ResultTable:
    """A table of results: `rows` maps a method to a dict of column ("error, bits") to its value.

    A value is one sample a seed (seeds,), shown as mean ± half-width of the 95 % interval, a number, or a text. `best`
    is "min" or "max", or says so by column: the best mean of such a column is bold. `digits` after the point, for all
    columns or by column. A row may lack a column: the cell stays empty. Put the units into the columns' names; a
    table of trained numbers belongs in a cell tagged `nbval-ignore-output`. Raises ValueError or TypeError.
    """
    if not rows:
        raise ValueError("rows must hold at least one row, got none")
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    wanted = {column: best for column in columns} if isinstance(best, str) else dict(best or {})
    places = {column: digits for column in columns} if isinstance(digits, int) else dict(digits)
    for column, way in wanted.items():
        if column not in columns or way not in ("min", "max"):
            raise ValueError(f"best must be 'min' or 'max' for columns of the table, got {way!r} for {column!r}")
    cells = {name: {c: _cell(row.get(c), places.get(c, 3)) for c in columns} for name, row in rows.items()}
    frame = pd.DataFrame([[cells[name][c][0] for c in columns] for name in rows], list(rows), columns)
    frame.columns.name = corner or None
    marked = pd.DataFrame(False, frame.index, frame.columns)
    for column, way in wanted.items():
        means = [mean for name in rows if (mean := cells[name][column][1]) is not None]
        if means:
            target = min(means) if way == "min" else max(means)
            for name in rows:
                marked.loc[name, column] = cells[name][column][1] == target
    return ResultTable(frame, marked, caption)


def _cell(value: Any, digits: int) -> tuple[str, float | None]:
    """The text of a cell, and the mean by which it is compared (None for a text)."""
    if value is None:
        return "", None
    if isinstance(value, str):
        return value, None
    if isinstance(value, Real) and not isinstance(value, bool):
        return _number(float(value), digits), float(value)
    samples = np.asarray(value, dtype=float)
    if samples.ndim != 1:
        raise ValueError(f"a cell must be a number, a text or (seeds,) samples, got shape {samples.shape}")
    if len(samples) == 1:
        return _number(float(samples[0]), digits), float(samples[0])
    mean, half = confidence_interval(samples)
    return f"{_number(float(mean), digits)} ± {_number(float(half), digits)}", float(mean)


def difference_text(first: np.ndarray, second: np.ndarray, digits: int) -> str:
    """The difference first - second of samples (seeds,), paired, for a cell: its sign, its mean and its half-width."""
    mean, half = paired_difference(first, second)
    return signed_text(float(mean), float(half), digits)


def signed_text(mean: float, half: float, digits: int) -> str:
    """A mean and its half-width for a cell, with the sign of the mean."""
    return f"{mean:+.{digits}f} ± {half:.{digits}f}".replace("-", "−")


def _number(value: float, digits: int) -> str:
    """A number with `digits` after the point, and with a true minus sign."""
    return f"{value:,.{digits}f}".replace("-", "−")
