"""The rooms: lives, walks, cues with noise, babble and drives."""

import pytest
import torch

from neuralmem.worlds import pendulum, rooms, split_generator


def lives(count=200, seed=0, **settings):
    return rooms.draw_lives(count, split_generator("train", seed), **settings)


def still(state, past, cue):
    return torch.zeros(len(state))


def test_each_room_has_the_physics_of_its_family_and_a_cue_of_its_own():
    drawn = lives()
    values = dict(zip(rooms.Physics._fields, drawn.physics, strict=True))
    for place, ranges in enumerate(rooms.FAMILIES.values()):
        here = drawn.families == place
        assert 0.15 < here.float().mean() < 0.35
        for name, usual in pendulum.EARTH._asdict().items():
            low, high = ranges.get(name, (usual, usual))
            size = values[name][here].abs() if name == "wind" else values[name][here]
            assert low - 1e-6 <= size.min() <= size.max() <= high + 1e-6
            assert size.max() - size.min() >= 0.9 * (high - low)
    assert 0.3 < (values["wind"][drawn.families == 3] < 0).float().mean() < 0.7
    assert set(drawn.cues.unique().tolist()) == {-1.0, 1.0}
    same = (drawn.cues.unsqueeze(1) == drawn.cues.unsqueeze(2)).all(-1)
    assert torch.equal(same, torch.eye(3, dtype=torch.bool).expand_as(same))


def test_a_walk_never_stays_where_it_is_and_comes_to_every_room():
    walk = lives(stays=9).walk
    assert walk.shape == (200, 9) and bool((walk[:, 1:] != walk[:, :-1]).all())
    assert walk.flatten().bincount().min() > 500 and walk[:, 0].bincount().min() > 40


def test_families_can_be_chosen_as_a_season_does():
    drawn = lives(families=rooms.SEASONS["A"])
    assert set(drawn.families.unique().tolist()) == {1, 2}
    assert not set(rooms.SEASONS["A"]) & set(rooms.SEASONS["B"])


def test_a_drive_obeys_the_physics_of_the_room_it_is_in():
    drawn = lives(20)
    generator = split_generator("test", 0)
    lived = rooms.drive(drawn, lambda state, past, cue: torch.full((20,), 5.0), 7, generator, noise=0.0)
    assert lived.states.shape == (20, 42, 2) and float(lived.torques.min()) == 2.0  # cut off
    for t in range(41):
        physics = drawn.in_room(drawn.walk[:, t // 7])
        change = pendulum.change_of_speed(physics, lived.states[:, t], lived.torques[:, t])
        assert torch.allclose(lived.lived.clean[:, t, 0], pendulum.TARGET_SCALE * change)
        assert torch.allclose(lived.states[:, t + 1], pendulum.move(lived.states[:, t], change))
        assert torch.allclose(lived.costs[:, t], pendulum.cost(lived.states[:, t + 1], lived.torques[:, t]))
    assert torch.equal(lived.lived.targets, lived.lived.clean)  # no noise was asked for


def test_what_was_lived_says_where_and_how_often():
    drawn = lives(20)
    lived = rooms.drive(drawn, still, 4, split_generator("test", 0)).lived
    for life in range(20):
        counts = {0: 0, 1: 0, 2: 0}
        for stay, room in enumerate(drawn.walk[life].tolist()):
            span = slice(4 * stay, 4 * stay + 4)
            assert lived.rooms[life, span].tolist() == [room] * 4
            assert lived.visits[life, span].tolist() == [counts[room]] * 4
            assert lived.since[life, span].tolist() == [0, 1, 2, 3]
            assert torch.equal(lived.cues[life, span], drawn.cues[life, room].expand(4, -1))
            assert lived.families[life, span].tolist() == [int(drawn.families[life, room])] * 4
            counts[room] += 1


def test_an_agent_is_told_of_the_steps_before_and_of_no_other():
    seen = []

    def act(state, past, cue):
        now = int(past.stored[0])
        seen.append((past.features.clone(), past.targets.clone(), now))
        assert torch.equal(past.cues[:, now], cue)
        return torch.zeros(len(state))

    lived = rooms.drive(lives(5), act, 3, split_generator("test", 0)).lived
    for t, (features, targets, stored) in enumerate(seen):
        assert stored == t
        assert torch.equal(features[:, :t], lived.features[:, :t]) and not features[:, t:].any()
        assert torch.equal(targets[:, :t], lived.targets[:, :t]) and not targets[:, t:].any()


def test_noise_is_as_large_as_it_says_and_the_same_for_all_who_drive():
    drawn = lives(200)
    settings = {"generator": split_generator("test", 3), "noise": 0.15, "cue_noise": 0.5}
    first = rooms.drive(drawn, still, 10, **settings).lived
    settings["generator"] = split_generator("test", 3)
    second = rooms.drive(drawn, lambda state, past, cue: torch.ones(200), 10, **settings).lived
    assert torch.equal(first.cues, second.cues)
    shocks = [(part.targets - part.clean) / pendulum.TARGET_SCALE for part in (first, second)]
    assert torch.allclose(*shocks, atol=1e-5) and abs(float(shocks[0].std()) - 0.15) < 0.01
    shown = first.cues - drawn.cues.gather(1, first.rooms.unsqueeze(-1).expand(-1, -1, 6))
    assert abs(float(shown.std()) - 0.5) < 0.01


def test_babble_covers_angles_speeds_and_torques_and_no_two_draws_are_the_same():
    train, test = (rooms.transitions(100, split, 0) for split in ("train", "test"))
    assert train.features.shape == (100, 72, 4) and train.targets.shape == (100, 72, 1)
    assert (train.features[..., 0] > 0.9).float().mean() > 0.02  # near the top, too
    assert train.features[..., 2].std() > 0.5 and train.features[..., 3].std() > 0.8
    smooth = torch.corrcoef(torch.stack([train.features[:, 1:, 3].flatten(), train.features[:, :-1, 3].flatten()]))
    assert 0.1 < smooth[0, 1] < 0.8  # neither white nor smooth throughout
    rows = [{tuple(row) for row in part.features.flatten(0, 1).tolist()} for part in (train, test)]
    assert not rows[0] & rows[1]
    again = rooms.transitions(100, "train", 0)
    assert all(torch.equal(one, two) for one, two in zip(train, again, strict=True))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: lives(families=["mars"]), ValueError, ["family", "'mars'", "'earth'"]),
        (lambda: lives(rooms=1), ValueError, ["rooms", "2", "1"]),
        (lambda: lives(rooms=5, bits=2), ValueError, ["rooms", "4", "5"]),
        (lambda: lives(0), ValueError, ["count", "0"]),
        (lambda: rooms.drive(lives(2), still, 0, torch.Generator()), ValueError, ["steps", "0"]),
        (lambda: rooms.drive(lives(2), still, 1, torch.Generator(), cue_noise=-1), ValueError, ["cue_noise", "-1"]),
        (lambda: rooms.transitions(2, "validation", 0), ValueError, ["split", "'validation'"]),
    ],
)
def test_wrong_input_is_named(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert all(word in str(caught.value) for word in words)


def test_questions_end_where_the_stay_ends():
    lived = rooms.transitions(5, "train", 0, stays=3, steps=6)
    moments = torch.tensor([0, 3, 5, 12, 17])
    features, targets, weights = rooms.questions(lived, moments, 8)
    for row, (moment, counted) in enumerate(zip(moments.tolist(), (6, 3, 1, 6, 1), strict=True)):
        assert weights[row].tolist() == [1.0] * counted + [0.0] * (8 - counted)
        assert torch.equal(features[row, :counted], lived.features[row, moment : moment + counted])
        assert torch.equal(targets[row, :counted], lived.targets[row, moment : moment + counted])


def test_the_past_is_what_came_before_and_is_read_by_places():
    lived = rooms.transitions(4, "train", 1)
    past = rooms.past_of(lived, 7)
    assert past.stored.tolist() == [7] * 4
    features, targets = past.at(torch.tensor([[0, 6]] * 4))
    assert torch.equal(features, lived.features[:, [0, 6]]) and torch.equal(targets, lived.targets[:, [0, 6]])
    assert rooms.past_of(lived, torch.tensor([1, 2, 3, 4])).stored.tolist() == [1, 2, 3, 4]


def test_a_mean_by_step_parts_returns_from_new_rooms():
    lived = rooms.transitions(6, "train", 2, stays=4, steps=3)
    values = lived.since + 10.0 * (lived.visits > 0)
    assert rooms.by_step(values, lived).tolist() == [10, 11, 12]
    assert rooms.by_step(values, lived, returned=False).tolist() == [0, 1, 2]
