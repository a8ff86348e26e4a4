"""Where to start: meta-learning, from MAML to Reptile, for any torch.nn.Module (chapter 5)."""

import torch
from torch import nn
from torch.func import functional_call, grad, vmap

from ._validate import choice, finite, real

METHODS = ("maml", "first-order", "anil", "reptile", "meta-sgd")


class MetaLearner(nn.Module):
    """Learns a starting point from which a few steps of gradient descent solve a new task (chapter 5).

    `method` is "maml" (Finn et al. 2017, second order), "first-order" (the same without second derivatives), "anil"
    (only the parameters named in `adapt_only` move; by default the last layer; Raghu et al. 2020), "reptile" (Nichol
    et al. 2018) or "meta-sgd" (a learned rate for each parameter; Li et al. 2017). `loss(prediction, target)` is a
    mean over a task's data. Of a model that returns a tuple, the first item is the prediction. The model's own
    parameters are only read: adapted ones are a dict of tensors. Buffers are copied at every call, so that running
    statistics leak neither between tasks nor into the model. The modules of an nn.Sequential before the first adapted
    one run once per call, not once per inner step. Raises ValueError or TypeError naming the argument.
    """

    def __init__(
        self, model, loss=nn.functional.mse_loss, inner_lr=0.01, num_steps=1, method="maml", adapt_only=None
    ):
        super().__init__()
        if not isinstance(model, nn.Module):
            raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
        self.model, self.loss = model, loss
        self.method = choice("method", method, METHODS)
        self.inner_lr, self.num_steps = real("inner_lr", inner_lr, low=0), _steps(num_steps)
        names = [name for name, _ in model.named_parameters()]
        if adapt_only is None:
            last = names[-1].rpartition(".")[0] if names else ""
            adapt_only = [name for name in names if name.rpartition(".")[0] == last] if method == "anil" else names
        unknown = sorted(set(adapt_only) - set(names))
        if unknown or not adapt_only:
            raise ValueError(f"adapt_only must name parameters of the model ({', '.join(names)}), got {unknown}")
        self.adapt_only = list(adapt_only)
        self.fixed = _fixed_modules(model, self.adapt_only)
        if method == "meta-sgd":
            rates = [torch.full_like(model.get_parameter(name), self.inner_lr) for name in self.adapt_only]
            self.rates = nn.ParameterList(nn.Parameter(rate) for rate in rates)

    def adapt(self, support_x, support_y, num_steps=None, lr=None):
        """Adapt to one task: support_x (n, ...), support_y (n, ...) -> dict of all parameters, some of them moved.

        `num_steps` and `lr` default to those of the learner. Differentiable with respect to the model's parameters,
        to second order unless the method is of first order. Raises ValueError or TypeError.
        """
        _check_task(support_x, support_y, ("support_x", "support_y"))
        steps = self.num_steps if num_steps is None else _steps(num_steps)
        return self._inner(self._start(), self._features(support_x), support_y, steps, self._rates(lr))

    def adapt_tasks(self, support_x, support_y, num_steps=None, lr=None):
        """Adapt to K tasks at once: support_x (K, n, ...), support_y (K, n, ...) -> dict of (K, ...) tensors."""
        _check_tasks(support_x, support_y, ("support_x", "support_y"))
        return self._adapt_tasks(self._features(support_x, 2), support_y, num_steps, lr)

    def _adapt_tasks(self, features, support_y, num_steps, lr):
        steps, rates = self.num_steps if num_steps is None else _steps(num_steps), self._rates(lr)
        start = self._start()
        return vmap(lambda x, y: self._inner(start, x, y, steps, rates), randomness="different")(features, support_y)

    def predict(self, adapted, x):
        """The model's prediction for x (n, ...) with adapted parameters of one task."""
        return _call(self.model, adapted, x)

    def predict_tasks(self, adapted, x):
        """The same for K tasks: adapted a dict of (K, ...), x (K, n, ...)."""
        return vmap(self.predict, randomness="different")(adapted, x)

    def task_losses(self, support_x, support_y, query_x, query_y, num_steps=None, lr=None):
        """Loss on each task's query set after adaptation to its support set: (K,), differentiable."""
        _check_tasks(query_x, query_y, ("query_x", "query_y"))
        if len(query_x) != len(support_x):
            raise ValueError(f"query_x must hold as many tasks as support_x ({len(support_x)}), got {len(query_x)}")
        _check_tasks(support_x, support_y, ("support_x", "support_y"))
        features = self._features(torch.cat([support_x, query_x], 1), 2) if self.fixed else None
        support, query = features.tensor_split([support_x.shape[1]], 1) if self.fixed else (support_x, query_x)
        adapted = self._adapt_tasks(support, support_y, num_steps, lr)
        return vmap(lambda p, x, y: self.loss(self._rest(p, x), y), randomness="different")(adapted, query, query_y)

    def loss_after_adaptation(self, support_x, support_y, query_x, query_y, num_steps=None, lr=None):
        """The outer loss, a mean over K tasks: minimise it with any optimiser over `self.parameters()`.

        For Reptile it is a surrogate whose gradient is start minus adapted parameters (adaptation sees support and
        query alike), so that an optimiser's step moves the start towards them (Nichol et al. 2018).
        """
        if self.method != "reptile":
            return self.task_losses(support_x, support_y, query_x, query_y, num_steps, lr).mean()
        x, y = torch.cat([support_x, query_x], 1), torch.cat([support_y, query_y], 1)
        adapted = self.adapt_tasks(x, y, num_steps, lr)
        moves = {name: (value - adapted[name].mean(0)).detach() for name, value in self.model.named_parameters()}
        return sum((value * moves[name]).sum() for name, value in self.model.named_parameters())

    def _features(self, x, axes=1):
        """x (n, ...), or (K, n, ...) with `axes` 2, after the modules that no inner step changes."""
        return self.model[: self.fixed](x.flatten(0, axes - 1)).unflatten(0, x.shape[:axes]) if self.fixed else x

    def _rest(self, parameters, features):
        """The prediction from what `_features` returned."""
        return _call(self.model[self.fixed :] if self.fixed else self.model, parameters, features)

    def _start(self):
        return dict(self.model.named_parameters())

    def _rates(self, lr):
        """The step size of each adapted parameter."""
        if lr is not None:
            return dict.fromkeys(self.adapt_only, real("lr", lr, low=0))
        if self.method == "meta-sgd":
            return dict(zip(self.adapt_only, self.rates, strict=True))
        return dict.fromkeys(self.adapt_only, self.inner_lr)

    def _inner(self, start, x, y, steps, rates):
        """The inner loop on one task: theta' = theta - rate · d loss / d theta, `steps` times."""

        def support_loss(moving):
            return self.loss(self._rest({**start, **moving}, x), y)

        first_order = self.method in ("first-order", "reptile")
        moving = {name: start[name] for name in self.adapt_only}
        for _ in range(steps):
            gradients = grad(support_loss)(moving)
            if first_order:
                gradients = {name: value.detach() for name, value in gradients.items()}
            moving = {name: value - rates[name] * gradients[name] for name, value in moving.items()}
        return {**start, **moving}


def _call(module, parameters, x):
    """The module's output (the first of several) with these parameters and copies of its buffers."""
    parameters = {name: parameters[name] for name, _ in module.named_parameters()}
    buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}
    output = functional_call(module, (parameters, buffers), (x,))
    return output[0] if isinstance(output, tuple) else output


def _fixed_modules(model, adapt_only):
    """How many leading modules of an nn.Sequential no inner step changes; 0 where they hold buffers (batch norm)."""
    if not isinstance(model, nn.Sequential):
        return 0
    moving = {name.partition(".")[0] for name in adapt_only}
    count = min(index for index, (name, _) in enumerate(model.named_children()) if name in moving)
    return 0 if any(True for _ in model[:count].buffers()) else count


def _steps(value):
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"num_steps must be an integer, got {value!r}")
    if value < 0:
        raise ValueError(f"num_steps must be at least 0, got {value}")
    return value


def _check_task(x, y, names):
    """One task's data: tensors with the same, non-zero number of rows and no NaN."""
    for name, value in zip(names, (x, y), strict=True):
        if not isinstance(value, torch.Tensor):
            raise TypeError(f"{name} must be a tensor, got {type(value).__name__}")
        if value.dim() == 0 or value.shape[0] == 0:
            raise ValueError(f"{name} must hold at least one row of data, got shape {tuple(value.shape)}")
        finite(name, value)
    if len(x) != len(y):
        raise ValueError(f"{names[1]} must have as many rows as {names[0]} ({len(x)}), got {len(y)}")


def _check_tasks(x, y, names):
    """The same for K tasks stacked."""
    _check_task(x, y, names)
    for name, value in zip(names, (x, y), strict=True):
        if value.dim() < 2 or value.shape[1] == 0:
            raise ValueError(f"{name} must be (K, n, ...) with n at least 1, got {tuple(value.shape)}")
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"{names[1]} must be (K, n, ...) with n={x.shape[1]}, got {tuple(y.shape)}")
