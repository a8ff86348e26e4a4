"""The checks of chapter 5's exercises."""

import torch

from .judge import attempt, judge


def check_reptile_start(function):
    """Where Reptile comes to rest: function(curvatures (J,), targets (J,), rate, steps) -> number."""
    mistakes = [
        (8.0, "that is joint training's start, which one step gives; the tasks go three steps here."),
        (5.0, "that is the plain mean of the targets, reached when every task is adapted to its end."),
        (8.90485, "a task pulls with what it has moved, 1 - c, not with its curvature as well."),
        (0.00975610, "these are MAML's weights, h c². Reptile pulls towards theta', with 1 - c."),
        (0.1538462, "c is what is left of the way; a task pulls with what it has gone, 1 - c."),
    ]
    return judge(function, (torch.tensor([1.0, 4.0]), torch.tensor([0.0, 10.0]), 0.1, 3), 6.702703, mistakes)


def check_inner_loop(function):
    """A differentiable inner loop: function(loss, start (dict), rate, steps) -> dict of adapted tensors."""
    start = {"theta": torch.tensor(2.0, requires_grad=True)}
    got, problem = attempt(function, lambda weights: 4 * (weights["theta"] - 10) ** 2, start, 0.1, 2)
    if problem is None:
        value = torch.as_tensor(got["theta"])
        if float(start["theta"].detach()) != 2:
            problem = "The start has moved: make new tensors, the next task needs the old ones."
        elif not torch.allclose(value, torch.tensor(9.68)):
            problem = f"Two steps should lead from 2 by 8.4 to 9.68, got {float(value.detach()):.4g}."
        elif not value.requires_grad:
            problem = "Right value, but no gradient leads back to the start."
        elif not torch.allclose(torch.autograd.grad(value, start["theta"])[0], torch.tensor(0.04)):
            problem = "Right value, wrong gradient: 1 instead of 0.2² says first order; create_graph=True is missing."
    print(problem or "Right.")
    return problem is None


def check_task_losses(function):
    """Query loss of each task, all from the same start: function(model, tasks, rate) -> (J,)."""
    model = torch.nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(2.0)
    one, two = torch.ones(1, 1), 2 * torch.ones(1, 1)
    tasks = [(one, 0 * one, one, 0 * one), (two, 10 * two, two, 10 * two)]
    mistakes = [
        ([2.56, 11.2896], "the second task starts where the first one ended."),
        ([2.56, 17.3056], "the second task starts where the first ended, and with its gradient still added up."),
        ([2.56, 16.0], "the first task's gradient is still added to the second's."),
        ([4.0, 256.0], "these are the losses of the start: the adapted weights are never used."),
    ]
    right = judge(function, (model, tasks, 0.1), [2.56, 10.24], mistakes)
    if right and float(model.weight.detach()) != 2:
        print("But the model is not as it was: its weights have moved.")
    return right and float(model.weight.detach()) == 2


def check_tuned_error(function):
    """Test error of a step size chosen fairly: function(validation (rates, tasks), test (rates, tasks)) -> number."""
    validation = torch.tensor([[1.0, 3.0], [2.0, 1.0], [4.0, 4.0]])
    test = torch.tensor([[1.0, 1.0], [2.0, 4.0], [5.0, 0.0]])
    mistakes = [
        (1.0, "you chose on the test tasks, so they are no test any more."),
        (0.5, "you chose anew for each test task, by looking at its answers."),
        (1.5, "that is the validation error; the chosen rate has to be tried on the test tasks."),
        (2.5, "you chose a rate for each task; choose one, by its mean over the validation tasks."),
    ]
    return judge(function, (validation, test), 3.0, mistakes)


def check_nearest_centroid(function):
    """Few-shot labels without learning: function(support_x (n, D), support_y (n,), query_x (m, D)) -> labels (m,)."""
    x, y = torch.tensor([[0.0, 0], [6, 0], [10, 0], [10, 2]]), torch.tensor([0, 0, 1, 1])
    mistakes = [
        ([0, 0, 1], "that is the nearest neighbour's label; take the class whose mean is nearest."),
        ([1, 0, 0], "that is the class whose mean is farthest."),
    ]
    return judge(function, (x, y, torch.tensor([[1.0, 0], [7, 0], [9, 1]])), [0, 1, 1], mistakes)
