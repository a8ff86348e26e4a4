"""What the page on the four drawers shows of its stored runs."""

import numpy as np
import pytest
from matplotlib.figure import Figure

pytest.importorskip("pandas", reason="tables need the extra neuralmem[book]")
pytest.importorskip("jinja2", reason="tables need the extra neuralmem[book]")
from neuralmem.teaching import drawers_results as drawers
from neuralmem.teaching import figures, results
from neuralmem.worlds import drawers as world
from neuralmem.worlds import split_generator


@pytest.fixture(scope="module")
def stored():
    return results.load("drawers")


def test_samples_come_by_seed_and_what_is_not_stored_is_named(stored):
    found = drawers.samples(stored, "now", 5, "6-9", True)
    rows = {
        run["seed"]: run["now"]["5"]["6-9"][1]
        for run in stored["runs"]
        if (run["memory"], run["head"], run["code"], run["replay"]) == ("attention", "ridge", "free", "replay")
    }
    assert found.tolist() == [rows[seed] for seed in sorted(rows)] and len(found) == 5
    with pytest.raises(ValueError, match="'nobody'"):
        drawers.samples(stored, "now", 5, "6-9", head="nobody")
    assert drawers.has(stored) and not drawers.has(stored, head="nobody")


def test_who_cannot_be_told_from_the_best_by_seed_ties_with_it():
    best = np.array([0.1, 0.2, 0.3, 0.2, 0.1])
    found = {"level": best + [0.01, -0.01, 0.01, -0.01, 0.01], "best": best, "behind": best + 0.05}
    assert drawers.winners(found) == ["best", "level"]  # the third is behind in every seed
    assert drawers.verdict(found) == "best; tie: level"
    assert drawers.verdict({"best": best, "behind": best + 0.05}) == "best"
    assert drawers.verdict({"a": best, "b": best}) == "all tie"
    assert drawers.verdict({"a": best + 0.7, "b": best + 0.7}) == "nobody can know"


def test_tables_compare_by_seed_and_show_what_is_stored(stored):
    frame = drawers.differences_table(stored).frame
    one, other = (100 * drawers.samples(stored, "now", 5, "6-9", True, head=head) for head in ("Meta-SGD", "ridge"))
    assert frame.loc["Meta-SGD minus ridge"].iloc[0].startswith(f"{(one - other).mean():+.1f}".replace("-", "−"))
    frame = drawers.adapting_table(stored).frame
    assert {*drawers.ADAPTING, drawers.STATIC, drawers.PIXELS, "ideal"} <= set(frame.index)
    mean = 100 * drawers.samples(stored, "old", 0, "0").mean()
    assert frame.loc["ridge", "earlier seasons, usual code, nothing revealed"].startswith(f"{mean:.1f} ±")
    frame = drawers.memories_table(stored).frame
    assert set(drawers.present(stored)) < set(frame.index) and "DNC, no replay (3 seeds)" in frame.index
    assert "a plain layer, the same sessions" in drawers.features_table(stored).frame.index


def test_targets_are_judged_by_what_is_stored(stored):
    found = drawers.targets(stored)
    what, bar, measured, met = found["1 no adaptation"]
    static = drawers.samples(stored, "now", 5, "6-9", True, head=drawers.STATIC).mean()
    assert measured == pytest.approx(static / drawers.samples(stored, "now", 5, "6-9", True).mean()) and met
    for what, bar, measured, met in found.values():
        assert met == (measured <= bar if "at most" in what else measured >= bar)
    said = list(drawers.targets_table(stored).frame["met"])
    assert said[: len(found)] == ["yes" if row[3] else "no" for row in found.values()]


def test_figures_draw_what_is_stored(stored):
    figure = drawers.bars(stored, "earlier", 5, "free")
    heights = [patch.get_height() for patch in figure.axes[0].patches]
    first = 100 * drawers.samples(stored, "old", 5, "0").mean()
    assert heights[0] == pytest.approx(first) and len(heights) == len(drawers.RIVALS) * len(drawers.REVEALED)
    assert figure.seen.startswith("Lowest") and "0: nobody can know" in figure.seen
    assert len(drawers.map_figure(stored).axes) == 2 * len(drawers.codes(stored)) > 0
    assert len(drawers.ages_figure(stored).axes[0].lines) == len(drawers.present(stored))


def test_a_session_is_drawn_as_it_is_lived():
    life = world.draw_life(split_generator("test", 0))
    sessions = world.draw_sessions(life, [0], 2, split_generator("test", 1), "test")
    cards = world.pictures("test")[sessions.card]
    ax = figures.drawers_session(cards, sessions, 1, rounds=4).axes[0]
    assert len(ax.images) == 8 + 3 and sum(text.get_text() == "?" for text in ax.texts) == 4
    buttons = [text.get_text() for text in ax.texts if text.get_text() in "ABCDE"]
    assert buttons == ["ABCDE"[number] for number in sessions.button[1, :4].tolist()]
    shown = world.opened(cards, sessions)[0, :3]
    assert isinstance(figures.drawn_cards(shown, shown, ["right", "wrong", "right"]), Figure)
