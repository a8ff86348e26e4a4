"""First the test, then the lesson: rules judged on a stream before they learn from it (chapter 8).

A rule has `predict(question) -> float` and `learn(question, answer)`. The rules of chapter 0 are here: a constant, the
last value, the running mean and a linear model refitted on the last n, beside which every agent must stand.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from ._validate import instance, integer, positive_int, positive_real, real
from .closed_form import ridge
from .series import Windows


class Question(NamedTuple):
    """What a rule is shown: x (F,) float32, `last` the newest value of the target, cue (C,); in units of the first
    part of the stream, whose mean is 0 and whose standard deviation is 1."""

    x: Tensor
    last: float
    cue: Tensor


class Rule(Protocol):
    """Anything that can be judged on a stream."""

    def predict(self, question: Question) -> float:
        """The answer, in the units of the question."""

    def learn(self, question: Question, answer: float) -> None:
        """Take an answer in, once it is known."""


class Constant:
    """The mean of the first part of the stream, for ever: 0 in its units."""

    def predict(self, question: Question) -> float:
        """0."""
        return 0.0

    def learn(self, question: Question, answer: float) -> None:
        """Nothing."""


class LastValue:
    """Tomorrow will be as today: the newest value of the target."""

    def predict(self, question: Question) -> float:
        """The target's newest value."""
        return question.last

    def learn(self, question: Question, answer: float) -> None:
        """Nothing."""


class RunningMean:
    """The mean of all answers so far."""

    def __init__(self) -> None:
        self.total, self.count = 0.0, 0

    def predict(self, question: Question) -> float:
        """The mean so far, 0 before the first answer."""
        return self.total / max(self.count, 1)

    def learn(self, question: Question, answer: float) -> None:
        """Add one answer."""
        self.total, self.count = self.total + answer, self.count + 1


class Linear:
    """A linear model of the change since the last value, refitted at each step on the last n answers.

    ŷ = last + (x, 1) · W with W = ridge((x, 1), y - last, penalty) (chapter 5): no data, or a large penalty, leaves the
    last value. `n` positive, `penalty` positive; raises ValueError or TypeError.
    """

    def __init__(self, n: int = 100, penalty: float = 10.0) -> None:
        self.n, self.penalty = positive_int("n", n), positive_real("penalty", penalty)
        self.x: list[Tensor] = []
        self.changes: list[float] = []

    def predict(self, question: Question) -> float:
        """The last value plus the change that the fit expects."""
        if not self.x:
            return question.last
        changes = torch.tensor(self.changes, dtype=torch.float64).unsqueeze(1)
        weights = ridge(torch.stack(self.x), changes, self.penalty)
        return question.last + float(with_one(question.x) @ weights[:, 0])

    def learn(self, question: Question, answer: float) -> None:
        """Keep the newest n pairs."""
        self.x = [*self.x, with_one(question.x)][-self.n :]
        self.changes = [*self.changes, answer - question.last][-self.n :]


class Report(NamedTuple):
    """What `prequential` measured: `predictions` maps a rule to its answers (n,) in the target's units, `answers` (n,)
    are the true ones, `places` (n,) their numbers among the questions of the stream."""

    predictions: dict[str, np.ndarray]
    answers: np.ndarray
    places: np.ndarray

    def errors(self) -> dict[str, np.ndarray]:
        """The absolute error of each rule at each question, (n,), in the target's units."""
        return {name: np.abs(said - self.answers) for name, said in self.predictions.items()}


def prequential(
    rules: Mapping[str, Rule],
    stream: Windows,
    first: int,
    start: int | None = None,
    stop: int | None = None,
    progress: Callable[[range], Iterable[int]] = iter,
) -> Report:
    """Ask each rule every question before it is told the answer; score those from `first` on.

    At question i every rule first learns the answers that are known by now: those of all j with
    rows[j] + horizon <= rows[i], none of them twice; then it predicts, e_i = |ŷ_i - y_i|. The first `first` questions
    are learned from and not scored: on them scales are measured, and settings chosen (`tune`). `start` and `stop` cut
    a run in two: a rule that was saved after `stop=k` goes on with `start=k`. `progress` may put a bar around the
    questions' numbers, as `tqdm` does. Raises ValueError or TypeError naming the argument; a ValueError names a rule
    whose answer is no finite number.
    """
    first = integer("first", first, low=2, high=len(stream.y) - 1)
    start = 0 if start is None else integer("start", start, low=0, high=len(stream.y) - 1)
    stop = len(stream.y) if stop is None else integer("stop", stop, low=start + 1, high=len(stream.y))
    if not rules:
        raise ValueError("rules must hold at least one rule, got none")
    questions, answers, mean, unit = _scaled(stream, first)
    said: dict[str, list[float]] = {name: [] for name in rules}
    newest = stream.rows.tolist()
    learned = 0
    while start and newest[learned] + stream.horizon <= newest[start - 1]:
        learned += 1  # what the run before has learned
    for place in progress(range(start, stop)):
        while newest[learned] + stream.horizon <= newest[place]:
            for rule in rules.values():
                rule.learn(questions[learned], answers[learned])
            learned += 1
        for name, rule in rules.items():
            guess = real(f"the answer of rule {name!r} to question {place}", rule.predict(questions[place]))
            said[name].append(mean + unit * guess)
    scored = np.arange(max(first, start), stop)
    kept = {name: np.array(values)[scored - start] for name, values in said.items()}
    return Report(kept, stream.y.numpy()[scored], scored)


def tune(
    make: Callable[..., Rule],
    settings: Iterable[Mapping[str, Any]],
    stream: Windows,
    first: int,
    progress: Callable[[range], Iterable[int]] = iter,
) -> dict:
    """The one of `settings` with which `make(**setting)` has the least mean error on the first part of the stream.

    The first part, questions 0 to `first` - 1, is itself cut: a quarter to start from, the rest judged. What is scored
    later is never seen. Equal chances: give each rule as many settings. `progress` as in `prequential`. Raises
    ValueError where there are none.
    """
    first = integer("first", first, low=8, high=len(stream.y) - 1)
    tried = [dict(setting) for setting in settings]
    if not tried:
        raise ValueError("settings must hold at least one setting, got none")
    rules = {str(place): make(**setting) for place, setting in enumerate(tried)}
    errors = prequential(rules, stream, first // 4, stop=first, progress=progress).errors()
    return tried[int(np.argmin([errors[str(place)].mean() for place in range(len(tried))]))]


def grid(**values: Iterable[Any]) -> list[dict[str, Any]]:
    """Every combination of the values of some settings, for `tune`: grid(n=(2, 3), penalty=(1,)) has two."""
    return [dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*values.values())]


def drifts(losses: np.ndarray, tolerance: float, threshold: float) -> list[int]:
    """The places where a stream of losses has risen: the test of Page and Hinkley, begun anew after each alarm.

    m_t = sum over i <= t of (loss_i - mean of the losses so far - tolerance); alarm where m_t - min m > threshold, in
    the units of the losses (Page 1954; Gama et al. 2013; chapter 8). losses (n,). Raises ValueError or TypeError.
    """
    losses = np.asarray(instance("losses", losses, np.ndarray), dtype=float)
    if losses.ndim != 1 or not np.isfinite(losses).all():
        raise ValueError(f"losses must be (n,) finite numbers, got shape {losses.shape}")
    tolerance, threshold = real("tolerance", tolerance, low=0), real("threshold", threshold, low=0)
    places, total, least, seen, count = [], 0.0, 0.0, 0.0, 0
    for place, loss in enumerate(losses):
        seen, count = seen + loss, count + 1
        total += loss - seen / count - tolerance
        least = min(least, total)
        if total - least > threshold:
            places.append(place)
            total, least, seen, count = 0.0, 0.0, 0.0, 0
    return places


def with_one(x: Tensor) -> Tensor:
    """x (..., F) with a column of ones, for an intercept, as float64 (..., F + 1)."""
    return torch.nn.functional.pad(x.double(), (0, 1), value=1.0)


def _scaled(stream, first):
    """(questions, answers, mean, unit): the stream in units of its first part, of the answers known by its end."""
    known = stream.y[:first][stream.rows[:first] + stream.horizon <= stream.rows[first]]
    if len(known) < 2 or bool((known == known[0]).all()):
        raise ValueError(f"the first {first} questions have {len(known)} known answers, all alike: make first larger")
    mean, unit = float(known.mean()), float(known.std())
    centre, spread = stream.x[:first].mean(0), stream.x[:first].std(0)
    spread = torch.where(spread > 0, spread, 1.0)  # a column that has stood still so far
    x = ((stream.x - centre) / spread).float()
    last = ((stream.last - mean) / unit).tolist()
    questions = [Question(*parts) for parts in zip(x, last, stream.cue.float(), strict=True)]
    return questions, ((stream.y - mean) / unit).tolist(), mean, unit
