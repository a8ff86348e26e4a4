"""The Blind Cliffwalk: every sequence of actions, once, in random order."""

import itertools
from collections import Counter

import numpy as np
import pytest

from neuralmem.worlds import cliffwalk


@pytest.mark.parametrize("states", [1, 2, 3, 5])
def test_what_is_stored_is_what_all_sequences_of_actions_meet(states):
    played = Counter()
    for actions in itertools.product((0, 1), repeat=states):
        for state, action in enumerate(actions):
            last = state == states - 1
            played[state, action, float(action and last), None if last or not action else state + 1] += 1
            if not action:
                break
    stored = cliffwalk.transitions(states, np.random.default_rng(0))
    assert Counter(map(tuple, stored)) == played and len(stored) == 2 ** (states + 1) - 2
    assert sum(step.reward for step in stored) == 1


def test_the_order_is_drawn():
    orders = [cliffwalk.transitions(6, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]


def test_true_values_are_those_that_an_update_leaves_alone():
    states, discount = 4, 0.75
    q = cliffwalk.true_values(states, discount)
    for state, action, reward, after in cliffwalk.transitions(states, np.random.default_rng(0)):
        goal = reward if after is None else reward + discount * q[after].max()
        assert q[state, action] == pytest.approx(goal)


def test_a_wrong_number_of_states_is_named():
    with pytest.raises(ValueError, match="states"):
        cliffwalk.transitions(0, np.random.default_rng(0))
