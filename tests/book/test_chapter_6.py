"""What chapter 6 adds: the inner loop that computes the unchanged modules once; the ablation; the checks."""

import json

import numpy as np
import pytest
import torch

from book.experiments import ablation
from neuralmem import MemoryConfig, NeuralMemoryBank
from neuralmem.metrics import confidence_interval
from neuralmem.teaching import figures
from neuralmem.teaching.checks import chapter_6 as checks
from neuralmem.worlds.seasons import recall_episodes, season_alphabets


def needed():
    return {"memory", "replay"}


def retention(R):
    return R[-1, :-1].mean()


def prequential(predict, learn, stream):
    errors = []
    for x, y in stream:
        errors.append(abs(predict(x) - y))
        learn(x, y)
    return sum(errors) / len(errors)


def learn_first(predict, learn, stream):
    errors = []
    for x, y in stream:
        learn(x, y)
        errors.append(abs(predict(x) - y))
    return sum(errors) / len(errors)


def adapted_loss(meta, support_x, support_y, query_x, query_y):
    return meta.loss(meta.predict(meta.adapt(support_x, support_y), query_x), query_y)


def unused(meta, support_x, support_y, query_x, query_y):
    meta.adapt(support_x, support_y)
    return meta.loss(meta.model(query_x), query_y)


def leaking(meta, support_x, support_y, query_x, query_y):
    return meta.loss(meta.predict(meta.adapt(query_x, query_y), query_x), query_y)


def paired(a, b):
    return confidence_interval(b - a)[1]


def unpaired(a, b):
    return np.hypot(confidence_interval(a)[1], confidence_interval(b)[1])


def undone(*arguments):
    raise NotImplementedError


ANSWERS = [
    (checks.check_needed, needed, [
        (lambda: {"memory", "replay", "meta"}, "nothing left to find out"), (lambda: {"replay"}, "drawn anew"),
        (lambda: {"memory"}, "still forget"),
    ]),
    (checks.check_retention, retention, [
        (lambda R: R[-1].mean(), "recall, not retention"), (lambda R: R[:, 0].mean(), "first column"),
        (lambda R: (R[-1] - R.diagonal())[:-1].mean(), "forgetting"),
    ]),
    (checks.check_prequential, prequential, [(learn_first, "before you predict")]),
    (checks.check_adapted_loss, adapted_loss, [(unused, "never used"), (leaking, "adapted to the query set")]),
    (checks.check_paired_interval, paired, [(unpaired, "strangers")]),
]  # fmt: skip


@pytest.mark.parametrize(("check", "right", "wrong"), ANSWERS, ids=[case[0].__name__ for case in ANSWERS])
def test_checks_tell_a_right_answer_from_a_plausible_wrong_one(check, right, wrong, capsys):
    assert check(right) and capsys.readouterr().out == "Right.\n"
    assert not check(undone) and "Not done yet" in capsys.readouterr().out
    for mistake, words in wrong:
        assert not check(mistake)
        assert words in capsys.readouterr().out


def test_the_figures_draw_what_they_are_given():
    alphabet = season_alphabets(1, torch.Generator().manual_seed(0))[0]
    x, y = recall_episodes(alphabet, 1, torch.Generator().manual_seed(1))
    strip = figures.episode_strip(x[0], y[0]).axes[0]
    assert strip.images[0].get_array().shape == (27, 14)
    assert [label.get_text() for label in strip.get_xticklabels()].count("ask") == 6
    table = {"full": np.full((3, 2), 0.1) + np.arange(3)[:, None] / 100, "none": np.full((3, 2), 0.4)}
    roles = {"full": "full", "none": "baseline"}
    panels = figures.ablation_intervals(table, ["recall", "retention"], roles).axes
    assert [label.get_text() for label in panels[0].get_yticklabels()] == ["full", "none"] and len(panels) == 2
    curves = figures.switch_curves({name: rows.repeat(3, 1) for name, rows in table.items()}, (0, 1, 0), roles).axes[0]
    assert len(curves.lines) == 2 + 2 and curves.lines[0].get_ydata()[0] == pytest.approx(0.11)


def test_the_explorer_shows_the_chosen_visit_of_the_chosen_method():
    lives = {"full": [{"R": [[0.1, 0.2], [0.3, 0.4]], "prequential": [[0.5, 0.2], [0.5, seed]]} for seed in (0.1, 0.3)]}
    seasons, episodes = figures.explore_life(lives, "full", 1).axes
    assert [bar.get_height() for bar in seasons.patches] == pytest.approx([0.3, 0.4])
    assert episodes.lines[0].get_ydata() == pytest.approx([0.5, 0.2])
    assert "visit 2" in seasons.get_title()


# What the rules of chapter 0 promise


@pytest.mark.parametrize("addressing", ["ntm", "dnc"])
def test_two_writes_leave_two_different_rows(addressing):
    """Rule 3. Content addressing alone cannot part equal rows; allocation can, and heads that start somewhere."""
    written = {}
    for kind in (addressing, "content"):
        bank = NeuralMemoryBank(MemoryConfig(8, 4, 1, addressing=kind))
        first, second = torch.randn(2, 1, bank.interface_size, generator=torch.Generator().manual_seed(0))
        _, state = bank(first, bank.initial_state(1))
        _, state = bank(second, state)
        written[kind] = state.memory[0]
    differences = {kind: float((rows - rows[:1]).abs().max()) for kind, rows in written.items()}
    assert differences[addressing] > 1e-2 and differences["content"] < 1e-6


def test_every_part_has_an_off_switch_and_a_row_with_the_part_off():
    """Rules 4 and 5. The ablation has a row without each part; what is stored has all rows and the floor."""
    for part in ("memory", "replay", "meta"):
        assert ablation.METHODS["full"] - {part} in ablation.METHODS.values()
    stored = json.loads((ablation.RESULTS / "ablation.json").read_text())
    assert list(stored["results"]) == list(ablation.METHODS) and stored["seeds"] == list(ablation.SEEDS)
    for lives in stored["results"].values():
        assert len(lives) == 5 and all(0.4 < floor < 0.6 for life in lives for floor in life["constant"])


def test_the_ablation_runs_in_small_and_repeats_itself():
    settings = {"seeds": [7], "methods": ["full", "none"], "n_jobs": 1, "visits": (0, 1), "updates": 1, "schooling": 2}
    first, again = (ablation.whole(**settings) for _ in range(2))
    for method in settings["methods"]:
        (life,), (other,) = first[method], again[method]
        assert {**life, "seconds": 0} == {**other, "seconds": 0}
        assert len(life["R"]) == 2 and len(life["prequential"][0]) == ablation.EPISODES
        assert all(0 <= share <= 1 for share in ablation.quantities(life, settings["visits"]).values())
        assert ablation.quantities(life, settings["visits"])["retention"] == life["R"][1][0]
