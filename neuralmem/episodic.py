"""What to fetch: past experiences chosen by their cue, or by their age (chapter 6).

Both functions choose among what was stored in the order of time, the first `stored[b]` of N places of row b. They
return k places and the weight of each, so that whoever learns from the past is told how much each of it counts.
"""

import torch

from ._validate import positive_int, real, shaped
from .addressing import cosine_similarity

RECENCY = 1e-3  # of a difference in cosine: equal matches, and those that differ by rounding, go by age


def fetch(
    cues: torch.Tensor, stored: torch.Tensor, key: torch.Tensor, k: int, strength: float = 10.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """The k best matches of a key among stored cues, the latest of equal ones, each with its weight.

    weight_n = exp(strength · (cos(cue_n, key) - 1)): content addressing (chapter 1) before it is divided by its sum, so
    1 for the same cue, and near 0 throughout where nothing matches. cues (B, N, W), stored (B,) integers in 0..N, key
    (B, W); returns places (B, k) and weights (B, k), in the order of their age, oldest first. Where less than k are
    stored, the first places are 0 with weight 0. Raises ValueError or TypeError naming the argument.
    """
    shaped("cues", cues, "B N W")
    shaped("key", key, "B W", like=cues, B=len(cues), W=cues.shape[2])
    k, strength = positive_int("k", k), real("strength", strength, low=0)
    number = _numbers(cues, stored)
    cosine = cosine_similarity(cues, key.unsqueeze(1))[:, 0]  # (B, N)
    score = cosine + RECENCY * number / cues.shape[1]
    score = score.masked_fill(number >= stored.unsqueeze(1), -torch.inf)
    places = score.topk(min(k, cues.shape[1]), 1).indices.sort(1).values
    weights = torch.exp(strength * (cosine.gather(1, places) - 1))
    return _padded(places, weights * (places < stored.unsqueeze(1)), k)


def latest(cues: torch.Tensor, stored: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The last k that were stored, each with weight 1, whatever their cue: as `fetch` in all else."""
    shaped("cues", cues, "B N W")
    _numbers(cues, stored)
    places = stored.unsqueeze(1) - torch.arange(positive_int("k", k), 0, -1)
    return places.clamp_min(0), (places >= 0).to(cues)


def _numbers(cues, stored):
    """The places 0..N-1 as (1, N), after a check of `stored`."""
    if not isinstance(stored, torch.Tensor) or stored.is_floating_point() or stored.dtype == torch.bool:
        raise TypeError(f"stored must be a tensor of integers, got {getattr(stored, 'dtype', type(stored).__name__)}")
    if stored.shape != cues.shape[:1]:
        raise ValueError(f"stored must be ({len(cues)},) as cues has it, got {tuple(stored.shape)}")
    if len(stored) and not 0 <= int(stored.min()) <= int(stored.max()) <= cues.shape[1]:
        raise ValueError(f"stored must lie in 0..{cues.shape[1]}, got {int(stored.min())}..{int(stored.max())}")
    return torch.arange(cues.shape[1]).unsqueeze(0)


def _padded(places, weights, k):
    """k columns, and what has weight 0 at the front, at place 0."""
    short = k - places.shape[1]
    places = torch.nn.functional.pad(places, (short, 0))
    weights = torch.nn.functional.pad(weights, (short, 0))
    order = (weights > 0).to(torch.int64).argsort(dim=1, stable=True)
    weights = weights.gather(1, order)
    return places.gather(1, order) * (weights > 0), weights
