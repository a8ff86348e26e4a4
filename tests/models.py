"""Models of every kind, and the plain loop over tasks that their meta-gradients are compared with."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.utils import parametrizations

from neuralmem import MemoryConfig, MemoryController, NeuralMemoryBank
from neuralmem.descent import SQUASHES
from neuralmem.together import ELEMENTWISE

TASKS, ROWS, STEPS, RATE = 3, 5, 2, 0.05


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
    "MLP with each function whose step is an equation": (
        lambda: nn.Sequential(nn.Linear(3, 4), *(part for kind in SQUASHES for part in (kind(), nn.Linear(4, 4)))),
        None,
    ),
    "MLP whose output is squashed": (
        lambda: nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2), nn.Tanh()),
        None,
    ),
    "MLP with two functions in a row": (
        lambda: nn.Sequential(nn.Linear(3, 5), nn.Sigmoid(), nn.Tanh(), nn.Linear(5, 4), nn.Identity()),
        None,
    ),
    "MLP whose ReLU writes into its input": (
        lambda: nn.Sequential(nn.Linear(3, 5), nn.ReLU(inplace=True), nn.Linear(5, 2)),
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
