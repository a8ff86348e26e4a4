"""The digits: splits, scenarios, and few-shot tasks."""

import pytest
import torch

from neuralmem.worlds import split_generator
from neuralmem.worlds.digits import digit_tasks, digits, split_classes, split_digits, turned_tasks


def test_no_image_is_in_both_splits_and_every_class_is_in_both():
    train, test = digits()
    rows = [{tuple(row.tolist()) for row in x} for x, _ in (train, test)]
    assert len(train[1]) + len(test[1]) == 1797 and not rows[0] & rows[1]
    share = test[1].bincount() / (train[1].bincount() + test[1].bincount())
    assert len(share) == 10 and (share - 0.25).abs().max() < 0.01
    assert train[0].min() == 0 and train[0].max() == 1


def test_the_three_scenarios_differ_in_what_the_model_is_told():
    by_name = {name: split_digits(name) for name in ("task", "domain", "class")}
    for name, split in by_name.items():
        assert len(split) == 5
        for number, (x, y, new_x, new_y, mask) in enumerate(split):
            low = 0 if name == "domain" else 2 * number
            assert set(y.tolist()) == set(new_y.tolist()) == {low, low + 1}
            assert mask.sum() == (10 if name == "class" else 2) and mask[y].all()
            assert len(x) == len(y) and len(new_x) == len(new_y)
            assert torch.equal(x, by_name["class"][number][0])  # the same images in each scenario


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: digit_tasks(1, 1, 1, [0, 1], torch.Generator(), 3), ["ways", "2", "3"]),
        (lambda: digit_tasks(1, 99, 99, [0, 1, 2], torch.Generator()), ["shots", "99 + 99"]),
        (lambda: split_digits("time"), ["scenario", "'time'", "'domain'"]),
        (lambda: split_classes(*digits(), "class", 3), ["classes_per_task", "10", "3"]),
    ],
)
def test_wrong_input_is_named(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    assert all(word in str(caught.value) for word in words)


def test_digit_tasks_hold_the_classes_asked_for_and_share_no_image_between_the_sets():
    (train_x, train_y), (test_x, test_y) = digits()
    images, labels = torch.cat([train_x, test_x]), torch.cat([train_y, test_y])
    label_of = {tuple(x.tolist()): int(y) for x, y in zip(images, labels, strict=True)}
    classes = [1, 4, 6, 9]
    support_x, support_y, query_x, query_y = digit_tasks(20, 2, 5, classes, split_generator("test", 0))
    assert support_x.shape == (20, 6, 64) and query_x.shape == (20, 15, 64)
    numbering = set()
    for task in range(20):
        support, query = ([tuple(row.tolist()) for row in part[task]] for part in (support_x, query_x))
        assert not set(support) & set(query)
        pairs = {(int(y), label_of[row]) for row, y in zip(support, support_y[task], strict=True)}
        pairs |= {(int(y), label_of[row]) for row, y in zip(query, query_y[task], strict=True)}
        assert len(pairs) == 3 and {label for _, label in pairs} <= set(classes)  # one class a number, the same in both
        assert torch.bincount(support_y[task]).tolist() == [2, 2, 2]
        numbering |= pairs
    assert len(numbering) == 12  # each of the four classes gets each of the three numbers


def test_turned_tasks_come_in_eight_positions_the_same_for_support_and_query():
    image = torch.arange(9.0)
    x, y = image.expand(200, 2, 9), torch.zeros(200, 2)
    support_x, support_y, query_x, query_y = turned_tasks((x, y, x[:, :1], y[:, :1]), torch.Generator().manual_seed(0))
    assert len({tuple(task[0].tolist()) for task in support_x}) == 8
    assert torch.equal(support_x[:, :1], query_x) and torch.equal(support_x[:, 0], support_x[:, 1])
    assert torch.equal(support_x.sort(-1).values, x) and (support_x[..., 4] == 4).all()  # the centre stays
    assert support_y is y and query_y.shape == (200, 1)
