"""What chapter 6 shows of the four tasks, on a small made-up file."""

import numpy as np
import pytest

pytest.importorskip("pandas", reason="tables need the extra neuralmem[book]")
pytest.importorskip("jinja2", reason="tables need the extra neuralmem[book]")
from neuralmem.teaching import four_tasks

TASKS = ["a", "b", "c", "d"]


def stored():
    rules = {rule: [2.0] * 4 for rule in four_tasks.RULES}
    rules[four_tasks.CONSTANT] = [1.0, 1.0, 2.0, 2.0]
    runs = []
    for seed in (1, 0):
        runs.append({"world": "varied", "method": "rules", "seed": seed, "errors": rules})
        for method in ("LSTM", "LSTM, replay"):
            row = {"world": "varied", "method": method, "seed": seed, "errors": [0.1 + seed, 0.2, 0.3, 0.4]}
            runs.append(row | {"R": [[1.0] * 4] * 4, "seconds": 9.6, "parameters": 85008})
    return {"runs": runs, "tasks": {"varied": TASKS}}


def test_errors_come_by_seed_with_the_rules_first():
    found = four_tasks.errors(stored(), "varied")
    assert list(found)[0] == four_tasks.CONSTANT and list(found)[-1] == "LSTM, replay"
    assert found["LSTM, replay"][:, 0].tolist() == [0.1, 1.1]


def test_an_agent_that_lacks_a_seed_is_left_out():
    half = stored()
    half["runs"] = [run for run in half["runs"] if (run["method"], run["seed"]) != ("LSTM", 1)]
    assert "LSTM, no replay" not in four_tasks.errors(half, "varied")
    assert len(four_tasks.results(half, "varied").frame) == len(four_tasks.RULES) + 1


def test_a_world_that_is_not_stored_is_named():
    with pytest.raises(ValueError, match="world must be one of varied, got 'moon'"):
        four_tasks.errors(stored(), "moon")


def test_the_table_has_r_squared_against_the_constant():
    frame = four_tasks.results(stored(), "varied").frame
    assert list(frame.columns) == [*TASKS, "R², mean", "parameters", "seconds"]
    assert frame.loc[four_tasks.CONSTANT, "R², mean"].startswith("0.00")
    first = 1 - np.array([0.1, 0.2, 0.15, 0.2])
    second = 1 - np.array([1.1, 0.2, 0.15, 0.2])
    assert frame.loc["LSTM, replay", "R², mean"].startswith(f"{(first.mean() + second.mean()) / 2:.2f}")
    assert frame.loc["LSTM, replay", "parameters"] == "85,008" and frame.loc["LSTM, replay", "seconds"] == "10"


def test_the_figures_draw_shares_and_lives():
    figure = four_tasks.shares_figure(stored())
    assert [ax.get_title() for ax in figure.axes] == TASKS
    labels = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert four_tasks.CONSTANT not in labels and "LSTM, replay" in labels
    lives = four_tasks.lives_figure(stored())
    assert [ax.get_title() for ax in lives.axes] == ["LSTM, no replay", "LSTM, replay"]
