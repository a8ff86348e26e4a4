"""The remedies of chapter 4: each lane is what its seed is alone, and each remedy what its paper says."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from neuralmem.teaching import continual
from neuralmem.teaching.remedies import Watched
from neuralmem.worlds.digits import split_digits

REMEDIES = {
    "none": lambda lanes: continual.Naive(),
    "reservoir": lambda lanes: continual.Replay(lanes),
    "ring": lambda lanes: continual.Replay(lanes, "uniform"),
    "by priority": lambda lanes: continual.Replay(lanes, "proportional", scales="mean"),
    "DER++": continual.DERpp,
    "A-GEM": continual.AGEM,
    "EWC": lambda lanes: continual.EWC(lanes, 1e3),
    "GDumb": lambda lanes: continual.GDumb(),
    "joint": lambda lanes: continual.Joint(),
}


def as_modules(networks, lane):
    """Lane number `lane` as an nn.Sequential."""
    network = continual.new_network(10, 0)
    linears = [part for part in network if isinstance(part, nn.Linear)]
    for linear, (weight, bias) in zip(
        linears, zip(networks.parameters[::2], networks.parameters[1::2], strict=True), strict=True
    ):
        linear.weight.data.copy_(weight[lane].detach().T)
        linear.bias.data.copy_(bias[lane, 0].detach())
    return network


@pytest.mark.parametrize("name", REMEDIES)
def test_a_lane_learns_what_its_seed_learns_alone(name):
    together = continual.Lanes(["task", "class", "domain"], [0, 1, 2])
    alone = continual.Lanes(["class"], [1])
    many = continual.learn(together, REMEDIES[name](together), steps=6)
    one = continual.learn(alone, REMEDIES[name](alone), steps=6)
    assert many.shape == (3, 6, 5) and np.abs(many[1] - one[0]).max() < 0.06  # a few test rows of 90, by rounding


def gradients(remedy, networks, rows):
    for p in networks.parameters:
        p.grad = None
    remedy.gradients(networks, rows)
    return [p.grad.clone() for p in networks.parameters]


def test_the_fisher_information_is_the_mean_of_squared_gradients_row_by_row():
    lanes = continual.Lanes(["task"], [3])
    networks, remedy = continual.Networks([3]), continual.EWC(lanes, 2.0)
    remedy.start(lanes, 0)
    remedy.finish(networks, 0)
    generator = torch.Generator().manual_seed(103)
    rows = torch.randint(lanes.first[1], (100,), generator=generator)
    network, task = as_modules(networks, 0), split_digits("task")[0]
    scores = network(task.train_x[rows]).masked_fill(~task.mask, -1e9)
    answers = torch.multinomial(scores.detach().softmax(1), 1, generator=generator)
    total = 0
    for score, answer in zip(scores, answers, strict=True):
        loss = F.cross_entropy(score[None], answer)
        slopes = torch.autograd.grad(loss, list(network.parameters()), retain_graph=True)
        total = total + slopes[2].square() / 100
    assert torch.allclose(remedy.sums[2][0][0].T, total, rtol=1e-3, atol=1e-9)


def test_ewc_pulls_towards_all_noted_weights():
    lanes = continual.Lanes(["class"], [0])
    networks, remedy = continual.Networks([0]), continual.EWC(lanes, 3.0)
    remedy.start(lanes, 0)
    noted = []
    for k in (0, 1):
        remedy.finish(networks, k)
        noted.append([p.detach().clone() for p in networks.parameters])
        for p in networks.parameters:
            p.data += 0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(k))
    rows = torch.arange(16)[None]
    pulled = gradients(remedy, networks, rows)
    plain = gradients(continual_naive(lanes), networks, rows)
    fishers = refit(lanes, noted)
    for i, (p, got, new) in enumerate(zip(networks.parameters, pulled, plain, strict=True)):
        pull = sum(3.0 * fisher[i] * (p.detach() - anchor[i]) for fisher, anchor in zip(fishers, noted, strict=True))
        assert torch.allclose(got - new, pull, rtol=1e-3, atol=1e-6)


def continual_naive(lanes):
    remedy = continual.Naive()
    remedy.start(lanes, 0)
    return remedy


def refit(lanes, noted):
    """The Fisher information at each of the noted weights, each made by itself with the same draws."""
    remedy, fishers = continual.EWC(lanes, 1.0), []
    for k, anchor in enumerate(noted):
        networks = continual.Networks([0])
        for p, a in zip(networks.parameters, anchor, strict=True):
            p.data.copy_(a)
        remedy.start(lanes, k)
        remedy.sums = None
        remedy.finish(networks, k)
        fishers.append([fisher for fisher, _ in remedy.sums])
    return fishers


def test_a_gem_never_increases_the_loss_on_stored_rows_to_first_order():
    lanes = continual.Lanes(["class"] * 3, [0, 1, 2])
    networks, remedy = continual.Networks([0, 1, 2]), continual.AGEM(lanes)
    remedy.start(lanes, 0)
    remedy.finish(networks, 0)
    asked = {}
    recall = remedy.recall
    remedy.recall = lambda n: asked.setdefault("rows", recall(n))
    step = gradients(remedy, networks, lanes.first[4] + torch.arange(16).expand(3, -1))
    loss = networks.losses(lanes.batch(asked["rows"][0])).mean(1).sum()
    old = torch.autograd.grad(loss, networks.parameters)
    dots = sum((s * g).sum((1, 2)) for s, g in zip(step, old, strict=True))
    sizes = sum((g * g).sum((1, 2)) for g in old)
    assert (dots / sizes > -1e-4).all()


def test_weights_are_divided_by_their_mean_where_asked_and_small_where_asked():
    lanes = continual.Lanes(["class"] * 3, [0, 0, 0])
    remedy = Watched(lanes, "proportional", 500, 1.0, 0.4, ["max", "mean", "max"], [1.0, 1.0, 0.25])
    for buffer in remedy.buffers:
        buffer.extend(torch.arange(100), np.arange(1.0, 101.0))
    remedy.start(lanes, 0)
    rows, weights = remedy.recall(32)
    assert torch.equal(rows[0], rows[1]) and weights[0].max() == 1
    assert weights[1].mean() == pytest.approx(1, abs=1e-5) and torch.allclose(weights[2], weights[0] / 4)
    assert torch.allclose(weights[1] / weights[1].max(), weights[0], atol=1e-5)


def test_a_short_buffer_is_padded_and_its_mean_kept():
    lanes = continual.Lanes(["class"], [0])
    remedy = continual.Replay(lanes)
    remedy.buffers[0].extend(torch.arange(16))
    rows, weights = remedy.recall(32)
    assert sorted(rows[0, :16].tolist()) == list(range(16)) and weights[0].tolist() == [2.0] * 16 + [0.0] * 16
