"""The measured step of chapter 5: least squares with a prior, and errors that a constant's are 1 of."""

import torch

from neuralmem.teaching import new_rooms


def test_least_squares_without_data_is_the_prior_and_with_much_data_the_fit():
    generator = torch.Generator().manual_seed(0)
    x, truth = torch.randn(3, 200, 4, generator=generator), torch.randn(3, 5, 1, generator=generator)
    y = torch.nn.functional.pad(x, (0, 1), value=1.0) @ truth
    mean, spread = torch.randn(5, 1, generator=generator), torch.eye(5)
    asked = torch.randn(3, 7, 4, generator=generator)
    wide = torch.nn.functional.pad(asked, (0, 1), value=1.0)
    stiff = new_rooms.least_squares((mean, spread), 1e8, x, y, asked)
    torch.testing.assert_close(stiff, wide @ mean, rtol=1e-3, atol=1e-3)
    free = new_rooms.least_squares((mean, spread), 1e-4, x, y, asked)
    torch.testing.assert_close(free, wide @ truth, rtol=1e-3, atol=1e-3)


def test_the_prior_holds_the_rooms_mean_and_spread():
    known = new_rooms.stays(400, "train", 0)
    mean, spread = new_rooms.prior_of(known)
    assert mean.shape == (5, 1) and spread.shape == (5, 5)
    covariance = spread @ spread.mT
    assert torch.allclose(covariance, covariance.mT) and bool((covariance.diagonal() > 0).all())
    assert mean[3].abs() < covariance[3, 3].sqrt(), "the motor's sign differs from room to room"


def test_a_constant_has_error_1_and_the_truth_0():
    test = new_rooms.stays(200, "test", 0)
    truth = test.clean[:, 16:]
    constant = new_rooms.errors(lambda x, y, asked: truth.mean().expand_as(truth), test, [2, 4])
    assert all(abs(error - 1) < 0.01 for error in constant.values()) and set(constant) == {2, 4}
    assert new_rooms.errors(lambda x, y, asked: truth, test, [2]) == {2: 0}


def test_tasks_show_the_next_transitions_of_the_same_room():
    known = new_rooms.stays(20, "train", 0)
    draw = new_rooms.batches(known)
    generator, sizes = torch.Generator().manual_seed(0), set()
    for _ in range(20):
        support_x, support_y, query_x, query_y = draw(generator)
        n = support_x.shape[1]
        sizes.add(n)
        assert support_y.shape == (48, n, 1) and query_x.shape == (48, 10, 4)
        place = (known.features[:, 0] == support_x[0, 0]).all(-1).nonzero()[0, 0]
        assert torch.equal(query_y[0], known.targets[place, n : n + 10])
    assert sizes == {2, 4, 8, 16}


def test_the_comparison_in_small_has_a_row_a_method_and_a_sample_a_seed():
    rows = new_rooms.compare([0, 1], seen=(2, 8), updates=2)
    assert len(rows) == 5
    assert all(set(row) == {"n = 2", "n = 8"} and len(row["n = 2"]) == 2 for row in rows.values())
    assert rows["least squares with a prior"]["n = 8"][0] < rows["least squares"]["n = 8"][0]
