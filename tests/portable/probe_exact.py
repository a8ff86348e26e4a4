"""Results that are the same on every processor. Run by test_portable.py in a process of its own."""

import torch

whole = torch.arange(-8.0, 8.0).view(4, 4)
half = whole / 4
for kind in (torch.float32, torch.float64, torch.int64):
    x = whole.to(kind)
    assert torch.equal(x @ x, (x[:, :, None] * x[None]).sum(1)) and (x @ x)[0, 0] == 72
    assert x.sum() == -8 and torch.equal(x.sum(0), torch.tensor([-8, -4, 0, 4]).to(kind)) and x.prod() == 0
    assert torch.equal(x.cumsum(0)[-1], x.sum(0)) and x.sum().dtype == kind
for kind in (torch.float32, torch.float64):
    x, third = half.to(kind), torch.full((3, 4), 1 / 3, dtype=kind)
    one_hot = torch.eye(3, dtype=kind)
    assert torch.equal(one_hot @ third, third) and torch.equal(one_hot[1] @ third, third[1])
    assert torch.equal(torch.bmm(one_hot[None], third[None])[0], third)
    assert torch.equal(torch.addmm(0 * third, one_hot, third), third)
    assert x.mean() == -0.125 and torch.ones(3, dtype=kind).mean() == 1 and x.softmax(0).dtype == kind
    assert torch.equal(torch.zeros(4, dtype=kind).softmax(0), torch.full((4,), 0.25, dtype=kind))
    zero = torch.zeros(3, dtype=kind)
    assert (zero.exp() == 1).all() and (zero.tanh() == 0).all() and (zero.sigmoid() == 0.5).all()
    assert (zero.sin() == 0).all() and (zero.cos() == 1).all() and (torch.ones(2, dtype=kind).log() == 0).all()
    extremes = torch.tensor([float("inf"), -float("inf"), float("nan"), -1000.0, 1000.0, -744.0, -100.0], dtype=kind)
    powers = extremes.exp()
    assert powers[0] == torch.inf and powers[1] == 0 and powers[2].isnan() and powers[3] == 0 and powers[4] == torch.inf
    assert (powers[5:] >= 0).all() and (powers[5:] < 1e-40).all()
    assert torch.tensor([0.1, 0.2], dtype=kind).sum() == torch.tensor(0.1, dtype=kind) + torch.tensor(0.2, dtype=kind)
    column, row = torch.rand(5, 1, dtype=kind), torch.rand(1, 6, dtype=kind)
    assert torch.equal(column @ row, column * row)
    nothing = torch.zeros(2, 0, dtype=kind)
    assert nothing.T.sum(0).tolist() == [0, 0] and (nothing @ nothing.T).tolist() == [[0, 0], [0, 0]]
assert torch.ones(3, dtype=torch.bool).sum() == 3 and torch.arange(3).exp().dtype == torch.float32
assert torch.arange(4.0).sum(dtype=torch.float64).dtype == torch.float64 and torch.arange(4.0).half().sum() == 6
count = torch.arange(3)
assert (0.5**count).tolist() == [1, 0.5, 0.25] and (count**2.0).dtype == (0.5**count).dtype == torch.float32
assert (2**count).tolist() == (count**2 * 0 + torch.tensor([1, 2, 4])).tolist() and (2**count).dtype == torch.int64
assert (count**count).dtype == torch.int64 and (2.0 ** count.double()).dtype == torch.float64
assert torch.tensor([1j]).exp().is_complex()
x = torch.rand(3, requires_grad=True)
(x.exp() @ x.tanh()).backward()
assert torch.allclose(x.grad, (x.exp() * x.tanh() + x.exp() * (1 - x.tanh() ** 2)).detach())
x = torch.rand(3, 3, dtype=torch.float64, requires_grad=True)
assert torch.autograd.gradcheck(lambda x: (x @ x.T).softmax(0).log().sum(1), x)
