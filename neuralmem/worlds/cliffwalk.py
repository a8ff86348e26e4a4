"""The Blind Cliffwalk of Schaul et al. 2016, section 3.1: where useful experiences are rare (chapter 4)."""

from typing import NamedTuple

import numpy as np

from .._validate import positive_int


class Transition(NamedTuple):
    """One step: the state, the action (1 goes on, 0 falls), the reward, and the next state, None where it ends."""

    state: int
    action: int
    reward: float
    after: int | None


def transitions(states: int, rng: np.random.Generator) -> list[Transition]:
    """What is stored when every sequence of actions was played once: 2^(states + 1) - 2 transitions, shuffled.

    There are `states` states in a row. In each, one action goes on and the other one falls off the cliff, with
    reward 0; only going on from the last state earns reward 1. Raises ValueError or TypeError for another number.
    """
    d = positive_int("states", states)
    stored = []
    for fall in range(d):  # how many sequences of d actions first fall in this state
        walk = [Transition(s, 1, 0.0, s + 1) for s in range(fall)] + [Transition(fall, 0, 0.0, None)]
        stored += walk * 2 ** (d - fall - 1)
    stored += [Transition(s, 1, 0.0, s + 1) for s in range(d - 1)] + [Transition(d - 1, 1, 1.0, None)]
    return [stored[place] for place in rng.permutation(len(stored))]


def true_values(states: int, discount: float) -> np.ndarray:
    """The values (states, 2) of the actions: 0 for falling, discount^(steps before the reward) for going on."""
    values = np.zeros((states, 2))
    values[:, 1] = discount ** np.arange(states - 1, -1, -1)
    return values
