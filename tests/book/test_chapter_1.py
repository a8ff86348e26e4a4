"""Chapter 1: its figures, its explorers, and the checks of its exercises."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from neuralmem import addressing
from neuralmem.teaching import figures
from neuralmem.teaching.checks import chapter_1 as checks


def pixels(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def test_tables_write_each_number_and_name_the_columns():
    figure = figures.tables({"memory": [[1, -2], [0.25, 30]], "where": [0, 1]}, {"where": ["w"]}, "title")
    left, right = figure.axes
    assert [text.get_text() for text in left.texts] == ["1", "-2", "0.25", "30"]
    assert [text.get_text() for text in right.texts] == ["0", "1"]
    assert (left.get_title(), right.get_xticklabels()[0].get_text()) == ("memory", "w")
    assert left.images[0].get_array().shape == (2, 2) and right.images[0].get_array().shape == (2, 1)


def test_large_tables_carry_no_numbers():
    figure = figures.tables({"usage": torch.rand(8, 12), "memory": torch.rand(32, 16)})
    assert isinstance(figure, Figure) and not any(ax.texts for ax in figure.axes)


def test_weighting_bars_are_as_high_as_the_weights():
    figure = figures.weighting_bars({"before": torch.tensor([0.2, 0.8]), "after": torch.tensor([1.0, 0.0])})
    heights = [[bar.get_height() for bar in ax.patches] for ax in figure.axes]
    assert np.allclose(heights, [[0.2, 0.8], [1, 0]])


def test_measured_curves_draw_the_mean_its_interval_and_the_closed_form():
    samples = [[1.0, 2.0], [3.0, 2.0]]
    figure = figures.measured_curves({"": ([1, 10], {"ours": samples, "theory": [2, 2]})}, "x", "y", xscale="log")
    (ax,) = figure.axes
    mean, theory = ax.lines
    assert mean.get_ydata().tolist() == [2, 2] and theory.get_linestyle() == "--" and ax.get_xscale() == "log"
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert np.isclose(band.max() - 2, 12.706, atol=0.01)  # Student's t of one degree of freedom, times 1
    assert {text.get_text() for text in ax.get_legend().get_texts()} == {"ours", "theory"}


def test_roles_colour_the_curves():
    figure = figures.measured_curves({"": ([1, 2], {"a": np.eye(2), "b": np.eye(2)})}, "x", "y", {"b": "baseline"})
    colours = [line.get_color() for line in figure.axes[0].lines]
    assert colours == [figures.COLOURS["memory"], figures.COLOURS["baseline"]]


@pytest.mark.parametrize(
    ("function", "start", "knobs"),
    [
        (figures.explore_content, {"strength": 4, "angle": 30}, {"strength": 10, "angle": 100}),
        (figures.explore_location, {"shift": 0.5, "gamma": 2}, {"shift": 1, "gamma": 8}),
    ],
)
def test_every_knob_of_an_explorer_changes_its_picture(function, start, knobs):
    before = pixels(function(**start))
    assert (pixels(function(**start)) == before).all()
    for name, value in knobs.items():
        after = pixels(function(**{**start, name: value}))
        assert after.shape != before.shape or (after != before).any(), name


def test_the_content_explorer_shows_the_weighting():
    bars = figures.explore_content(strength=20, angle=50).axes[1].patches
    assert np.argmax([bar.get_height() for bar in bars]) == 1  # the row at 50 degrees
    assert np.isclose(sum(bar.get_height() for bar in bars), 1)


def test_the_location_explorer_moves_up_by_a_positive_shift():
    before, shifted, sharp = ([bar.get_height() for bar in ax.patches] for ax in figures.explore_location(1, 4).axes)
    assert np.allclose(np.roll(before, 1), shifted) and max(sharp) > max(shifted)


def loop_allocation(usage, order=None):
    result, left = torch.zeros_like(usage), 1.0
    for slot in torch.argsort(usage) if order is None else order:
        result[slot], left = (1 - usage[slot]) * left, left * usage[slot]
    return result


def sorted_allocation(usage):
    ordered = usage.sort().values
    return (1 - ordered) * torch.cat([torch.ones(1), ordered.cumprod(0)[:-1]])


def walk(link, start, steps):
    return torch.linalg.matrix_power(link, steps) @ start


def heads_in_turn(memory, weightings, erase, add):
    for w, e, v in zip(weightings, erase, add, strict=True):
        memory = memory * (1 - torch.outer(w, e)) + torch.outer(w, v)
    return memory


def erasures(weightings, erase):
    return (1 - weightings.unsqueeze(-1) * erase.unsqueeze(1)).prod(0)


def put(memory, where, value):
    return memory * (1 - where.unsqueeze(1)) + torch.outer(where, value)


def refusing(usage, age):
    return addressing.allocation_weighting(usage[None])[0]


def never_refuse(usage, age):
    free = refusing(usage, age)
    return free + (1 - free.sum()) * F.one_hot(age.argmax(), len(age))


def new_state(state, slot, value):
    memory = state.memory.clone()
    memory[slot] = value
    return state._replace(memory=memory, time=state.time + 1)


def same_memory(state, slot, value):
    state.memory[slot] = value
    return state._replace(time=state.time + 1)


RIGHT = [
    (checks.check_strength_for, lambda p, n, c: float(np.log((n - 1) * p / (1 - p)) / (1 - c))),
    (checks.check_sharpen, lambda w, g: torch.softmax(g * w.log(), -1)),
    (checks.check_allocation, loop_allocation),
    (checks.check_follow, walk),
    (checks.check_initial_memory, lambda n, w: torch.randn(n, w, generator=torch.Generator().manual_seed(1))),
]


WRONG = [
    (checks.check_strength_for, lambda p, n, c: float(np.log(n * p / (1 - p)) / (1 - c)), "N - 1"),
    (checks.check_strength_for, lambda p, n, c: float(np.log((n - 1) * p / (1 - p))), "lead"),
    (checks.check_sharpen, lambda w, g: w**g / (w**g).sum(), "underflows"),
    (checks.check_sharpen, lambda w, g: w**g, "divide by its sum"),
    (checks.check_sharpen, lambda w, g: torch.softmax(g * w, -1), "logarithm"),
    (checks.check_allocation, sorted_allocation, "back at its own slot"),
    (checks.check_allocation, lambda u: loop_allocation(u, range(len(u))), "less used slots"),
    (checks.check_allocation, lambda u: loop_allocation(u) / loop_allocation(u).sum(), "no division"),
    (checks.check_follow, lambda link, start, steps: walk(link.T, start, steps), "backward"),
    (checks.check_follow, lambda link, start, steps: link @ start, "one step"),
    (checks.check_initial_memory, lambda n, w: torch.zeros(n, w), "all rows are equal"),
    (checks.check_initial_memory, lambda n, w: torch.full((n, w), 5.0), "all rows are equal"),
]


@pytest.mark.parametrize(("check", "answer"), RIGHT, ids=[check.__name__ for check, _ in RIGHT])
def test_checks_accept_the_right_answer(check, answer, capsys):
    assert check(answer) is True
    assert set(capsys.readouterr().out.splitlines()) == {"Right."}


@pytest.mark.parametrize(("check", "answer", "words"), WRONG, ids=[f"{c.__name__}: {w}" for c, _, w in WRONG])
def test_checks_name_the_mistake(check, answer, words, capsys):
    assert check(answer) is False
    assert words in capsys.readouterr().out


@pytest.mark.parametrize("check", [check for check, _ in RIGHT], ids=lambda check: check.__name__)
def test_checks_say_when_nothing_is_done_or_it_fails(check, capsys):
    def undone(*args):
        raise NotImplementedError

    def broken(*args):
        raise KeyError("a slip")

    for function, words in ((undone, "Not done yet"), (broken, "KeyError"), (lambda *args: "text", "")):
        assert check(function) is False
        assert words in capsys.readouterr().out


def test_a_check_tells_a_wrong_shape(capsys):
    assert not checks.check_allocation(lambda usage: usage[:2])
    assert "Wrong shape: expected (4,), got (2,)" in capsys.readouterr().out
