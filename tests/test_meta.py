"""The meta-learner: gradients against finite differences, three paths that agree, and nothing that leaks."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from neuralmem import MemoryConfig, MemoryController, MetaLearner, NeuralMemoryBank
from neuralmem.meta import BATCHED, METHODS
from neuralmem.together import known, stackable


class Unstacked(nn.Sequential):
    """A class that nothing is known of: its tasks run one after the other."""


def nested(*layers):
    """A model for vmap: the layers of one Sequential in another."""
    return nn.Sequential(nn.Sequential(*layers))


def network(kind=nn.Sequential, dtype=torch.float64, seed=0):
    torch.manual_seed(seed)
    return kind(nn.Linear(1, 6), nn.Tanh(), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 1)).to(dtype)


def data(tasks=3, rows=5, dtype=torch.float64, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(tasks, rows, 1, generator=generator, dtype=dtype) for _ in range(4)]


def meta_gradient(meta, sets, **kwargs):
    return torch.autograd.grad(meta.loss_after_adaptation(*sets, **kwargs), list(meta.parameters()))


def central_differences(meta, sets, step=1e-5):
    """d outer loss / d each of the parameters, by moving one number at a time."""
    found = []
    for parameter in meta.parameters():
        slopes, flat = torch.zeros_like(parameter), parameter.data.view(-1)
        for index in range(flat.numel()):
            here = flat[index].item()
            flat[index] = here + step
            above = meta.loss_after_adaptation(*sets).item()
            flat[index] = here - step
            below = meta.loss_after_adaptation(*sets).item()
            flat[index] = here
            slopes.view(-1)[index] = (above - below) / (2 * step)
        found.append(slopes)
    return found


def relative_error(found, wanted):
    found, wanted = (torch.cat([value.flatten() for value in values]) for values in (found, wanted))
    return float((found - wanted).norm() / wanted.norm())


@pytest.mark.parametrize("method", ["maml", "anil", "meta-sgd"])
@pytest.mark.parametrize("kind", [nn.Sequential, Unstacked])
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_meta_gradient_equals_central_differences(method, kind, steps):
    meta, sets = MetaLearner(network(kind), inner_lr=0.1, num_steps=steps, method=method), data()
    assert relative_error(meta_gradient(meta, sets), central_differences(meta, sets)) < 1e-5


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_first_order_differs_from_the_derivative(steps):
    sets = data()
    meta = MetaLearner(network(), inner_lr=0.1, num_steps=steps, method="first-order")
    gap = relative_error(meta_gradient(meta, sets), central_differences(meta, sets))
    assert gap > 1e-3  # the same outer loss, another gradient
    still = MetaLearner(network(), inner_lr=0.0, num_steps=steps, method="first-order")
    assert relative_error(meta_gradient(still, sets), central_differences(still, sets)) < 1e-5


def test_one_parameter_quadratic_by_hand():
    """loss = (theta - y)^2: theta' = theta - 2a(theta - y), d outer/d theta = 2(theta' - q)(1 - 2a)."""
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(1.0)
    one = torch.ones(1, 1, 1)
    sets = one, 3 * one, one, 2 * one
    for method, wanted in (("maml", -0.96), ("first-order", -1.2)):
        meta = MetaLearner(nn.Sequential(model), inner_lr=0.1, method=method)
        adapted = meta.adapt(one[0], 3 * one[0])
        assert adapted["0.weight"].item() == pytest.approx(1.4)
        # theta' = 1.4, so the outer slope is 2(1.4 - 2) = -1.2, times 1 - 2·0.1 = 0.8 in second order
        assert meta_gradient(meta, sets)[0].item() == pytest.approx(wanted)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("steps", [0, 1, 3])
def test_the_three_paths_agree(method, steps):
    sets = data(tasks=4)
    learners = [
        MetaLearner(network(kind), num_steps=steps, inner_lr=0.05, method=method)
        for kind in (nn.Sequential, nested, Unstacked)
    ]
    assert [(stackable(meta.model), known(meta.model)) for meta in learners] == [
        (True, True),
        (False, True),
        (False, False),
    ]
    stacked, *others = learners
    for other in others:
        adapted = stacked.adapt_tasks(*sets[:2]), other.adapt_tasks(*sets[:2])
        for one, two in zip(*(weights.values() for weights in adapted), strict=True):
            torch.testing.assert_close(one, two, rtol=0, atol=1e-12)
        with torch.no_grad():
            torch.testing.assert_close(stacked.task_losses(*sets), other.task_losses(*sets), rtol=0, atol=1e-12)
        if steps or method != "meta-sgd":  # its rates are not used in 0 steps
            for one, two in zip(meta_gradient(stacked, sets), meta_gradient(other, sets), strict=True):
                torch.testing.assert_close(one, two, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", [nn.Sequential, Unstacked])
@pytest.mark.parametrize("method", METHODS)
def test_all_tasks_at_once_equal_one_after_another(kind, method):
    meta, sets = MetaLearner(network(kind), num_steps=2, inner_lr=0.05, method=method), data()
    together = meta.adapt_tasks(*sets[:2])
    predicted = meta.predict_tasks(together, sets[2])
    for task in range(3):
        alone = meta.adapt(sets[0][task], sets[1][task])
        for name, value in alone.items():
            torch.testing.assert_close(together[name][task], value, rtol=0, atol=1e-12)
        torch.testing.assert_close(predicted[task], meta.predict(alone, sets[2][task]), rtol=0, atol=1e-12)


def test_the_models_parameters_stay_and_the_adapted_ones_are_used():
    model, sets = network(), data()
    before = {name: value.clone() for name, value in model.named_parameters()}
    meta = MetaLearner(model, inner_lr=0.1, num_steps=3)
    adapted = meta.adapt(sets[0][0], sets[1][0])
    assert all(torch.equal(value, before[name]) for name, value in model.named_parameters())
    assert all(value.grad is None for value in model.parameters())
    start = F.mse_loss(model(sets[0][0]), sets[1][0])
    assert F.mse_loss(meta.predict(adapted, sets[0][0]), sets[1][0]) < start
    for value in adapted.values():  # writing into what was adapted cannot reach the model
        value.data.zero_()
    assert all(torch.equal(value, before[name]) for name, value in model.named_parameters())


def test_steps_and_rate_of_a_call_overrule_the_learners():
    sets = data()
    meta = MetaLearner(network(), inner_lr=0.1, num_steps=1)
    other = MetaLearner(network(), inner_lr=0.02, num_steps=4)
    ours, theirs = meta.adapt(sets[0][0], sets[1][0], num_steps=4, lr=0.02), other.adapt(sets[0][0], sets[1][0])
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    none = meta.adapt(sets[0][0], sets[1][0], num_steps=0)
    assert all(torch.equal(value, none[name]) for name, value in meta.model.named_parameters())


def test_anil_moves_the_last_layer_or_what_is_named():
    sets = data()
    for names, moved in ((None, {"4.weight", "4.bias"}), (["0.bias"], {"0.bias"})):
        meta = MetaLearner(network(), inner_lr=0.1, method="anil", adapt_only=names)
        adapted = meta.adapt(sets[0][0], sets[1][0])
        start = dict(meta.model.named_parameters())
        assert {name for name in adapted if not torch.equal(adapted[name], start[name])} == moved
        assert all(bool((gradient != 0).any()) for gradient in meta_gradient(meta, sets)[:1])  # the body still learns


def test_reptile_moves_the_start_towards_the_adapted_parameters():
    meta, sets = MetaLearner(network(), inner_lr=0.1, num_steps=5, method="reptile"), data()
    start = {name: value.detach().clone() for name, value in meta.model.named_parameters()}
    adapted = meta.adapt_tasks(torch.cat(sets[::2], 1), torch.cat(sets[1::2], 1))
    optimiser = torch.optim.SGD(meta.parameters(), 0.25)
    meta.loss_after_adaptation(*sets).backward()
    optimiser.step()
    for name, value in meta.model.named_parameters():
        torch.testing.assert_close(value, start[name] + 0.25 * (adapted[name].mean(0) - start[name]))


def test_meta_sgd_learns_its_rates():
    meta, sets = MetaLearner(network(), inner_lr=0.05, method="meta-sgd"), data()
    assert sum(p.numel() for p in meta.parameters()) == 2 * sum(p.numel() for p in meta.model.parameters())
    before = [rate.detach().clone() for rate in meta.rates]
    optimiser = torch.optim.Adam(meta.parameters(), 0.01)
    first = meta.loss_after_adaptation(*sets)
    first.backward()
    optimiser.step()
    assert all(not torch.equal(old, new) for old, new in zip(before, meta.rates, strict=True))
    assert meta.loss_after_adaptation(*sets) < first


def test_without_gradients_the_numbers_are_the_same():
    meta, sets = MetaLearner(network(), num_steps=3, inner_lr=0.1), data()
    with torch.no_grad():
        quiet = meta.task_losses(*sets)
    assert not quiet.requires_grad
    torch.testing.assert_close(quiet, meta.task_losses(*sets).detach(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", [nn.Sequential, nested, Unstacked])
@pytest.mark.parametrize("method", METHODS)
def test_frozen_parameters_stay(kind, method):
    model, sets = network(kind), data()
    names = list(dict(model.named_parameters()))
    model.get_parameter(names[0]).requires_grad_(False)
    model.get_parameter(names[-1]).requires_grad_(False)
    meta = MetaLearner(model, inner_lr=0.1, num_steps=2, method=method)
    assert set(meta.adapt_only) <= set(names[1:-1])
    adapted = meta.adapt_tasks(*sets[:2])
    for name in set(names) - set(meta.adapt_only):
        assert all(torch.equal(value, model.get_parameter(name)) for value in adapted[name])
    for name in meta.adapt_only:
        assert not torch.equal(adapted[name][0], model.get_parameter(name))
    meta.loss_after_adaptation(*sets).backward()
    assert model.get_parameter(names[0]).grad is None and model.get_parameter(names[1]).grad is not None
    with pytest.raises(ValueError, match="frozen"):
        MetaLearner(model, adapt_only=[names[0]])
    with pytest.raises(ValueError, match="adapt_only"):
        MetaLearner(model.requires_grad_(False))


@pytest.mark.parametrize("method", METHODS)
def test_batch_norm_uses_each_tasks_own_batch_in_both_modes_and_keeps_nothing(method):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(1, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1)).double()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    meta, sets = MetaLearner(model, inner_lr=0.1, num_steps=2, method=method), data()
    together = meta.task_losses(*sets)
    for task in range(3):  # a task's loss does not depend on the tasks beside it
        alone = meta.task_losses(*[value[task : task + 1] for value in sets])
        torch.testing.assert_close(together[task : task + 1], alone, rtol=0, atol=1e-12)
    meta.predict(meta.adapt(sets[0][0], sets[1][0]), sets[2][0])
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model[1].track_running_stats and model[1].training
    meta.eval()  # the running statistics, which were never learned, are not used
    torch.testing.assert_close(meta.task_losses(*sets), together, rtol=0, atol=1e-12)
    assert model[1].track_running_stats and not model[1].training


class Opaque(nn.Module):
    """Two layers whose forward pass is its own, and that counts how often it runs."""

    def __init__(self):
        super().__init__()
        self.layer, self.calls = nn.Linear(3, 7), 0

    def forward(self, x):
        self.calls += 1
        return torch.tanh(self.layer(x))


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("method", ["anil", "meta-sgd", "first-order"])
def test_modules_before_the_first_adapted_one_run_once_for_each_set(method, listed):
    torch.manual_seed(0)
    body = Opaque()
    model = nn.Sequential(body, nn.Linear(7, 2)).double()
    plain = nn.Sequential(nn.Linear(3, 7), nn.Tanh(), nn.Linear(7, 2)).double()
    plain[0].load_state_dict(body.layer.state_dict())
    plain[2].load_state_dict(model[1].state_dict())
    generator = torch.Generator().manual_seed(1)
    x, y = (torch.randn(5, 6, size, generator=generator, dtype=torch.float64) for size in (3, 2))
    sets, settings = (x[:, :4], y[:, :4], x[:, 4:], y[:, 4:]), {"inner_lr": 0.3, "num_steps": 4, "method": method}
    meta = MetaLearner(model, adapt_only=["1.weight", "1.bias"], **settings)
    wanted = MetaLearner(plain, adapt_only=["2.weight", "2.bias"], **settings)
    if listed:
        BATCHED.add(Opaque)
    try:
        found = meta.task_losses(*sets)
    finally:
        BATCHED.discard(Opaque)
    assert body.calls == (2 if listed else 10)  # 5 tasks, two sets, never once a step
    torch.testing.assert_close(found, wanted.task_losses(*sets), rtol=0, atol=1e-12)
    for one, two in zip(meta_gradient(meta, sets), meta_gradient(wanted, sets), strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=1e-12)


def test_dropout_draws_anew_for_each_task():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(1, 50), nn.Dropout(0.5), nn.Linear(50, 1)).double()
    meta = MetaLearner(model, num_steps=1)
    one = [value[:1].expand(4, -1, -1) for value in data()]
    assert meta.task_losses(*one).unique().numel() == 4
    meta.eval()
    losses = meta.task_losses(*one)
    assert torch.allclose(losses, losses[:1].expand(4), rtol=1e-12)


@pytest.mark.parametrize("shared", ["activation", "linear", "weight", "hook"])
def test_unusual_sequentials_agree_with_the_plain_path(shared):
    torch.manual_seed(0)
    relu, linear = nn.ReLU(), nn.Linear(6, 6)
    again = linear if shared == "linear" else nn.Linear(6, 6)
    model = nn.Sequential(nn.Linear(1, 6), relu, linear, relu, again, relu, nn.Linear(6, 1)).double()
    if shared == "weight":
        model[4].weight = model[2].weight
    before = {name: value.clone() for name, value in model.named_parameters()}
    if shared == "hook":
        model[0].register_forward_hook(lambda module, inputs, output: 2 * output)
    meta, sets = MetaLearner(model, num_steps=2, inner_lr=0.05), data()
    assert stackable(model) == (shared == "activation")
    for task in range(3):
        adapted = meta.adapt(sets[0][task], sets[1][task])
        alone = F.mse_loss(meta.predict(adapted, sets[2][task]), sets[3][task])
        torch.testing.assert_close(meta.task_losses(*sets)[task], alone, rtol=0, atol=1e-12)
    assert all(torch.equal(value, before[name]) for name, value in model.named_parameters())


def test_classification_loss():
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    x, y = torch.randn(4, 6, 5, generator=generator), torch.randint(0, 3, (4, 6), generator=generator)
    stacked = MetaLearner(nn.Sequential(nn.Linear(5, 3)), loss=F.cross_entropy, inner_lr=0.5)
    losses = stacked.task_losses(x, y, x, y)
    for task in range(4):
        alone = F.cross_entropy(stacked.predict(stacked.adapt(x[task], y[task]), x[task]), y[task])
        torch.testing.assert_close(losses[task], alone)


@pytest.mark.parametrize("addressing", [None, "content", "ntm", "dnc"])
def test_an_lstm_with_a_memory_adapts_to_support_episodes(addressing):
    """(K tasks, n episodes, T steps, D): the controller is called batch first, its first output is the prediction."""
    torch.manual_seed(0)
    bank = addressing and NeuralMemoryBank(MemoryConfig(6, 5, 1, addressing=addressing))
    model = MemoryController(3, 8, 2, bank=bank, batch_first=True)
    meta, generator = MetaLearner(model, inner_lr=0.5, num_steps=3), torch.Generator().manual_seed(2)
    x, y = torch.randn(2, 4, 5, 3, generator=generator), torch.randn(2, 4, 5, 2, generator=generator)
    before, after = meta.task_losses(x, y, x, y, num_steps=0), meta.task_losses(x, y, x, y)
    assert bool((after < before).all())
    alone = meta.adapt(x[0], y[0])
    torch.testing.assert_close(F.mse_loss(meta.predict(alone, x[0]), y[0]), after[0])
    gradients = meta_gradient(meta, (x, y, x, y))
    assert all(bool(gradient.isfinite().all()) and bool((gradient != 0).any()) for gradient in gradients)
