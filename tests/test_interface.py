"""The interface vector: how it is cut and squashed, and the gradient of that."""

import torch
from torch.autograd import gradcheck, gradgradcheck

from neuralmem.interface import cut, squash

LAYOUT = tuple(cut(*part) for part in (("add", 2, 3), ("erase", 2, 3), ("read_strengths", 2, 1), ("read_modes", 1, 3)))


def test_an_interface_is_cut_and_squashed_with_its_gradient():
    interface = torch.linspace(-2, 2, 3 * 17, dtype=torch.float64).reshape(3, 17).requires_grad_()
    add, erase, strengths, modes = squash(LAYOUT, interface)
    assert add.shape == erase.shape == (3, 2, 3) and strengths.shape == (3, 2) and modes.shape == (3, 1, 3)
    torch.testing.assert_close(strengths, 1 + torch.log1p(interface[:, 12:14].exp()))
    torch.testing.assert_close(modes.sum(-1), torch.ones(3, 1, dtype=torch.float64))
    assert gradcheck(lambda x: squash(LAYOUT, x), interface)
    assert gradgradcheck(lambda x: squash(LAYOUT, x), interface)
