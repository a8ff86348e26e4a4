"""The decision page and the cheat sheet: every number is that of the stored results, every line runs."""

import re

import numpy as np
import pytest
import torch
from conftest import ROOT

pytest.importorskip("pandas", reason="tables need the extra neuralmem[book]")
from neuralmem.teaching import decide, results, rooms_results, stream_results

PAGES = ROOT / "book" / "appendices"
IMPORTS = """
from neuralmem import ContinualLearningAgent, ExperienceReplay, MemoryConfig
from neuralmem import MemoryController, MetaLearner, NeuralMemoryBank
from neuralmem.closed_form import ridge
from neuralmem.episodic import fetch
from neuralmem.metrics import confidence_interval, paired_difference
from neuralmem.prequential import LastValue, Linear, grid, prequential, tune
from neuralmem.series import read_csv, windows
"""
in_the_repository = pytest.mark.skipif(not PAGES.exists(), reason="the pages lie in the repository")


def row(part):
    return next(row for row in decide.rows() if row.part.startswith(part))


def test_the_numbers_are_those_of_the_stored_results():
    streams, rooms = results.load("streams"), results.load("rooms")
    means = {name: stream_results.errors(streams, "laws that return", name).mean() for name in
             ("linear, last n", "memory alone")}  # fmt: skip
    assert f"error {means['linear, last n'] / means['memory alone']:.1f} times lower" in row("memory").brought
    costs = {name: np.mean([run["cost"] for run in rooms["runs"] if run["part"] == "core" and run["agent"] == name])
             for name in (rooms_results.OURS, rooms_results.LAST)}  # fmt: skip
    assert f"{costs[rooms_results.LAST] / costs[rooms_results.OURS]:.1f} times lower" in row("memory").brought
    digits = [run["accuracy"]["MAML"] for run in results.load("few_shot_digits")["runs"]]
    assert f"{100 * np.mean(digits):.0f} %" in row("a learned start").brought


def test_no_line_claims_a_gain_that_is_none():
    for text in (row("memory").brought, row("replay").brought, row("all of it").brought):
        gains = [float(number) for number in re.findall(r"([\d.]+) times lower", text)]
        assert gains and min(gains) > 1.2, text
    assert float(re.search(r"([\d.]+) times the error", row("no priorities").brought)[1]) > 1.2


@in_the_repository
def test_every_link_leads_to_a_chapter_and_the_page_is_short():
    page = decide.page()
    links = re.findall(r"\]\(\.\./(\S+?)\)", page)
    assert links and all((ROOT / "book" / name).exists() for name in links)
    assert len(page.splitlines()) <= 12 and len(page.split()) < 400, "one screen"


@in_the_repository
def test_every_line_of_the_cheat_sheet_runs(tmp_path):
    text = (PAGES / "cheatsheet.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.S)
    csv_file = tmp_path / "mine.csv"
    days = "".join(f"2026-01-{day:02},{day % 5},{day * day % 7}\n" for day in range(1, 32))
    csv_file.write_text("day,a,y\n" + days + "".join(line.replace("-01-", "-03-") for line in days.splitlines(True)))
    given = {"csv_file": csv_file}
    exec(IMPORTS, given)
    model = torch.nn.Linear(3, 1)
    given |= {"torch": torch, "model": model, "loss": torch.nn.functional.mse_loss, "x": torch.randn(5, 3)}
    given |= {"y": torch.randn(5, 1), "features": torch.randn(5, 3), "path": tmp_path / "agent"}
    given |= {"cues": torch.randn(4, 30, 6), "stored": torch.full((4,), 30), "key": torch.randn(4, 6)}
    assert len(blocks) == 6
    for block in blocks:
        exec(compile(block, "cheatsheet.md", "exec"), given)
    assert given["outputs"].shape == (10, 4, 3) and given["places"].shape == (4, 24)
    assert set(given["report"].predictions) == {"linear", "last"}
