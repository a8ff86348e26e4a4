"""The moving picture of the exam: two drivers in the same rooms, and a picture that says what is seen."""

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg

from neuralmem.teaching.figures import exam


def pixels(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def test_both_drivers_meet_the_same_rooms_and_begin_alike():
    (told_lives, told), (blind_lives, blind) = (exam.life_in_rooms(driver) for driver in exam.DRIVERS)
    assert told_lives.walk.tolist() == blind_lives.walk.tolist() == [list(exam.WALK)]
    assert torch.equal(told_lives.physics.motor, blind_lives.physics.motor)
    assert torch.equal(told.states[:, 0], blind.states[:, 0])


def test_what_can_be_learned_lies_between_the_two():
    """On returns to a room, who is told its physics stands most of the time and who never learns it seldom does."""
    stands = {}
    for driver in exam.DRIVERS:
        _, drive = exam.life_in_rooms(driver)
        returned = drive.lived.visits[0] > 0
        stands[driver] = float(drive.upright[0][returned].float().mean())
    assert stands["told the physics"] > 0.8 and stands["never learns"] < 0.6


@pytest.mark.parametrize("step", [0, 31, 75, 149])
def test_the_picture_says_where_one_is_and_what_has_been_met(step):
    figure = exam.explore_exam(step)
    stay = step // exam.STAY
    room = "ABC"[exam.WALK[stay]]
    assert f"room {room}" in figure.seen and f"Step {step}" in figure.seen
    assert ("back in" in figure.seen) == (exam.WALK[stay] in exam.WALK[:stay])
    words = [text.get_text() for text in figure.axes[0].texts]
    assert words.count("not met\nyet") == 3 - len(set(exam.WALK[: stay + 1]))
    assert all(len(line.get_ydata()) == step + 1 for line in figure.axes[2].lines)


def test_the_steps_move_the_picture_and_end_with_the_life():
    assert exam.EXAM_STEPS[-1] == exam.STAY * len(exam.WALK) - 1
    assert (pixels(exam.explore_exam(15)) != pixels(exam.explore_exam(30))).any()
