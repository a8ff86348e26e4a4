"""Judge a reader's function: say whether it is right, and if not, why."""

import copy
import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

Function = Callable[..., Any]
Mistakes = Sequence[tuple[Any, str]]


def attempt(function: Function, *args: Any, **kwargs: Any) -> tuple[Any, str | None]:
    """Call the reader's function; return (result, None), or (None, a message) if it is undone or raises."""
    try:
        return function(*args, **kwargs), None
    except NotImplementedError:
        return None, f"Not done yet: {function.__name__} raises NotImplementedError."
    except Exception as error:  # the reader's code may fail in any way
        return None, f"{function.__name__} raised {type(error).__name__}: {error}"


def judge(function: Function, args: Sequence[Any], right: Any, mistakes: Mistakes = ()) -> bool:
    """Print "Right.", or what is wrong with function(*args) and why, and return True or False.

    `mistakes` is a list of (result, why): a plausible wrong result, and the explanation that it gets.
    """
    got, problem = attempt(function, *args)
    if problem is None:
        try:
            got, right = (torch.as_tensor(value, dtype=torch.float64).detach() for value in (got, right))
        except (TypeError, ValueError, RuntimeError):
            problem = f"{function.__name__} must return numbers, got {type(got).__name__}."
        else:
            problem = _difference(got, right, mistakes)
    print(problem or "Right.")
    return problem is None


def _difference(got, right, mistakes):
    if got.shape != right.shape:
        return f"Wrong shape: expected {tuple(right.shape)}, got {tuple(got.shape)}."
    if not torch.isfinite(got).all():
        return "Right shape, but NaN or infinite: a division by zero, or a power that underflows."
    for other, why in [(right, None), *mistakes]:
        if torch.allclose(got, torch.as_tensor(other, dtype=torch.float64), rtol=1e-4, atol=1e-6):
            return why and f"Right shape, wrong values: {why}"
    return f"Right shape, wrong values: expected {right.tolist()}, got {got.tolist()}."


# The examination on several instances


def verdict(*problems: str | None) -> bool:
    """Print the first problem that is not None, or "Right."; return whether there was none: one verdict a check."""
    found = next((problem for problem in problems if problem), None)
    print(found or "Right.")
    return found is None


def examine(
    function: Function,
    reference: Function,
    instances: Mapping[str, tuple[Any, ...]],
    mistakes: Mistakes = (),
    gradients: Sequence[int] = (),
) -> bool:
    """Compare a reader's function with a reference on several instances; print one verdict, return True or False.

    `instances` maps a label ("the example", "random numbers", "a weight of 0") to a tuple of arguments: at least three
    drawn at random and the awkward ones. `mistakes` is a list of (wrong function, why): where the reader's results are
    those of a wrong function, the reader is told why. `gradients` lists the positions of arguments (tensors) in which
    the gradient of the result must be finite and that of the reference. Never prints a right result. Arguments are
    copied for each call, and a function that changes one is told so; so is one that ignores an argument.
    """
    return verdict(find_problem(function, reference, instances, mistakes, gradients))


def find_problem(
    function: Function,
    reference: Function,
    instances: Mapping[str, tuple[Any, ...]],
    mistakes: Mistakes = (),
    gradients: Sequence[int] = (),
) -> str | None:
    """Return what is wrong with the function, in a sentence, or None: `examine` without its print."""
    wrong = {}
    for label, arguments in instances.items():
        given = copy.deepcopy(arguments)
        got, problem = attempt(function, *given)
        if problem:
            return problem if label == next(iter(instances)) else f"For {label}: {problem}"
        changed = [place for place, pair in enumerate(zip(arguments, given, strict=True)) if not _same(*pair)]
        if changed:
            return f"{_name(function, changed[0])} was given to you and has changed: work on a copy of it."
        difference = _unlike(got, reference(*copy.deepcopy(arguments)))
        if difference:
            wrong[label] = (difference, got)
    if not wrong:
        return _gradient_problem(function, reference, instances, gradients)
    label, (difference, got) = next(iter(wrong.items()))
    if difference != VALUES:
        return f"For {label}: {difference}"
    for mistaken, why in mistakes:
        if all(_agree(function, mistaken, arguments) for arguments in instances.values()):
            return f"Right shape, wrong values: {why}"
    ignored = _ignored(function, reference, list(instances.values()))
    if ignored:
        return f"Wrong values: the result does not depend on {ignored}, and it must."
    right = len(instances) - len(wrong)
    if right:
        return f"Right on {right} of {len(instances)} cases, wrong for {label}: got {_short(got)}."
    return f"Right shape, wrong values: for {label} got {_short(got)}."


VALUES = "wrong values"


def _unlike(got, right):
    """How `got` differs from `right`: None, VALUES, or a sentence on its kind, shape or numbers."""
    if isinstance(right, dict):
        if not isinstance(got, dict) or set(got) != set(right):
            return f"a dict with the keys {sorted(map(str, right))} is asked for, got {_short(got)}."
        return next((found for key in right if (found := _unlike(got[key], right[key]))), None)
    if isinstance(right, str | bool | set | type(None)):
        same = isinstance(got, type(right)) and got == right
        return None if same else (VALUES if isinstance(got, type(right)) else _kind(got, right))
    if isinstance(right, list | tuple) and not _numbers(right):
        if not isinstance(got, list | tuple):
            return _kind(got, right)
        if len(got) != len(right):
            return f"{len(right)} items are asked for, got {len(got)}."
        return next((found for pair in zip(got, right, strict=True) if (found := _unlike(*pair))), None)
    if isinstance(right, torch.Tensor) != isinstance(got, torch.Tensor) and isinstance(right, torch.Tensor):
        return _kind(got, right)
    try:
        got, wanted = torch.as_tensor(got).detach(), torch.as_tensor(right).detach()
    except (TypeError, ValueError, RuntimeError):
        return f"numbers are asked for, got {_short(got)}."
    if got.shape != wanted.shape:
        return f"wrong shape: {tuple(wanted.shape)} is asked for, got {tuple(got.shape)}."
    if isinstance(right, torch.Tensor) and got.is_floating_point() != wanted.is_floating_point():
        return f"wrong dtype: {wanted.dtype} is asked for, got {got.dtype}."
    got, wanted = got.double(), wanted.double()
    if not torch.isfinite(got).all() and torch.isfinite(wanted).all():
        return "NaN or infinite: a division by zero, a logarithm of zero, or a power that overflows."
    return None if torch.allclose(got, wanted, rtol=1e-4, atol=1e-6, equal_nan=True) else VALUES


def _gradient_problem(function, reference, instances, gradients):
    """What is wrong with the gradients in some arguments, or None."""
    for label, arguments in instances.items() if gradients else ():
        found = []
        for solve in (function, reference):
            given = list(copy.deepcopy(arguments))
            for place in gradients:
                given[place] = given[place].detach().requires_grad_()
            result = solve(*given)
            if not isinstance(result, torch.Tensor) or not result.requires_grad:
                return f"Right values, but no gradient leads from the result to {_name(function, gradients[0])}."
            probe = torch.linspace(0.5, 1.5, result.numel(), dtype=result.dtype).view(result.shape)
            leaves = [given[place] for place in gradients]
            found.append(torch.autograd.grad((probe * result).sum(), leaves, allow_unused=True))
        for place, got, right in zip(gradients, *found, strict=True):
            if got is None and right is not None and right.any():
                return f"Right values, but no gradient reaches {_name(function, place)}: is something detached?"
            if got is not None and not torch.isfinite(got).all():
                return f"Right values, but for {label} the gradient in {_name(function, place)} is NaN or infinite."
            if got is not None and right is not None and _unlike(got, right):
                return f"Right values, but for {label} a wrong gradient in {_name(function, place)}: not the formula's."
    return None


def _agree(function, other, arguments):
    """Whether two functions give the same on copies of the arguments."""
    results = [attempt(solve, *copy.deepcopy(arguments)) for solve in (function, other)]
    return not any(problem for _, problem in results) and _unlike(results[0][0], results[1][0]) is None


def _ignored(function, reference, cases):
    """The name of an argument that moves the reference's result and never the function's, or None."""
    for place in range(len(cases[0])):
        moved = []
        for first, second in itertools.permutations(cases[:6], 2):
            if getattr(first[place], "shape", None) != getattr(second[place], "shape", None):
                continue  # only what is as large can stand in its place
            swapped = (*first[:place], second[place], *first[place + 1 :])
            right = [attempt(reference, *copy.deepcopy(case)) for case in (first, swapped)]
            got = [attempt(function, *copy.deepcopy(case)) for case in (first, swapped)]
            if any(problem for _, problem in [*right, *got]) or _unlike(right[1][0], right[0][0]) is None:
                continue
            moved.append(_unlike(got[1][0], got[0][0]) is not None)
        if moved and not any(moved):
            return _name(function, place)
    return None


def _same(first, second):
    """Whether an argument is still what it was."""
    if isinstance(first, torch.Tensor):
        return first.shape == second.shape and bool(torch.equal(first.nan_to_num(), second.nan_to_num()))
    if isinstance(first, np.ndarray):
        return np.array_equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(_same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(_same(*pair) for pair in zip(first, second, strict=True))
    if isinstance(first, torch.nn.Module):
        return all(_same(*pair) for pair in zip(first.parameters(), second.parameters(), strict=True))
    return True if not isinstance(first, int | float | str) else first == second


def _name(function, place):
    """The name of the function's argument at this place."""
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        names = []
    return f"`{names[place]}`" if place < len(names) else f"argument {place + 1}"


def _numbers(value):
    """Whether a list or tuple is a table of numbers: nested evenly, and numbers all through."""
    try:
        return isinstance(torch.as_tensor(value), torch.Tensor)
    except (TypeError, ValueError, RuntimeError):
        return False


def _kind(got, right):
    return f"a {type(right).__name__} is asked for, got a {type(got).__name__}."


def _short(value):
    """A result in at most 80 letters."""
    if isinstance(value, torch.Tensor):
        value = value.detach().double().round(decimals=4).tolist()
    elif isinstance(value, float):
        value = round(value, 4)
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."
