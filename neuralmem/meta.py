"""Where to start: meta-learning, from MAML to Reptile, for any torch.nn.Module (chapter 5)."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import vmap

from ._validate import autocasts, choice, finite, real
from .descent import descended, layer_kinds, predicted
from .tape import changed
from .together import BATCHED, Weights, call, known, run, stackable

__all__ = ["BATCHED", "METHODS", "MetaLearner"]

METHODS = ("maml", "first-order", "anil", "reptile", "meta-sgd")
ENTRYWISE = (
    F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss, F.binary_cross_entropy, F.binary_cross_entropy_with_logits,
    nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss, nn.BCELoss, nn.BCEWithLogitsLoss,
)  # fmt: skip
"""Losses that compare entry by entry, so that prediction and target must have one shape."""


class MetaLearner(nn.Module):
    """Learns a starting point from which a few steps of gradient descent solve a new task (chapter 5).

    Inner loop, `num_steps` times: theta' = theta - inner_lr · d loss(support) / d theta. Outer loss: the mean over
    tasks of loss(query) at theta'. `method` is "maml" (Finn et al. 2017, second order), "first-order" (the same with
    the inner gradients taken as constants), "anil" (only the parameters named in `adapt_only` move, by default those of
    the last layer; Raghu et al. 2020), "reptile" (Nichol et al. 2018) or "meta-sgd" (a learned rate for each parameter,
    part of `parameters()`; Li et al. 2017). `loss(prediction, target)` gives one number for one task's data.

    The model may be any nn.Module; of a tuple that it returns, the first item is the prediction. Its own parameters are
    only read: adapted ones are a dict of tensors. Frozen parameters (requires_grad False) stay. Buffers are copied at
    every call, so nothing is kept of what a call writes into them. Batch norm uses the statistics of the rows at hand,
    in training and in eval mode: running ones would mix the tasks. Dropout draws anew for each task; the leading
    modules of an nn.Sequential that no inner step moves run once for each set, not once a step.

    K tasks give the numbers and the gradients of a loop over tasks. They are computed together where that is known to
    be right: in one batched product a layer for an nn.Sequential of linear and elementwise layers, through vmap for
    the classes in `BATCHED`. Any other model runs one task after the other. Raises ValueError or TypeError naming the
    argument.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = F.mse_loss,
        inner_lr: float = 0.01,
        num_steps: int = 1,
        method: str = "maml",
        adapt_only: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(model, nn.Module):
            raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
        if not callable(loss):
            raise TypeError(f"loss must be a function of (prediction, target), got {type(loss).__name__}")
        self.model, self.loss = model, loss
        self.method = choice("method", method, METHODS)
        self.inner_lr, self.num_steps = real("inner_lr", inner_lr, low=0), _steps(num_steps)
        self.adapt_only = _moving_names(model, adapt_only, last_layer=method == "anil")
        if method == "meta-sgd":
            rates = [torch.full_like(model.get_parameter(name), self.inner_lr) for name in self.adapt_only]
            self.rates = nn.ParameterList(nn.Parameter(rate) for rate in rates)

    def adapt(
        self, support_x: torch.Tensor, support_y: torch.Tensor, num_steps: int | None = None, lr: float | None = None
    ) -> Weights:
        """Adapt to ONE task: support_x (n, ...), support_y (n, ...) -> dict of all parameters, some of them moved.

        `num_steps` and `lr` default to those of the learner (Meta-SGD: to the learned rates). Differentiable in the
        model's parameters, to second order unless the method is of first order. For K tasks call `adapt_tasks`.
        """
        _check_data(support_x, support_y, "support")
        adapted = self.adapt_tasks(support_x.unsqueeze(0), support_y.unsqueeze(0), num_steps, lr)
        return {name: value[0] for name, value in adapted.items()}

    def adapt_tasks(
        self, support_x: torch.Tensor, support_y: torch.Tensor, num_steps: int | None = None, lr: float | None = None
    ) -> Weights:
        """Adapt to K tasks at once: support_x (K, n, ...), support_y (K, n, ...) -> dict of (K, ...) tensors."""
        _check_data(support_x, support_y, "support", tasks=True)
        return self._adapt(support_x, support_y, None, num_steps, lr)[0]

    def predict(self, adapted: Weights, x: torch.Tensor) -> torch.Tensor:
        """The model's prediction for x (n, ...) with adapted parameters of one task."""
        return call(self.model, adapted, x)

    def predict_tasks(self, adapted: Weights, x: torch.Tensor) -> torch.Tensor:
        """The same for K tasks: adapted a dict of (K, ...), x (K, n, ...)."""
        return run(self.model, adapted, x)

    def task_losses(
        self,
        support_x: torch.Tensor,
        support_y: torch.Tensor,
        query_x: torch.Tensor,
        query_y: torch.Tensor,
        num_steps: int | None = None,
        lr: float | None = None,
    ) -> torch.Tensor:
        """Loss on each task's query set after adaptation to its support set: (K,), differentiable.

        support_x (K, n, ...), support_y (K, n, ...), query_x (K, m, ...), query_y (K, m, ...).
        """
        _check_sets(support_x, support_y, query_x, query_y)
        _, prediction = self._adapt(support_x, support_y, query_x, num_steps, lr)
        return self._losses(prediction, query_y, "query_y")

    def loss_after_adaptation(
        self,
        support_x: torch.Tensor,
        support_y: torch.Tensor,
        query_x: torch.Tensor,
        query_y: torch.Tensor,
        num_steps: int | None = None,
        lr: float | None = None,
    ) -> torch.Tensor:
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
        start = dict(self.model.named_parameters())
        pulls = {name: (start[name] - adapted[name].mean(0)).detach() for name in self.adapt_only}
        return torch.stack([(start[name] * pull).sum() for name, pull in pulls.items()]).sum()

    def _adapt(self, x, y, query_x, num_steps, lr):
        """(weights adapted to K tasks, their prediction for query_x or None): together, or one after the other."""
        parameters = dict(self.model.named_parameters())
        steps, rates = self.num_steps if num_steps is None else _steps(num_steps), self._rates(parameters, lr)
        kinds = self._plain_kinds(x, y, parameters, rates) if steps else None
        if kinds is not None:
            return self._descend(kinds, parameters, x, y, query_x, steps, rates)
        together = known(self.model)
        if not together and len(x) > 1:
            queries = [None] * len(x) if query_x is None else query_x.split(1)
            tasks = zip(x.split(1), y.split(1), queries, strict=True)
            adapted, predictions = zip(*(self._adapt(*task, num_steps, lr) for task in tasks), strict=True)
            stacked = {name: torch.cat([weights[name] for weights in adapted]) for name in adapted[0]}
            return stacked, None if query_x is None else torch.cat(predictions)
        start = {name: value.expand(len(x), *value.shape) for name, value in parameters.items()}
        if not together:  # copies, because a forward pass may write into its weights (an embedding with max_norm)
            start = {name: value.clone() for name, value in start.items()}
        lead, rest = self._split()
        if lead is not None:  # each task's two sets by themselves: the modules may mix rows
            x, query_x = run(lead, start, x), None if query_x is None else run(lead, start, query_x)
        adapted = self._inner(rest, start, x, y, steps, rates)
        return adapted, None if query_x is None else run(rest, adapted, query_x)

    def _split(self) -> tuple[nn.Module | None, nn.Module]:
        """The leading modules of an nn.Sequential that no inner step moves (or None), and the rest."""
        model = self.model
        moving = {name.partition(".")[0] for name in self.adapt_only}
        if type(model) is not nn.Sequential or changed(model) or next(iter(model._modules)) in moving:
            return None, model
        count = next(place for place, name in enumerate(model._modules) if name in moving)
        lead, rest = model[:count], model[count:]
        shared = {id(value) for value in lead.parameters()} & {id(value) for value in rest.parameters()}
        return (None, model) if shared else (lead, rest)

    def _rates(self, parameters: Weights, lr: float | None) -> dict:
        """The step size of each parameter that moves; one that was frozen since the learner was made stays."""
        rates = [self.inner_lr if lr is None else real("lr", lr, low=0)] * len(self.adapt_only)
        if lr is None and self.method == "meta-sgd":
            rates = list(self.rates)
        return {name: rate for name, rate in zip(self.adapt_only, rates, strict=True) if parameters[name].requires_grad}

    def _inner(self, module, start, x, y, steps, rates):
        """The inner loop. The tasks share no entry of `start`, so the gradient of the sum is each task's own."""
        outside = torch.is_grad_enabled()
        second = self._second_order()
        with torch.enable_grad():
            weights = dict(start) if outside else {name: value.detach() for name, value in start.items()}
            for _ in range(steps if rates else 0):
                moving = [weights[name] for name in rates]
                moving = [value if value.requires_grad else value.detach().requires_grad_() for value in moving]
                weights.update(zip(rates, moving, strict=True))
                total = self._losses(run(module, weights, x), y, "support_y").sum()
                slopes = torch.autograd.grad(total, moving, create_graph=second, materialize_grads=True)
                for (name, rate), value, slope in zip(rates.items(), moving, slopes, strict=True):
                    moved = value - rate * slope
                    weights[name] = moved if outside else moved.detach()
        return weights

    def _plain_kinds(self, x, y, parameters, rates):
        """The kinds of the layers where a step is one equation: plain ones, one rate, a squared error; else None."""
        if self.loss is not F.mse_loss or len(rates) < len(parameters) or not stackable(self.model):
            return None
        numbers = all(isinstance(rate, float) for rate in rates.values())
        alike = {x.dtype, y.dtype} == {value.dtype for value in parameters.values()}
        fits = x.dim() == 3 and y.shape == (*x.shape[:2], len(list(parameters.values())[-1]))
        return layer_kinds(self.model) if numbers and alike and fits and not autocasts(x.device.type) else None

    def _descend(self, kinds, parameters, x, y, query_x, steps, rates):
        """`_adapt` for plain layers: no graph of a backward pass has to be made and differentiated."""
        start, second = list(parameters.values()), self._second_order()
        rate = x.new_tensor(2 * next(iter(rates.values())) / y[0].numel())  # of the slope of each task's mean
        weights = start
        with torch.set_grad_enabled(second):
            for _ in range(steps):
                weights = descended(kinds, weights, x, y, rate)
        if torch.is_grad_enabled() and not second:  # what is added is 0, and has the gradient of a step of constants
            weights = [moved + (value - value.detach()) for moved, value in zip(weights, start, strict=True)]
        prediction = None if query_x is None else predicted(kinds, weights, query_x)
        return dict(zip(parameters, weights, strict=True)), prediction

    def _second_order(self) -> bool:
        """Whether the inner gradients are themselves differentiated."""
        return torch.is_grad_enabled() and self.method not in ("first-order", "reptile")

    def _losses(self, prediction, target, name):
        """The loss of each task: prediction (K, n, ...), target (K, n, ...) -> (K,)."""
        self._check_shapes(prediction, target, name)
        if self.loss is F.mse_loss:  # without vmap's overhead
            return F.mse_loss(prediction, target, reduction="none").mean(tuple(range(1, target.dim())))
        try:
            losses = vmap(self.loss, randomness="different")(prediction, target) if len(target) > 1 else None
        except (RuntimeError, NotImplementedError):  # what vmap cannot do: a branch on data, an operation it lacks
            losses = None
        if losses is None:
            losses = torch.stack([self.loss(*pair) for pair in zip(prediction, target, strict=True)])
        if losses.dim() != 1:
            raise ValueError(f"loss must return one number for a task's data, got shape {tuple(losses.shape[1:])}")
        return losses

    def _check_shapes(self, prediction, target, name):
        """Nothing is broadcast: a loss of (n, 1) against (n,) would compare each row with every other."""
        loss = getattr(self.loss, "func", self.loss)  # of a functools.partial
        if loss in ENTRYWISE or type(loss) in ENTRYWISE:
            fits = prediction.shape == target.shape
        else:  # a loss that reads more from the target than numbers to compare says itself what it needs
            fits = not target.is_floating_point() or target.dim() == prediction.dim()
        if not fits:
            wanted, got = tuple(prediction.shape[1:]), tuple(target.shape[1:])
            raise ValueError(f"{name} must have the shape of a task's prediction, {wanted}, got {got}")


def _moving_names(model, adapt_only, last_layer):
    """The names of the parameters that an inner step moves: those given, or all (of the last layer) not frozen."""
    parameters = dict(model.named_parameters())
    if any(nn.parameter.is_lazy(value) for value in (*parameters.values(), *model.buffers())):
        raise ValueError("model must know its shapes, got lazy modules: call it once on data first")
    free = [name for name, value in parameters.items() if value.requires_grad]
    if adapt_only is None:
        last = free[-1].rpartition(".")[0] if free else ""
        adapt_only = [name for name in free if not last_layer or name.rpartition(".")[0] == last]
    elif isinstance(adapt_only, str):
        raise TypeError(f"adapt_only must be a list of names, got the string {adapt_only!r}")
    wrong = sorted(set(adapt_only) - set(free))
    if wrong or not adapt_only:
        frozen = sorted(set(wrong) & set(parameters))
        got = f"{frozen}, which are frozen" if frozen else wrong or "no name"
        raise ValueError(f"adapt_only must name parameters that are not frozen ({', '.join(free)}), got {got}")
    return list(dict.fromkeys(adapt_only))


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
