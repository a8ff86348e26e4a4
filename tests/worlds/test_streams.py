"""The streams of chapter 8: the files that ship inside packages, and the laws that return."""

from datetime import timedelta
from importlib.metadata import metadata
from itertools import pairwise

import pytest
import torch

pytest.importorskip("vega_datasets", reason="its files need the extra neuralmem[book]")
pytest.importorskip("river", reason="its files need the extra neuralmem[book]")

from neuralmem.series import read_csv
from neuralmem.worlds import streams


def test_the_weather_is_four_years_of_days_without_a_hole():
    path = streams.path_of("weather")
    table = read_csv(path, "temp_max", time="date", time_format="%Y/%m/%d", ignore=["weather"])
    assert table.values.shape == (1461, 4) and table.names == ("precipitation", "temp_max", "temp_min", "wind")
    assert {after - before for before, after in pairwise(table.times)} == {timedelta(days=1)}


def test_the_water_flow_is_hourly_with_gaps_and_two_time_zones():
    table = read_csv(streams.path_of("water flow"), "Water flow [l/s]", time="Time")
    steps = [after - before for before, after in pairwise(table.times)]
    assert len(table.values) == 1268 and sum(step > timedelta(hours=1) for step in steps) == 10
    assert {str(moment.utcoffset()) for moment in table.times} == {"1:00:00", "2:00:00"}
    assert 24 < float(table.answers.min()) < float(table.answers.max()) < 110


def test_the_licences_are_those_that_the_packages_state():
    assert "BSD-3-Clause" in str(metadata("river").get("License-Expression", metadata("river").get("License")))
    assert "MIT" in str(metadata("vega_datasets").get("License", "MIT"))
    for name, source in streams.SOURCES.items():
        assert streams.path_of(name).exists() and source.given_by and source.licence


def test_another_name_or_a_missing_package_is_said(monkeypatch):
    with pytest.raises(ValueError, match="name must be one of 'water flow', 'weather'"):
        streams.path_of("bikes")
    monkeypatch.setattr(streams, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"lies in vega_datasets: python -m pip install 'neuralmem\[book\]'"):
        streams.path_of("weather")


def test_laws_return_and_give_what_they_say():
    rows = list(streams.returning_laws(240, torch.Generator().manual_seed(0), laws=3, stay=10, noise=0.0))
    assert list(rows[0]) == ["a", "b", "c", "law", "y"] and len(rows) == 240
    assert {row["law"] for row in rows} == {0, 1, 2}
    for number in range(3):
        pairs = [(row, after) for row, after in pairwise(rows) if row["law"] == number]
        x = torch.tensor([[row[name] for name in "abc"] for row, _ in pairs])
        y = torch.tensor([[after["y"]] for _, after in pairs])
        left = y - x @ torch.linalg.lstsq(x, y).solution
        assert left.abs().max() < 1e-4, "one law, wherever it returns"


def test_the_same_generator_gives_the_same_laws():
    first, second = (list(streams.returning_laws(30, torch.Generator().manual_seed(3))) for _ in range(2))
    assert first == second
    with pytest.raises(ValueError, match="stay must be at least 1"):
        list(streams.returning_laws(10, torch.Generator(), stay=0))
