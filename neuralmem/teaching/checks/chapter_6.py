"""The checks of chapter 6's exercises: random instances and awkward ones against a reference, one verdict each."""

import math
from collections.abc import Callable, Iterable, Sequence

import torch

from .judge import attempt, examine, find_problem, verdict


def _generator(seed):
    return torch.Generator().manual_seed(7919 * seed + 6)


def key_weight(differing: int, bits: int, strength: float) -> float:
    """exp(strength · (cosine - 1)) of two cues of ±1 that differ in some of their bits."""
    return math.exp(-2 * strength * differing / bits)


def check_key_weight(function: Callable, seed: int = 0) -> bool:
    """How much a past step counts whose cue differs in some bits: function(differing, bits, strength) -> number."""
    mistakes = [
        (
            lambda differing, bits, strength: math.exp(-strength * differing / bits),
            "a bit that differs takes 2 from the inner product, not 1: it gives -1 where it gave +1.",
        ),
        (
            lambda differing, bits, strength: math.exp(-2 * strength * differing),
            "the cosine divides the inner product by both lengths, and each is the root of `bits`.",
        ),
        (
            lambda differing, bits, strength: math.exp(strength * (1 - 2 * differing / bits)),
            "the same cue must count 1: subtract 1 from the cosine before the exponential.",
        ),
        (
            lambda differing, bits, strength: 1 - 2 * differing / bits,
            "that is the cosine itself: it hardly tells one bit from none.",
        ),
        (
            lambda differing, bits, strength: math.exp(-2 * strength * (bits - differing) / bits),
            "you counted the bits that agree.",
        ),
    ]
    generator, instances = _generator(seed), {"two of six bits": (2, 6, 3.0)}
    for number in range(4):
        bits = int(torch.randint(4, 13, (), generator=generator))
        differing = int(torch.randint(1, bits, (), generator=generator))
        instances[f"random cues {number + 1}"] = differing, bits, 0.5 + 4 * float(torch.rand((), generator=generator))
    instances["the same cue"] = 0, 6, 8.0
    instances["the opposite cue"] = 5, 5, 2.0
    return examine(function, key_weight, instances, mistakes)


def drawn_fit(
    x: torch.Tensor, y: torch.Tensor, weights: torch.Tensor, common: torch.Tensor, penalty: float
) -> torch.Tensor:
    """Coefficients that minimise sum of weights · (x c - y)^2 + penalty · |c - common|^2."""
    scaled = weights.unsqueeze(1) * x
    return common + torch.linalg.solve(scaled.mT @ x + penalty * torch.eye(x.shape[1]), scaled.mT @ (y - x @ common))


def check_drawn_fit(function: Callable, seed: int = 0) -> bool:
    """A weighted fit drawn to a common one: function(x (n, D), y (n,), weights (n,), common (D,), penalty) -> (D,)."""

    def to_zero(x, y, weights, common, penalty):
        return drawn_fit(x, y, weights, torch.zeros_like(common), penalty)

    mistakes = [
        (to_zero, "with no data yours is 0; draw it towards `common`: fit what `common` leaves over, then add it."),
        (
            lambda x, y, w, common, penalty: drawn_fit(x, y, w, common, penalty) - common,
            "that is only the correction: add `common` to it.",
        ),
        (
            lambda x, y, w, common, penalty: common + drawn_fit(x, y, w, torch.zeros_like(common), penalty),
            "you fitted y and then added `common`: fit what it leaves over, y - x @ common.",
        ),
        (
            lambda x, y, w, common, penalty: drawn_fit(x, y, w**2, common, penalty),
            "the weights came in twice: scale one of the two x in x'x, not both.",
        ),
        (
            lambda x, y, w, common, penalty: drawn_fit(x, y, (w > 0).float(), common, penalty),
            "every row counts the same: use the weights.",
        ),
        (
            lambda x, y, w, common, penalty: drawn_fit(x, y, w / w.sum().clamp_min(1e-9), common, penalty),
            "your weights sum to 1, so that a hundred rows say no more against `common` than one.",
        ),
    ]
    generator, instances = _generator(seed), {}
    for number, penalty in enumerate((0.5, 3.0, 1.0)):
        x, common = torch.randn(8, 3, generator=generator), torch.randn(3, generator=generator)
        y, weights = torch.randn(8, generator=generator), torch.rand(8, generator=generator)
        instances[f"random rows {number + 1}"] = x, y, weights, common, penalty
    nothing = torch.randn(2, 3, generator=generator), torch.randn(2, generator=generator), torch.zeros(2)
    instances["weights of 0"] = (*nothing, torch.tensor([1.0, -2.0, 0.5]), 2.0)
    instances["a single row"] = torch.ones(1, 3), torch.ones(1), torch.ones(1), torch.zeros(3), 0.1
    return examine(function, drawn_fit, instances, mistakes)


def prequential_error(predict: Callable, learn: Callable, stream: Iterable[tuple]) -> float:
    """Mean absolute error over a stream of (x, y), each predicted before it is learned from."""
    errors = []
    for x, y in stream:
        errors.append(abs(predict(x) - y))
        learn(x, y)
    return sum(errors) / len(errors)


def check_prequential(function: Callable, seed: int = 0) -> bool:
    """Mean error of testing on each pair, then learning from it: function(predict, learn, stream) -> float."""
    generator = _generator(seed)
    for number in range(4):
        keys = torch.randint(3, (6 + number,), generator=generator).tolist()
        values = (1 + 9 * torch.rand(3, generator=generator)).tolist()
        stream = [(key, values[key]) for key in [*keys, 0, 0]]
        first = [place for place, (key, _) in enumerate(stream) if key not in [other for other, _ in stream[:place]]]
        right = sum(stream[place][1] for place in first) / len(stream)
        table: dict = {}
        got, problem = attempt(function, lambda key, table=table: table.get(key, 0.0), table.__setitem__, list(stream))
        if problem:
            return verdict(problem)
        unlearned = sum(value for _, value in stream)
        mistakes = [
            (0.0, "you learn from a pair before you predict it: the answer is known when it is asked."),
            (unlearned / len(stream), "you never learn, so a question that comes again is answered as badly."),
            (right * len(stream), "that is the sum; the prequential error is the mean over the stream."),
            (right * len(stream) / len(first), "the mean is over the whole stream, known questions too."),
        ]
        if not isinstance(got, int | float | torch.Tensor):
            return verdict(f"A number is asked for, got a {type(got).__name__}.")
        if abs(float(got) - right) > 1e-6:
            why = next((words for value, words in mistakes if abs(float(got) - value) < 1e-6), None)
            return verdict(f"Wrong value: {why}" if why else f"Wrong value {float(got):.4g} for stream {number + 1}.")
    return verdict()


def next_plan(plans: torch.Tensor, costs: torch.Tensor, temperature: float) -> torch.Tensor:
    """The mean of plans (C, H), weighted by softmax(-costs / temperature): (H,)."""
    return torch.softmax(-costs / temperature, 0) @ plans


def check_next_plan(function: Callable, seed: int = 0) -> bool:
    """The weighted mean of plans: function(plans (C, H), costs (C,), temperature) -> (H,)."""
    mistakes = [
        (
            lambda plans, costs, t: torch.softmax(costs / t, 0) @ plans,
            "the dearest plan counts most: the sign of the costs is the wrong way round.",
        ),
        (
            lambda plans, costs, t: torch.softmax(-costs * t, 0) @ plans,
            "divide by the temperature: a low one must come close to the best plan alone.",
        ),
        (lambda plans, costs, t: plans[costs.argmin()], "that is the best plan alone, whatever the temperature."),
        (
            lambda plans, costs, t: torch.exp(-(costs - costs.min()) / t) @ plans,
            "the weights do not sum to 1: divide by their sum.",
        ),
    ]
    generator, instances = _generator(seed), {}
    for number, temperature in enumerate((1.0, 0.3, 5.0)):
        plans, costs = torch.randn(6, 4, generator=generator), 3 * torch.rand(6, generator=generator)
        instances[f"random plans {number + 1}"] = plans, costs, temperature
    instances["a high temperature"] = torch.randn(3, 2, generator=generator), torch.rand(3, generator=generator), 1e4
    plans = torch.randn(5, 3, generator=generator)
    large = 3000 + 3 * torch.rand(5, generator=generator)
    moderate = find_problem(function, next_plan, instances, mistakes)
    if moderate:
        return verdict(moderate)
    got, problem = attempt(function, plans, large, 1.0)
    if problem is None and not torch.isfinite(torch.as_tensor(got)).all():
        problem = "For large costs every exponential is 0, and 0 / 0 is no number: subtract the least cost first."
    return verdict(problem) if problem else examine(function, next_plan, {"large costs": (plans, large, 1.0)})


def steps_to_recover(standing: Sequence[bool]) -> int:
    """Steps until it stands for the rest of the stay; the whole stay where it does not stand at the end."""
    to_the_end = 0
    for stands in reversed(standing):
        if not stands:
            break
        to_the_end += 1
    return len(standing) - to_the_end


def check_recovery(function: Callable, seed: int = 0) -> bool:
    """Steps until a pendulum stands for good: function(standing, a list of booleans) -> int."""

    def first(standing):
        return standing.index(True) if True in standing else len(standing)

    def last_fall(standing):
        return max((place for place, stands in enumerate(standing) if not stands), default=0)

    mistakes = [
        (first, "it may fall again: count until it stands for the REST of the stay."),
        (lambda standing: standing.count(False), "that is how many steps it lay in all, not when the last one was."),
        (last_fall, "that is the last step at which it lay; it has recovered one later, or at 0 if it never lay."),
        (lambda standing: len(standing) - steps_to_recover(standing), "that is how long it stood at the end."),
        (
            lambda standing: steps_to_recover(standing) if standing[-1] else -1,
            "where it never recovers, count the whole stay: a mean over stays needs a number there.",
        ),
    ]
    generator, instances = _generator(seed), {}
    instances["the example"] = ([False, True, False, True, True],)
    for number in range(4):
        drawn = torch.rand(12, generator=generator) < 0.6
        instances[f"a random stay {number + 1}"] = ([*drawn.tolist(), True, True],)
    instances["a stay that ends in a fall"] = ([True, True, False],)
    instances["a stay without a fall"] = ([True, True, True],)
    instances["a stay without a stand"] = ([False, False],)
    return examine(function, steps_to_recover, instances, mistakes)
