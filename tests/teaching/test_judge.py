"""The judge: what it accepts, what it says of the usual mistakes, and what it never says."""

import pytest
import torch

from neuralmem.teaching.checks.judge import examine, verdict


def scaled(x, factor):
    return factor * x


def instances(seed=0):
    generator = torch.Generator().manual_seed(seed)
    cases = {"the example": (torch.tensor([1.0, 2.0]), 3.0)}
    for number in range(3):
        cases[f"random numbers {number + 1}"] = (torch.randn(4, generator=generator), 0.5 + number)
    return cases | {"zeros": (torch.zeros(2), 2.0)}


def in_place(x, factor):
    x *= factor
    return x


def undone(x, factor):
    raise NotImplementedError


def broken(x, factor):
    return x / "two"


WRONG = {
    "undone": (undone, "Not done yet"),
    "raises": (broken, "broken raised TypeError"),
    "ignores a number": (lambda x, factor: 3.0 * x, "does not depend on `factor`"),
    "ignores a tensor": (lambda x, factor: factor * torch.ones_like(x), "does not depend on `x`"),
    "right on the example only": (lambda x, factor: torch.tensor([3.0, 6.0]).repeat(2)[: len(x)], "depend on"),
    "a known mistake": (lambda x, factor: x + factor, "multiply"),
    "wrong shape": (lambda x, factor: (factor * x)[None], "wrong shape: (2,) is asked for, got (1, 2)"),
    "wrong dtype": (lambda x, factor: (factor * x).long(), "wrong dtype"),
    "a list for a tensor": (lambda x, factor: (factor * x).tolist(), "a Tensor is asked for, got a list"),
    "changes its input": (in_place, "`x` was given to you and has changed"),
    "not a number": (lambda x, factor: factor * x / x.sum() * x.sum(), "NaN"),
    "detached": (lambda x, factor: (factor * x).detach(), "no gradient"),
    "another gradient": (lambda x, factor: factor * x + (x - x.detach()), "wrong gradient"),
    "wrong here and there": (lambda x, factor: factor * x.clamp_min(0), "Right on 2 of 5 cases"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_is_told_why(name, capsys):
    function, words = WRONG[name]
    assert examine(function, scaled, instances(), [(lambda x, factor: x + factor, "multiply.")], (0,)) is False
    said = capsys.readouterr().out
    assert words in said and said.count("\n") == 1, said


def test_the_right_answer_is_right_and_nothing_else_is_printed(capsys):
    assert examine(lambda x, factor: x * factor, scaled, instances(), gradients=(0,)) is True
    assert capsys.readouterr().out == "Right.\n"


def test_arguments_are_left_alone_by_the_judge():
    cases = instances()
    before = cases["the example"][0].clone()
    examine(in_place, scaled, cases)
    assert (cases["the example"][0] == before).all()


KINDS = [3, 2.5, "word", True, None, [1, 2], (1.0, [2.0, 3.0]), {"a": 1.0}, {1, 2}, ["a", "b"]]


@pytest.mark.parametrize("right", KINDS, ids=str)
def test_results_of_many_kinds_are_compared(right, capsys):
    assert examine(lambda x: right, lambda x: right, {"it": (1.0,)})
    assert not examine(lambda x: object(), lambda x: right, {"it": (1.0,)})
    assert not examine(lambda x: [[9, 9, 9]], lambda x: right, {"it": (1.0,)})


def test_a_verdict_is_one(capsys):
    assert not verdict(None, "first", "second")
    assert capsys.readouterr().out == "first\n"
    assert verdict(None, None) and capsys.readouterr().out == "Right.\n"
