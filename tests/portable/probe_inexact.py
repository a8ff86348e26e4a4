"""Results that differ from one processor to the next, written to stdout. Run by test_portable.py in its own process."""

import pickle
import sys

import torch
import torch.nn.functional as F

KIND = getattr(torch, sys.argv[1])
g = torch.Generator().manual_seed(0)
a, b = torch.rand(20, 30, generator=g, dtype=KIND), torch.rand(30, 20, generator=g, dtype=KIND)
square = a @ b
calls = {
    "mm": lambda: a @ b,
    "bmm": lambda: a.view(2, 10, 30) @ b,
    "mv": lambda: a @ b[:, 0],
    "dot": lambda: torch.stack([row @ b[:, 0] for row in a]),
    "addmm": lambda: torch.addmm(square, a, b),
    "linear": lambda: F.linear(a, a, a[:, 0]),
    "sum": lambda: torch.stack([row.sum() for row in a]),
    "einsum": lambda: torch.einsum("ij,jk->ik", a, b),
    "sum of rows": lambda: a.sum(0),
    "mean": lambda: a.mean(1),
    "cumsum": lambda: a.cumsum(0),
    "cumprod": lambda: a.cumprod(1),
    "prod": lambda: b.prod(1),
    "exp": lambda: a.exp(),
    "exp in place": lambda: a.clone().exp_(),
    "log": lambda: a.log(),
    "tanh": lambda: a.tanh(),
    "sigmoid": lambda: a.sigmoid(),
    "sin": lambda: a.sin(),
    "softmax": lambda: a.softmax(1),
    "log_softmax": lambda: a.log_softmax(-1),
}
ONLY_SINGLE = {
    "logsumexp": lambda: a.logsumexp(0),
    "softplus": lambda: F.softplus(a),
    "norm": lambda: a.norm(dim=1),
    "var": lambda: a.var(1),
    "mse_loss": lambda: torch.stack([F.mse_loss(row, b[:, 0]) for row in a]),
    "power": lambda: a**a,
    "cross_entropy": lambda: torch.stack([F.cross_entropy(a, torch.full((20,), k)) for k in range(20)]),
    "logsigmoid": lambda: F.logsigmoid(a),
    "convolution": lambda: F.conv1d(a[None], a[None, :, :3]),
    "lstm": lambda: lstm(a)[0],
    "attention": lambda: F.scaled_dot_product_attention(a[None], a[None], a[None]),
    "gradient": lambda: torch.func.grad(lambda w: (a @ w).tanh().sum())(b[:, 0]),
    "gradients": lambda: torch.vmap(torch.func.grad(lambda w, x: (x @ w).exp()), (None, 0))(b[:, 0], a),
}
if KIND is torch.float32:
    torch.manual_seed(0)
    lstm = torch.nn.LSTM(30, 8)
    calls |= ONLY_SINGLE

results = {name: call().detach().numpy().tobytes() for name, call in calls.items()}
again = {name: call().detach().numpy().tobytes() for name, call in calls.items()}
assert results == again, [name for name in results if results[name] != again[name]]
sys.stdout.buffer.write(pickle.dumps(results))
