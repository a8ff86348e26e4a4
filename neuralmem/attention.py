"""Memory today: attention, outer-product writes and product keys, the bank's relatives (chapter 7).

Letters: leading dimensions `...` are batch and heads, Q queries, N stored pairs, W numbers in a key, V in a value.
"""

import torch
from torch import Tensor

from ._validate import boolean, positive_int, real, shaped, tensor


def attention_read(
    queries: Tensor, keys: Tensor, values: Tensor, strength: float | None = None, causal: bool = False
) -> Tensor:
    """Read by likeness where keys and values are apart: softmax(strength · q·k) weighs the values.

    r[i] = sum_n softmax_n(beta · q[i]·k[n]) v[n], beta = 1/sqrt(W) unless a `strength` is given (Vaswani et al. 2017,
    eq. 1; with keys as values, one step of Ramsauer et al. 2021, eq. 3). Shapes: queries (..., Q, W), keys (..., N, W),
    values (..., N, V); returns (..., Q, V). `causal` asks for Q = N, and query i then reads the pairs 0 to i.
    Raises ValueError or TypeError naming the argument. Chapter 7.
    """
    _rows("queries", queries)
    _rows("keys", keys, like=queries, width=queries.shape[-1])
    _rows("values", values, like=queries, rows=keys.shape[-2])
    beta = queries.shape[-1] ** -0.5 if strength is None else real("strength", strength)
    scores = beta * queries @ keys.mT  # (..., Q, N)
    if boolean("causal", causal):
        if scores.shape[-2] != scores.shape[-1]:
            raise ValueError(f"causal asks for as many queries as keys, got {tuple(scores.shape[-2:])}")
        later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
        scores = scores.masked_fill(later, -torch.inf)
    return torch.softmax(scores, dim=-1) @ values


def outer_write(memory: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Add one pair to a matrix memory: M' = M + k v'. It is read with a query q as q M.

    Shapes: memory (B, W, V), key (B, W), value (B, V); returns (B, W, V). What the key already reads is not taken
    away (Schmidhuber 1992; linear attention, Katharopoulos et al. 2020). Raises ValueError or TypeError. Chapter 7.
    """
    _pair(memory, key, value)
    return memory + key.unsqueeze(-1) * value.unsqueeze(-2)


def delta_write(memory: Tensor, key: Tensor, value: Tensor, rate: float | Tensor = 1.0) -> Tensor:
    """Correct what the key reads: M' = M + rate · k (v - k M), a gradient step on |k M - v|^2 / 2.

    Shapes: memory (B, W, V), key (B, W), value (B, V), rate a number or (B,); returns (B, W, V). With |k| = 1 and
    rate 1 the pair is read back exactly; with rate · |k|^2 above 2 repeated writes diverge (Widrow & Hoff 1960;
    Schlag et al. 2021, eq. 24). Raises ValueError or TypeError naming the argument. Chapter 7.
    """
    _pair(memory, key, value)
    missing = value - (key.unsqueeze(-2) @ memory).squeeze(-2)  # (B, V)
    if isinstance(rate, Tensor):
        missing = shaped("rate", rate, "B", like=memory, B=memory.shape[0]).unsqueeze(-1) * missing
    else:
        missing = real("rate", rate) * missing
    return memory + key.unsqueeze(-1) * missing.unsqueeze(-2)


def product_key_search(query: Tensor, first: Tensor, second: Tensor, best: int) -> tuple[Tensor, Tensor]:
    """The `best` of n·m product keys for each query, exactly, from n + m comparisons and `best`^2 sums.

    Key i·m + j is (first[i], second[j]), so its score q·k is q1·first[i] + q2·second[j]: only pairs of the `best`
    firsts and the `best` seconds can be among the best (Lample et al. 2019, section 3.2). Shapes: query (Q, W), first
    (n, W/2), second (m, W/2); returns (scores, indices), each (Q, best), the largest first. Without a gradient
    through the choice. Raises ValueError or TypeError naming the argument. Chapter 7.
    """
    shaped("query", query, "Q W")
    half = query.shape[1] // 2
    if query.shape[1] != 2 * half:
        raise ValueError(f"query must have an even width, got {tuple(query.shape)}")
    shaped("first", first, "n half", like=query, half=half)
    shaped("second", second, "m half", like=query, half=half)
    best = positive_int("best", best)
    if best > len(first) * len(second):
        raise ValueError(f"best must be at most the number of keys, {len(first) * len(second)}, got {best}")
    ahead, which = (query[:, :half] @ first.T).topk(min(best, len(first)))
    behind, other = (query[:, half:] @ second.T).topk(min(best, len(second)))
    sums = (ahead.unsqueeze(2) + behind.unsqueeze(1)).flatten(1)  # (Q, best · best)
    numbers = (which.unsqueeze(2) * len(second) + other.unsqueeze(1)).flatten(1)
    scores, place = sums.topk(best)
    return scores, numbers.gather(1, place)


def _rows(name, value, like=None, width=None, rows=None):
    """Raise unless `value` is a floating tensor (..., rows, width), its leading dimensions those of `like`."""
    tensor(name, value)
    if value.dim() < 2 or 0 in value.shape:
        raise ValueError(f"{name} must be (..., rows, numbers) with at least one of each, got {tuple(value.shape)}")
    if like is None:
        return
    if value.dtype != like.dtype:
        raise TypeError(f"{name} must have dtype {like.dtype}, got {value.dtype}")
    if value.device != like.device:
        raise ValueError(f"{name} must be on device {like.device}, got {value.device}")
    wanted = (*like.shape[:-2], rows or value.shape[-2], width or value.shape[-1])
    if value.shape != wanted:
        raise ValueError(f"{name} must be {wanted}, got {tuple(value.shape)}")


def _pair(memory, key, value):
    """Raise unless memory (B, W, V), key (B, W) and value (B, V) fit together."""
    shaped("memory", memory, "B W V")
    batch, width, numbers = memory.shape
    shaped("key", key, "B W", like=memory, B=batch, W=width)
    shaped("value", value, "B V", like=memory, B=batch, V=numbers)
