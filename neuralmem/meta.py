"""Where to start: meta-learning, from MAML to Reptile, for any torch.nn.Module (chapter 5)."""

from contextlib import contextmanager
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call, grad, vmap

from ._validate import choice, finite, real

METHODS = ("maml", "first-order", "anil", "reptile", "meta-sgd")
ELEMENTWISE = (nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.SiLU, nn.ELU, nn.LeakyReLU, nn.Softplus, nn.Identity)
_vmap = partial(vmap, randomness="different")  # dropout draws anew for each task


class MetaLearner(nn.Module):
    """Learns a starting point from which a few steps of gradient descent solve a new task (chapter 5).

    Inner loop, `num_steps` times: theta' = theta - inner_lr · d loss(support) / d theta. Outer loss: the mean over
    tasks of loss(query) at theta'. `method` is "maml" (Finn et al. 2017, second order), "first-order" (the same with
    the inner gradients taken as constants), "anil" (only the parameters named in `adapt_only` move, by default those of
    the last layer; Raghu et al. 2020), "reptile" (Nichol et al. 2018) or "meta-sgd" (a learned rate for each parameter,
    part of `parameters()`; Li et al. 2017). `loss(prediction, target)` gives one number for one task's data.

    The model may be any nn.Module; of a tuple that it returns, the first item is the prediction. Its own parameters are
    only read: adapted ones are a dict of tensors. Buffers are copied at every call; batch norm in training mode uses
    the statistics of the batch at hand and keeps none, and dropout draws anew for each task. K tasks run through vmap;
    where the model is an nn.Sequential of linear and elementwise layers, through weights with a leading task axis,
    which is faster and gives the same numbers. Raises ValueError or TypeError naming the argument.
    """

    def __init__(self, model, loss=F.mse_loss, inner_lr=0.01, num_steps=1, method="maml", adapt_only=None):
        super().__init__()
        if not isinstance(model, nn.Module):
            raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
        if not callable(loss):
            raise TypeError(f"loss must be a function of (prediction, target), got {type(loss).__name__}")
        self.model, self.loss = model, loss
        self.method = choice("method", method, METHODS)
        self.inner_lr, self.num_steps = real("inner_lr", inner_lr, low=0), _steps(num_steps)
        names = [name for name, _ in model.named_parameters()]
        if adapt_only is None:
            last = names[-1].rpartition(".")[0] if names else ""
            adapt_only = [name for name in names if name.rpartition(".")[0] == last] if method == "anil" else names
        unknown = sorted(set(adapt_only) - set(names))
        if unknown or not adapt_only:
            got = unknown or "no name"
            raise ValueError(f"adapt_only must name parameters of the model ({', '.join(names)}), got {got}")
        self.adapt_only = list(adapt_only)
        self.fixed, self.stackable = _fixed_modules(model, self.adapt_only), _stackable(model)
        if method == "meta-sgd":
            rates = [torch.full_like(model.get_parameter(name), self.inner_lr) for name in self.adapt_only]
            self.rates = nn.ParameterList(nn.Parameter(rate) for rate in rates)

    def adapt(self, support_x, support_y, num_steps=None, lr=None):
        """Adapt to ONE task: support_x (n, ...), support_y (n, ...) -> dict of all parameters, some of them moved.

        `num_steps` and `lr` default to those of the learner (Meta-SGD: to the learned rates). Differentiable in the
        model's parameters, to second order unless the method is of first order. For K tasks call `adapt_tasks`.
        """
        _check_data(support_x, support_y, "support")
        return self._inner(self._start(), self._features(support_x), support_y, *self._schedule(num_steps, lr))

    def adapt_tasks(self, support_x, support_y, num_steps=None, lr=None):
        """Adapt to K tasks at once: support_x (K, n, ...), support_y (K, n, ...) -> dict of (K, ...) tensors."""
        _check_data(support_x, support_y, "support", tasks=True)
        return self._adapt_tasks(self._task_features(support_x), support_y, num_steps, lr)

    def predict(self, adapted, x):
        """The model's prediction for x (n, ...) with adapted parameters of one task."""
        return _call(self.model, adapted, x)

    def predict_tasks(self, adapted, x):
        """The same for K tasks: adapted a dict of (K, ...), x (K, n, ...)."""
        return self._predict_rest(adapted, x, self.model)

    def task_losses(self, support_x, support_y, query_x, query_y, num_steps=None, lr=None):
        """Loss on each task's query set after adaptation to its support set: (K,), differentiable.

        support_x (K, n, ...), support_y (K, n, ...), query_x (K, m, ...), query_y (K, m, ...).
        """
        _check_sets(support_x, support_y, query_x, query_y)
        features = self._task_features(torch.cat([support_x, query_x], 1))
        support, query = features.tensor_split([support_x.shape[1]], 1)
        adapted = self._adapt_tasks(support, support_y, num_steps, lr)
        return self._task_loss(self._predict_rest(adapted, query, self._rest()), query_y)

    def loss_after_adaptation(self, support_x, support_y, query_x, query_y, num_steps=None, lr=None):
        """The outer loss, a mean over K tasks: minimise it with any optimiser over `self.parameters()`.

        For Reptile it is a surrogate whose gradient is start minus adapted parameters (adaptation sees support and
        query alike), so that an optimiser's step moves the start towards them (Nichol et al. 2018).
        """
        if self.method != "reptile":
            return self.task_losses(support_x, support_y, query_x, query_y, num_steps, lr).mean()
        _check_sets(support_x, support_y, query_x, query_y)
        x, y = torch.cat([support_x, query_x], 1), torch.cat([support_y, query_y], 1)
        with torch.no_grad():
            adapted = self.adapt_tasks(x, y, num_steps, lr)
        start = self._start()
        return sum((start[name] * (start[name] - adapted[name].mean(0)).detach()).sum() for name in self.adapt_only)

    def _start(self):
        return dict(self.model.named_parameters())

    def _schedule(self, num_steps, lr):
        """How many inner steps, and the step size of each adapted parameter."""
        steps = self.num_steps if num_steps is None else _steps(num_steps)
        if lr is None and self.method == "meta-sgd":
            return steps, dict(zip(self.adapt_only, self.rates, strict=True))
        return steps, dict.fromkeys(self.adapt_only, self.inner_lr if lr is None else real("lr", lr, low=0))

    def _features(self, x):
        """One task's x after the leading modules that no inner step changes: they run once, not once a step."""
        return self.model[: self.fixed](x) if self.fixed else x

    def _task_features(self, x):
        return self._features(x.flatten(0, 1)).unflatten(0, x.shape[:2]) if self.fixed else x

    def _rest(self):
        return self.model[self.fixed :] if self.fixed else self.model

    def _predict_rest(self, adapted, x, module):
        if self.stackable and x.dim() == 3:
            return _stacked_call(module, adapted, x)
        return _vmap(lambda parameters, rows: _call(module, parameters, rows))(adapted, x)

    def _task_loss(self, prediction, target):
        if self.loss is F.mse_loss and prediction.shape == target.shape:  # without vmap's overhead
            return (prediction - target).square().flatten(1).mean(1)
        return _vmap(self._one_loss)(prediction, target)

    def _one_loss(self, prediction, target):
        loss = self.loss(prediction, target)
        if loss.dim():
            raise ValueError(f"loss must return one number for a task's data, got shape {tuple(loss.shape)}")
        return loss

    def _adapt_tasks(self, features, y, num_steps, lr):
        start, schedule = self._start(), self._schedule(num_steps, lr)
        if self.stackable and features.dim() == 3:
            return self._inner_stacked(start, features, y, *schedule)
        return _vmap(lambda rows, target: self._inner(start, rows, target, *schedule))(features, y)

    def _inner(self, start, x, y, steps, rates):
        """The inner loop on one task: theta' = theta - rate · d loss / d theta, `steps` times."""
        rest, constant = self._rest(), self.method in ("first-order", "reptile")

        def support_loss(moving):
            return self._one_loss(_call(rest, {**start, **moving}, x), y)

        moving = {name: start[name] for name in self.adapt_only}
        for _ in range(steps):
            gradients = grad(support_loss)(moving)
            if constant:
                gradients = {name: value.detach() for name, value in gradients.items()}
            moving = {name: value - rates[name] * gradients[name] for name, value in moving.items()}
        return {**start, **moving}

    def _inner_stacked(self, start, x, y, steps, rates):
        """The same for K tasks at once: the tasks share no parameter, so the gradient of the sum is each task's own."""
        outside, rest = torch.is_grad_enabled(), self._rest()
        second = outside and self.method not in ("first-order", "reptile")
        with torch.enable_grad():
            start = start if outside else {name: value.detach() for name, value in start.items()}
            stacked = {name: value.expand(len(x), *value.shape) for name, value in start.items()}
            moving = [stacked[name] for name in self.adapt_only]
            for _ in range(steps):
                moving = [value if value.requires_grad else value.requires_grad_() for value in moving]
                stacked.update(zip(self.adapt_only, moving, strict=True))
                total = self._task_loss(_stacked_call(rest, stacked, x), y).sum()
                gradients = torch.autograd.grad(total, moving, create_graph=second)
                steps_down = zip(self.adapt_only, moving, gradients, strict=True)
                moving = [value - rates[name] * gradient for name, value, gradient in steps_down]
                moving = moving if outside else [value.detach() for value in moving]
        return {**stacked, **dict(zip(self.adapt_only, moving, strict=True))}


def _call(module, parameters, x):
    """The module's output (the first of several) with these parameters and copies of its buffers."""
    names = {value: name for name, value in module.named_parameters()}
    given = {name: buffer.clone() for name, buffer in module.named_buffers()}
    for prefix, part in module.named_modules():  # ties weights itself: functional_call does not restore a shared module
        given.update((name, parameters[names[value]]) for name, value in part.named_parameters(prefix, recurse=False))
    with _no_running_statistics(module):
        output = functional_call(module, given, (x,), tie_weights=False)
    return output[0] if isinstance(output, tuple) else output


def _stacked_call(module, parameters, x):
    """A `_stackable` module on x (K, n, D), each task with its own weights: weight (K, out, in), bias (K, out)."""
    for name, layer in module._modules.items():
        if isinstance(layer, nn.Linear):
            weight, bias = parameters[f"{name}.weight"].mT, parameters.get(f"{name}.bias")
            x = torch.bmm(x, weight) if bias is None else torch.baddbmm(bias.unsqueeze(1), x, weight)
        else:
            x = layer(x)
    return x


@contextmanager
def _no_running_statistics(module):
    """Batch norm in training mode neither reads nor writes its running statistics here."""
    norms = [norm for norm in module.modules() if isinstance(norm, nn.modules.batchnorm._NormBase) and norm.training]
    norms = [norm for norm in norms if norm.track_running_stats]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True


def _stackable(model):
    """Whether a model is an nn.Sequential of distinct linear layers and elementwise functions, with no hooks."""
    if type(model) is not nn.Sequential:
        return False
    layers = list(model._modules.values())
    linear = [layer for layer in layers if type(layer) is nn.Linear]
    plain = all(type(layer) in (nn.Linear, *ELEMENTWISE) for layer in layers)
    hooked = any(layer._forward_hooks or layer._forward_pre_hooks for layer in (model, *layers))
    shared = sum(1 for layer in linear for _ in layer.parameters()) != len(list(model.parameters()))
    return plain and not hooked and not shared


def _fixed_modules(model, adapt_only):
    """How many leading modules of an nn.Sequential no inner step changes; 0 where one mixes rows (batch norm)."""
    if type(model) is not nn.Sequential:
        return 0
    moving = {name.partition(".")[0] for name in adapt_only}
    count = min(index for index, name in enumerate(model._modules) if name in moving)
    shared = dict(model[count:].named_parameters()).keys() - dict(model.named_parameters()).keys()
    mixing = any(isinstance(part, nn.modules.batchnorm._NormBase) for part in model[:count].modules())
    return 0 if shared or mixing or any(True for _ in model[:count].buffers()) else count


def _steps(value):
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"num_steps must be an integer, got {value!r}")
    if value < 0:
        raise ValueError(f"num_steps must be at least 0, got {value}")
    return value


def _check_data(x, y, kind, tasks=False):
    """Tensors (n, ...), or (K, n, ...) with `tasks`, of as many rows each, none NaN, at least one row a task."""
    axes, letters = (2, "(K, n, ...)") if tasks else (1, "(n, ...)")
    for name, value in ((f"{kind}_x", x), (f"{kind}_y", y)):
        if not isinstance(value, torch.Tensor):
            raise TypeError(f"{name} must be a tensor, got {type(value).__name__}")
        if value.dim() < axes or 0 in value.shape[:axes]:
            raise ValueError(f"{name} must be {letters} with at least one row of data, got {tuple(value.shape)}")
        finite(name, value)
    if x.shape[:axes] != y.shape[:axes]:
        raise ValueError(f"{kind}_y must begin with {tuple(x.shape[:axes])} as {kind}_x does, got {tuple(y.shape)}")


def _check_sets(support_x, support_y, query_x, query_y):
    """The support and the query set of K tasks, which must differ in the number of rows only."""
    _check_data(support_x, support_y, "support", tasks=True)
    _check_data(query_x, query_y, "query", tasks=True)
    for name, query, support in (("query_x", query_x, support_x), ("query_y", query_y, support_y)):
        if len(query) != len(support) or query.shape[2:] != support.shape[2:]:
            wanted = ", ".join(map(str, (len(support), "m", *support.shape[2:])))
            raise ValueError(f"{name} must be ({wanted}) as support has it, got {tuple(query.shape)}")
