"""The checks of chapter 7's exercises, each on random instances of its `seed` and on awkward ones."""

import math

import torch

from ...attention import product_key_search
from .judge import Function, attempt, examine, find_problem, verdict


def _draws(seed):
    return torch.Generator().manual_seed(seed)


def check_writes_until(function: Function, seed: int = 0) -> bool:
    """The number of later writes after which a share is left: function(share, width) -> float."""

    def reference(share, width):
        return math.log(share) / math.log(1 - 1 / width)

    mistakes = [
        (lambda share, width: -width * math.log(share), "close for wide keys, but (1 - 1/W)^m is not e^(-m/W)."),
        (lambda share, width: (1 - share) * width, "each write takes 1/W of what is left, not of what there was."),
        (lambda share, width: math.log(share) / math.log(1 / width), "1/W is what is taken, not what is left."),
        (lambda share, width: math.log(1 - share) / math.log(1 - 1 / width), "that is until the share is lost."),
        (lambda share, width: (1 - 1 / width) ** share, "that is a share after so many writes: solve for the number."),
        (lambda share, width: math.log(1 - 1 / width) / math.log(share), "upside down."),
    ]
    draw = _draws(seed)
    instances = {"one half and W = 64": (0.5, 64)}
    for number in range(3):
        share = 0.05 + 0.9 * torch.rand((), generator=draw).item()
        instances[f"random numbers {number + 1}"] = (share, int(torch.randint(3, 200, (), generator=draw)))
    instances |= {"two numbers": (0.25, 2), "nearly all": (0.99, 16), "very little": (1e-6, 1000)}
    return examine(function, reference, instances, mistakes)


def _windowed(queries, keys, values, window, scale=None, ahead=0, behind=0):
    """A read of the last `window` pairs, with its possible faults as arguments."""
    scores = queries @ keys.T * (keys.shape[1] ** -0.5 if scale is None else scale)
    allowed = torch.ones_like(scores).tril(ahead).triu(1 - window - behind).bool()
    return torch.softmax(scores.masked_fill(~allowed, -torch.inf), -1).nan_to_num() @ values


def check_windowed(function: Function, seed: int = 0) -> bool:
    """Attention to the last pairs only: function(queries (T, W), keys (T, W), values (T, V), window) -> (T, V)."""

    def all_before(queries, keys, values, window):
        return _windowed(queries, keys, values, len(keys))

    def zeros_for_masks(queries, keys, values, window):
        allowed = torch.ones(len(queries), len(keys)).tril().triu(1 - window).bool()
        return torch.softmax((queries @ keys.T / keys.shape[1] ** 0.5) * allowed, -1) @ values

    def masked_afterwards(queries, keys, values, window):
        allowed = torch.ones(len(queries), len(keys)).tril().triu(1 - window)
        return (torch.softmax(queries @ keys.T / keys.shape[1] ** 0.5, -1) * allowed) @ values

    def over_queries(queries, keys, values, window):
        scores = queries @ keys.T / keys.shape[1] ** 0.5
        allowed = torch.ones_like(scores).tril().triu(1 - window).bool()
        return torch.softmax(scores.masked_fill(~allowed, -torch.inf), 0) @ values

    mistakes = [
        (lambda q, k, v, w: _windowed(q, k, v, w, scale=1.0), "divide the products by the root of W."),
        (lambda q, k, v, w: _windowed(q, k, v, w, scale=1 / k.shape[1]), "divide by the root of W, not by W."),
        (lambda q, k, v, w: _windowed(q, k, v, w, behind=1), "that is one pair too many: its own pair is one of them."),
        (lambda q, k, v, w: _windowed(q, k, v, w, ahead=len(q)), "words read pairs that come after them."),
        (all_before, "all earlier pairs are read, not the last `window` of them."),
        (zeros_for_masks, "a score of 0 still counts e^0 = 1: what may not be read needs -inf."),
        (masked_afterwards, "mask before the softmax: these weights do not sum to 1."),
        (over_queries, "the softmax goes over pairs, so that each word's weights sum to 1."),
    ]
    draw, instances = _draws(seed), {}
    for number, (steps, width, window) in enumerate([(6, 4, 2), (7, 3, 3), (5, 9, 4)]):
        parts = torch.randn(3, steps, width, generator=draw)
        instances[f"random numbers {number + 1}"] = (*parts.unbind(0), window)
    short = torch.randn(3, 4, 4, generator=draw)
    instances |= {
        "a window of 1": (*short.unbind(0), 1),
        "a window longer than the text": (*short.unbind(0), 9),
        "values of another width": (short[0], short[1], torch.randn(4, 2, generator=draw), 2),
    }
    return examine(function, _windowed, instances, mistakes, gradients=(0, 1, 2))


def _delta(matrix, key, value, rate):
    return matrix + rate * torch.outer(key, value - key @ matrix)


def _safe_delta(matrix, key, value):
    squared = key @ key
    return _delta(matrix, key, value, 1 / squared) if squared > 0 else matrix


def check_safe_delta(function: Function, seed: int = 0) -> bool:
    """A delta write for keys of any length: function(matrix (W, V), key (W,), value (V,)) -> (W, V)."""

    def by_the_length(matrix, key, value):
        return _delta(matrix, key, value, 1 / key.norm()) if key.any() else matrix

    def unit_key(matrix, key, value):
        return _delta(matrix, torch.nn.functional.normalize(key, dim=0), value, 1.0)

    def no_correction(matrix, key, value):
        return matrix + torch.outer(key, value) / (key @ key).clamp_min(1e-20)

    mistakes = [
        (lambda matrix, key, value: _delta(matrix, key, value, 1.0), "that is the version that explodes."),
        (lambda m, k, v: _delta(m, k, v, 0.01), "a small rate is safe, and nothing is read back."),
        (by_the_length, "divide by the SQUARED length: the key stands in the update twice."),
        (unit_key, "the query will be the key as it is: read with it, and the answer has its length as a factor."),
        (no_correction, "what the key reads already must be taken away."),
        (lambda matrix, key, value: _delta(matrix, key, value, 1.0).clamp(-1e3, 1e3), "clipping hides it."),
    ]
    draw, instances = _draws(seed), {}
    for length in (1.0, 3.0, 0.2):
        key = torch.nn.functional.normalize(torch.randn(5, generator=draw), dim=0) * length
        matrix, value = torch.randn(5, 3, generator=draw), torch.randn(3, generator=draw)
        instances[f"a key of length {length:g}"] = (matrix, key, value)
    filled = torch.randn(4, 2, generator=draw)
    found = find_problem(function, _safe_delta, instances, mistakes)
    if found:
        return verdict(found)
    got, problem = attempt(function, filled.clone(), torch.zeros(4), torch.ones(2))
    if problem is None and not torch.isfinite(torch.as_tensor(got)).all():
        problem = "For a key of zeros: 0 / 0. Such a key must change nothing."
    if problem:
        return verdict(problem)
    return examine(function, _safe_delta, {"a key of zeros": (filled, torch.zeros(4), torch.ones(2))})


def check_best_keys(function: Function, seed: int = 0) -> bool:
    """The best of n·m product keys: function(query (W,), first (n, W/2), second (m, W/2), best) -> (best,)."""

    def reference(query, first, second, best):
        return product_key_search(query[None], first, second, best)[1][0]

    def halves(query, first, second, best):
        half = len(query) // 2
        ahead, i = (first @ query[:half]).topk(min(best, len(first)))
        behind, j = (second @ query[half:]).topk(min(best, len(second)))
        return ahead, i, behind, j

    def other_stride(query, first, second, best):
        found = reference(query, first, second, best)
        return found // len(second) + found % len(second) * len(first)

    def n_for_m(query, first, second, best):
        found = reference(query, first, second, best)
        return found // len(second) * len(first) + found % len(second)

    def one_to_one(query, first, second, best):
        _, i, _, j = halves(query, first, second, best)
        pairs = min(len(i), len(j))
        return (i[:pairs] * len(second) + j[:pairs])[:best]

    def unsorted(query, first, second, best):
        _, i, _, j = halves(query, first, second, best)
        return (i.unsqueeze(1) * len(second) + j).flatten()[:best]

    def places(query, first, second, best):
        ahead, _, behind, _ = halves(query, first, second, best)
        return (ahead.unsqueeze(1) + behind).flatten().topk(best).indices

    def product(query, first, second, best):
        ahead, i, behind, j = halves(query, first, second, best)
        order = (ahead.unsqueeze(1) * behind).flatten().topk(best).indices
        return (i.unsqueeze(1) * len(second) + j).flatten()[order]

    def product_of_all(query, first, second, best):
        half = len(query) // 2
        return torch.outer(first @ query[:half], second @ query[half:]).flatten().topk(best).indices

    mistakes = [
        (product_of_all, "the score of a pair is the SUM of the two scores."),
        (other_stride, "key i·m + j: the number of the FIRST half is the one that is multiplied."),
        (n_for_m, "the first half's number is multiplied by m, the length of the second list."),
        (one_to_one, "the best first need not go with the best second, the next with the next: try all pairs."),
        (unsorted, "among the pairs of good halves the best sums must be chosen, too."),
        (places, "these are places in your own small table of sums: say which keys they are."),
        (product, "the score of a pair is the SUM of the two scores."),
        (lambda *given: reference(*given).flip(0), "the highest score comes first."),
    ]
    draw, instances = _draws(seed), {}
    for number, (n, m, half, best) in enumerate([(6, 9, 3, 4), (8, 5, 4, 3), (20, 20, 6, 5), (7, 11, 2, 6)]):
        parts = torch.randn(n, half, generator=draw), torch.randn(m, half, generator=draw)
        instances[f"random lists {number + 1}"] = (torch.randn(2 * half, generator=draw), *parts, best)
    small = torch.randn(2, 2, generator=draw), torch.randn(3, 2, generator=draw)
    instances |= {
        "all of 2 · 3 keys": (torch.randn(4, generator=draw), *small, 6),
        "the best one": (torch.randn(4, generator=draw), *small, 1),
    }
    return examine(function, reference, instances, mistakes)


def check_stepped_prediction(function: Function, seed: int = 0) -> bool:
    """The prediction after one step: function(x (n, D), y (n,), query (D,), start (D,), rate) -> a number."""

    def reference(x, y, query, start, rate):
        return query @ start + rate / len(x) * (x @ query) @ (y - x @ start)

    def from_zero(x, y, query, start, rate):
        return rate / len(x) * (x @ query) @ y

    mistakes = [
        (from_zero, "that starts from weights of zero; `start` need not be zero."),
        (lambda x, y, q, s, r: q @ s + r / len(x) * (x @ q) @ y, "the step corrects what `start` leaves over of y."),
        (lambda x, y, q, s, r: q @ s + r * (x @ q) @ (y - x @ s), "the loss is a mean: divide by n."),
        (lambda x, y, q, s, r: q @ s - r / len(x) * (x @ q) @ (y - x @ s), "the step goes the wrong way."),
        (lambda x, y, q, s, r: q @ s + 2 * r / len(x) * (x @ q) @ (y - x @ s), "the one half takes the 2 away."),
        (lambda x, y, q, s, r: r / len(x) * (x @ q) @ (y - x @ s), "add what `start` predicts."),
        (lambda x, y, q, s, r: q @ s + r * torch.softmax(x @ q, 0) @ (y - x @ s), "no softmax: the products weigh."),
    ]
    draw, instances = _draws(seed), {}
    for number, (rows, width) in enumerate([(6, 3), (4, 5), (9, 2)]):
        x, y = torch.randn(rows, width, generator=draw), torch.randn(rows, generator=draw)
        query, start = torch.randn(2, width, generator=draw)
        instances[f"random numbers {number + 1}"] = (x, y, query, start, 0.1 + 0.2 * number)
    x, query = torch.randn(3, 2, generator=draw), torch.randn(2, generator=draw)
    instances |= {
        "a start of zeros": (x, torch.randn(3, generator=draw), query, torch.zeros(2), 0.3),
        "no step": (x, torch.randn(3, generator=draw), query, torch.ones(2), 0.0),
        "one example": (x[:1], torch.ones(1), query, torch.ones(2), 0.5),
    }
    return examine(function, reference, instances, mistakes)
