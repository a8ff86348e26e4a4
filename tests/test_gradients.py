"""Gradients by hand: those that differences give, and those that autograd finds; differentiable again."""

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from neuralmem import gradients
from neuralmem.tape import by_hand

B, N, W, S, D = 2, 5, 3, 3, 4


def cases(writers, readers):
    """Arguments of each equation, float64: numbers in (0, 1) and weightings, none of them near 0."""
    random = torch.Generator().manual_seed(writers + 10 * readers)

    def rand(*shape):
        return torch.rand(shape, dtype=torch.float64, generator=random)

    def weighting(*shape):
        return 0.9 * torch.softmax(rand(*shape), -1)

    usage = rand(B, N)
    usage[0, 2:] = 0  # some slots are free
    reads, writes = weighting(B, readers, N), weighting(B, writers, N)
    modes = torch.softmax(rand(B, readers, 1 + 2 * writers), -1)
    along = weighting(B, writers, readers, N), weighting(B, writers, readers, N)
    return {
        "lstm_cell": (rand(B, 4 * D), rand(B, D)),
        "content": (rand(B, N, W), rand(B, readers, W), 1 + rand(B, readers)),
        "turn": (reads, weighting(B, readers, N), rand(B, readers), weighting(B, readers, S)),
        "sharpen": (writes, 1 + rand(B, writers)),
        "use": (rand(B, readers), reads, rand(B, N), writes),
        "allocate": (usage, usage.argsort(dim=-1, stable=True)),
        "place": (writes, weighting(B, writers, N), rand(B, writers), rand(B, writers)),
        "gate": (writes, rand(B, writers)),
        "write": (rand(B, N, W), writes, rand(B, writers, W), rand(B, writers, W)),
        "follow_links": (rand(B, writers, N, N), weighting(B, writers, N), writes, reads),
        "mix": (reads, *along, modes),
        "read": (reads, rand(B, N, W)),
        "add_product": (rand(B, D), rand(B, W), rand(D, W)),
        "linear": (rand(B, W), rand(D, W), rand(D)),
        "join": (rand(B, D), rand(B, readers, W)),
    }


NAMES = list(cases(1, 1))


def arguments(name, heads):
    return [one.requires_grad_() if one.is_floating_point() else one for one in cases(*heads)[name]]


@pytest.mark.parametrize("heads", [(1, 1), (1, 4), (3, 2)])
@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_is_that_of_differences_and_has_one_itself(name, heads):
    equation, given = getattr(gradients, name), arguments(name, heads)
    free = name != "allocate"  # at a usage of 0 differences of both sides leave its range
    if free:
        assert gradcheck(equation, given, check_batched_grad=True) and gradgradcheck(equation, given)
    found, plain = equation(*given), equation.__wrapped__(*given)
    found = found if isinstance(found, tuple) else (found,)
    slopes = [torch.sin(torch.arange(one.numel(), dtype=one.dtype)).reshape(one.shape) for one in found]
    free = [one for one in given if one.requires_grad]
    by_autograd = torch.autograd.grad(plain[: len(found)], free, slopes)
    for one, other in zip(torch.autograd.grad(found, free, slopes), by_autograd, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_a_tensor_given_twice_gets_both_slopes_and_can_be_differentiated_again():
    twice = torch.rand(2, 3, 3, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: gradients.read(x, x), twice) and gradgradcheck(lambda x: gradients.read(x, x), twice)


def test_a_wrong_gradient_would_be_noticed():
    halved = by_hand(lambda slope, x, square: (slope * x,))(lambda x: (x.square(),))
    x = torch.rand(3, dtype=torch.float64, requires_grad=True)
    assert not gradcheck(halved, x, raise_exception=False)
