"""Adapting without steps: a learner's last layer solved in closed form, from features that were learned (chapter 5)."""

import torch
import torch.nn.functional as F

from ._validate import finite, positive_int, real


def prototypes(features: torch.Tensor, labels: torch.Tensor, ways: int) -> torch.Tensor:
    """The mean feature of each class: features (..., n, D), labels (..., n) in 0..ways-1 -> (..., ways, D).

    c_k = (1 / n_k) · sum over i with y_i = k of f_i (Snell et al. 2017, eq. 1; chapter 5). Leading dimensions are
    tasks, each with its own classes. Raises ValueError where a class has no example, a label is out of range or a
    shape does not fit, TypeError for labels that are no int64 tensor.
    """
    _floating("features", features)
    ways = positive_int("ways", ways)
    if not isinstance(labels, torch.Tensor) or labels.dtype != torch.int64:
        raise TypeError(f"labels must be an int64 tensor, got {getattr(labels, 'dtype', type(labels).__name__)}")
    if labels.shape != features.shape[:-1]:
        raise ValueError(f"labels must be {tuple(features.shape[:-1])} as features has it, got {tuple(labels.shape)}")
    if labels.numel() and not 0 <= int(labels.min()) <= int(labels.max()) < ways:
        raise ValueError(f"labels must lie in 0..{ways - 1}, got {int(labels.min())}..{int(labels.max())}")
    member = F.one_hot(labels, ways).to(features)  # (..., n, ways)
    count = member.sum(-2)
    if not bool((count > 0).all()):
        raise ValueError(f"labels must hold every class 0..{ways - 1} in every task; some class has no example")
    return member.mT @ features / count.unsqueeze(-1)


def nearest_prototype_logits(features: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    """Minus the squared distance to each prototype: features (..., m, D), centres (..., ways, D) -> (..., m, ways).

    logit_ik = -|f_i - c_k|^2; its softmax is the probability of class k and its largest the nearest centroid
    (Snell et al. 2017, eq. 2; chapter 5). Raises ValueError where shapes do not fit.
    """
    _floating("features", features)
    _floating("centres", centres, like=features)
    if centres.shape[:-2] != features.shape[:-2] or centres.shape[-1] != features.shape[-1]:
        wanted = ", ".join(map(str, (*features.shape[:-2], "ways", features.shape[-1])))
        raise ValueError(f"centres must be ({wanted}) as features has it, got {tuple(centres.shape)}")
    return -(features.unsqueeze(-2) - centres.unsqueeze(-3)).square().sum(-1)


def ridge(
    features: torch.Tensor,
    targets: torch.Tensor,
    penalty: float | torch.Tensor,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Ridge regression in closed form: features (..., n, D), targets (..., n, K) -> weights of the layer (..., D, K).

    W minimises sum_i w_i · |f_i W - y_i|^2 + penalty · |W|^2, so W = (F' w F + penalty · I)^-1 F' w Y, or for fewer
    rows than features the equal F' (w F F' + penalty · I)^-1 w Y (Bertinetto et al. 2019; chapter 5).
    `weights` (..., n), at least 0, says how much each row counts (default 1); `penalty` is a positive number or a 0-d
    tensor, which may be learned. Differentiable in all four. For an intercept give the features a column of ones.
    Leading dimensions are tasks. Raises ValueError or TypeError naming the argument.
    """
    _floating("features", features)
    _floating("targets", targets, like=features)
    if targets.shape[:-1] != features.shape[:-1]:
        wanted = ", ".join(map(str, (*features.shape[:-1], "K")))
        raise ValueError(f"targets must be ({wanted}) as features has it, got {tuple(targets.shape)}")
    _positive_penalty(penalty)
    if weights is None:
        weighted = features
        weighted_targets = targets
    else:
        _row_weights(weights, features)
        weighted = weights.unsqueeze(-1) * features
        weighted_targets = weights.unsqueeze(-1) * targets
    rows, width = features.shape[-2:]
    identity = torch.eye(min(rows, width), dtype=features.dtype, device=features.device)
    if rows < width:
        return features.mT @ torch.linalg.solve(weighted @ features.mT + penalty * identity, weighted_targets)
    return torch.linalg.solve(features.mT @ weighted + penalty * identity, features.mT @ weighted_targets)


def _floating(name, value, like=None):
    """Raise unless `value` is a floating tensor (..., rows, numbers), of the dtype and device of `like`."""
    if not isinstance(value, torch.Tensor):
        raise TypeError(f"{name} must be a tensor, got {type(value).__name__}")
    if not value.is_floating_point():
        raise TypeError(f"{name} must have a floating dtype, got {value.dtype}")
    if value.dim() < 2 or 0 in value.shape:
        raise ValueError(f"{name} must be (..., n, D) with at least one row and one column, got {tuple(value.shape)}")
    if like is not None and (value.dtype, value.device) != (like.dtype, like.device):
        got, wanted = f"{value.dtype} on {value.device}", f"{like.dtype} on {like.device}"
        raise TypeError(f"{name} must be {wanted} as features is, got {got}")


def _positive_penalty(penalty):
    if isinstance(penalty, torch.Tensor):
        if penalty.dim():
            raise ValueError(f"penalty must be a number or a 0-d tensor, got shape {tuple(penalty.shape)}")
        penalty = float(penalty.detach())
    if real("penalty", penalty, low=0) == 0:
        raise ValueError("penalty must be positive, got 0: without it the system may have no single solution")


def _row_weights(weights, features):
    _floating("weights", weights.unsqueeze(0) if isinstance(weights, torch.Tensor) else weights, like=features)
    if weights.shape != features.shape[:-1]:
        raise ValueError(f"weights must be {tuple(features.shape[:-1])} as features has it, got {tuple(weights.shape)}")
    finite("weights", weights)
    if bool((weights < 0).any()):
        raise ValueError(f"weights must be at least 0, got {float(weights.min())}")
