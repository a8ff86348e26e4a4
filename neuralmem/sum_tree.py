"""Priorities in a tree of sums, so that one is drawn in microseconds (chapter 4)."""

import math

import numpy as np
import torch

ONES = np.ones(32)


class SumTree:
    """Priorities at the leaves, and above them the sum of every 32 nodes, up to a top row of at most 4,096 sums.

    A find runs along the top row and then along one stretch of 32 a level; a change sums its stretches anew, so
    that no rounding error builds up. Few wide levels, because a call costs more than adding 32 numbers.
    """

    WIDTH, TOP = 32, 2**12

    def __init__(self, capacity: int) -> None:
        self.levels: list[np.ndarray] = []  # the leaves first, the top row last
        while capacity > self.TOP or not self.levels:
            capacity = -(-capacity // self.WIDTH)
            self.levels.append(np.zeros(capacity * self.WIDTH))
        self.levels.append(np.zeros(1 + capacity))  # after a zero, so that running sums say what is before a node, too
        self.limit = np.finfo(float).max / (8 * self.leaves.size)  # as many priorities still have a finite sum

    @property
    def leaves(self) -> np.ndarray:
        """The priorities (at least `capacity`,), which `set` changes."""
        return self.levels[0]

    @property
    def top(self) -> np.ndarray:
        """The sums of the top row."""
        return self.levels[-1][1:]

    def set(self, indices: np.ndarray | int, values: np.ndarray | float) -> None:
        """Write priorities `values` (n,) at the leaves `indices` (n,); of equal indices the last one counts.

        One index and one priority may be numbers.
        """
        below = self.leaves
        below[indices] = values
        for sums in (*self.levels[1:-1], self.top):
            indices = _distinct(indices // self.WIDTH)
            sums[indices] = _sum(below.reshape(-1, self.WIDTH).take(indices, 0))
            below = sums

    def find(self, fractions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For each fraction (n,) in [0, 1) of the total: the leaf in whose stretch of the running sum it falls.

        Returns the leaves (n,) and their priorities (n,). A leaf of priority 0 is never found: ValueError where
        all are 0.
        """
        sums = _running(self.levels[-1].copy())
        total = sums[-1]
        if not total > 0:
            raise ValueError("priorities are all 0: there is nothing to draw")
        targets = fractions * total
        np.minimum(targets, math.nextafter(total, 0), out=targets)
        nodes = sums[1:].searchsorted(targets, "right")  # the first whose running sum exceeds the target
        targets -= sums.take(nodes)  # what is left within the node
        for level in self.levels[-2::-1]:
            rows = level.reshape(-1, self.WIDTH).take(nodes, 0)
            rows[:, 0] -= targets
            beyond = _running(rows)  # by how much the running sums exceed the target: a row is compared with one number
            within, ends = (beyond > 0).argmax(1), beyond[:, -1]
            if ends.size and not ends[ends.argmin()] > 0:  # by rounding a target lies at the end of its stretch
                within[ends <= 0] = _last(level.reshape(-1, self.WIDTH).take(nodes[ends <= 0], 0))
            if level is not self.leaves:
                targets = np.where(within > 0, -beyond[np.arange(len(nodes)), within - 1], targets)
            nodes = nodes * self.WIDTH + within
        return nodes, self.leaves.take(nodes)


def _sum(rows):
    """The sum of each row, to the same last bit alone and among others: a product with ones is NumPy's fastest."""
    return np.vecdot(rows, ONES) if hasattr(np, "vecdot") else np.add.reduce(rows, -1)  # NumPy 1 has none


def _last(rows):
    """The place of the last number of each row that is not 0."""
    return rows.shape[1] - 1 - (rows[:, ::-1] > 0).argmax(1)


def _running(values):
    """Running sums along the last axis, in place: of many by torch, which starts later than NumPy but is faster."""
    if values.size <= 512:
        np.add.accumulate(values, -1, out=values)
    else:
        torch.from_numpy(values).cumsum_(-1)
    return values


def _distinct(nodes):
    """Each of many nodes once; of a few, looking for equal ones costs more than it saves."""
    return np.unique(nodes) if isinstance(nodes, np.ndarray) and nodes.size > 1024 else nodes
