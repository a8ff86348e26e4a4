"""MAML's speed against torchopt and higher, in turns in one process: 25 tasks x (10 + 10), 1-40-40-1, Adam's step.

    python -m pytest tests/benchmarks/test_meta_speed.py -s
"""

import time
from statistics import median

import pytest
import torch
import torch.nn.functional as F
from bars import judge
from torch import nn

from neuralmem import MetaLearner
from neuralmem.worlds import split_generator
from neuralmem.worlds.sinusoids import sinusoid_tasks


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(1, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1))


def ours(meta, sets, steps):
    meta.loss_after_adaptation(*sets, num_steps=steps).backward()


def with_torchopt(model, sets, steps):
    import torchopt

    inner = torchopt.MetaSGD(model, lr=0.01)
    weights, state = (torchopt.extract_state_dict(part, by="reference") for part in (model, inner))
    losses = []
    for support_x, support_y, query_x, query_y in zip(*sets, strict=True):
        for _ in range(steps):
            inner.step(F.mse_loss(model(support_x), support_y))
        losses.append(F.mse_loss(model(query_x), query_y))
        torchopt.recover_state_dict(model, weights)
        torchopt.recover_state_dict(inner, state)
    torch.stack(losses).mean().backward()


def with_higher(model, sets, steps):
    import higher

    inner = torch.optim.SGD(model.parameters(), lr=0.01)
    for support_x, support_y, query_x, query_y in zip(*sets, strict=True):
        with higher.innerloop_ctx(model, inner, copy_initial_weights=False) as (moving, optimiser):
            for _ in range(steps):
                optimiser.step(F.mse_loss(moving(support_x), support_y))
            (F.mse_loss(moving(query_x), query_y) / len(sets[0])).backward()


@pytest.mark.parametrize("steps", [1, 5])
@pytest.mark.parametrize(("peer", "update"), [("torchopt", with_torchopt), ("higher", with_higher)])
def test_meta_iterations_a_second(peer, update, steps):
    pytest.importorskip(peer, reason=f"{peer} is not installed: pip install -r tests/benchmarks/requirements.txt")
    generator, seconds, gradients = split_generator("train", 0), {ours: [], update: []}, {}
    models = {ours: MetaLearner(network(), inner_lr=0.01), update: network()}
    optimisers = {function: torch.optim.Adam(models[function].parameters(), 1e-3) for function in seconds}
    for turn in range(24):
        sets = sinusoid_tasks(25, 10, 10, generator)
        for function, repeats in ((ours, 10), (update, 1)):
            began = time.process_time()
            for _ in range(repeats):
                optimisers[function].zero_grad()
                function(models[function], sets, steps)
                if turn:  # the first turn warms up, and leaves both networks as they were
                    optimisers[function].step()
            seconds[function].append((time.process_time() - began) / repeats)
            if not turn:
                gradients[function] = [parameter.grad.clone() for parameter in models[function].parameters()]
    for one, other in zip(gradients[ours], gradients[update], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)  # the same work was done
    mine, theirs = (1 / median(taken[1:]) for taken in seconds.values())
    ratios = [b / a for a, b in zip(seconds[ours][1:], seconds[update][1:], strict=True)]
    what = f"MAML, {steps} inner step{'s' if steps > 1 else ''}"
    judge(what, peer, mine, theirs, ratios, "meta-iterations a second")
