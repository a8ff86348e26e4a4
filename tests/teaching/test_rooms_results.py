"""What chapter 6 shows of its stored runs, and the film of a drive."""

import numpy as np
import pytest
import torch

pytest.importorskip("pandas", reason="tables need the extra neuralmem[book]")
pytest.importorskip("jinja2", reason="tables need the extra neuralmem[book]")
from neuralmem.episodic import latest
from neuralmem.teaching import results
from neuralmem.teaching import rooms_results as rooms
from neuralmem.worlds import rooms as world
from neuralmem.worlds import split_generator


@pytest.fixture(scope="module")
def stored():
    return results.load("rooms")


@pytest.fixture(scope="module")
def driven():
    lives = world.draw_lives(5, split_generator("test", 0), stays=4)

    def turning(torque):
        return lambda state, past, cue: torch.full((5,), torque)

    drives = {name: world.drive(lives, turning(torque), 5, split_generator("test", 1))
              for name, torque in ((rooms.OURS, 0.5), (rooms.LAST, 0.0))}  # fmt: skip
    return lives, drives


def by_age(past, cue):
    places, weights = latest(past.cues, past.stored, 3)
    return (*past.at(places), weights)


def test_samples_come_by_seed_and_what_is_not_stored_is_named(stored):
    costs = rooms.samples(stored, "core", rooms.OURS, "cost")
    rows = {run["seed"]: run["cost"] for run in stored["runs"] if run["agent"] == rooms.OURS and run["part"] == "core"}
    assert costs.tolist() == [rows[seed] for seed in range(5)]
    assert rooms.samples(stored, "core", rooms.OURS, "error").shape == (5, 12)
    with pytest.raises(ValueError, match="true physics.*'nobody'"):
        rooms.samples(stored, "core", "nobody", "cost")


def test_the_table_is_sorted_and_compares_by_seed(stored):
    frame = rooms.returns_table(stored).frame
    assert set(frame.index) == set(rooms.agents(stored, "core")) and frame.index[0] == rooms.TRUTH
    difference = rooms.samples(stored, "core", rooms.LAST, "cost") - rooms.samples(stored, "core", rooms.OURS, "cost")
    assert frame.loc[rooms.LAST, "more than ours, by seed"].startswith(f"{difference.mean():+.2f}")
    assert frame.loc[rooms.OURS, "more than ours, by seed"] == ""
    assert "joint" in " ".join(rooms.seasons_table(stored).frame.index)


def test_figures_draw_what_is_stored(stored):
    assert len(rooms.returns_figure(stored).axes[0].get_yticklabels()) == len(rooms.agents(stored, "core"))
    assert len(rooms.since_figure(stored).axes) == 2
    found = rooms.dial(stored)
    assert all(values.shape == (5, 4) for values in found.values())
    assert np.ptp(found[rooms.LAST], 1).max() == 0
    assert len(rooms.dial_figure(stored).axes[0].lines) == len(found)
    lines = rooms.seasons_figure(stored).axes[0].lines
    assert sum(len(line.get_xdata()) == 2 for line in lines) == 10
    texts = [text.get_text() for text in rooms.map_figure(stored).axes[0].texts]
    ratio = found[rooms.TABLE][:, 0].mean() / rooms.samples(stored, "core", rooms.TRUTH, "cost").mean()
    assert f"{ratio:.1f}" in texts


def test_what_is_fetched_is_what_counts(driven):
    _, drives = driven
    found = rooms.fetched_places(by_age, drives[rooms.OURS].lived, 2)
    assert found[0] == [] and found[2] == [0, 1] and found[10] == [7, 8, 9]


def test_a_film_is_of_the_median_life_and_its_strip_of_a_return(driven):
    lives, drives = driven
    life = rooms.median_life(drives)
    back = (drives[rooms.OURS].lived.visits > 0).float()
    saved = ((drives[rooms.LAST].costs - drives[rooms.OURS].costs) * back).sum(1) / back.sum(1)
    assert saved[life] == saved.sort().values[2]
    errors = {name: torch.zeros(5, 20) for name in drives}
    made = rooms.film(lives, drives, errors, {rooms.LAST: by_age})
    assert made["walk"] == lives.walk[life].tolist()
    assert len(rooms.strip_figure(made).axes) == 2
