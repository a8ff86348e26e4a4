"""For any model the K-task path gives what a plain loop with torch.autograd gives: values and meta-gradients."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from models import MODELS, RATE, ROWS, SERIES, STEPS, TASKS, Net, draw, plain_loop, recurrent
from torch import nn

from neuralmem import MetaLearner
from neuralmem.descent import layer_kinds
from neuralmem.meta import BATCHED
from neuralmem.together import known, stackable

pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")


@pytest.mark.parametrize(
    ("method", "training"),
    [("maml", True), ("maml", False), ("first-order", True), ("anil", True), ("anil", False), ("meta-sgd", True)],
)
@pytest.mark.parametrize("name", MODELS)
def test_k_tasks_give_the_numbers_and_gradients_of_a_plain_loop(name, method, training):
    model, sets = draw(name)
    model.train(training)
    meta = MetaLearner(model, inner_lr=RATE, num_steps=STEPS, method=method)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    rates = None
    if method == "meta-sgd":
        with torch.no_grad():
            for place, rate in enumerate(meta.rates):
                rate.mul_(1 + 0.3 * place)
        rates = dict(zip(meta.adapt_only, meta.rates, strict=True))
    other = draw(name)[0].train(training)
    losses, predictions, slopes = plain_loop(other, sets, meta.adapt_only, method != "first-order", rates)

    found = meta.task_losses(*sets)
    torch.testing.assert_close(found, losses, rtol=0, atol=1e-10)
    free = {key: value for key, value in model.named_parameters() if value.requires_grad}
    gradients = torch.autograd.grad(found.mean(), list(free.values()), materialize_grads=True)
    for key, gradient in zip(free, gradients, strict=True):
        torch.testing.assert_close(gradient, slopes[key], rtol=0, atol=1e-10)

    adapted = meta.adapt_tasks(*sets[:2])
    torch.testing.assert_close(meta.predict_tasks(adapted, sets[2]), predictions, rtol=0, atol=1e-10)
    alone = meta.adapt(sets[0][1], sets[1][1])
    torch.testing.assert_close(meta.predict(alone, sets[2][1]), predictions[1], rtol=0, atol=1e-10)
    for key, value in model.named_parameters():  # what is frozen stays, and the model is as it was
        assert value.requires_grad or torch.equal(alone[key], value)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(part.training == training for part in model.modules())


def test_the_table_has_a_model_for_each_path_and_each_known_class():
    models = {name: draw(name)[0] for name in MODELS}
    plain = [stackable(model) and layer_kinds(model) is not None for model in models.values()]
    assert sum(plain) >= 3
    assert sum(map(stackable, models.values())) - sum(plain) >= 2
    assert sum(known(model) and not stackable(model) for model in models.values()) >= 8
    assert sum(not known(model) for model in models.values()) >= 20
    used = {type(part) for model in models.values() if known(model) for part in model.modules()}
    apart = {nn.BatchNorm2d, nn.BatchNorm3d, nn.Flatten}  # below: they need layers that are not known
    assert BATCHED - used == apart, "each class that is known needs a model of known parts"


@pytest.mark.parametrize(("norm", "shape"), [(nn.BatchNorm2d, (2, 2)), (nn.BatchNorm3d, (2, 1, 2))])
def test_norms_of_images_are_known(norm, shape):
    torch.manual_seed(0)
    model = nn.Sequential(norm(3), nn.Tanh(), nn.Flatten(), nn.Linear(12, 1)).double()
    assert known(model)
    generator = torch.Generator().manual_seed(1)
    sizes = 2 * ((3, *shape), (1,))
    sets = [torch.randn(TASKS, ROWS, *size, generator=generator, dtype=torch.float64) for size in sizes]
    meta = MetaLearner(model, inner_lr=RATE, num_steps=STEPS)
    losses, _, slopes = plain_loop(model, sets, meta.adapt_only)
    found = meta.task_losses(*sets)
    torch.testing.assert_close(found, losses, rtol=0, atol=1e-10)
    gradients = torch.autograd.grad(found.mean(), list(model.parameters()))
    for gradient, slope in zip(gradients, slopes.values(), strict=True):
        torch.testing.assert_close(gradient, slope, rtol=0, atol=1e-10)


def test_the_bias_in_front_of_a_batch_norm_has_no_gradient():
    """By hand: batch norm takes away whatever is added to all rows."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 1)).double()
    generator = torch.Generator().manual_seed(1)
    sets = [torch.randn(3, 6, size, generator=generator, dtype=torch.float64) for size in (4, 1, 4, 1)]
    MetaLearner(model, inner_lr=0.1, num_steps=2).loss_after_adaptation(*sets).backward()
    assert float(model[0].bias.grad.abs().max()) < 1e-12 < float(model[0].weight.grad.abs().max())


def test_a_hook_set_later_is_seen():
    model, sets = draw("plain MLP")
    meta = MetaLearner(model, inner_lr=RATE, num_steps=STEPS)
    meta.task_losses(*sets)
    handle = model[1].register_forward_hook(lambda module, inputs, output: 2 * output)
    torch.testing.assert_close(meta.task_losses(*sets), plain_loop(model, sets, meta.adapt_only)[0], rtol=0, atol=1e-10)
    handle.remove()
    handle = nn.modules.module.register_module_forward_hook(
        lambda module, inputs, output: 3 * output if isinstance(module, nn.Tanh) else None
    )
    try:
        found, wanted = meta.task_losses(*sets), plain_loop(model, sets, meta.adapt_only)[0]
    finally:
        handle.remove()
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-10)


def test_what_is_frozen_later_stays():
    model, sets = draw("plain MLP")
    meta = MetaLearner(model, inner_lr=RATE, method="meta-sgd")
    model[0].requires_grad_(False)
    adapted = meta.adapt_tasks(*sets[:2])
    moved = {name for name, value in adapted.items() if not torch.equal(value[0], model.get_parameter(name))}
    assert moved == {"2.weight", "2.bias"}
    model.requires_grad_(False)
    losses = meta.task_losses(*sets)
    torch.testing.assert_close(losses, meta.task_losses(*sets, num_steps=0))


def test_a_class_of_ones_own_may_be_known():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.enter, self.head = nn.Linear(3, 4), nn.Linear(4, 2)

        def forward(self, x):
            return self.head(torch.tanh(self.enter(x)))

    torch.manual_seed(0)
    model = Own().double()
    sets = draw("plain MLP")[1]
    meta = MetaLearner(model, inner_lr=RATE, num_steps=STEPS)
    one_by_one = meta.task_losses(*sets)
    assert not known(model)
    BATCHED.add(Own)
    try:
        assert known(model)
        together = meta.task_losses(*sets)
    finally:
        BATCHED.remove(Own)
    torch.testing.assert_close(together, one_by_one, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers_in_single_precision(kind):
    torch.manual_seed(0)
    model = recurrent(kind)
    generator = torch.Generator().manual_seed(1)
    sets = [torch.randn(TASKS, *size, generator=generator) for size in 2 * (SERIES, (ROWS, 4, 2))]
    meta = MetaLearner(model, inner_lr=RATE, num_steps=STEPS)
    losses, _, slopes = plain_loop(model.double(), [part.double() for part in sets], meta.adapt_only)
    model.float()
    found = meta.task_losses(*sets)
    torch.testing.assert_close(found.double(), losses, rtol=1e-4, atol=1e-5)
    gradients = torch.autograd.grad(found.mean(), list(model.parameters()))
    for gradient, slope in zip(gradients, slopes.values(), strict=True):
        torch.testing.assert_close(gradient.double(), slope, rtol=1e-3, atol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(meta.task_losses(*sets), found.detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("place", ["body", "middle"])
@pytest.mark.parametrize("own", [False, True], ids=["known", "own"])
def test_dropout_draws_for_each_task_and_has_the_mean_of_its_mask(place, own):
    """With p = 0.5 a hidden unit is 0 or doubled: over many tasks the prediction's mean is that without dropout."""
    torch.manual_seed(0)
    layers = [nn.Linear(1, 8), nn.Dropout(0.5), nn.Linear(8, 1)]
    model = Net(lambda net, x: net.all(x), all=nn.Sequential(*layers)) if own else nn.Sequential(*layers)
    model = model.double()
    name = "all.2.bias" if own else "2.bias"
    meta = MetaLearner(model, inner_lr=0.0, method="anil", adapt_only=[name] if place == "body" else None)
    x = torch.ones(600, 1, 1, dtype=torch.float64)
    with torch.no_grad():
        predictions = meta.predict_tasks(meta.adapt_tasks(x, x), x).flatten()
        wanted = float(model.eval()(x[0]))
    model.train()
    assert predictions.unique().numel() > 100
    error = float(predictions.std()) / 600**0.5
    assert abs(float(predictions.mean()) - wanted) < 5 * error
    losses = meta.task_losses(x, x, x, x)
    assert losses.unique().numel() > 100


def weighted(prediction, target):
    """The weight of a row rides along as the target's second column."""
    return (target[:, 1:] * (prediction - target[:, :1]).square()).sum() / target[:, 1:].sum()


def worst_half(prediction, target):
    errors = (prediction - target).square().flatten()
    return errors[errors >= errors.median()].mean()


def branched(prediction, target):
    error = (prediction - target).square().mean()
    return error if error < 1 else error.sqrt()


LOSSES = {  # name: (loss, columns of the prediction, target from numbers (n, columns))
    "mean squared error": (F.mse_loss, 2, None),
    "its module": (nn.MSELoss(), 2, None),
    "absolute error": (F.l1_loss, 2, None),
    "Huber": (partial(F.huber_loss, delta=0.5), 2, None),
    "cross-entropy": (F.cross_entropy, 3, lambda y: y.argmax(1)),
    "smoothed cross-entropy": (nn.CrossEntropyLoss(label_smoothing=0.1), 3, lambda y: y.argmax(1)),
    "cross-entropy of shares": (F.cross_entropy, 3, lambda y: y.softmax(1)),
    "bits": (F.binary_cross_entropy_with_logits, 2, lambda y: (y > 0).double()),
    "weighted rows": (weighted, 1, lambda y: torch.cat([y, y.abs() + 0.1], 1)),
    "worst half": (worst_half, 2, None),
    "branch on the error": (branched, 2, None),
    "sum": (lambda p, y: (p - y).square().sum(), 2, None),
}


@pytest.mark.parametrize("name", LOSSES)
def test_any_loss_gives_the_numbers_of_a_plain_loop(name):
    loss, columns, turn = LOSSES[name]
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, columns)).double()
    generator = torch.Generator().manual_seed(1)
    sets = [torch.randn(TASKS, ROWS, size, generator=generator, dtype=torch.float64) for size in 2 * (3, columns)]
    if turn is not None:
        sets[1::2] = [torch.stack([turn(y) for y in part]) for part in sets[1::2]]
    meta = MetaLearner(model, loss, inner_lr=RATE, num_steps=STEPS)
    losses, _, slopes = plain_loop(model, sets, meta.adapt_only, loss=loss)
    found = meta.task_losses(*sets)
    torch.testing.assert_close(found, losses, rtol=0, atol=1e-10)
    gradients = torch.autograd.grad(found.mean(), list(model.parameters()))
    for gradient, slope in zip(gradients, slopes.values(), strict=True):
        torch.testing.assert_close(gradient, slope, rtol=0, atol=1e-10)
