"""Chapter 3's tables of stored runs say what the runs hold, and what its text claims of them is so."""

import math

import pytest

pytest.importorskip("pandas", reason="tables need the extra neuralmem[book]")
pytest.importorskip("jinja2", reason="tables need the extra neuralmem[book]")
from neuralmem.teaching import sequence_results as stored
from neuralmem.teaching.sequence_results import error_after, final_errors, updates_needed


def run(model, seed, *errors, updates=50):
    curve = [[updates * number, 0.0, error] for number, error in enumerate(errors)]
    return {"model": model, "seed": seed, "curve": curve}


RUNS = {
    "ntm": [run("ntm", seed, 80, 0.005, 0.001 * (seed + 1)) for seed in range(3)],
    "ntm, sharpened": [run("ntm, sharpened", seed, 80, 40, 10 * (seed + 1)) for seed in (2, 0, 1)],
    "ntm, unclipped": [run("ntm, unclipped", seed, 80, 1, 1) for seed in range(2)],  # too few to be shown
    "lstm": [run("lstm", seed, 80, 70, 60 + seed) for seed in range(3)],
}


def test_errors_and_updates_of_a_run():
    assert updates_needed(RUNS["ntm"][0]) == 50 and updates_needed(RUNS["lstm"][0]) == math.inf
    assert error_after(RUNS["ntm"][0], 50) == 0.005 and final_errors(RUNS["lstm"]) == [60, 61, 62]
    with pytest.raises(KeyError):
        error_after(RUNS["ntm"][0], 75)


def test_the_copy_table_counts_seeds_and_says_never():
    frame = stored.copy_table(RUNS, ["lstm", "ntm"]).frame
    assert frame.loc["LSTM"].tolist()[:3] == ["3,200", "0 of 3", "never"]
    assert frame.loc["NTM"].tolist()[1:3] == ["3 of 3", "50"]


def test_the_habits_are_compared_with_the_recipe_of_the_same_seed():
    frame = stored.habits_table(RUNS).frame
    assert list(frame.index) == ["the recipe", "with sharpening"]
    assert frame.loc["with sharpening"].tolist() == ["0 of 3", "20", "30", "4.0 ± 0.0"]  # each 10,000 times as large


def test_the_runs_come_in_the_order_of_their_seeds():
    for runs in stored.copy_runs().values():
        assert [one["seed"] for one in runs] == sorted(one["seed"] for one in runs)


def test_what_the_chapter_says_of_the_copy_runs():
    runs = stored.copy_runs()
    own = {one["seed"]: one for one in runs["ntm"]}
    assert max(final_errors(runs["ntm"] + runs["dnc"])) < 0.01 and min(final_errors(runs["lstm"])) > 35
    assert len(runs["ntm"]) == 20 and len(runs["dnc"]) == 5
    for slots in ("32 slots", "136 slots"):
        worst = max(one["wrong_bits"][slots][-1] for one in runs["ntm"] + runs["dnc"])
        assert worst < 0.01 if slots == "136 slots" else worst > 0.4
    slow = runs["ntm, beta_2 0.999"]
    assert sum(end > 60 for end in final_errors(slow)) == 1 and sum(end < 0.01 for end in final_errors(slow)) == 4
    thrown = max(slow, key=lambda one: one["curve"][-1][2])
    assert updates_needed(thrown) < math.inf  # it had been below the bar
    unclipped = runs["ntm, unclipped"]
    assert all(1 > one["curve"][-1][2] > 10 * error_after(own[one["seed"]], 500) for one in unclipped)
    assert sum(updates_needed(one) == math.inf for one in unclipped) * 5 == 2 * len(unclipped) == 10
    steady = runs["ntm, rate never falls"]
    assert all(updates_needed(one) < math.inf for one in steady)
    assert sum(end < 0.01 for end in final_errors(steady)) * 5 == len(steady) == 5
    trained, fixed = runs["ntm, start drawn and trained"], runs["ntm, start drawn and fixed"]
    assert len(trained) == len(fixed) == 5 and max(final_errors(fixed)) < 0.01
    assert sum(end > 0.01 for end in final_errors(trained)) == 1
    reached = [updates_needed(one) for one in trained + fixed if updates_needed(one) < math.inf]
    recipe = [updates_needed(one) for one in runs["ntm"]]
    assert abs(sum(reached) / len(reached) - sum(recipe) / len(recipe)) < 50
    rates = {}
    for model, tuned in runs.items():
        if model.startswith("lstm, rate "):
            rates[float(model.removeprefix("lstm, rate "))] = sum(final_errors(tuned))
    assert len(rates) == 4 and min(rates, key=rates.get) == 0.01


def test_what_the_chapter_says_of_repeat_copy_and_recall():
    wrong = stored.wrong_bits
    assert max(wrong("repeat", "ntm", "as trained") + wrong("recall", "dnc", "as trained")) < 0.02
    assert sorted(wrong("recall", "ntm", "as trained"))[1] < 0.02 < 0.3 < max(wrong("recall", "ntm", "as trained"))
    assert min(wrong("repeat", "lstm", "as trained") + wrong("recall", "lstm", "as trained")) > 0.2
    assert len(wrong("recall", "ntm, unsharpened", "as trained")) == 3
    assert min(wrong("recall", "ntm, unsharpened", "as trained")) > 0.25
    assert min(wrong("recall", "dnc", "12 items")) > 0.15 and max(wrong("recall", "dnc", "12 items", 1)) < 0.05
    rows = wrong("repeat", "ntm", "20 rows", 1)
    assert sum(share < 0.01 for share in rows) == 2 and len(rows) == 3
    assert 0.02 < min(wrong("repeat", "ntm", "20 times", 1)) and max(wrong("repeat", "ntm", "20 times", 1)) < 0.1
    assert rows[2] > 0.1 > 0.03 > wrong("repeat", "ntm", "20 rows")[2]
    rule = stored.last_item_wrong(2, 6)
    assert abs(sum(wrong("recall", "lstm", "as trained")) / 3 - rule) < 0.03
    assert "the last item, always" in stored.tasks_table().frame.index[-1]
