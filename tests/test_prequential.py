"""Every rule is asked before it is told, learns each answer once it is known, and is tuned on what is not scored."""

import numpy as np
import pytest
import torch

from neuralmem.prequential import Constant, LastValue, Linear, RunningMean, drifts, prequential, tune
from neuralmem.series import table_of, windows


def stream(values, length=1, horizon=1):
    return windows(table_of([{"y": float(value)} for value in values], "y"), length, horizon)


def walk(count=60, seed=0, **options):
    steps = torch.randn(count, generator=torch.Generator().manual_seed(seed))
    return stream(steps.cumsum(0).tolist(), **options)


class Scribe:
    """Writes down in which order it is asked and told."""

    def __init__(self):
        self.heard = []

    def predict(self, question):
        self.heard.append(("asked", round(question.last, 4)))
        return question.last

    def learn(self, question, answer):
        self.heard.append(("told", round(question.last, 4)))


@pytest.mark.parametrize("horizon", [1, 2, 5])
def test_each_answer_is_told_once_and_not_before_it_is_known(horizon):
    questions, scribe = walk(horizon=horizon), Scribe()
    prequential({"scribe": scribe}, questions, 10)
    asked = [place for place, (what, _) in enumerate(scribe.heard) if what == "asked"]
    told = [place for place, (what, _) in enumerate(scribe.heard) if what == "told"]
    assert len(asked) == len(questions.y) and len(told) == len(questions.y) - horizon
    for number, place in enumerate(told):  # the answer of question i is known when question i + horizon is asked
        assert asked[number + horizon - 1] < place < asked[number + horizon]


def test_the_future_moves_no_prediction():
    values = torch.randn(60, generator=torch.Generator().manual_seed(1)).tolist()
    other = values[:40] + [value + 9 for value in values[40:]]
    reports = [prequential({"fit": Linear(20, 1.0)}, stream(series, 2), 15) for series in (values, other)]
    first, second = (report.predictions["fit"] for report in reports)
    known = 40 - 2 - 15 + 1  # what was said up to the answer at row 40
    np.testing.assert_allclose(first[:known], second[:known])
    assert abs(first[known] - second[known]) > 0.1


def test_scales_are_of_the_answers_that_are_known():
    values = torch.randn(60, generator=torch.Generator().manual_seed(3)).tolist()
    first, horizon = 20, 6
    asked = first + 1  # the newest row of question 20, with windows of two
    other = values[: asked + 1] + [value + 50 for value in values[asked + 1 :]]
    said = []
    for series in (values, other):
        report = prequential({"constant": Constant()}, stream(series, 2, horizon), first)
        said.append(report.predictions["constant"][0])
    assert said[0] == pytest.approx(said[1])


def test_the_rules_by_hand():
    questions = stream([1, 2, 4, 8, 16, 32])
    report = prequential({"mean": RunningMean(), "last": LastValue(), "constant": Constant()}, questions, 2)
    np.testing.assert_allclose(report.answers, [8, 16, 32])
    np.testing.assert_allclose(report.predictions["last"], [4, 8, 16])
    np.testing.assert_allclose(report.predictions["mean"], [3, 14 / 3, 30 / 4])
    np.testing.assert_allclose(report.predictions["constant"], [3, 3, 3])  # the mean of the first two answers
    np.testing.assert_allclose(report.errors()["last"], [4, 8, 16])
    assert report.places.tolist() == [2, 3, 4]


def test_a_linear_model_finds_a_linear_law_and_a_large_penalty_leaves_the_last_value():
    x = [1.0, 0.5]
    for _ in range(80):
        x.append(1.6 * x[-1] - 0.95 * x[-2] + 0.2)
    rules = {"fit": Linear(40, 1e-6), "shy": Linear(40, 1e9), "last": LastValue()}
    report = prequential(rules, stream(x, 2), 20)
    assert report.errors()["fit"].max() < 1e-3
    np.testing.assert_allclose(report.predictions["shy"], report.predictions["last"], atol=1e-4)


def test_the_last_n_are_the_last_n():
    rule = Linear(3, 1.0)
    questions = walk(20)
    prequential({"fit": rule}, questions, 5)
    assert len(rule.x) == len(rule.changes) == 3


def test_a_run_cut_in_two_is_the_run():
    questions = walk(80, length=3, horizon=2)
    whole = prequential({"fit": Linear(20, 1.0)}, questions, 20)
    rule = Linear(20, 1.0)
    parts = [
        prequential({"fit": rule}, questions, 20, stop=45),
        prequential({"fit": rule}, questions, 20, start=45),
    ]
    np.testing.assert_allclose(np.concatenate([p.predictions["fit"] for p in parts]), whole.predictions["fit"])
    assert np.concatenate([p.places for p in parts]).tolist() == whole.places.tolist()


def test_tuning_sees_the_first_part_only():
    values = torch.randn(80, generator=torch.Generator().manual_seed(2)).cumsum(0).tolist()
    settings = [dict(n=n, penalty=p) for n in (5, 50) for p in (0.1, 1000.0)]
    chosen = tune(Linear, settings, stream(values, 2), 40)
    later = values[:42] + [1e4 * value for value in values[42:]]
    assert chosen in settings and tune(Linear, settings, stream(later, 2), 40) == chosen
    assert chosen["penalty"] == 1000.0  # in a random walk there is nothing to find


def test_a_rise_of_the_losses_is_marked_and_what_was_there_is_not():
    generator = np.random.default_rng(0)
    losses = np.concatenate([generator.normal(1, 0.1, 60), generator.normal(3, 0.1, 60)])
    assert drifts(losses[:60], 0.2, 5.0) == []
    assert drifts(losses, 0.2, 5.0)[0] in range(60, 66)
    assert drifts(-losses + 4, 0.2, 5.0) == []  # a fall is no alarm


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"first": 1}, ValueError, "first must be at least 2"),
        ({"first": 59}, ValueError, "first must be at most 58"),
        ({"start": 59}, ValueError, "start must be at most 58"),
        ({"start": 5, "stop": 5}, ValueError, "stop must be at least 6"),
        ({"rules": {}}, ValueError, "at least one rule"),
    ],
)
def test_refusals(change, error, words):
    with pytest.raises(error, match=words):
        prequential(**{"rules": {"last": LastValue()}, "stream": walk(), "first": 10, **change})


def test_a_rule_that_says_no_number_is_named():
    class Broken(LastValue):
        def predict(self, question):
            return float("nan")

    with pytest.raises(ValueError, match="the answer of rule 'broken' to question 0 must be a finite number"):
        prequential({"broken": Broken()}, walk(), 10)
    with pytest.raises(ValueError, match="the first 10 questions have 10 known answers, all alike: make first"):
        prequential({"last": LastValue()}, stream([1.0] * 12 + [2.0, 3.0]), 10)
    with pytest.raises(ValueError, match="at least one setting"):
        tune(Linear, [], walk(), 20)
    with pytest.raises(ValueError, match=r"losses must be \(n,\) finite"):
        drifts(np.array([1.0, np.nan]), 0.1, 1.0)
    with pytest.raises(TypeError, match="losses must be a ndarray"):
        drifts([1.0], 0.1, 1.0)
    with pytest.raises(ValueError, match="n must be at least 1"):
        Linear(0)
