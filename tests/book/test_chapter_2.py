"""Chapter 2: its explorer, and the checks of its exercises."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
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
    (checks.check_write_heads, lambda m, w, e, v: m * erasures(w, e) + w.T @ v),
    (checks.check_store, put),
    (checks.check_interface_size, lambda w, r, h: h * (3 * w + 3) + r * (w + 3 + 2 * h)),
    (checks.check_never_refuse, never_refuse),
    (checks.check_step, new_state),
]


WRONG = [
    (checks.check_write_heads, heads_in_turn, "all erase, then all add"),
    (checks.check_write_heads, lambda m, w, e, v: (m + w.T @ v) * erasures(w, e), "added before you erased"),
    (checks.check_write_heads, lambda m, w, e, v: m * (1 - w.T @ e) + w.T @ v, "multiply"),
    (checks.check_store, lambda m, w, v: put(m, w, v).detach(), "the weighting nor the value"),
    (checks.check_store, lambda m, w, v: put(m, w.detach(), v), "no gradient reaches the weighting"),
    (checks.check_store, lambda m, w, v: put(m, w, v.detach()), "no gradient reaches the value"),
    (checks.check_interface_size, lambda w, r, h: w * r + 3 * w + 5 * r + 3, "one write head"),
    (checks.check_interface_size, lambda w, r, h: h * (3 * w + 3) + r * (w + 5), "read modes"),
    (checks.check_never_refuse, lambda u, age: F.one_hot(age.argmax(), 3).float(), "the oldest slot gets only"),
    (checks.check_never_refuse, refusing, "still refuses"),
    (checks.check_step, same_memory, "in place"),
    (checks.check_step, lambda s, slot, v: new_state(s, slot, v)._replace(time=0), "time"),
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
