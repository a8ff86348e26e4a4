"""What the experiments share: runs are made once, stored whole, and no number is changed on the way."""

import json
import math
import time

import pytest

from book.experiments import common


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(common, "RESULTS", tmp_path / "results")
    return tmp_path / "results"


def test_a_stopped_experiment_goes_on_where_it_was(results):
    plan = [{"model": model, "seed": seed} for model in ("a", "b") for seed in range(2)]
    made = []

    def run(model, seed, breaks=False):
        if breaks and len(made) == 3:
            raise KeyboardInterrupt
        made.append((model, seed))
        return {"error": seed / 3}

    with pytest.raises(KeyboardInterrupt):
        common.complete("test", plan, lambda **facts: run(**facts, breaks=True), command="python")
    assert len(common.load("test")["runs"]) == 3  # what was made before the stop is there
    runs = common.complete("test", plan, run, command="python")
    assert made == [(facts["model"], facts["seed"]) for facts in plan]  # each once
    assert [run["error"] for run in runs] == [0, 1 / 3, 0, 1 / 3]  # to the last bit
    assert common.load("test")["command"] == "python" and "torch" in common.load("test")["versions"]


def test_seeds_done_are_those_of_the_runs_asked_for(results):
    assert common.seeds_done("test", model="a") == set()
    runs = [{"model": "a", "seed": 3}, {"model": "b", "seed": 4}, {"model": "a", "seed": 5}]
    common.store("test", {"runs": runs})
    assert common.seeds_done("test", model="a") == {3, 5} and common.seeds_done("test") == {3, 4, 5}
    assert common.stored_runs("test", model="b", seed=4) == runs[1:2]


@pytest.mark.parametrize(("bad", "error"), [(math.nan, ValueError), (math.inf, ValueError), ({1, 2}, TypeError)])
def test_what_cannot_be_stored_leaves_the_file_as_it_was(results, bad, error):
    common.store("test", {"runs": [1]})
    before = (results / "test.json").read_bytes()
    with pytest.raises(error):
        common.store("test", {"runs": [bad]})
    assert (results / "test.json").read_bytes() == before
    assert [path.name for path in results.iterdir()] == ["test.json"]  # nothing is left beside it


def test_a_file_is_text_that_ends_with_a_line(results):
    common.store("test", {"name": "Csordás"})
    text = (results / "test.json").read_text(encoding="utf-8")
    assert json.loads(text)["name"] == "Csordás" and text.endswith("}\n")


def test_processor_seconds_are_those_of_work_and_not_of_waiting():
    result, waited = common.processor_seconds(lambda: time.sleep(0.2) or "done")
    assert result == "done" and 0 <= waited < 0.2
