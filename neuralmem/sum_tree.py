"""Priorities in a tree of sums, so that one is drawn in microseconds (chapter 4)."""

import numpy as np
import torch


class SumTree:
    """Priorities at the leaves, and above them the sum of every 64 nodes, up to a top row of at most 16,384 sums.

    A find runs along the top row and then along one stretch of 64 a level; a change sums its stretches anew, so
    that no rounding error builds up. Few wide levels, because a call costs more than adding 64 numbers.
    """

    WIDTH, TOP = 64, 2**14

    def __init__(self, capacity: int) -> None:
        self.levels: list[np.ndarray] = []
        while capacity > self.TOP or not self.levels:
            capacity = -(-capacity // self.WIDTH)
            self.levels.append(np.zeros((capacity, self.WIDTH)))
        self.top = np.zeros(capacity)
        self.limit = np.finfo(float).max / (8 * self.levels[0].size)  # as many priorities still have a finite sum

    @property
    def leaves(self) -> np.ndarray:
        """The priorities (at least `capacity`,), as a view."""
        return self.levels[0].reshape(-1)

    def set(self, indices: np.ndarray, values: np.ndarray) -> None:
        """Write priorities `values` (n,) at the leaves `indices` (n,); of equal indices the last one counts."""
        self.leaves[indices] = values
        for level, parents in zip(self.levels, [*self.levels[1:], self.top], strict=True):
            indices = _distinct(indices // self.WIDTH)
            parents.reshape(-1)[indices] = level.take(indices, 0).sum(1)

    def find(self, fractions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For each fraction (n,) in [0, 1) of the total: the leaf in whose stretch of the running sum it falls.

        Returns the leaves (n,) and their priorities (n,). A leaf of priority 0 is never found: ValueError where
        all are 0.
        """
        sums = _running(self.top)
        total = sums[-1]
        if not total > 0:
            raise ValueError("priorities are all 0: there is nothing to draw")
        targets = np.minimum(fractions * total, np.nextafter(total, 0))
        nodes = sums.searchsorted(targets, "right")  # the first whose running sum exceeds the target
        np.subtract(targets, sums.take(nodes - 1), out=targets, where=nodes > 0)  # what is left within the node
        for level in reversed(self.levels):
            sums = _running(level.take(nodes, 0))
            targets = np.minimum(targets, np.nextafter(sums[:, -1], 0))
            within = (sums <= targets[:, None]).argmin(1)
            if level is not self.levels[0]:
                np.subtract(targets, sums[np.arange(len(nodes)), within - 1], out=targets, where=within > 0)
            nodes = nodes * self.WIDTH + within
        return nodes, self.leaves.take(nodes)


def _running(values):
    """Running sums along the last axis, by torch: about four times as fast as NumPy's."""
    return torch.from_numpy(values).cumsum(-1).numpy()


def _distinct(nodes):
    """Each of many nodes once; of a few, looking for equal ones costs more than it saves."""
    return np.unique(nodes) if len(nodes) > 1024 else nodes
