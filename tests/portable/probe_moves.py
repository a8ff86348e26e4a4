"""How often a result moves up and down. Run by test_portable.py in a process of its own."""

import os
import sys

import numpy as np
import torch

x = torch.rand(10000, generator=torch.Generator().manual_seed(0))
true = np.exp(x.double().numpy())
moved = x.exp().numpy().view(np.int32) - true.astype(np.float32).view(np.int32)
assert set(np.unique(moved)) == {-1, 0, 1}, np.unique(moved)
shares = [(moved == move).mean() for move in (-1, 0, 1)]
assert 0.15 < shares[0] < 0.35 and 0.15 < shares[2] < 0.35, shares
errors = x.exp().double().numpy() - true
assert abs(errors.mean()) < 0.05 * errors.std()

sys.path.insert(0, os.path.dirname(__file__))
try:
    __import__("arithmetic").activate(2)
except RuntimeError as error:
    assert "active already" in str(error)
else:
    raise AssertionError("it began twice")
