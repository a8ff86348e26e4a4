"""The checks of chapter 8's exercises: random instances and awkward ones against a reference, one verdict each."""

from collections.abc import Callable, Sequence

import torch

from .judge import examine


def _generator(seed):
    return torch.Generator().manual_seed(7919 * seed + 8)


def _numbers(count, generator):
    return [round(float(value), 3) for value in torch.randn(count, generator=generator)]


def questions_of(values: Sequence[float], length: int, horizon: int) -> tuple[list[list[float]], list[float]]:
    """The windows of `length` values and, `horizon` values after each, its answer."""
    starts = range(len(values) - length - horizon + 1)
    return [list(values[s : s + length]) for s in starts], [values[s + length - 1 + horizon] for s in starts]


def check_questions(function: Callable, seed: int = 0) -> bool:
    """Windows and answers: function(values, length, horizon) -> (list of windows, list of answers)."""

    def shifted(by):
        def wrong(values, length, horizon):
            windows, _ = questions_of(values, length, horizon)
            return windows, [values[s + length - 1 + horizon + by] for s in range(len(windows))]

        return wrong

    def first_asked(values, length, horizon):
        windows, _ = questions_of(values, length, horizon)
        return windows, [values[s + horizon] for s in range(len(windows))]

    def backwards(values, length, horizon):
        windows, answers = questions_of(values, length, horizon)
        return [window[::-1] for window in windows], answers

    mistakes = [
        (shifted(-1), "your answer comes one value too early: at a horizon of 1 it is the window's own last value."),
        (first_asked, "the horizon counts from the window's last value, not from its first."),
        (backwards, "your windows run backwards: the oldest value comes first."),
    ]
    generator, instances = _generator(seed), {"the example": ([1.0, 2.0, 4.0, 8.0, 16.0], 2, 1)}
    for number, (length, horizon) in enumerate([(3, 1), (2, 3), (4, 2)], start=1):
        instances[f"random values {number}"] = _numbers(12, generator), length, horizon
    instances["a window of one"] = _numbers(4, generator), 1, 1
    instances["values for one question"] = _numbers(5, generator), 3, 2
    return examine(function, questions_of, instances, mistakes)


def known_answers(rows: Sequence[int], horizon: int, now: int) -> int:
    """How many answers are known when the question with the newest row `now` is asked."""
    return sum(row + horizon <= now for row in rows)


def check_known(function: Callable, seed: int = 0) -> bool:
    """How many answers may be learned by now: function(rows, horizon, now) -> number."""
    mistakes = [
        (
            lambda rows, horizon, now: sum(row < now for row in rows),
            "you count every earlier question. The answer of row r is measured at row r + horizon.",
        ),
        (
            lambda rows, horizon, now: sum(row + horizon < now for row in rows),
            "an answer that is measured at this very row is known: at most, not less.",
        ),
        (
            lambda rows, horizon, now: max(0, len([row for row in rows if row <= now]) - horizon),
            "you count questions instead of rows: between gaps a question may be many rows from the one before it.",
        ),
        (lambda rows, horizon, now: len(rows), "you count the answers of the whole stream, those to come among them."),
    ]
    generator, instances = _generator(seed), {"the example": ([1, 2, 3, 4, 5, 6], 3, 6)}
    for number in range(4):
        rows = torch.randperm(30, generator=generator)[:12].sort().values.tolist()
        now = rows[int(torch.randint(4, 12, (), generator=generator))]
        instances[f"a stream with gaps {number + 1}"] = rows, 1 + number, now
    instances["the first question"] = [4, 5, 6], 2, 4
    instances["a horizon of one"] = [0, 1, 2, 3], 1, 3
    return examine(function, known_answers, instances, mistakes)


def filled(values: Sequence[float | None]) -> list[float | None]:
    """Each hole filled by the newest value before it; holes at the beginning stay."""
    found: list[float | None] = []
    for value in values:
        found.append(found[-1] if value is None and found else value)
    return found


def check_filled(function: Callable, seed: int = 0) -> bool:
    """Holes filled without a look ahead: function(values) -> list, None where nothing is known yet."""

    def coded(solve):  # a list with None is no list of numbers: the judge compares texts
        def written(values):
            got = solve(values)
            if not isinstance(got, list) or len(got) != len(values):
                return got
            return [-1e6 if value is None else value for value in got]

        written.__name__ = getattr(solve, "__name__", "function")
        return written

    def between(values):
        found, places = list(values), [place for place, value in enumerate(values) if value is not None]
        for place, value in enumerate(values):
            before, after = [p for p in places if p < place], [p for p in places if p > place]
            if value is None and before and after:
                share = (place - before[-1]) / (after[0] - before[-1])
                found[place] = values[before[-1]] + share * (values[after[0]] - values[before[-1]])
            elif value is None and before:
                found[place] = values[before[-1]]
        return found

    def from_behind(values):
        return filled(list(values)[::-1])[::-1]

    def by_mean(values):
        known = [value for value in values if value is not None]
        return [sum(known) / len(known) if value is None else value for value in values]

    def by_zero(values):
        return [0.0 if value is None else value for value in values]

    def by_first(values):
        found = filled(values)
        start = next(value for value in values if value is not None)
        return [start if value is None else value for value in found]

    mistakes = [
        (coded(between), "you drew a line to the next value, which is not known yet: that is a look into the future."),
        (coded(from_behind), "you filled a hole from what comes after it, which is not known yet."),
        (coded(by_mean), "the mean over the whole list holds values that are not known yet."),
        (coded(by_zero), "0 is a value like any other: take the newest that was measured."),
        (coded(by_first), "before the first value nothing is known: leave None there."),
        (
            coded(lambda values: [values[max(p - 1, 0)] if v is None else v for p, v in enumerate(values)]),
            "where two holes follow each other, the value before a hole is a hole: take what you filled in.",
        ),
    ]
    generator, instances = _generator(seed), {"the example": ([3.0, None, None, 5.0],)}
    for number in range(3):
        values: list[float | None] = list(_numbers(9, generator))
        for place in torch.randperm(8, generator=generator)[:3].tolist():
            values[place + 1] = None
        values[0] = values[0] if number else None
        instances[f"random values {number + 1}"] = (values,)
    instances["a hole at the beginning"] = ([None, 2.0, None, None, 7.0, None],)
    return examine(coded(function), coded(filled), instances, mistakes)


def faded(losses: Sequence[float], fading: float) -> float:
    """The prequential error at the end, in which a loss counts `fading` times as much as the one after it."""
    total = count = 0.0
    for loss in losses:
        total, count = loss + fading * total, 1 + fading * count
    return total / count


def check_faded(function: Callable, seed: int = 0) -> bool:
    """The faded error at the end of a stream: function(losses, fading) -> number."""
    mistakes = [
        (
            lambda losses, fading: faded(list(losses)[::-1], fading),
            "the oldest loss counts most in yours: fade what is old, S = loss + fading · S.",
        ),
        (
            lambda losses, fading: faded(losses, fading) * faded_count(len(losses), fading) / len(losses),
            "you divided by the number of losses: divide by what they count, n = 1 + fading · n.",
        ),
        (
            lambda losses, fading: faded(losses, fading) * faded_count(len(losses), fading),
            "that is the sum S: divide it by what the losses count.",
        ),
        (lambda losses, fading: sum(losses) / len(losses), "all losses count the same: use the fading factor."),
        (lambda losses, fading: exponential(losses, fading), "you started from 0, which counts as a loss of 0."),
    ]
    generator, instances = _generator(seed), {"the example": ([4.0, 2.0, 1.0], 0.5)}
    for number, fading in enumerate((0.9, 0.5, 0.99), start=1):
        instances[f"random losses {number}"] = [abs(value) for value in _numbers(8, generator)], fading
    instances["no fading"] = [1.0, 2.0, 6.0], 1.0
    instances["only the last"] = [1.0, 2.0, 6.0], 0.0
    return examine(function, faded, instances, mistakes)


def faded_count(count: int, fading: float) -> float:
    """What `count` losses count together."""
    return sum(fading**age for age in range(count))


def exponential(losses: Sequence[float], fading: float) -> float:
    """An exponential average that begins at 0."""
    average = 0.0
    for loss in losses:
        average = fading * average + (1 - fading) * loss
    return average


def by_label(labels: Sequence[int], changes: Sequence[float], label: int, strength: float) -> float:
    """The weighted mean of the changes, a row counting 1 under the same label and exp(-strength) under another."""
    weights = torch.exp(-strength * (torch.tensor(labels) != label).double())
    return float(weights @ torch.tensor(changes, dtype=torch.float64) / (1 + weights.sum()))


def check_by_label(function: Callable, seed: int = 0) -> bool:
    """What the past under a label says: function(labels, changes, label, strength) -> number."""

    def hard(labels, changes, label, strength):
        return by_label(labels, changes, label, 1e9)

    def blind(labels, changes, label, strength):
        return by_label(labels, changes, label, 0.0)

    def normalised(labels, changes, label, strength):
        weights = torch.exp(-strength * (torch.tensor(labels) != label).double())
        return float(weights @ torch.tensor(changes, dtype=torch.float64) / weights.sum())

    def inverted(labels, changes, label, strength):
        weights = torch.exp(-strength * (torch.tensor(labels) == label).double())
        return float(weights @ torch.tensor(changes, dtype=torch.float64) / (1 + weights.sum()))

    def by_count(labels, changes, label, strength):
        weights = torch.exp(-strength * (torch.tensor(labels) != label).double())
        return float(weights @ torch.tensor(changes, dtype=torch.float64) / (1 + len(labels)))

    mistakes = [
        (hard, "rows under another label do not count at all in yours: they count exp(-strength)."),
        (blind, "all rows count the same: use the strength."),
        (normalised, "the 1 below is missing: where next to nothing matches, the answer must be next to nothing."),
        (inverted, "in yours the rows under ANOTHER label count 1."),
        (by_count, "divide by 1 plus the sum of the weights, not by the number of rows."),
    ]
    generator, instances = _generator(seed), {"the example": ([0, 1, 0], [2.0, 8.0, 4.0], 0, 1.0)}
    for number, strength in enumerate((0.5, 2.0, 5.0), start=1):
        labels = torch.randint(3, (8,), generator=generator).tolist()
        instances[f"random rows {number}"] = labels, _numbers(8, generator), labels[0], strength
    instances["a label that was never seen"] = [0, 1, 1], [1.0, 2.0, 3.0], 2, 3.0
    instances["a strength of 0"] = [0, 1, 1], [1.0, 2.0, 3.0], 1, 0.0
    return examine(function, by_label, instances, mistakes)
