"""The digits: splits, scenarios, and few-shot tasks."""

import pytest
import torch

from neuralmem.worlds import split_generator
from neuralmem.worlds.digits import digit_tasks, digits, split_classes, split_digits, turn


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


def test_each_class_of_a_task_may_be_turned_by_quarters_of_its_own():
    plain, turned = (
        digit_tasks(60, 2, 3, [0, 1, 2, 3], torch.Generator().manual_seed(0), turned=way) for way in (False, True)
    )
    seen = set()
    for one, two in zip(plain[::2], turned[::2], strict=True):  # the same images, before and after
        one, two = one.view(60, 3, -1, 64), two.view(60, 3, -1, 64)
        for task, before, after in ((k, a, b) for k in range(60) for a, b in zip(one[k], two[k], strict=True)):
            fits = [q for q in range(4) if torch.equal(turn(before, torch.full((len(before),), q)), after)]
            assert len(fits) == 1, f"all images of a class are turned alike (task {task})"
            seen.add(fits[0])
    assert seen == {0, 1, 2, 3}
    support, query = turned[0].view(60, 3, 2, 64), turned[2].view(60, 3, 3, 64)
    before = plain[0].view(60, 3, 2, 64), plain[2].view(60, 3, 3, 64)
    for k in range(10):
        for way in range(3):  # support and query of a class are turned alike
            image, asked = before[0][k, way, 0], before[1][k, way]
            (quarter,) = [q for q in range(4) if torch.equal(turn(image, torch.tensor(q)), support[k, way, 0])]
            assert torch.equal(turn(asked, torch.full((3,), quarter)), query[k, way])


def test_turning_is_by_quarters_to_the_left():
    image = torch.arange(4.0)  # 0 1 / 2 3
    assert turn(image, torch.tensor(0)).tolist() == [0, 1, 2, 3]
    assert turn(image, torch.tensor(1)).tolist() == [1, 3, 0, 2]
    assert turn(image.expand(2, 4), torch.tensor([2, 3])).tolist() == [[3, 2, 1, 0], [2, 0, 3, 1]]
