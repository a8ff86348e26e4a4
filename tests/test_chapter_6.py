"""What chapter 6 adds: the inner loop that computes the unchanged modules once; the ablation; the checks."""

import torch
from torch import nn

from neuralmem.meta import MetaLearner


class Whole(nn.Module):
    """The same two modules as a Sequential, but opaque: the slow way."""

    def __init__(self, sequential):
        super().__init__()
        self.add_module("0", sequential[0])
        self.add_module("1", sequential[1])

    def forward(self, x):
        return self.get_submodule("1")(torch.tanh(self.get_submodule("0")(x)))


def pair(method):
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Sequential(nn.Linear(3, 7), nn.Tanh()), nn.Linear(7, 2)).double()
    slow = Whole(nn.Sequential(layers[0][0], layers[1]))
    settings = {"inner_lr": 0.3, "num_steps": 4, "method": method, "adapt_only": ["1.weight", "1.bias"]}
    return MetaLearner(layers, **settings), MetaLearner(slow, **settings)


def test_modules_before_the_first_adapted_one_run_once_and_change_nothing():
    generator = torch.Generator().manual_seed(1)
    x, y = (torch.randn(5, 6, size, generator=generator, dtype=torch.float64) for size in (3, 2))
    for method in ("anil", "meta-sgd", "first-order"):
        fast, slow = pair(method)
        calls = []
        fast.model[0].register_forward_hook(lambda *_, calls=calls: calls.append(1))
        results = []
        for meta in (fast, slow):
            loss = meta.task_losses(x[:, :4], y[:, :4], x[:, 4:], y[:, 4:])
            meta.zero_grad()
            loss.sum().backward()
            adapted = meta.adapt_tasks(x[:, :4], y[:, :4])
            one = meta.adapt(x[0, :4], y[0, :4])
            gradients = [parameter.grad for parameter in meta.parameters()]
            results.append([loss, meta.predict_tasks(adapted, x), one["1.weight"], adapted["1.bias"], *gradients])
        assert fast.fixed == 1 and slow.fixed == 0
        assert len(calls) == 4  # task_losses, adapt_tasks, adapt and predict_tasks: once each
        for a, b in zip(*results, strict=True):
            assert torch.allclose(a, b, atol=1e-12)


def test_modules_with_buffers_stay_inside_the_inner_loop():
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 1))
    assert MetaLearner(model, method="anil").fixed == 0
    assert MetaLearner(nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1)), method="anil").fixed == 1
    assert MetaLearner(nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1))).fixed == 0
