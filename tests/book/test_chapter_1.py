"""Chapter 1: its figures, its explorers, and the checks of its exercises."""

import math

import numpy as np
import pytest
import torch
from exercises import assert_accepts, assert_explains, ignoring, undone
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

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


def test_seed_curves_draw_each_line_in_its_style_and_its_band():
    styles = {"ours": {"color": "#0072B2", "marker": "o"}, "chance": {"color": "black", "linestyle": ":"}}
    curves = {"ours": [[1.0, 2.0], [3.0, 2.0]], "chance": [4, 4]}
    figure = figures.seed_curves({"left": ([1, 2], curves), "right": ([1, 2], curves)}, "x", "y", styles)
    left, right = figure.axes
    assert [line.get_ydata().tolist() for line in left.lines] == [[2, 2], [4, 4]]
    assert left.lines[1].get_linestyle() == ":" and len(left.collections) == 1 and right.get_title() == "right"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["ours", "chance"]


def test_the_slope_lines_are_solid_and_named_beside_the_line():
    figure = figures.slope_lines([1e-3, 1], [1000, 1], [500, 1])
    assert [line.get_linestyle() for line in figure.axes[0].lines] == ["-", "-"]
    assert {text.get_text() for text in figure.axes[0].texts} == {"as written", "constant inside the root"}


def test_the_key_strengths_are_three_shades_and_named_at_their_ends():
    needed = {8: [[1, 9], [1, 8]], 16: [[1, 5], [1, 4]], 64: [[1, 2], [1, 3]]}
    figure = figures.key_strengths([4, 1024], needed, torch.tensor([1.0, 2]), torch.tensor([1.0, 2]))
    ax = figure.axes[0]
    assert [line.get_color() for line in ax.lines[:3]] == list(figures.BLUES)
    assert [(text.get_text(), text.get_position()[1]) for text in ax.texts] == [
        ("W = 8", 8.5), ("W = 16", 4.5), ("W = 64", 2.5),
    ]  # fmt: skip


def test_the_explorers_say_what_is_seen():
    assert "Slot 1 leads with" in figures.explore_content(strength=20, angle=50).seen
    assert "Slots 0 and 1 share the lead" in figures.explore_content(strength=5, angle=25).seen
    seen = figures.explore_location(shift=0.5, gamma=8).seen
    assert seen == (
        "After the shift: Slots 2 and 3 share the lead with 45 % each. "
        "After sharpening: Slots 2 and 3 share the lead with 50 % each."
    )


def strength_for(weight, slots, cosine):
    return float(torch.tensor((slots - 1) * weight / (1 - weight), dtype=torch.float64).log() / (1 - cosine))


def sharpen(weighting, gamma):
    return torch.softmax(gamma * weighting.clamp_min(1e-20).log(), dim=-1)


def sharpen_by_largest(weighting, gamma):
    powers = (weighting / weighting.max()) ** gamma
    return powers / powers.sum()


def allocate(usage):
    ordered, order = torch.sort(usage, stable=True)
    before = torch.cat([torch.ones_like(ordered[:1]), ordered.cumprod(0)[:-1]])
    return ((1 - ordered) * before)[torch.argsort(order)]


def sorted_allocation(usage):
    ordered = usage.sort().values
    return (1 - ordered) * torch.cat([torch.ones_like(ordered[:1]), ordered.cumprod(0)[:-1]])


def allocation_in_order(usage, order):
    shares, left = [None] * len(usage), 1.0
    for slot in order:
        shares[slot], left = (1 - usage[slot]) * left, left * usage[slot]
    return torch.stack(shares)


def last_of_equals(usage):
    return allocate(usage.flip(0)).flip(0)


def sorting_in_place(usage):
    right = allocate(usage)
    usage.copy_(usage.sort().values)
    return right


def follow(link, start, steps):
    for _ in range(steps):
        start = link @ start
    return start


def follow_in_place(link, start, steps):
    for _ in range(steps):
        start.copy_(link @ start)
    return start


def initial_memory(slots, width):
    return torch.randn(slots, width, generator=torch.Generator().manual_seed(1))


EXAMPLE = torch.tensor([0.05, 0.9, 0, 0.01])
RIGHT = [
    (checks.check_strength_for, strength_for),
    (checks.check_strength_for, lambda p, n, c: math.log((n - 1) / (1 / p - 1)) / (1 - c)),
    (checks.check_sharpen, sharpen),
    (checks.check_sharpen, sharpen_by_largest),
    (checks.check_allocation, allocate),
    (checks.check_allocation, lambda u: allocation_in_order(u, torch.argsort(u, stable=True))),
    (checks.check_follow, follow),
    (checks.check_follow, lambda link, start, steps: torch.linalg.matrix_power(link, steps) @ start),
    (checks.check_initial_memory, initial_memory),
    (checks.check_initial_memory, lambda n, w: initial_memory(n, w).double() * 1e-2),
]
WRONG = {
    "strength: N rivals": (checks.check_strength_for, lambda p, n, c: strength_for(p, n + 1, c), "N - 1"),
    "strength: no lead": (checks.check_strength_for, lambda p, n, c: strength_for(p, n, 0), "lead"),
    "strength: always 0.9": (checks.check_strength_for, lambda p, n, c: strength_for(0.9, n, c), "the 9 of the text"),
    "strength: ignores weight": (checks.check_strength_for, ignoring(strength_for, 0, 0.75), "`weight`"),
    "strength: ignores slots": (checks.check_strength_for, ignoring(strength_for, 1, 128), "`slots`"),
    "strength: ignores cosine": (checks.check_strength_for, ignoring(strength_for, 2, 0.5), "`cosine`"),
    "strength: the example only": (checks.check_strength_for, lambda p, n, c: math.log(9 * 127), "depend on"),
    "strength: a vector": (checks.check_strength_for, lambda p, n, c: [strength_for(p, n, c)], "shape"),
    "sharpen: as written": (checks.check_sharpen, lambda w, g: w**g / (w**g).sum(), "NaN"),
    "sharpen: not divided": (checks.check_sharpen, lambda w, g: w**g, "divide by its sum"),
    "sharpen: no logarithm": (checks.check_sharpen, lambda w, g: torch.softmax(g * w, -1), "logarithm"),
    "sharpen: no clamp": (checks.check_sharpen, lambda w, g: torch.softmax(g * w.log(), -1), "gradient"),
    "sharpen: ignores weighting": (
        checks.check_sharpen, lambda w, g: sharpen(torch.arange(1.0, len(w) + 1), g), "`w`"),
    "sharpen: ignores gamma": (checks.check_sharpen, ignoring(sharpen, 1, 2.0), "`gamma`"),
    "sharpen: the example only": (
        checks.check_sharpen, lambda w, g: torch.tensor([0.01, 0.64, 0.27, 0.08]), "depend on"),
    "sharpen: a list": (checks.check_sharpen, lambda w, g: sharpen(w, g).tolist(), "a Tensor is asked for"),
    "sharpen: detached": (checks.check_sharpen, lambda w, g: sharpen(w.detach(), g), "no gradient"),
    "sharpen: in place": (checks.check_sharpen, lambda w, g: w.copy_(sharpen(w, g)), "has changed"),
    "allocation: sorted": (checks.check_allocation, sorted_allocation, "back at its own slot"),
    "allocation: by number": (
        checks.check_allocation, lambda u: allocation_in_order(u, range(len(u))), "less used slots"),
    "allocation: rescaled": (checks.check_allocation, lambda u: allocate(u) / allocate(u).sum(), "no division"),
    "allocation: last of equals": (checks.check_allocation, last_of_equals, "wrong for equal usages"),
    "allocation: the example only": (checks.check_allocation, lambda u: EXAMPLE.clone(), "shape"),
    "allocation: only the least": (
        checks.check_allocation,
        lambda u: torch.zeros_like(u).index_fill(0, u.argmin(), 1.0) * (1 - u.min()), "wrong for"),
    "allocation: rounded": (checks.check_allocation, lambda u: allocate(u).round(), "wrong"),
    "allocation: a matrix": (checks.check_allocation, lambda u: allocate(u)[None], "wrong shape"),
    "allocation: changes its input": (checks.check_allocation, sorting_in_place, "has changed"),
    "follow: backward": (checks.check_follow, lambda link, start, steps: follow(link.T, start, steps), "backward"),
    "follow: one step": (checks.check_follow, lambda link, start, steps: link @ start, "one step"),
    "follow: always two": (checks.check_follow, ignoring(follow, 2, 2), "`steps`"),
    "follow: ignores start": (
        checks.check_follow, lambda link, start, steps: follow(link, torch.ones(len(start)), steps), "`start`"),
    "follow: ignores link": (
        checks.check_follow, lambda link, start, steps: follow(torch.eye(len(start)).roll(1, 0), start, steps),
        "`link`"),
    "follow: rescaled": (
        checks.check_follow, lambda link, start, steps: follow(link, start, steps) / follow(link, start, steps).sum(),
        "no division"),
    "follow: the example only": (
        checks.check_follow, lambda link, start, steps: torch.tensor([0, 0, 0, 0.5])[: len(start)], "wrong"),
    "follow: in place": (checks.check_follow, follow_in_place, "has changed"),
    "follow: a column": (checks.check_follow, lambda link, start, steps: follow(link, start, steps)[:, None], "shape"),
    "memory: zeros": (checks.check_initial_memory, lambda n, w: torch.zeros(n, w), "all rows are equal"),
    "memory: a constant": (checks.check_initial_memory, lambda n, w: torch.full((n, w), 5.0), "all rows are equal"),
    "memory: lengths only": (
        checks.check_initial_memory, lambda n, w: torch.ones(n, w) * torch.arange(1.0, n + 1)[:, None],
        "a cosine does not see that"),
    "memory: one row differs": (
        checks.check_initial_memory, lambda n, w: torch.ones(n, w) + 5 * torch.eye(n, w)[:1] * torch.eye(n)[:, :1],
        "same way"),
    "memory: the example only": (checks.check_initial_memory, lambda n, w: initial_memory(8, 6), "wrong shape"),
    "memory: transposed": (checks.check_initial_memory, lambda n, w: initial_memory(w, n), "wrong shape"),
    "memory: integers": (
        checks.check_initial_memory, lambda n, w: torch.arange(n * w).view(n, w), "floating"),
    "memory: a row of NaN": (checks.check_initial_memory, lambda n, w: initial_memory(n, w) / 0 * 0, "NaN"),
}  # fmt: skip


@pytest.mark.parametrize(("check", "answer"), RIGHT, ids=[f"{c.__name__} {n}" for n, (c, _) in enumerate(RIGHT)])
def test_checks_accept_the_right_answer(check, answer, capsys):
    assert_accepts(check, answer, capsys)


@pytest.mark.parametrize("label", WRONG)
def test_checks_name_the_mistake(label, capsys):
    check, wrong, words = WRONG[label]
    assert_explains(check, wrong, words, capsys)


@pytest.mark.parametrize("check", {check for check, _ in RIGHT}, ids=lambda check: check.__name__)
def test_checks_say_when_nothing_is_done_or_it_fails(check, capsys):
    def broken(*args):
        raise KeyError("a slip")

    assert_explains(check, undone, "Not done yet", capsys)
    assert_explains(check, broken, "KeyError", capsys)
    assert_explains(check, lambda *args: "text", "", capsys)
