"""For any model the K-task path gives what a plain loop with torch.autograd gives: values and meta-gradients."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.utils import parametrizations

from neuralmem import MemoryConfig, MemoryController, MetaLearner, NeuralMemoryBank
from neuralmem._together import ELEMENTWISE, known, stackable
from neuralmem.meta import BATCHED

TASKS, ROWS, STEPS, RATE = 3, 5, 2, 0.05
pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")


def plain_loop(model, sets, moving, second_order=True, rates=None, loss=F.mse_loss):
    """The definition, one task after the other: (query losses (K,), predictions, meta-gradients by name).

    Weights are new tensors, buffers a fresh copy at each call, batch norm in training mode: its batch's statistics.
    """
    modes = [(part, part.training) for part in model.modules() if isinstance(part, nn.modules.batchnorm._NormBase)]
    for norm, _ in modes:
        norm.train()
    start = dict(model.named_parameters())
    rates = dict.fromkeys(moving, RATE) if rates is None else rates

    def run(weights, x):
        buffers = {name: value.clone() for name, value in model.named_buffers()}
        with sdpa_kernel(SDPBackend.MATH):
            output = functional_call(model, {**weights, **buffers}, (x,))
        return output[0] if isinstance(output, tuple) else output

    losses, predictions = [], []
    for support_x, support_y, query_x, query_y in zip(*sets, strict=True):
        weights = {name: value.clone() for name, value in start.items()}
        for _ in range(STEPS):
            here = [weights[name] for name in moving]
            total = loss(run(weights, support_x), support_y)
            slopes = torch.autograd.grad(total, here, create_graph=second_order, allow_unused=True)
            for name, value, slope in zip(moving, here, slopes, strict=True):
                weights[name] = value if slope is None else value - rates[name] * slope
        predictions.append(run(weights, query_x))
        losses.append(loss(predictions[-1], query_y))
    for norm, training in modes:
        norm.train(training)
    free = {name: value for name, value in start.items() if value.requires_grad}
    slopes = torch.autograd.grad(torch.stack(losses).mean(), list(free.values()), materialize_grads=True)
    return torch.stack(losses), torch.stack(predictions), dict(zip(free, slopes, strict=True))


class Net(nn.Module):
    """A module of one's own: parts by name, and a function of (parts, x) as its forward pass."""

    def __init__(self, function, **parts):
        super().__init__()
        self.function = function
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x):
        return self.function(self, x)


class Centre(nn.Module):
    """Mixes rows: what it gives for one depends on the others."""

    def forward(self, x):
        return x - x.mean(0)


class Shifted(nn.Module):
    """A buffer that changes at every call, and that the output depends on."""

    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        return x + 0.1 * self.calls


class Tupled(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        output = self.model(x)
        return output[0] if isinstance(output, tuple) else output


class FixedMask(nn.Module):
    """Dropout whose draw is a buffer."""

    def __init__(self, width):
        super().__init__()
        self.register_buffer("mask", (torch.arange(width) % 3 > 0).double())

    def forward(self, x):
        return x * self.mask * 1.5


def mlp(*middle, width=6, inputs=3):
    return nn.Sequential(nn.Linear(inputs, width), *middle, nn.Tanh(), nn.Linear(width, 2))


def convolutional(*middle):
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), *middle, nn.Tanh(), nn.Flatten(), nn.Linear(64, 2))


def recurrent(kind, **settings):
    width = 5 * (2 if settings.get("bidirectional") else 1)
    cell = kind(3, 5, batch_first=True, **settings)
    return Net(lambda net, x: net.head(net.cell(x)[0]), cell=cell, head=nn.Linear(width, 2))


def cellwise():
    def run(net, x):
        state, outputs = None, []
        for step in range(x.shape[1]):
            state = net.cell(x[:, step], state)
            outputs.append(net.head(state[0]))
        return torch.stack(outputs, 1)

    return Net(run, cell=nn.LSTMCell(3, 5), head=nn.Linear(5, 2))


def controller(addressing):
    bank = addressing and NeuralMemoryBank(MemoryConfig(6, 5, 1, addressing=addressing))
    return MemoryController(3, 5, 2, bank=bank, batch_first=True)


def attention():
    """Each row looks at all rows of its set."""
    parts = {"look": nn.MultiheadAttention(4, 2), "enter": nn.Linear(3, 4), "head": nn.Linear(4, 2)}

    def run(net, x):
        entered = net.enter(x)
        return net.head(net.look(entered, entered, entered, need_weights=False)[0])

    return Net(run, **parts)


def embedding(**settings):
    parts = {"table": nn.Embedding(7, 4, **settings), "head": nn.Linear(4, 2)}
    return Net(lambda net, x: net.head(torch.tanh(net.table(x).mean(1))), **parts)


def tied_sequential():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4), nn.Linear(4, 2))
    model[4].weight = model[2].weight
    return model


def same_layer_twice():
    layer = nn.Linear(4, 4)
    return nn.Sequential(nn.Linear(3, 4), layer, nn.Tanh(), layer, nn.Linear(4, 2))


def tied_head():
    """An output layer that is the input layer's transpose."""
    return Net(lambda net, x: F.linear(torch.tanh(net.enter(x)), net.enter.weight.mT), enter=nn.Linear(2, 5))


def frozen():
    model = mlp()
    model[0].requires_grad_(False)
    return model


def half_frozen():
    model = mlp(nn.BatchNorm1d(6))
    model[0].bias.requires_grad_(False)
    model[1].weight.requires_grad_(False)
    return model


def lazy():
    model = nn.Sequential(nn.LazyLinear(6), nn.LazyBatchNorm1d(), nn.Tanh(), nn.LazyLinear(2))
    model(torch.zeros(2, 3))
    return model


def normed(wrap):
    return nn.Sequential(wrap(nn.Linear(3, 6)), nn.Tanh(), wrap(nn.Linear(6, 2)))


def hooked(kind):
    model = mlp()
    if kind == "before":
        model[2].register_forward_pre_hook(lambda module, inputs: (inputs[0] * 0.5,))
    elif kind == "whole":
        model.register_forward_hook(lambda module, inputs, output: output - output.mean(0))
    else:
        model[0].register_forward_hook(lambda module, inputs, output: output.square())
    return model


def patched():
    model = mlp()
    model[1].forward = lambda x: x * x.mean()
    return model


def branching():
    def run(net, x):
        return net.enter(x) if x.mean() > 0 else net.other(x)

    return Net(run, enter=nn.Linear(3, 2), other=nn.Linear(3, 2))


def two_ways():
    """A hidden layer and a way past it."""
    parts = {"a": nn.Linear(3, 4), "b": nn.Linear(4, 2), "c": nn.Linear(3, 2)}
    return Net(lambda net, x: net.b(torch.tanh(net.a(x))) + net.c(x), **parts)


def transformer():
    layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)
    return nn.Sequential(nn.Linear(3, 4), layer, nn.Linear(4, 2))


SERIES, IMAGE, WORDS = (ROWS, 4, 3), (ROWS, 1, 4, 4), (ROWS, 3)
MODELS = {  # name: (model, x of a set; default (n, 3))
    "plain MLP": (mlp, None),
    "MLP without biases": (
        lambda: nn.Sequential(nn.Linear(3, 5, bias=False), nn.ReLU(), nn.Linear(5, 2, bias=False)),
        None,
    ),
    "every elementwise layer": (
        lambda: nn.Sequential(nn.Linear(3, 5), *(kind() for kind in ELEMENTWISE), nn.Linear(5, 2)),
        None,
    ),
    "MLP in an MLP": (lambda: nn.Sequential(mlp(), nn.Tanh(), nn.Linear(2, 2)), None),
    "MLP on series": (mlp, SERIES),
    "a module of one's own": (two_ways, None),
    "a part that is not used": (lambda: Net(lambda net, x: net.a(x), a=nn.Linear(3, 2), b=nn.Linear(3, 2)), None),
    "batch norm": (lambda: mlp(nn.BatchNorm1d(6)), None),
    "batch norm without running statistics": (lambda: mlp(nn.BatchNorm1d(6, track_running_stats=False)), None),
    "batch norm in front": (lambda: nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 2)), None),
    "batch norm of images": (lambda: convolutional(nn.BatchNorm2d(4)), IMAGE),
    "layer norm": (lambda: mlp(nn.LayerNorm(6)), None),
    "group norm": (lambda: mlp(nn.GroupNorm(2, 6)), None),
    "instance norm": (lambda: convolutional(nn.InstanceNorm2d(4, affine=True)), IMAGE),
    "instance norm with running statistics": (
        lambda: convolutional(nn.InstanceNorm2d(4, affine=True, track_running_stats=True)),
        IMAGE,
    ),
    "local response norm": (lambda: convolutional(nn.LocalResponseNorm(2)), IMAGE),
    "dropout of nothing": (lambda: mlp(nn.Dropout(0.0)), None),
    "dropout with a fixed draw": (lambda: mlp(FixedMask(6)), None),
    "LSTM": (lambda: recurrent(nn.LSTM), SERIES),
    "LSTM both ways, two layers": (lambda: recurrent(nn.LSTM, num_layers=2, bidirectional=True), SERIES),
    "GRU": (lambda: recurrent(nn.GRU), SERIES),
    "RNN": (lambda: recurrent(nn.RNN), SERIES),
    "LSTM cell": (cellwise, SERIES),
    "convolution": (lambda: convolutional(nn.MaxPool2d(1)), IMAGE),
    "strided convolution": (
        lambda: nn.Sequential(nn.Conv1d(4, 4, 2, stride=2), nn.Tanh(), nn.Flatten(), nn.Linear(4, 2)),
        SERIES,
    ),
    "attention over the rows": (attention, None),
    "transformer layer": (transformer, SERIES),
    "embedding": (embedding, WORDS),
    "embedding with max_norm": (lambda: embedding(max_norm=0.7), WORDS),
    "embedding with a padding row": (lambda: embedding(padding_idx=0), WORDS),
    "tied layers of a Sequential": (tied_sequential, None),
    "one layer twice": (same_layer_twice, None),
    "tied head": (tied_head, (ROWS, 2)),
    "frozen layer": (frozen, None),
    "half frozen": (half_frozen, None),
    "lazy modules, once called": (lazy, None),
    "weight norm": (lambda: normed(parametrizations.weight_norm), None),
    "weight norm by hooks": (lambda: normed(torch.nn.utils.weight_norm), None),
    "spectral norm": (lambda: normed(parametrizations.spectral_norm), None),
    "spectral norm by hooks": (lambda: normed(torch.nn.utils.spectral_norm), None),
    "orthogonal weights": (lambda: normed(parametrizations.orthogonal), None),
    "a hook before": (lambda: hooked("before"), None),
    "a hook behind": (lambda: hooked("behind"), None),
    "a hook on the whole": (lambda: hooked("whole"), None),
    "a forward of its own": (patched, None),
    "a buffer that changes": (lambda: mlp(Shifted()), None),
    "a branch on the data": (branching, None),
    "a learned slope": (lambda: mlp(nn.PReLU()), None),
    "softmax over the rows": (lambda: mlp(nn.Softmax(0)), None),
    "rows mixed in front": (lambda: nn.Sequential(Centre(), nn.Linear(3, 2)), None),
    "rows mixed in the body": (lambda: nn.Sequential(nn.Linear(3, 4), Centre(), nn.Tanh(), nn.Linear(4, 2)), None),
    "controller without a bank": (lambda: controller(None), SERIES),
    "controller, content": (lambda: controller("content"), SERIES),
    "controller, NTM": (lambda: controller("ntm"), SERIES),
    "controller, DNC": (lambda: controller("dnc"), SERIES),
    "head on a controller": (lambda: nn.Sequential(Tupled(controller("dnc")), nn.Linear(2, 2)), SERIES),
}


def draw(name, seed=1):
    """(model, sets) of a row of the table in float64."""
    torch.manual_seed(0)
    build, shape = MODELS[name]
    model, shape = build().double(), shape or (ROWS, 3)
    generator = torch.Generator().manual_seed(seed)
    sets = []
    for _ in range(2):
        x = torch.randn(TASKS, *shape, generator=generator, dtype=torch.float64)
        if shape is WORDS:
            x = torch.randint(0, 7, x.shape, generator=generator)
        with torch.no_grad():
            output = build().double()(x[0])
        output = output[0] if isinstance(output, tuple) else output
        sets += [x, torch.randn(TASKS, *output.shape, generator=generator, dtype=torch.float64)]
    return model, sets


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
    assert sum(stackable(model) for model in models.values()) >= 4
    assert sum(known(model) and not stackable(model) for model in models.values()) >= 8
    assert sum(not known(model) for model in models.values()) >= 20
    used = {type(part) for model in models.values() if known(model) for part in model.modules()}
    apart = {nn.BatchNorm2d, nn.BatchNorm3d, nn.Flatten}  # below: they need layers that are not known
    assert BATCHED - used == apart, "each class that is known needs a model of known parts"


@pytest.mark.parametrize(("norm", "shape"), [(nn.BatchNorm2d, (2, 2)), (nn.BatchNorm3d, (2, 1, 2))])
def test_norms_of_images_areknown(norm, shape):
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


def test_a_class_of_ones_own_may_beknown():
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


def own_loss(prediction, target):
    return (prediction - target).square().mean()


@pytest.mark.parametrize("loss", [F.mse_loss, nn.MSELoss(), partial(F.mse_loss), F.l1_loss, own_loss])
@pytest.mark.parametrize("shape", [(ROWS,), (ROWS, 1, 1), (ROWS, 2)])
def test_targets_of_another_shape_are_refused(loss, shape):
    if shape == (ROWS, 2) and loss is own_loss:
        pytest.skip("a loss of one's own may read two columns against one, as the weighted one does")
    meta = MetaLearner(nn.Sequential(nn.Linear(3, 1)), loss)
    x, y, right = torch.zeros(TASKS, ROWS, 3), torch.zeros(TASKS, *shape), torch.zeros(TASKS, ROWS, 1)
    with pytest.raises(ValueError, match=r"support_y must have the shape of a task's prediction, \(5, 1\)"):
        meta.adapt_tasks(x, y)
    with pytest.raises(ValueError, match="support_y must have the shape"):
        meta.adapt(x[0], y[0])
    with pytest.raises(ValueError, match="support_y must have the shape"):
        meta.task_losses(x, y, x, y)
    with pytest.raises(ValueError, match="query_y must"):
        meta.task_losses(x, right, x, y)
    with pytest.raises(ValueError, match="query_y must have the shape"):
        meta.task_losses(x, y, x, y, num_steps=0)


def test_lazy_modules_are_refused_until_they_know_their_shapes():
    model = nn.Sequential(nn.LazyLinear(4), nn.LazyBatchNorm1d(affine=False), nn.Linear(4, 1))
    with pytest.raises(ValueError, match="lazy modules"):
        MetaLearner(model)
    model(torch.zeros(2, 3))
    MetaLearner(model)
