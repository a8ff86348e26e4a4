"""Chapter 2: its explorer, and the checks of its exercises."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from exercises import assert_accepts, assert_explains, ignoring, undone
from matplotlib.backends.backend_agg import FigureCanvasAgg

from neuralmem import addressing
from neuralmem.teaching import figures
from neuralmem.teaching.checks import chapter_2 as checks


def pixels(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


@pytest.mark.parametrize(
    ("function", "start", "knobs"),
    [
        (figures.explore_memory, {"step": 10, "free_gate": 1.0}, {"step": 5, "free_gate": 0.0}),
    ],
)
def test_every_knob_of_an_explorer_changes_its_picture(function, start, knobs):
    before = pixels(function(**start))
    assert (pixels(function(**start)) == before).all()
    for name, value in knobs.items():
        after = pixels(function(**{**start, name: value}))
        assert after.shape != before.shape or (after != before).any(), name


def column(figure, title):
    (ax,) = [ax for ax in figure.axes if ax.get_title() == title]
    return np.asarray(ax.images[0].get_array())


def test_the_memory_of_the_story_refuses_when_nothing_is_freed():
    last = len(figures.STORY)
    assert column(figures.explore_memory(last, 0.0), "write").sum() == 0
    assert column(figures.explore_memory(last, 1.0), "write").sum() > 0.99
    assert (column(figures.explore_memory(last, 0.0), "usage") == 1).all()


def test_the_explorer_says_what_is_seen():
    assert figures.explore_memory(12, 0.0).seen == "Step 12, write J: no slot is free, and nothing is written."
    assert figures.explore_memory(1, 1.0).seen == "Step 1, write A: it goes to slot 0."
    assert figures.explore_memory(4, 1.0).seen == "Step 4, read B: found in slot 1."
    assert "spread" in figures.explore_memory(12, 0.5).seen


def test_the_usage_maps_show_slots_by_steps_with_their_axes_named():
    left, right, bar = figures.usage_maps({"kept": np.eye(3, 4), "freed": np.zeros((3, 4))}).axes
    assert left.images[0].get_array().shape == (3, 4) and right.get_title() == "freed"
    assert (left.get_xlabel(), left.get_ylabel(), bar.get_ylabel()) == ("step", "slot", "usage")


def write_heads(memory, weightings, erase, add):
    for where, what in zip(weightings, erase, strict=True):
        memory = memory * (1 - torch.outer(where, what))
    return memory + weightings.T @ add


def erasures(weightings, erase):
    return (1 - weightings.unsqueeze(-1) * erase.unsqueeze(1)).prod(0)


def heads_in_turn(memory, weightings, erase, add):
    for w, e, v in zip(weightings, erase, add, strict=True):
        memory = memory * (1 - torch.outer(w, e)) + torch.outer(w, v)
    return memory


def heads_in_place(memory, weightings, erase, add):
    return memory.mul_(erasures(weightings, erase)).add_(weightings.T @ add)


def store(memory, where, value):
    return memory * (1 - where.unsqueeze(1)) + torch.outer(where, value)


def store_in_place(memory, where, value):
    return memory.mul_(1 - where.unsqueeze(1)).add_(torch.outer(where, value))


def size(width, reads, writes):
    return writes * (3 * width + 3) + reads * (width + 3 + 2 * writes)


def refusing(usage, age):
    return addressing.allocation_weighting(usage[None])[0]


def never_refuse(usage, age):
    free = refusing(usage, age)
    return free + (1 - free.sum()) * F.one_hot(age.argmax(), len(age))


def aged(usage, age):
    right = never_refuse(usage, age)
    age += 1
    return right


def new_state(state, slot, value):
    memory = state.memory.clone()
    memory[slot] = value
    return state._replace(memory=memory, time=state.time + 1)


def same_memory(state, slot, value):
    state.memory[slot] = value
    return state._replace(time=state.time + 1)


RIGHT = [
    (checks.check_write_heads, write_heads),
    (checks.check_write_heads, lambda m, w, e, v: m * erasures(w, e) + w.T @ v),
    (checks.check_store, store),
    (checks.check_store, lambda m, w, v: m + w[:, None] * (v - m)),
    (checks.check_interface_size, size),
    (checks.check_interface_size, lambda w, r, h: torch.tensor(size(w, r, h))),
    (checks.check_never_refuse, never_refuse),
    (checks.check_step, new_state),
    (checks.check_step, lambda s, slot, v: type(s)(
        torch.where(torch.arange(len(s.memory))[:, None] == slot, v, s.memory), s.time + 1)),
]  # fmt: skip
WRONG = {
    "heads: in turn": (checks.check_write_heads, heads_in_turn, "all erase, then all add"),
    "heads: added first": (
        checks.check_write_heads, lambda m, w, e, v: (m + w.T @ v) * erasures(w, e), "added before you erased"),
    "heads: erasures summed": (checks.check_write_heads, lambda m, w, e, v: m * (1 - w.T @ e) + w.T @ v, "multiply"),
    "heads: the first only": (
        checks.check_write_heads, lambda m, w, e, v: write_heads(m, w[:1], e[:1], v[:1]), "only the first head"),
    "heads: ignores memory": (
        checks.check_write_heads, lambda m, w, e, v: write_heads(torch.ones_like(m), w, e, v), "`m`"),
    "heads: ignores weightings": (
        checks.check_write_heads, lambda m, w, e, v: write_heads(m, torch.full_like(w, 0.5), e, v), "`w`"),
    "heads: ignores erase": (
        checks.check_write_heads, lambda m, w, e, v: write_heads(m, w, torch.ones_like(e), v), "`e`"),
    "heads: ignores add": (
        checks.check_write_heads, lambda m, w, e, v: write_heads(m, w, e, torch.ones_like(v)), "`v`"),
    "heads: the example only": (checks.check_write_heads, lambda m, w, e, v: torch.full_like(m, 3.5), "depend on"),
    "heads: in place": (checks.check_write_heads, heads_in_place, "has changed"),
    "heads: a list": (checks.check_write_heads, lambda *a: write_heads(*a).tolist(), "a Tensor is asked for"),
    "heads: no gradient": (checks.check_write_heads, lambda *a: write_heads(*a).detach(), "no gradient"),
    "store: detached": (checks.check_store, lambda m, w, v: store(m, w, v).detach(), "no gradient"),
    "store: where detached": (checks.check_store, lambda m, w, v: store(m, w.detach(), v), "no gradient reaches `w`"),
    "store: value detached": (checks.check_store, lambda m, w, v: store(m, w, v.detach()), "no gradient reaches `v`"),
    "store: memory detached": (checks.check_store, lambda m, w, v: store(m.detach(), w, v), "no gradient reaches `m`"),
    "store: in place": (checks.check_store, store_in_place, "has changed"),
    "store: not erased": (checks.check_store, lambda m, w, v: m + torch.outer(w, v), "must fade"),
    "store: all erased": (checks.check_store, lambda m, w, v: torch.outer(w, v), "must stay"),
    "store: ignores where": (checks.check_store, lambda m, w, v: store(m, torch.full_like(w, 0.5), v), "`w`"),
    "store: ignores value": (checks.check_store, lambda m, w, v: store(m, w, torch.ones_like(v)), "`v`"),
    "store: the example only": (checks.check_store, lambda m, w, v: torch.tensor([[2.0, 3], [4, 5]]), "shape"),
    "store: integers": (checks.check_store, lambda m, w, v: store(m, w, v).long(), "wrong dtype"),
    "size: one write head": (checks.check_interface_size, ignoring(size, 2, 1), "one write head"),
    "size: three modes": (
        checks.check_interface_size, lambda w, r, h: h * (3 * w + 3) + r * (w + 5), "read modes"),
    "size: no free gates": (
        checks.check_interface_size, lambda w, r, h: h * (3 * w + 3) + r * (w + 2 + 2 * h), "free gate"),
    "size: a scalar short": (
        checks.check_interface_size, lambda w, r, h: h * (3 * w + 2) + r * (w + 3 + 2 * h), "three scalars"),
    "size: ignores width": (checks.check_interface_size, ignoring(size, 0, 64), "`width`"),
    "size: ignores reads": (checks.check_interface_size, ignoring(size, 1, 4), "`reads`"),
    "size: the example only": (checks.check_interface_size, lambda w, r, h: 674, "depend on"),
    "size: a text": (checks.check_interface_size, lambda w, r, h: f"{size(w, r, h)} numbers", "numbers are asked for"),
    "refuse: the oldest only": (
        checks.check_never_refuse, lambda u, age: F.one_hot(age.argmax(), len(u)).float(), "the oldest slot gets only"),
    "refuse: refuses": (checks.check_never_refuse, refusing, "still refuses"),
    "refuse: the newest": (checks.check_never_refuse, lambda u, age: never_refuse(u, -age), "written longest ago"),
    "refuse: in proportion": (
        checks.check_never_refuse, lambda u, age: refusing(u, age) / refusing(u, age).sum().clamp_min(1e-12),
        "in proportion"),
    "refuse: ignores age": (
        checks.check_never_refuse, lambda u, age: never_refuse(u, torch.arange(len(u)).flip(0)), "`age`"),
    "refuse: ignores usage": (
        checks.check_never_refuse, lambda u, age: never_refuse(torch.full_like(u, 0.5), age), "`u`"),
    "refuse: the example only": (
        checks.check_never_refuse, lambda u, age: torch.tensor([0, 0.9, 0.1])[: len(u)], "shape"),
    "refuse: changes age": (checks.check_never_refuse, aged, "has changed"),
    "refuse: a row": (checks.check_never_refuse, lambda u, age: never_refuse(u, age)[None], "wrong shape"),
    "step: in place": (checks.check_step, same_memory, "in place"),
    "step: no time": (
        checks.check_step, lambda s, slot, v: new_state(s, slot, v)._replace(time=s.time), "must move on by 1"),
    "step: time at 1": (
        checks.check_step, lambda s, slot, v: new_state(s, slot, v)._replace(time=1), "must move on by 1"),
    "step: nothing written": (
        checks.check_step, lambda s, slot, v: s._replace(time=s.time + 1), "not in slot 1"),
    "step: ignores slot": (checks.check_step, lambda s, slot, v: new_state(s, 0, v), "slot 0 has changed instead"),
    "step: ignores value": (checks.check_step, lambda s, slot, v: new_state(s, slot, 1 + 0 * v), "not in slot"),
    "step: all slots": (
        checks.check_step, lambda s, slot, v: s._replace(memory=v.expand_as(s.memory), time=s.time + 1),
        "slot 0 has changed, and only slot 1"),
    "step: a tuple": (checks.check_step, lambda s, slot, v: tuple(new_state(s, slot, v)), "NamedTuple"),
    "step: a memory of one row": (
        checks.check_step, lambda s, slot, v: s._replace(memory=v[None], time=s.time + 1), "shape"),
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


def test_the_legend_below_a_single_panel_has_room():
    """It was once cut at both sides: its third column and the first letters of the first."""
    names = ["through every write", "detached half-way", "detached every step", "guessing"]
    curves = {name: np.full(3, 0.1 * place) for place, name in enumerate(names)}
    figure = figures.seed_curves({"": (range(3), curves)}, "updates", "wrong bits", {name: {} for name in names})
    figure.canvas.draw()
    (legend,) = figure.legends
    box, whole = legend.get_window_extent(), figure.bbox
    assert box.x0 >= whole.x0 and box.x1 <= whole.x1 and box.y0 >= whole.y0
