"""What the experiments share: runs are made once, stored whole, and no number is changed on the way."""

import json
import math
import time

import pytest
import torch

from book.experiments import common, copy_task, sequence_tasks
from neuralmem.worlds.sequences import repeat_copy_task


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


# The copy task, repeat copy and associative recall (chapter 3)


def test_the_lstm_gets_the_rate_that_did_best_on_its_tuning_seeds(results):
    final = {1e-3: (70, 72), 3e-3: (60, 62), 1e-2: (50, 90), 3e-2: (80, 80)}
    runs = [
        {"model": f"lstm, rate {rate}", "seed": seed, "curve": [[0, 0, 84], [9, 1, error]]}
        for rate, errors in final.items()
        for seed, error in zip(copy_task.TUNING_SEEDS, errors, strict=True)
    ]
    common.store("copy_task", {"runs": runs[:-1]})
    with pytest.raises(ValueError, match="tuned first.*0.03"):
        copy_task.rate_of("lstm")
    common.store("copy_task", {"runs": runs})
    assert copy_task.rate_of("lstm") == 3e-3 and copy_task.rate_of("lstm, rate 0.001") == 1e-3
    assert copy_task.rate_of("ntm, unclipped") == 1e-2
    assert not set(copy_task.TUNING_SEEDS) & set(copy_task.SEEDS["lstm"])


def test_a_drawn_start_is_the_same_whether_it_is_fixed_or_trained():
    nets = []
    for start in ("fixed", "trained"):
        torch.manual_seed(0)
        nets.append(copy_task.build("ntm", start=start))
    fixed, trained = (net.bank.initial_rows for net in nets)
    assert torch.equal(fixed, trained) and fixed.std() > 0.1
    assert trained.requires_grad and not fixed.requires_grad
    assert not hasattr(copy_task.build("ntm").bank, "initial_rows")


def test_each_habit_changes_one_thing():
    assert all(len(change) == 1 for change in copy_task.HABITS.values())


def test_the_stages_of_repeat_copy_cut_the_answer_and_nothing_else():
    whole = repeat_copy_task(20, torch.Generator().manual_seed(0), 1, 4, 1, 5)
    cut = sequence_tasks.first_passes(whole, 2)
    length = whole.inputs[..., -1].argmax(0)
    assert torch.equal(cut.inputs, whole.inputs[: len(cut.inputs)])
    assert torch.equal(cut.targets, whole.targets[: len(cut.targets)])
    assert (cut.mask.sum(0) <= 2 * length).all() and (cut.mask <= whole.mask[: len(cut.mask)]).all()
    longer = whole.mask.sum(0) > 2 * length
    assert longer.any() and torch.equal(cut.mask.sum(0)[longer], 2.0 * length[longer])
    unchanged = sequence_tasks.first_passes(whole, sequence_tasks.WHOLE)
    assert torch.equal(unchanged.mask, whole.mask)


def test_the_stages_cover_every_update_and_end_with_whole_answers():
    ends = [until for until, _, _ in sequence_tasks.STAGES]
    assert ends == sorted(ends) and ends[-1] == 1.0 and sequence_tasks.STAGES[-1][2] == sequence_tasks.WHOLE
