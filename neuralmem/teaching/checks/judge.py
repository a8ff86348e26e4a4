"""Judge a reader's function: say whether it is right, and if not, why."""

import torch


def attempt(function, *args, **kwargs):
    """Call the reader's function; return (result, None), or (None, a message) if it is undone or raises."""
    try:
        return function(*args, **kwargs), None
    except NotImplementedError:
        return None, f"Not done yet: {function.__name__} raises NotImplementedError."
    except Exception as error:  # the reader's code may fail in any way
        return None, f"{function.__name__} raised {type(error).__name__}: {error}"


def judge(function, args, right, mistakes=()):
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
