"""A step of gradient descent as one equation: the numbers and all gradients that autograd finds through it."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd import gradcheck, gradgradcheck

from neuralmem import MetaLearner
from neuralmem.descent import SQUASHES, descended, layer_kinds, predicted

TASKS, ROWS, RATE = 3, 4, 0.3
KINDS = [kind for kind in SQUASHES if kind is not nn.Identity]


def network(kind, ends):
    torch.manual_seed(0)
    layers = [nn.Linear(2, 4), kind(), nn.Linear(4, 3), kind(), nn.Linear(3, 2)] + ([kind()] if ends else [])
    return nn.Sequential(*layers).double()


def given(model, shared):
    """Weights, one for all tasks or one each, and x, y (K, n, 2)."""
    torch.manual_seed(1)
    weights = [value.detach().clone() for value in model.parameters()]
    if not shared:
        weights = [value + 0.3 * torch.randn(TASKS, *value.shape, dtype=value.dtype) for value in weights]
    x, y = (torch.randn(TASKS, ROWS, 2, dtype=torch.float64) for _ in range(2))
    return [one.requires_grad_() for one in (x, y, *weights)]


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_by_hand_are_those_of_differences_and_have_some_themselves(kind, ends, shared):
    model = network(kind, ends)
    kinds, inputs = layer_kinds(model), given(model, shared)
    assert len(kinds) == 3
    rate = torch.tensor(RATE, dtype=torch.float64)

    def step(x, y, *weights):
        return descended(kinds, weights, x, y, rate)

    def output(x, y, *weights):
        return predicted(kinds, weights, x)

    assert gradcheck(step, inputs) and gradcheck(output, inputs)
    assert gradgradcheck(step, inputs, fast_mode=True) and gradgradcheck(output, inputs, fast_mode=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_is_the_one_that_autograd_takes(kind):
    model = network(kind, ends=False)
    x, y, *weights = given(model, shared=True)
    rate = torch.tensor(RATE, dtype=torch.float64)
    moved = descended(layer_kinds(model), weights, x, y, rate)
    for task in range(TASKS):
        own = dict(zip(dict(model.named_parameters()), weights, strict=True))
        error = torch.func.functional_call(model, own, x[task]) - y[task]
        slopes = torch.autograd.grad(RATE / 2 * error.square().sum(), list(own.values()))
        for new, old, slope in zip(moved, weights, slopes, strict=True):
            torch.testing.assert_close(new[task], old - slope, rtol=1e-10, atol=1e-12)


def test_layers_of_other_kinds_are_not_taken_for_plain_ones():
    for layers in (
        [nn.ReLU(), nn.Linear(2, 2)],
        [nn.Linear(2, 2, bias=False)],
        [nn.Linear(2, 2), nn.ReLU(), nn.ReLU()],
        [nn.Linear(2, 2), nn.ReLU(inplace=True)],
        [nn.Linear(2, 2), nn.GELU()],
        [],
    ):
        assert layer_kinds(nn.Sequential(*layers)) is None


def test_names_in_any_order_move_their_own_parameters():
    model = network(nn.Tanh, ends=False)
    x, y, *_ = given(model, shared=True)
    names = [name for name, _ in model.named_parameters()]
    one, other = (MetaLearner(model, adapt_only=order).adapt_tasks(x, y) for order in (names, names[::-1]))
    for name in names:
        torch.testing.assert_close(one[name], other[name])


@pytest.mark.parametrize("change", ["hook", "loss", "steps", "shape"])
def test_what_differs_from_plain_gives_the_same_numbers_the_general_way(change, monkeypatch):
    model = network(nn.Tanh, ends=False)
    x, y, *_ = given(model, shared=True)
    meta, loss, steps = MetaLearner(model, inner_lr=RATE), F.mse_loss, 1
    expected = meta.task_losses(x, y, x, y)
    called = []
    monkeypatch.setattr(MetaLearner, "_descend", lambda *_: called.append(1))
    if change == "hook":
        model[0].register_forward_hook(lambda *_: None)
    elif change == "loss":
        loss = nn.MSELoss()
        meta = MetaLearner(model, loss, inner_lr=RATE)
    elif change == "steps":
        steps, expected = 0, (model(x) - y).square().mean((1, 2))
    elif change == "shape":
        x, y = x.unsqueeze(2), y.unsqueeze(2)
    torch.testing.assert_close(meta.task_losses(x, y, x, y, num_steps=steps), expected, rtol=1e-9, atol=1e-12)
    assert not called
