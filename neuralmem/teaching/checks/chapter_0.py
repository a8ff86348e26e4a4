"""The checks of chapter 0's exercises."""

import copy
import functools

import torch
from scipy import stats
from torch import nn

from .judge import Function, examine, find_problem, verdict


def _shared_rows(train, test):
    return int((train[:, None] == test).all(-1).any(0).sum())


def check_shared_rows(function: Function, seed: int = 0) -> bool:
    """How many rows of `test` occur in `train`: function(train (n, D), test (m, D)) -> integer."""
    generator = torch.Generator().manual_seed(seed)
    train = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [5.0, 6.0]])
    test = torch.tensor([[5.0, 6.0], [1.0, 9.0], [1.0, 2.0], [2.0, 1.0]])
    instances = {"the example": (train, test)}
    for number in range(1, 4):
        few = torch.randint(0, 3, (2, 9, 3), generator=generator).float()
        instances[f"random rows {number}"] = few[0], few[1]
    apart = torch.randn(2, 5, 4, generator=generator)
    instances["rows that are nowhere shared"] = apart[0], apart[1]
    instances["the same row everywhere"] = torch.ones(3, 2), torch.ones(3, 2)
    instances["rows that differ by little"] = torch.ones(2, 4), torch.ones(2, 4) + 1e-4
    mistakes = [
        (
            lambda train, test: int((train == test).all(1).sum()),
            "you compare row i with row i; compare each test row with every training row.",
        ),
        (
            lambda train, test: int((train[:, None] == test).any(-1).any(0).sum()),
            "you count rows that share a number; a row is shared when all its numbers are.",
        ),
        (
            lambda train, test: int((train[:, None] == test).all(-1).sum()),
            "you count pairs; a test row that occurs twice in the training rows is one shared row.",
        ),
        (
            lambda train, test: _shared_rows(test, train),
            "you count rows of `train` that occur in `test`; it is the other way round.",
        ),
        (
            lambda train, test: _shared_rows(train.sort(1).values, test.sort(1).values),
            "the order of the numbers counts: (1, 2) and (2, 1) are two different rows.",
        ),
    ]
    return examine(function, _shared_rows, instances, mistakes)


def _constant_error(train_y, test_y):
    return float((test_y - train_y.mean()).square().mean())


def check_constant_error(function: Function, seed: int = 0) -> bool:
    """Held-out error of the best constant: function(train_y (n,), test_y (m,)) -> float."""
    generator = torch.Generator().manual_seed(seed)
    instances = {"the example": (torch.tensor([1.0, 3.0]), torch.tensor([2.0, 6.0]))}
    for number in range(1, 4):
        draws = torch.randn(13, generator=generator) * number + 2 * number
        instances[f"random targets {number}"] = draws[:8].exp2(), draws[8:]
    instances["targets that never vary"] = torch.full((8,), 3.0), torch.full((5,), 3.0)
    instances["a single test target"] = torch.tensor([0.0, 1.0, 5.0]), torch.tensor([-2.0])
    mistakes = [
        (
            lambda train_y, test_y: _constant_error(test_y, test_y),
            "your constant is the mean of the test targets: it has seen them.",
        ),
        (
            lambda train_y, test_y: float((test_y - train_y.mean()).abs().mean()),
            "you took the absolute error; the book's error is the mean square.",
        ),
        (lambda train_y, test_y: _constant_error(train_y, train_y), "that is the error on the training targets."),
        (
            lambda train_y, test_y: float((test_y - train_y.median()).square().mean()),
            "the median is best for absolute errors; for squares it is another number.",
        ),
        (
            lambda train_y, test_y: float((test_y.mean() - train_y.mean()) ** 2),
            "you square after the mean; square each difference first.",
        ),
    ]
    return examine(function, _constant_error, instances, mistakes)


def _half_width(samples, level=0.975, fewer=1, ddof=1, root=True):
    values = torch.tensor(samples, dtype=torch.float64)
    spread = ((values - values.mean()).square().sum() / (len(values) - ddof)).sqrt()
    return float(stats.t.ppf(level, len(values) - fewer) * spread / (len(values) ** 0.5 if root else 1))


def _deviation(samples):
    return _half_width(samples) / stats.t.ppf(0.975, len(samples) - 1)


def check_half_width(function: Function, seed: int = 0) -> bool:
    """Half-width of the 95 % interval of a mean over seeds: function(samples, a list of floats) -> float."""
    generator = torch.Generator().manual_seed(seed)
    instances = {"the example": ([1.0, 2.0, 3.0],)}
    for number, count in enumerate((3, 5, 8), 1):
        instances[f"random samples {number}"] = ((torch.randn(count, generator=generator) * number).tolist(),)
    instances["two samples"] = ([0.0, 1.0],)
    instances["samples that are all alike"] = ([0.25] * 4,)
    instances["samples far from 0"] = ([1000.0, 1001.0, 1003.0],)
    mistakes = [
        (
            lambda samples: 1.96 * _deviation(samples),
            "1.96 is for many seeds; with few, take Student's t with n - 1 degrees of freedom.",
        ),
        (
            lambda samples: 4.3026527 * _deviation(samples),
            "4.303 is Student's factor for three seeds; let it depend on how many there are.",
        ),
        (
            lambda samples: _half_width(samples, root=False) * 4.3026527 / 3**0.5 / _factor(samples),
            "4.303 and the root of 3 are for three seeds; let both depend on how many there are.",
        ),
        (
            lambda samples: _half_width(samples, ddof=0),
            "divide the squares by n - 1, not n: the mean was fitted to these samples.",
        ),
        (
            lambda samples: _half_width(samples, root=False),
            "that is the spread of one seed; the mean's is smaller by the root of n.",
        ),
        (
            lambda samples: _half_width(samples, level=0.95),
            "0.95 leaves 5 % at one end; leave 2.5 % at each, so ask for 0.975.",
        ),
        (
            lambda samples: _half_width(samples, fewer=0),
            "n samples about their own mean have n - 1 degrees of freedom.",
        ),
        (lambda samples: 2 * _half_width(samples), "that is the whole width; half of it is asked for."),
    ]
    return examine(function, _half_width_of, instances, mistakes)


def _half_width_of(samples):
    return _half_width(samples)


def _factor(samples):
    return stats.t.ppf(0.975, len(samples) - 1)


def _after_backward(kind, seed):
    """A model after backward, some of whose parameters got no gradient, or one of zeros."""
    torch.manual_seed(seed)
    model = nn.ModuleDict({name: nn.Linear(2, 2) for name in ("cut", "flat", "live", "frozen")})
    x = torch.randn(3, 2)
    for parameter in model["frozen"].parameters():
        parameter.requires_grad_(False)
    if kind == "cancelling":  # a gradient whose numbers add up to zero is one all the same
        (model["live"].weight * torch.tensor([[1.0, -1.0], [1.0, -1.0]])).sum().backward()
    elif kind == "all":
        for parameter in model["frozen"].parameters():
            parameter.requires_grad_()
        sum(layer(x).square().sum() for layer in model.values()).backward()
    elif kind == "zero weights":
        nn.init.zeros_(model["live"].weight)
        model["live"](x).square().sum().backward()
    else:
        answer = model["live"](x) + 0 * model["flat"](x) + model["frozen"](x) + model["cut"](x).detach()
        answer.square().mean().backward()
    return model


def check_untrained(function: Function, seed: int = 0) -> bool:
    """Names of the parameters that no gradient reaches: function(model), after backward -> list of names."""
    instances = {"the example": (("example", seed),)}
    for number in range(1, 4):
        instances[f"random weights {number}"] = (("example", 10 * seed + number),)
    instances["a gradient whose numbers cancel"] = (("cancelling", seed),)
    instances["a model that is trained all through"] = (("all", seed),)
    instances["weights of zero that get a gradient"] = (("zero weights", seed),)
    mistakes = [
        (
            _names(lambda p: p.grad is None),
            "a gradient of zeros teaches no more than None; list those parameters, too.",
        ),
        (
            _names(lambda p: p.grad is not None and not p.grad.any()),
            "where nothing came back `grad` is None; list those parameters, too.",
        ),
        (
            _names(lambda p: p.grad is None or p.grad.sum().abs() < 1e-9),
            "a gradient of +1 and -1 adds up to 0 and is a gradient; ask for its norm.",
        ),
        (_names(lambda p: p.grad is not None and p.grad.any()), "those are the parameters that did get a gradient."),
        (
            _names(lambda p: not p.requires_grad),
            "`requires_grad` says what was asked for; look at `grad`, which says what came.",
        ),
        (_names(lambda p: not p.detach().any()), "look at the gradients, not at the weights."),
    ]
    mistakes = [(_given_a_model(mistaken), why) for mistaken, why in mistakes]
    return examine(_given_a_model(function), _given_a_model(_names(_silent)), instances, mistakes)


def _silent(parameter):
    return parameter.grad is None or not parameter.grad.any()


def _names(condition):
    """The function of a model that lists the parameters for which a condition holds."""
    return lambda model: [name for name, p in model.named_parameters() if condition(p)]


def _given_a_model(function):
    """The reader's function as one of a kind of model and a seed, which the judge can copy; its names as a set."""

    @functools.wraps(function)
    def solve(model):
        model = _after_backward(*model)
        before = {name: (p.detach().clone(), p.grad) for name, p in model.named_parameters()}
        found = function(model)
        for name, p in model.named_parameters():
            if not torch.equal(p, before[name][0]) or p.grad is not before[name][1]:
                raise ValueError("the model was given to you to look at; it has changed")
        if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
            raise TypeError("a list of names is asked for, such as ['output.weight']")
        known = {name for name, _ in model.named_parameters()}
        if not set(found) <= known:
            raise ValueError("the names are those of `model.named_parameters()`, such as 'output.weight'")
        return set(found)

    del solve.__wrapped__  # the judge reads the arguments' names from the signature
    return solve


def _blind_error(targets):
    return float((targets - targets.mean(0)).square().mean())


def check_blind_error(function: Function, seed: int = 0) -> bool:
    """Least error of one answer for all tasks: function(targets (K, n)) -> float."""
    generator = torch.Generator().manual_seed(seed)
    instances = {"the example": (torch.tensor([[1.0, 2.0], [3.0, 6.0]]),)}
    for number, shape in enumerate([(2, 5), (3, 4), (6, 3)], 1):
        instances[f"random targets {number}"] = (torch.randn(shape, generator=generator) + number,)
    instances["one task"] = (torch.randn(1, 4, generator=generator),)
    instances["tasks that ask for the same"] = (torch.randn(4, generator=generator).expand(3, 4).clone(),)
    instances["a single input"] = (torch.tensor([[0.0], [0.5], [0.964], [0.995]]),)
    mistakes = [
        (
            lambda targets: float((targets - targets.mean()).square().mean()),
            "one constant for all inputs; the answer may depend on the input, not on the task.",
        ),
        (
            lambda targets: float(targets.var(0).mean()),
            "you divide by K - 1; this is no sample of tasks but all of them.",
        ),
        (
            lambda targets: float((targets - targets.mean(1, keepdim=True)).square().mean()),
            "you let the answer depend on the task and not on the input.",
        ),
        (
            lambda targets: float((targets - targets.mean(0)).square().sum(0).mean()),
            "you added the tasks up; take the mean over tasks, too.",
        ),
    ]
    return examine(function, _blind_error, instances, mistakes)


class _Drifting(nn.Module):
    """A model like the demo's: what it saw stays in a plain attribute and in a buffer, and moves its next answer."""

    def __init__(self, width, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.layer = nn.Linear(width, width)
        self.rows = torch.randn(3, width)
        self.register_buffer("count", torch.zeros(()))

    def forward(self, x):
        self.rows = (0.9 * self.rows + 0.1 * x).detach()
        self.count += 1
        return self.layer(x) + self.rows.mean(0) + self.count


def _measure(agent, x, y):
    agent = copy.deepcopy(agent)
    with torch.no_grad():
        answers = torch.stack([agent(row) for row in x])
    return float((answers - y).square().mean())


def check_measure(function: Function, seed: int = 0) -> bool:
    """Error of an agent, which must stay as it was: function(agent, x (n, D), y (n, D)) -> float."""
    instances, problems = {}, []
    for number in range(1, 4):
        generator = torch.Generator().manual_seed(10 * seed + number)
        x, y = torch.randn(2, 5, 3, generator=generator)
        instances[f"random rows {number}"] = _Drifting(3, 10 * seed + number), x, y
    instances["a single row"] = _Drifting(2, seed), torch.ones(1, 2), torch.zeros(1, 2)
    mistakes = [
        (
            lambda agent, x, y: _measure(agent, x, y) ** 0.5,
            "that is the root of the mean square; the book's error is the mean square.",
        ),
        (_measure_anew, "you put the agent back before each row; it meets the rows one after the other."),
    ]
    for agent, x, y in instances.values():
        looked_at = copy.deepcopy(agent)
        try:
            function(looked_at, x.clone(), y.clone())
        except Exception:  # the examination below says what was raised
            break
        problems.append(_what_moved(agent, looked_at))
    named = _keeping_agent(function)
    return verdict(*problems, find_problem(named, _keeping_agent(_measure), instances, mistakes))


def _measure_anew(agent, x, y):
    return float(torch.tensor([_measure(agent, x[i : i + 1], y[i : i + 1]) for i in range(len(x))]).mean())


def _keeping_agent(function):
    """The function on a copy of the agent, so that the judge compares results; what moved is judged beside it."""

    @functools.wraps(function)
    def solve(agent, x, y):
        return function(copy.deepcopy(agent), x, y)

    return solve


def _what_moved(before, after):
    """Which part of an agent a measurement has changed, in a sentence, or None."""
    if not torch.equal(before.layer.weight, after.layer.weight) or after.layer.weight.grad is not None:
        return "The agent's weights have changed or hold a gradient: measure under `torch.no_grad()`."
    if before.training != after.training:
        return "The agent is in another mode than before: put it back, or work on a copy."
    if not torch.equal(before.rows, after.rows) and torch.equal(before.count, after.count):
        return (
            "The agent's `rows` have moved, though its buffers are back: a `state_dict` holds parameters and buffers, "
            "and `rows` is a plain attribute."
        )
    if not torch.equal(before.rows, after.rows) or not torch.equal(before.count, after.count):
        return "The agent has moved: it writes while it answers. Measure a copy."
    return None
