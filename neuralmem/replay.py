"""What to rehearse: a buffer of experiences, sampled uniformly, by reservoir or by priority (chapter 4)."""

from typing import Any, NamedTuple

import numpy as np
import torch

from ._validate import choice, positive_int, real

KINDS = ("uniform", "reservoir", "proportional", "rank")
WIDTH = 64  # children of a node: few levels, each summed by one vectorised call


class ReplayBatch(NamedTuple):
    """A sample: `data` as it was added, with a leading batch axis; `indices` (n,); importance `weights` (n,)."""

    data: Any
    indices: np.ndarray
    weights: torch.Tensor


class SumTree:
    """Sums of priorities over a tree whose nodes have 64 children, so that 10^6 leaves are four levels (chapter 4).

    Every touched node is summed anew from its children: no rounding error builds up.
    """

    def __init__(self, capacity):
        sizes = [capacity]
        while sizes[-1] > 1:
            sizes.append(-(-sizes[-1] // WIDTH))
        self.levels = [np.zeros((size, WIDTH)) for size in sizes[1:]] or [np.zeros((1, WIDTH))]

    @property
    def leaves(self):
        """The priorities as a flat view (at least `capacity` long)."""
        return self.levels[0].reshape(-1)

    @property
    def total(self):
        """Sum of all priorities."""
        return self.levels[-1].sum()

    def set(self, indices, values):
        """Write priorities `values` at the leaves `indices` (of equal indices the last one counts)."""
        self.leaves[indices] = values
        for child, parent in zip(self.levels, self.levels[1:], strict=False):
            indices = indices // WIDTH
            parent.reshape(-1)[indices] = child[indices].sum(-1)

    def find(self, targets):
        """For each target in [0, total): the leaf in whose stretch of the running sum it falls."""
        nodes = np.zeros(len(targets), dtype=np.int64)
        for level in reversed(self.levels):
            sums = np.cumsum(level[nodes], axis=1)
            targets = np.minimum(targets, np.nextafter(sums[:, -1], 0))
            child = (sums <= targets[:, None]).sum(1)
            targets = targets - np.where(child > 0, sums[np.arange(len(child)), child - 1], 0.0)
            nodes = nodes * WIDTH + child
        return nodes


class ExperienceReplay:
    """A buffer of at most `capacity` experiences (chapter 4).

    `kind` is "uniform" (a ring, every stored item equally likely), "reservoir" (every item of the whole stream equally
    likely to be stored; Vitter 1985, algorithm R), "proportional" (P(i) = p_i^alpha / sum_k p_k^alpha; Schaul et al.
    2016) or "rank" (p_i = 1/rank of the priority, ranks exact at every draw). An experience is a dict, a tuple or one
    array; arrays are allocated at the first one, whose shapes and dtypes all others must have. `seed` starts
    the buffer's own generator. Raises ValueError, TypeError or IndexError naming the argument.
    """

    def __init__(self, capacity, kind="proportional", alpha=0.6, seed=0):
        self.capacity = positive_int("capacity", capacity)
        self.kind = choice("kind", kind, KINDS)
        self.alpha = real("alpha", alpha, low=0)
        self.rng = np.random.default_rng(seed)
        self.arrays, self.form = None, None
        self.size, self.seen = 0, 0  # items stored; items of the stream so far
        self.versions = np.zeros(self.capacity, dtype=np.int64)  # how often each place was written
        self.priorities = np.zeros(self.capacity)
        self.highest = 1.0  # what a new item gets: it is sampled soon
        self.tree = SumTree(self.capacity) if kind == "proportional" else None

    def __len__(self):
        return self.size

    def add(self, experience, priority=None):
        """Store one experience; return its place, or None where the reservoir passes it over.

        `priority` >= 0 defaults to the highest seen so far.
        """
        experience = _map(experience, lambda value: np.asarray(_numpy(value))[None])
        index = self.extend(experience, None if priority is None else [priority])[0]
        return None if index < 0 else int(index)

    def extend(self, experiences, priorities=None):
        """Store many at once (each array with a leading axis n); return their places (n,), -1 where passed over.

        In a ring only the last `capacity` of a longer stretch are kept, as if they had come one by one.
        """
        columns = self._columns(experiences)
        count = len(columns[0])
        if priorities is None:
            priorities = np.full(count, self.highest)
        priorities = self._checked(priorities, count)
        stream = self.seen + np.arange(count)
        if self.kind == "reservoir":
            draws = self.rng.integers(0, stream + 1)
            places = np.where(stream < self.capacity, stream, np.where(draws < self.capacity, draws, -1))
        else:
            places = stream % self.capacity
        self.seen += count
        self.size = min(self.seen, self.capacity)
        final, last = np.unique(places[::-1], return_index=True)  # of items for one place, the last one stays
        chosen = (count - 1 - last)[final >= 0]
        where = final[final >= 0]
        for array, column in zip(self.arrays, columns, strict=True):
            array[where] = column[chosen]
        self.versions[where] += 1
        self._set_priorities(where, priorities[chosen])
        return places

    def sample(self, n, beta=0.4):
        """Draw `n` experiences, with replacement, as one ReplayBatch of tensors.

        By kind: uniform over what is stored, or by priority (stratified: one draw from each n-th of the total).
        Importance weights (size·P(i))^-beta, divided by the largest in the batch (Schaul et al. 2016, section 3.4).
        """
        n, beta = positive_int("n", n), real("beta", beta, low=0)
        if self.size == 0:
            raise IndexError("sample: the replay is empty, add experiences before drawing from it")
        if self.kind in ("uniform", "reservoir"):
            indices, chances = self.rng.integers(0, self.size, n), np.full(n, 1 / self.size)
        elif self.kind == "proportional":
            total = self.tree.total
            indices = self.tree.find((np.arange(n) + self.rng.random(n)) * (total / n))
            chances = self.tree.leaves[indices] / total
        else:
            chances = self.probabilities()
            targets = (np.arange(n) + self.rng.random(n)) / n
            indices = np.minimum(np.searchsorted(np.cumsum(chances), targets, side="right"), self.size - 1)
            chances = chances[indices]
        weights = (self.size * chances) ** -beta
        weights = torch.as_tensor(weights / weights.max(), dtype=torch.float32)
        data = self.form([torch.from_numpy(np.ascontiguousarray(array[indices])) for array in self.arrays])
        return ReplayBatch(data, Places(indices, self.versions[indices]), weights)

    def probabilities(self):
        """The chance (size,) of each stored item to be drawn next; they sum to 1."""
        if self.size == 0:
            raise IndexError("probabilities: the replay is empty")
        stored = self.priorities[: self.size]
        if self.kind in ("uniform", "reservoir"):
            scaled = np.ones(self.size)
        elif self.kind == "proportional":
            scaled = stored**self.alpha
        else:
            ranks = np.empty(self.size)
            ranks[np.argsort(-stored, kind="stable")] = np.arange(1, self.size + 1)
            scaled = ranks**-self.alpha
        return scaled / scaled.sum()

    def update_priorities(self, indices, priorities):
        """Give the sampled items new priorities (n,) >= 0.

        `indices` as `sample` returned them: if one of the places was overwritten since, IndexError is raised and
        nothing changes. Plain integers are taken as they are.
        """
        places = np.asarray(indices)
        if places.ndim != 1 or not np.issubdtype(places.dtype, np.integer):
            raise TypeError(f"indices must be (n,) integers, got {places.shape} of {places.dtype}")
        if len(places) and (places.min() < 0 or places.max() >= self.size):
            raise IndexError(f"indices must lie in 0..{self.size - 1}, got {places.min()}..{places.max()}")
        if isinstance(indices, Places) and (indices.versions != self.versions[places]).any():
            stale = int((indices.versions != self.versions[places]).sum())
            raise IndexError(f"indices: {stale} of {len(places)} places were overwritten since they were sampled")
        self._set_priorities(places, self._checked(priorities, len(places)))

    def state_dict(self):
        """Everything, as a flat dict of tensors, numbers and strings, from which `load_state_dict` goes on exactly."""
        state = {
            "capacity": self.capacity, "kind": self.kind, "alpha": self.alpha, "size": self.size, "seen": self.seen,
            "highest": self.highest, "versions": torch.from_numpy(self.versions.copy()),
            "priorities": torch.from_numpy(self.priorities.copy()), "rng": _pack(self.rng), "form": "",
        }  # fmt: skip
        if self.arrays is not None:
            state["form"] = self.form.spec
            state |= {f"array.{i}": torch.from_numpy(array.copy()) for i, array in enumerate(self.arrays)}
        return state

    def load_state_dict(self, state):
        """Become what `state` says; capacity, kind and alpha must be this buffer's (ValueError otherwise)."""
        for name in ("capacity", "kind", "alpha"):
            if state[name] != getattr(self, name):
                raise ValueError(f"{name} must be {getattr(self, name)!r} as in this replay, got {state[name]!r}")
        self.size, self.seen, self.highest = state["size"], state["seen"], state["highest"]
        self.versions, self.priorities = state["versions"].numpy().copy(), state["priorities"].numpy().copy()
        _unpack(self.rng, state["rng"])
        self.form = _Form(state["form"]) if state["form"] else None
        count = sum(name.startswith("array.") for name in state)
        self.arrays = [state[f"array.{i}"].numpy().copy() for i in range(count)] if count else None
        if self.tree is not None:
            self.tree = SumTree(self.capacity)
            self.tree.set(np.arange(self.size), self.priorities[: self.size] ** self.alpha)

    def _columns(self, experiences):
        """The arrays of a batch of experiences, checked against (or, the first time, fixing) the storage."""
        form, columns = _Form.of(experiences)
        columns = [_numpy(column) for column in columns]
        if self.arrays is None:
            if any(column.ndim == 0 for column in columns) or len({len(column) for column in columns}) != 1:
                raise ValueError(f"experiences must share one leading axis, got {[column.shape for column in columns]}")
            self.form = form
            self.arrays = [np.zeros((self.capacity, *column.shape[1:]), column.dtype) for column in columns]
        if form.spec != self.form.spec:
            raise ValueError(f"experience must have the form {self.form.spec}, got {form.spec}")
        for array, column in zip(self.arrays, columns, strict=True):
            if column.shape[1:] != array.shape[1:] or len(column) != len(columns[0]):
                raise ValueError(f"experience must hold arrays of shape {array.shape[1:]}, got {column.shape[1:]}")
            if column.dtype != array.dtype:
                raise TypeError(f"experience must have dtype {array.dtype}, got {column.dtype}")
        return columns

    def _checked(self, priorities, count):
        values = _numpy(priorities).astype(np.float64)
        if values.shape != (count,):
            raise ValueError(f"priorities must be ({count},), got {values.shape}")
        if not np.isfinite(values).all() or (values < 0).any():
            raise ValueError(f"priorities must be finite and at least 0, got {values.min()}..{values.max()}")
        return values

    def _set_priorities(self, places, priorities):
        self.priorities[places] = priorities
        if len(priorities):
            self.highest = max(self.highest, float(priorities.max()))
        if self.tree is not None:
            self.tree.set(places, priorities**self.alpha)


class Places(np.ndarray):
    """Sampled indices that remember which version of each place was drawn."""

    def __new__(cls, indices, versions):
        places = np.asarray(indices).view(cls)
        places.versions = versions
        return places

    def __array_finalize__(self, source):
        self.versions = getattr(source, "versions", None)


class _Form:
    """How an experience is put together: "dict a b", "tuple 2" or "array"; called with a list it rebuilds one."""

    def __init__(self, spec):
        self.spec = spec
        self.kind, *self.names = spec.split(" ")

    @classmethod
    def of(cls, value):
        """(form, list of arrays) of an experience."""
        if isinstance(value, dict):
            if not value or not all(isinstance(key, str) and key and " " not in key for key in value):
                raise TypeError(f"experience must have names without blanks for keys, got {list(value)}")
            return cls(" ".join(["dict", *value])), list(value.values())
        if isinstance(value, tuple | list):
            return cls(f"tuple {len(value)}"), list(value)
        return cls("array"), [value]

    def __call__(self, arrays):
        if self.kind == "dict":
            return dict(zip(self.names, arrays, strict=True))
        return tuple(arrays) if self.kind == "tuple" else arrays[0]


def _map(value, function):
    form, arrays = _Form.of(value)
    return form([function(array) for array in arrays])


def _numpy(value):
    return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)


def _pack(rng):
    """A PCG64 generator's state as a string of integers."""
    state = rng.bit_generator.state
    inner = state["state"]
    return f"{inner['state']} {inner['inc']} {state['has_uint32']} {state['uinteger']}"


def _unpack(rng, text):
    state, inc, has, value = map(int, text.split())
    rng.bit_generator.state = {
        "bit_generator": "PCG64", "state": {"state": state, "inc": inc}, "has_uint32": has, "uinteger": value,
    }  # fmt: skip
