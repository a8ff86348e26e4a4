"""What to rehearse: a buffer of experiences, sampled uniformly, by reservoir or by priority (chapter 4)."""

import json
from typing import Any, NamedTuple

import numpy as np
import torch

from ._validate import choice, positive_int, real

KINDS = ("uniform", "reservoir", "proportional", "rank")


class ReplayBatch(NamedTuple):
    """A sample: `data` as it was added, with a leading batch axis; `indices` (n,); importance `weights` (n,)."""

    data: Any
    indices: np.ndarray
    weights: torch.Tensor


class SumTree:
    """Priorities at the leaves, and above them the sum of every 64 nodes, up to a top row of at most 16,384 sums.

    A find runs along the top row and then along one stretch of 64 a level; a change sums its stretches anew, so
    that no rounding error builds up. Few wide levels, because a call costs more than adding 64 numbers.
    """

    WIDTH, TOP = 64, 2**14

    def __init__(self, capacity):
        self.levels = []
        while capacity > self.TOP or not self.levels:
            capacity = -(-capacity // self.WIDTH)
            self.levels.append(np.zeros((capacity, self.WIDTH)))
        self.top = np.zeros(capacity)

    @property
    def leaves(self):
        """The priorities (at least `capacity`,), as a view."""
        return self.levels[0].reshape(-1)

    def set(self, indices, values):
        """Write priorities `values` (n,) at the leaves `indices` (n,); of equal indices the last one counts."""
        self.leaves[indices] = values
        for level, parents in zip(self.levels, [*self.levels[1:], self.top], strict=True):
            indices = indices // self.WIDTH
            parents.reshape(-1)[indices] = level.take(indices, 0).sum(1)

    def find(self, fractions):
        """For each fraction (n,) in [0, 1) of the total: the leaf in whose stretch of the running sum it falls.

        Returns the leaves (n,) and their shares of the total (n,). A leaf of priority 0 is never found.
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
        return nodes, self.leaves.take(nodes) / total


def _running(values):
    """Running sums along the last axis, by torch: about four times as fast as NumPy's."""
    return torch.from_numpy(values).cumsum(-1).numpy()


class ExperienceReplay:
    """A buffer of at most `capacity` experiences (chapter 4).

    `kind` is "uniform" (a ring; every stored item equally likely), "reservoir" (every item of the whole stream equally
    likely to be stored; Vitter 1985, algorithm R), "proportional" (a ring; P(i) = p_i^alpha / sum_k p_k^alpha; Schaul
    et al. 2016, eq. 1) or "rank" (a ring; p_i = 1/rank of the priority, exact at every draw: half a millisecond at
    10^5 items). An experience is a dict, a tuple or one array; arrays are allocated at the first one, whose names,
    shapes and dtypes all others must have. `seed` starts the buffer's own generator. The index of an experience is its
    number in the stream (in a ring it lies at place index % capacity), so it never comes to mean another one.
    Wrong arguments raise ValueError, TypeError or IndexError.
    """

    def __init__(self, capacity, kind="proportional", alpha=0.6, seed=0):
        self.capacity = positive_int("capacity", capacity)
        self.kind = choice("kind", kind, KINDS)
        self.alpha = real("alpha", alpha, low=0)
        self.rng = np.random.default_rng(seed)
        self.form, self.arrays = None, None  # names of a dict, length of a tuple, "" for one array; the storage
        self.seen = 0  # items of the stream so far
        self.numbers = np.full(self.capacity, -1)  # which item of the stream lies at each place
        self.highest = 1.0  # the highest priority so far: a new item gets it, and so is drawn soon
        if kind == "proportional":
            self.tree = SumTree(self.capacity)
        elif kind == "rank":
            self.priorities, self.order = np.zeros(self.capacity), np.arange(0)

    def __len__(self):
        return min(self.seen, self.capacity)

    def add(self, experience, priority=None):
        """Store one experience and return its index, or None where the reservoir passes it over.

        `priority` >= 0 defaults to the highest seen so far.
        """
        columns = [_numpy("experience", part)[None] for part in self._parts(experience)]
        number = int(self._store(columns, None if priority is None else [priority])[0])
        return number if number >= 0 else None

    def extend(self, experiences, priorities=None):
        """Store many at once, as if they came one by one (each array with a leading axis n); return indices (n,).

        In a reservoir the index of what is passed over is -1; `priorities` (n,) default to the highest so far.
        """
        return self._store([_numpy("experiences", part) for part in self._parts(experiences)], priorities)

    def sample(self, n, beta=0.4):
        """Draw a ReplayBatch of `n` experiences, in tensors on the CPU.

        Uniform and reservoir draw without replacement, n at most len(self). By priority one is drawn from each n-th
        of the total (stratified), with replacement. The weights (len·P(i))^-beta are divided by the largest in
        the batch, so that they only scale a step down (Schaul et al. 2016, section 3.4); without priorities they are 1.
        """
        n, beta, size = positive_int("n", n), real("beta", beta, low=0), len(self)
        if size == 0:
            raise IndexError("sample: the replay is empty, add experiences before drawing from it")
        if self.kind in ("uniform", "reservoir"):
            if n > size:
                raise ValueError(f"n must be at most the {size} experiences stored, got {n}")
            places, weights = self.rng.choice(size, n, replace=False, shuffle=False), np.ones(n)
        else:
            fractions = (np.arange(n) + self.rng.random(n)) / n
            places, chances = self.tree.find(fractions) if self.kind == "proportional" else self._find_rank(fractions)
            weights = (chances / chances.min()) ** -beta
        data = [torch.from_numpy(array.take(places, 0)) for array in self.arrays]
        return ReplayBatch(self._joined(data), self.numbers[places], torch.from_numpy(weights.astype(np.float32)))

    def probabilities(self):
        """The chance (len,) of what lies at each place to be drawn next; they sum to 1."""
        size = len(self)
        if size == 0:
            raise IndexError("probabilities: the replay is empty")
        scaled = np.ones(size)
        if self.kind == "proportional":
            scaled = self.tree.leaves[:size]
        elif self.kind == "rank":
            scaled[self._ranked()] = np.arange(1, size + 1) ** -self.alpha
        return scaled / scaled.sum()

    def update_priorities(self, indices, priorities):
        """Give the experiences `indices` (n,), as `sample` returned them, new priorities (n,) >= 0.

        IndexError if one was overwritten since it was drawn (nothing changes then). Without effect where there
        are no priorities (uniform, reservoir), so that kinds can be exchanged.
        """
        indices = np.asarray(indices)
        if indices.ndim != 1 or indices.dtype.kind not in "iu":
            raise TypeError(f"indices must be (n,) integers, got {indices.shape} of {indices.dtype}")
        priorities = self._checked(priorities, len(indices))
        places = indices % self.capacity
        stale = self.numbers[places] != indices
        if stale.any() and self.kind != "reservoir":
            stored = f"{self.seen - len(self)}..{self.seen - 1}"
            raise IndexError(f"indices must be stored ones, {stored}, got {indices[stale][0]} (overwritten?)")
        self.highest = max(self.highest, float(priorities.max(initial=0)))
        self._set_priorities(places, priorities)

    def state_dict(self):
        """Everything, as a flat dict of tensors, numbers and strings, from which `load_state_dict` goes on exactly."""
        size = len(self)
        state = {
            "capacity": self.capacity, "kind": self.kind, "alpha": self.alpha, "form": json.dumps(self.form),
            "seen": self.seen, "highest": self.highest, "rng": json.dumps(self.rng.bit_generator.state),
            "numbers": torch.tensor(self.numbers[:size]),
        }  # fmt: skip
        if self.kind == "proportional":
            state["scaled"] = torch.tensor(self.tree.leaves[:size])
        elif self.kind == "rank":
            state |= {"priorities": torch.tensor(self.priorities[:size]), "order": torch.tensor(self.order)}
        return state | {f"array.{i:03}": torch.tensor(array[:size]) for i, array in enumerate(self.arrays or ())}

    def load_state_dict(self, state):
        """Become what `state` says; capacity, kind and alpha must be this buffer's (ValueError, nothing changed)."""
        missing = {"capacity", "kind", "alpha", "seen", "highest", "form", "rng", "numbers"} - state.keys()
        if missing:
            raise ValueError(f"state must be a replay's state_dict, it lacks {', '.join(sorted(missing))}")
        for name in ("capacity", "kind", "alpha"):
            if state[name] != getattr(self, name):
                raise ValueError(f"{name} must be {getattr(self, name)!r} as in this replay, got {state[name]!r}")
        self.seen, self.highest, self.form = state["seen"], state["highest"], json.loads(state["form"])
        self.rng.bit_generator.state = json.loads(state["rng"])
        size, self.arrays = len(self), None
        self.numbers[:] = -1
        self.numbers[:size] = state["numbers"].numpy()
        if self.kind == "proportional":
            self.tree = SumTree(self.capacity)
            self.tree.set(np.arange(size), state["scaled"].numpy())
        elif self.kind == "rank":
            self.priorities[:size], self.order = state["priorities"].numpy(), state["order"].numpy().copy()
        if self.form is not None:
            self._allocate([state[key].numpy() for key in sorted(state) if key.startswith("array.")])

    def _store(self, columns, priorities):
        """Check the columns against (or, the first time, fix) the storage; store them; return their indices."""
        if self.arrays is None:
            self._allocate(columns)
        count = len(columns[0])
        for array, column in zip(self.arrays, columns, strict=True):
            if column.shape[1:] != array.shape[1:] or len(column) != count:
                raise ValueError(f"experience must hold one {array.shape[1:]} of each part, got {column.shape[1:]}")
            if column.dtype != array.dtype:
                raise TypeError(f"experience must have dtype {array.dtype}, got {column.dtype}")
        priorities = np.full(count, self.highest) if priorities is None else self._checked(priorities, count)
        numbers = np.arange(self.seen, self.seen + count)
        places, kept = numbers % self.capacity, slice(max(count - self.capacity, 0), None)  # at most one whole ring
        if self.kind == "reservoir":  # item t goes to a random place of 0..t, if there is such a place
            places = np.where(numbers < self.capacity, numbers, self.rng.integers(0, numbers + 1))
            numbers = np.where(places < self.capacity, numbers, -1)
            kept = numbers >= 0
        self.seen += count
        places = places[kept]
        for array, column in zip(self.arrays, columns, strict=True):
            array[places] = column[kept]
        self.numbers[places], self.highest = numbers[kept], max(self.highest, float(priorities.max(initial=0)))
        self._set_priorities(places, priorities[kept])
        return numbers

    def _allocate(self, columns):
        """Room for `capacity` experiences like these, which are stored at its beginning."""
        if any(column.ndim == 0 for column in columns) or len({len(column) for column in columns}) != 1:
            shapes = [column.shape for column in columns]
            raise ValueError(f"experiences must be arrays that share one leading axis, got shapes {shapes}")
        self.arrays = [np.zeros((self.capacity, *column.shape[1:]), column.dtype) for column in columns]
        for array, column in zip(self.arrays, columns, strict=True):
            array[: len(column)] = column[: self.capacity]

    def _set_priorities(self, places, priorities):
        if self.kind == "proportional":
            self.tree.set(places, priorities**self.alpha)
        elif self.kind == "rank":
            self.priorities[places] = priorities

    def _ranked(self):
        """Places from the highest priority to the lowest: last time's order, sorted again, which is nearly done."""
        self.order = np.concatenate([self.order, np.arange(len(self.order), len(self))])
        self.order = self.order[np.argsort(-self.priorities[self.order], kind="stable")]
        return self.order

    def _find_rank(self, fractions):
        """Places (n,) of the ranks where the running sum of 1/rank^alpha passes the fractions, and their chances."""
        running = np.cumsum(np.arange(1, len(self) + 1) ** -self.alpha)
        ranks = np.minimum(running.searchsorted(fractions * running[-1], side="right"), len(self) - 1)
        return self._ranked()[ranks], (ranks + 1) ** -self.alpha / running[-1]

    def _parts(self, experience):
        """The arrays of an experience, in the order of the storage."""
        if isinstance(experience, dict):
            form = sorted(experience)
            parts = [experience[name] for name in form]
        elif isinstance(experience, tuple):
            form, parts = len(experience), experience
        else:
            form, parts = "", [experience]
        if not parts or (isinstance(form, list) and not all(isinstance(name, str) for name in form)):
            raise TypeError(f"experience must be a dict with names as keys, a tuple or one array, got {experience!r}")
        if self.arrays is None:
            self.form = form
        elif form != self.form:
            raise ValueError(f"experience must be put together as the first was, {self.form!r}, got {form!r}")
        return parts

    def _joined(self, arrays):
        """The parts put together as they were added."""
        if isinstance(self.form, list):
            return dict(zip(self.form, arrays, strict=True))
        return tuple(arrays) if isinstance(self.form, int) else arrays[0]

    def _checked(self, priorities, count):
        values = _numpy("priorities", priorities, torch.float64).astype(np.float64)
        if values.shape != (count,):
            raise ValueError(f"priorities must be ({count},), got {values.shape}")
        if count and not (values.min() >= 0 and values.max() < np.inf):  # false for NaN, too
            raise ValueError(f"priorities must be finite and at least 0, got {values.min()}..{values.max()}")
        return values


def _numpy(name, value, dtype=None):
    """An array of `value`; Python's numbers and lists get `dtype`, or torch's default one."""
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biufc":
        return np.asarray(value)
    try:
        return torch.as_tensor(value, dtype=dtype).detach().cpu().numpy()
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{name} must hold numbers, arrays or tensors, got {type(value).__name__}: {error}") from None
