"""The checks of chapter 0's exercises."""

import torch

from .judge import attempt, judge


def check_shared_rows(function):
    """How many rows of `test` occur in `train`: function(train (n, D), test (m, D)) -> integer."""
    train = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [5.0, 6.0]])
    test = torch.tensor([[5.0, 6.0], [1.0, 9.0], [1.0, 2.0], [2.0, 1.0]])
    mistakes = [
        (0, "you compare row i with row i; compare each test row with every training row."),
        (4, "you count rows that share a number; a row is shared when all its numbers are."),
        (3, "you count pairs; a test row that occurs twice in the training rows is one shared row."),
    ]
    return judge(function, (train, test), 2, mistakes)


def check_constant_error(function):
    """Held-out error of the best constant: function(train_y, test_y) -> float."""
    train, test = torch.tensor([1.0, 3.0]), torch.tensor([2.0, 6.0])
    mistakes = [
        (4.0, "your constant is the mean of the test targets: it has seen them."),
        (2.0, "you took the absolute error; the book's error is the mean square."),
        (1.0, "that is the error on the training targets."),
    ]
    return judge(function, (train, test), 8.0, mistakes)


def check_half_width(function):
    """Half-width of the 95 % interval of a mean over seeds: function(samples) -> float."""
    mistakes = [
        (1.96 * 0.5773503, "1.96 is for many seeds; with three, Student's t with 2 degrees of freedom is 4.303."),
        (4.3026527 * 0.4714045, "divide the squares by n - 1, not n: the mean was fitted to these samples."),
        (4.3026527, "that is the spread of one seed; the mean's is smaller by the root of n."),
    ]
    return judge(function, ([1.0, 2.0, 3.0],), 4.3026527 * 0.5773503, mistakes)


def check_untrained(function):
    """Names of the parameters that no gradient reaches: function(model), after backward -> list of names."""
    model = torch.nn.ModuleDict({name: torch.nn.Linear(1, 1, bias=False) for name in ("cut", "flat", "live")})
    (0 * model["flat"](torch.ones(1)) + model["live"](torch.ones(1))).backward()
    got, problem = attempt(function, model)
    if problem is None and sorted(got) != ["cut.weight", "flat.weight"]:
        why = "a gradient of zeros teaches no more than None. " if list(got) == ["cut.weight"] else ""
        problem = f"{why}Expected ['cut.weight', 'flat.weight'], got {list(got)}."
    print(problem or "Right.")
    return problem is None


def check_blind_error(function):
    """Least error of one answer for all tasks: function(targets (J, n)) -> float."""
    mistakes = [
        (3.5, "one constant for all inputs; the answer may depend on the input, not on the task."),
        (5.0, "you divide by J - 1; this is no sample of tasks but all of them."),
        (1.25, "you let the answer depend on the task and not on the input."),
    ]
    return judge(function, (torch.tensor([[1.0, 2.0], [3.0, 6.0]]),), 2.5, mistakes)
