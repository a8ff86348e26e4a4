"""Closed forms: against the definition with loops, against autograd's minimum, and what they refuse."""

import pytest
import torch
import torch.nn.functional as F

from neuralmem.closed_form import nearest_prototype_logits, prototypes, ridge


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def labels_of(batch, rows, ways, seed=0):
    """Labels (..., rows) in which every class occurs, in a shuffled order."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.rand(*batch, rows, generator=generator).argsort(-1)
    return order % ways


@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_prototypes_are_the_mean_of_each_class(batch):
    features, labels = draw(*batch, 7, 4), labels_of(batch, 7, 3)
    found = prototypes(features, labels, 3)
    assert found.shape == (*batch, 3, 4)
    flat, flat_labels = features.reshape(-1, 7, 4), labels.reshape(-1, 7)
    for task, centres in enumerate(found.reshape(-1, 3, 4)):
        for label in range(3):
            wanted = flat[task][flat_labels[task] == label].mean(0)
            torch.testing.assert_close(centres[label], wanted)


def test_prototypes_by_hand():
    features = torch.tensor([[0.0, 0.0], [2.0, 4.0], [5.0, 1.0]])
    found = prototypes(features, torch.tensor([1, 1, 0]), 2)
    torch.testing.assert_close(found, torch.tensor([[5.0, 1.0], [1.0, 2.0]]))
    logits = nearest_prototype_logits(torch.tensor([[1.0, 1.0]]), found)
    torch.testing.assert_close(logits, torch.tensor([[-16.0, -1.0]]))


@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_logits_are_minus_the_squared_distances(batch):
    features, centres = draw(*batch, 5, 4), draw(*batch, 3, 4, seed=1)
    wanted = -torch.cdist(features, centres).square()
    torch.testing.assert_close(nearest_prototype_logits(features, centres), wanted)


def test_a_large_offset_of_all_features_costs_no_digits():
    features, centres = draw(5, 4).float(), draw(3, 4, seed=1).float()
    near, far = nearest_prototype_logits(features, centres), nearest_prototype_logits(features + 512, centres + 512)
    torch.testing.assert_close(far, near, rtol=1e-3, atol=1e-3)


def normal_equation(features, targets, penalty, weights):
    """One task, as the equation of chapter 5 says it."""
    diagonal = torch.diag(weights)
    left = features.T @ diagonal @ features + penalty * torch.eye(features.shape[1], dtype=features.dtype)
    return torch.linalg.inv(left) @ features.T @ diagonal @ targets


@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
@pytest.mark.parametrize(("rows", "width"), [(9, 4), (4, 9), (4, 4), (1, 3), (3, 1)])
@pytest.mark.parametrize("weighted", [False, True])
def test_ridge_solves_the_normal_equation(batch, rows, width, weighted):
    features, targets = draw(*batch, rows, width), draw(*batch, rows, 2, seed=1)
    weights = draw(*batch, rows, seed=2).abs() if weighted else None
    found = ridge(features, targets, 0.3, weights)
    assert found.shape == (*batch, width, 2)
    every = torch.ones(*batch, rows, dtype=features.dtype) if weights is None else weights
    parts = [value.reshape(-1, *value.shape[len(batch) :]) for value in (features, targets, every, found)]
    for f, y, w, solution in zip(*parts, strict=True):
        torch.testing.assert_close(solution, normal_equation(f, y, 0.3, w), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("rows", "width"), [(6, 3), (3, 6)])
def test_ridge_is_the_minimum_that_its_gradient_says(rows, width):
    features, targets, weights = draw(rows, width), draw(rows, 2, seed=1), draw(rows, seed=2).abs()
    solution = ridge(features, targets, 0.5, weights).requires_grad_()
    errors = (features @ solution - targets).square().sum(1)
    cost = (weights * errors).sum() + 0.5 * solution.square().sum()
    (slope,) = torch.autograd.grad(cost, solution)
    assert float(slope.abs().max()) < 1e-10


@pytest.mark.parametrize(("rows", "width"), [(5, 3), (3, 5)])
def test_ridge_is_differentiable_twice_in_all_it_is_given(rows, width):
    features, targets, weights = draw(2, rows, width), draw(2, rows, 2, seed=1), draw(2, rows, seed=2).abs()
    penalty = torch.tensor(0.7, dtype=torch.float64)
    given = [value.requires_grad_() for value in (features, targets, penalty, weights)]
    assert torch.autograd.gradcheck(ridge, given)
    assert torch.autograd.gradgradcheck(ridge, given)


@pytest.mark.parametrize(("rows", "width"), [(6, 3), (3, 6)])
def test_a_row_of_weight_0_is_as_if_absent_and_its_gradient_is_finite(rows, width):
    features, targets = draw(rows, width), draw(rows, 2, seed=1)
    weights = torch.ones(rows, dtype=torch.float64)
    weights[-1] = 0
    weights.requires_grad_()
    with_it = ridge(features, targets, 0.1, weights)
    torch.testing.assert_close(with_it, ridge(features[:-1], targets[:-1], 0.1))
    (slope,) = torch.autograd.grad(with_it.sum(), weights)
    assert bool(slope.isfinite().all())
    nothing = ridge(features, targets, 0.1, torch.zeros(rows, dtype=torch.float64))
    assert float(nothing.abs().max()) == 0


def test_a_weight_of_2_counts_as_the_row_twice():
    features, targets = draw(4, 3), draw(4, 1, seed=1)
    weights = torch.tensor([1.0, 2.0, 1.0, 1.0], dtype=torch.float64)
    doubled = torch.cat([features, features[1:2]]), torch.cat([targets, targets[1:2]])
    torch.testing.assert_close(ridge(features, targets, 0.2, weights), ridge(*doubled, 0.2))


def test_what_is_given_stays():
    features, targets, weights = draw(4, 3), draw(4, 1, seed=1), draw(4, seed=2).abs()
    kept = [value.clone() for value in (features, targets, weights)]
    ridge(features, targets, 0.2, weights)
    labels = torch.tensor([0, 1, 0, 1])
    prototypes(features, labels, 2)
    for before, after in zip(kept, (features, targets, weights), strict=True):
        assert torch.equal(before, after)
    assert labels.tolist() == [0, 1, 0, 1]


def test_the_prototypes_are_trained_through():
    """One step on the loss of the query makes that loss smaller: the gradient reaches the features of both sets."""
    support, query = draw(6, 4).requires_grad_(), draw(6, 4, seed=1).requires_grad_()
    labels = torch.tensor([0, 1, 2, 0, 1, 2])

    def loss(support, query):
        return F.cross_entropy(nearest_prototype_logits(query, prototypes(support, labels, 3)), labels)

    slopes = torch.autograd.grad(loss(support, query), [support, query])
    moved = [value - 0.01 * slope for value, slope in zip((support, query), slopes, strict=True)]
    assert loss(*moved) < loss(support, query)


F3, Y3 = torch.zeros(2, 3, 4), torch.zeros(2, 3, 1)
L3 = torch.zeros(2, 3, dtype=torch.int64)
ERROR_CASES = [
    ("features no tensor", lambda: ridge([1.0], Y3, 1.0), TypeError, ["features", "list"]),
    ("whole numbers", lambda: ridge(F3.long(), Y3, 1.0), TypeError, ["features", "floating", "int64"]),
    ("no row", lambda: ridge(F3[:, :0], Y3[:, :0], 1.0), ValueError, ["features", "(2, 0, 4)"]),
    ("a vector", lambda: ridge(F3[0, 0], Y3[0, 0], 1.0), ValueError, ["features", "(4,)"]),
    ("targets without K", lambda: ridge(F3, Y3[..., 0], 1.0), ValueError, ["targets", "(2, 3, K)", "(2, 3)"]),
    ("targets of one task", lambda: ridge(F3, Y3[0], 1.0), ValueError, ["targets", "(2, 3, K)", "(3, 1)"]),
    ("targets of another dtype", lambda: ridge(F3, Y3.double(), 1.0), TypeError, ["targets", "float32", "float64"]),
    ("no penalty", lambda: ridge(F3, Y3, 0), ValueError, ["penalty", "positive"]),
    ("negative penalty", lambda: ridge(F3, Y3, -1.0), ValueError, ["penalty", "-1"]),
    ("NaN penalty", lambda: ridge(F3, Y3, torch.tensor(float("nan"))), ValueError, ["penalty", "nan"]),
    ("many penalties", lambda: ridge(F3, Y3, torch.ones(2)), ValueError, ["penalty", "0-d", "(2,)"]),
    ("penalty in words", lambda: ridge(F3, Y3, "small"), TypeError, ["penalty", "'small'"]),
    ("weights of one task", lambda: ridge(F3, Y3, 1.0, torch.ones(3)), ValueError, ["weights", "(2, 3)", "(3,)"]),
    ("negative weight", lambda: ridge(F3, Y3, 1.0, -torch.ones(2, 3)), ValueError, ["weights", "at least 0", "-1"]),
    ("NaN weight", lambda: ridge(F3, Y3, 1.0, torch.ones(2, 3) / 0 * 0), ValueError, ["weights", "6 NaN"]),
    ("weights as list", lambda: ridge(F3, Y3, 1.0, [1.0]), TypeError, ["weights", "list"]),
    ("labels as floats", lambda: prototypes(F3, L3.float(), 2), TypeError, ["labels", "int64", "float32"]),
    ("labels as list", lambda: prototypes(F3, [0, 1], 2), TypeError, ["labels", "int64", "list"]),
    ("labels of another length", lambda: prototypes(F3, L3[:, :2], 2), ValueError, ["labels", "(2, 3)", "(2, 2)"]),
    ("label too large", lambda: prototypes(F3, L3 + 5, 2), ValueError, ["labels", "0..1", "5..5"]),
    ("negative label", lambda: prototypes(F3, L3 - 1, 2), ValueError, ["labels", "0..1", "-1"]),
    ("class without example", lambda: prototypes(F3, L3, 2), ValueError, ["labels", "no example"]),
    ("no class", lambda: prototypes(F3, L3, 0), ValueError, ["ways", "0"]),
    ("centres of another width", lambda: nearest_prototype_logits(F3, F3[..., :2]), ValueError, ["centres", "ways, 4"]),
    ("centres of one task", lambda: nearest_prototype_logits(F3, F3[0]), ValueError, ["centres", "(2, ways, 4)"]),
]


@pytest.mark.parametrize(("label", "call", "error", "words"), ERROR_CASES, ids=[case[0] for case in ERROR_CASES])
def test_errors_name_the_argument(label, call, error, words):
    with pytest.raises(error) as raised:
        call()
    assert all(word in str(raised.value) for word in words), str(raised.value)
