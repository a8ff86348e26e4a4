"""The four drawers: cards and their splits, seasons, sessions, codes, and the error nobody can fall below."""

import math

import pytest
import torch

from neuralmem.worlds import drawers, split_generator


def life(seed=0, **settings):
    return drawers.draw_life(split_generator("train", seed), **settings)


def sessions(count=400, seed=0, seasons=(0,), **settings):
    return drawers.draw_sessions(life(), list(seasons), count, split_generator("train", 50 + seed), **settings)


def test_no_card_is_in_two_splits_in_any_position():
    rows = {split: {tuple(row) for row in drawers.pictures(split).tolist()} for split in drawers.PER_DIGIT}
    assert not rows["train"] & rows["test"] and not rows["train"] & rows["validation"]
    assert not rows["validation"] & rows["test"]
    for split, count in drawers.PER_DIGIT.items():
        assert drawers.pictures(split).shape == (10 * count * 8, 64)


def test_the_eight_positions_are_the_turns_and_their_mirror_images():
    cards = drawers.pictures("train")[8 * 7 : 8 * 8].view(8, 8, 8)
    for quarters in range(4):
        assert torch.equal(cards[quarters], torch.rot90(cards[0], quarters, (0, 1)))
        assert torch.equal(cards[4 + quarters], cards[quarters].flip(1))
    assert len(cards.flatten(1).unique(dim=0)) == 8


def test_no_class_of_cards_is_in_two_seasons_of_a_life():
    drawn = life(seasons=12)
    classes = 8 * drawn.digits + drawn.positions.unsqueeze(1)
    assert len(classes.unique()) == 60 and set(drawn.positions.tolist()) == set(range(6))
    assert drawn.usual.sort(1).values.tolist() == [[0, 1, 2, 3, 4]] * 12
    assert life(1).digits.tolist() != life(2).digits.tolist()
    assert set(life(seasons=4, positions=(6, 7)).positions.tolist()) == {6, 7}


def test_a_session_is_what_happens_to_the_drawers():
    drawn = sessions(50, rounds=12)
    assert drawn.drawer.shape == (50, 19) and drawn.asked.shape == (50, 12)
    assert drawn.drawer[:, :4].sort(1).values.tolist() == [[0, 1, 2, 3]] * 50
    for session in range(50):
        inside = {int(drawn.drawer[session, number]): number for number in range(8)}
        for place in range(12):
            asked = int(drawn.asked[session, place])
            assert drawn.holds[session, place] == inside[asked]
            if place < 11:
                assert drawn.drawer[session, 8 + place] == asked  # the refill
                inside[asked] = 8 + place
    cards = drawers.pictures("train")[drawn.card]
    card = drawn.card.gather(1, drawn.holds)
    assert torch.equal(drawers.opened(cards, drawn), drawers.pictures("train")[card])
    row, position = card // 8, card % 8
    assert torch.equal(position, life().positions[0].expand_as(position))
    assert torch.equal(row // drawers.PER_DIGIT["train"], life().digits[0][drawn.classes])


@pytest.mark.parametrize("one_to_one", [False, True])
def test_only_so_many_classes_as_are_dealt_anew_leave_the_usual_code(one_to_one):
    drawn = sessions(3000, dealt=(0, 2, 5), one_to_one=one_to_one, rounds=40)
    same = drawn.button == life().usual[0][drawn.classes]
    for dealt in (0, 2, 5):
        here = drawn.dealt == dealt
        assert 0.25 < here.float().mean() < 0.42
        # one of five buttons by chance, or of two that exchange theirs the same with a chance of one half
        kept = 1 - dealt / 5 * (0.5 if one_to_one and dealt == 2 else 0.8)
        assert abs(float(same[here].float().mean()) - kept) < 0.03
    for code, classes in zip(drawn.button[:50], drawn.classes[:50], strict=True):
        buttons = {int(kind): set(code[classes == kind].tolist()) for kind in classes.unique()}
        assert all(len(pressed) == 1 for pressed in buttons.values())  # one button a class throughout the session
        if one_to_one:
            assert len(set.union(*buttons.values())) == len(buttons)


def test_seen_and_ages_are_those_of_a_walk_through_the_session():
    drawn = sessions(40)
    seen, ages = drawers.seen(drawn), drawers.ages(drawn)
    for session in range(40):
        before = set()
        for place in range(10):
            kind = int(drawn.classes[session, place])
            assert seen[session, place] == (kind in before)
            assert ages[session, place] == 8 + place - drawn.holds[session, place] >= 1
            before.add(kind)
    uneven = sessions(400, rounds=40, uneven=True)
    even = sessions(400, rounds=40)
    assert (drawers.ages(uneven) >= 16).float().mean() > 2 * (drawers.ages(even) >= 16).float().mean()
    assert abs(float((uneven.asked == 0).float().mean()) - 0.25) < 0.05  # no drawer is the busy one in all sessions


@pytest.mark.parametrize("one_to_one", [False, True])
def test_who_knows_cards_and_classes_does_as_well_as_the_ideal_and_no_better(one_to_one):
    drawn = sessions(4000, dealt=(5,), one_to_one=one_to_one)
    wrong = torch.zeros(4000, 10)
    generator = torch.Generator().manual_seed(3)
    for session in range(4000):
        told = {}
        for place in range(10):
            kind, button = int(drawn.classes[session, place]), int(drawn.button[session, place])
            free = [number for number in range(5) if not (one_to_one and number in told.values())]
            luck = int(torch.randint(60, (), generator=generator))
            wrong[session, place] = (told[kind] if kind in told else free[luck % len(free)]) != button
            told[kind] = button
    expected = drawers.ideal_error(drawn, one_to_one)
    assert torch.allclose(wrong.mean(0), expected.mean(0), atol=0.03)
    assert not wrong[expected == 0].any()
    assert math.isclose(float(expected[0, 0]), 0.8, rel_tol=1e-6)


def test_draws_repeat_themselves_and_splits_do_not_meet():
    same = [sessions(5), sessions(5)]
    assert all(torch.equal(one, two) for one, two in zip(*same, strict=True))
    assert not torch.equal(sessions(5).card, sessions(5, seed=1).card)
    assert sessions(500, split="test").card.max() < len(drawers.pictures("test"))
    assert set(sessions(200, seasons=(1, 3)).season.tolist()) == {1, 3}


def test_the_loss_adds_the_two_errors():
    logits, drawn, cards = torch.zeros(2, 3, 5), torch.zeros(2, 3, 64), torch.full((2, 3, 64), 0.5)
    button = torch.zeros(2, 3, dtype=torch.int64)
    assert math.isclose(float(drawers.loss(logits, drawn, cards, button)), math.log(5) + 10 * 0.25, rel_tol=1e-6)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: life(seasons=13), ["seasons", "12", "13"]),
        (lambda: life(positions=(8,)), ["position", "7", "8"]),
        (lambda: sessions(0), ["count", "0"]),
        (lambda: sessions(5, seasons=(6,)), ["season", "5", "6"]),
        (lambda: sessions(5, dealt=(6,)), ["dealt", "5", "6"]),
        (lambda: sessions(5, split="exam"), ["split", "'exam'"]),
        (lambda: drawers.pictures("exam"), ["split", "'exam'"]),
    ],
)
def test_wrong_input_is_named(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    assert all(word in str(caught.value) for word in words)
