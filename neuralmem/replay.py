"""What to rehearse: a buffer of experiences, sampled uniformly, by reservoir or by priority (chapter 4)."""

import json
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike

from ._validate import choice, instance, integer, positive_int, real
from .columns import allocated, as_stored, joined, numpy_of, taken_apart
from .sum_tree import SumTree

__all__ = ["ExperienceReplay", "ReplayBatch", "SumTree"]

KINDS, PIECE = ("uniform", "reservoir", "proportional", "rank"), 2**14  # so many are stored at a time


class ReplayBatch(NamedTuple):
    """A sample: `data` as it was added, with a leading batch axis; `indices` (n,); importance `weights` (n,)."""

    data: Any
    indices: np.ndarray
    weights: torch.Tensor


class ExperienceReplay:
    """A buffer of at most `capacity` experiences (chapter 4).

    `kind` is "uniform" (a ring; every stored item equally likely), "reservoir" (every item of the whole stream equally
    likely to be stored; Vitter 1985, algorithm R), "proportional" (a ring; P(i) = (p_i + epsilon)^alpha divided by the
    sum of all; Schaul et al. 2016, eq. 1) or "rank" (a ring; p_i = 1/rank of the priority, exact at every draw: half a
    millisecond at 10^5 items). With `epsilon` > 0 an item of priority 0 is still drawn (their section 3.3).

    A new item gets the highest of the stored priorities that were *given*, by `update_priorities` or on the way in
    (1 while there is none), and so is drawn soon. It does not pass that on: an outlier counts while it is stored so.

    An experience is a dict, a tuple or one array; arrays are allocated at the first one, whose names, shapes and
    dtypes all others must have. `seed` starts the buffer's own generator. The index of an experience is its
    number in the stream (in a ring it lies at place index % capacity), so it never comes to mean another one.
    Wrong arguments raise ValueError, TypeError or IndexError, and nothing has changed then.
    """

    def __init__(
        self, capacity: int, kind: str = "proportional", alpha: float = 0.6, seed: int = 0, epsilon: float = 1e-8
    ) -> None:
        self.capacity = positive_int("capacity", capacity)
        self.kind = choice("kind", kind, KINDS)
        self.alpha, self.epsilon = real("alpha", alpha, low=0), real("epsilon", epsilon, low=0)
        self.rng = np.random.default_rng(integer("seed", seed, low=0))
        self.form: Any = None  # names of a dict, length of a tuple, "" for one array
        self.arrays: Any = None  # the storage
        self.seen = 0  # items of the stream so far
        self.numbers = np.full(self.capacity, -1, np.int64)  # which item of the stream lies at each place
        self.limit = np.inf  # so high a priority may be
        if self.kind in ("proportional", "rank"):
            self.given = np.full(self.capacity, -1.0)  # the priorities that were given, -1 where one was inherited
            self.peak, self.peak_place = -1.0, 0  # the highest of them and its place, while it stands there
        if self.kind == "proportional":
            self.tree = SumTree(self.capacity)
            self.limit = self.tree.limit ** (1 / max(self.alpha, 1)) - self.epsilon
            self.may_vanish = not self.epsilon**self.alpha > 0  # whether all chances can be 0
        elif self.kind == "rank":
            self.priorities, self.order = np.zeros(self.capacity), np.arange(0, dtype=np.int64)

    def __len__(self) -> int:
        return min(self.seen, self.capacity)

    @property
    def highest(self) -> float:
        """The priority of the next new item: the highest stored one that was given, 1 while there is none."""
        if self.kind not in ("proportional", "rank"):
            return 1.0
        if self.given[self.peak_place] != self.peak:  # it went away: look for the next
            self.peak_place = int(self.given.argmax())
            self.peak = float(self.given[self.peak_place])
        return self.peak if self.peak >= 0 else min(1.0, self.limit)

    def add(self, experience: Any, priority: float | None = None) -> int | None:
        """Store one experience and return its index, or None where the reservoir passes it over.

        `priority` >= 0 defaults to the highest that was given.
        """
        row = None if self.arrays is None or self.kind == "reservoir" else as_stored(experience, self.form, self.arrays)
        given = None if priority is None else [priority]
        if row is None:
            form, columns = taken_apart("experience", experience, self.form, self.arrays, single=True)
            number = int(self._store(form, columns, given)[0])
            return number if number >= 0 else None
        number, place = self.seen, self.seen % self.capacity
        if self.kind != "uniform":
            value = self.highest if given is None else self.checked_priorities(given, 1)
            self._set_priorities(place if given is None else np.array([place]), value, given is not None)
        for array, part in zip(self.arrays, row, strict=True):
            array[place] = part
        self.numbers[place], self.seen = number, number + 1
        return number

    def extend(self, experiences: Any, priorities: ArrayLike | None = None) -> np.ndarray:
        """Store many at once, as if they came one by one (each array with a leading axis n); return indices (n,).

        In a reservoir the index of what is passed over is -1; `priorities` (n,) default to the highest given one.
        """
        form, columns = taken_apart("experiences", experiences, self.form, self.arrays)
        return self._store(form, columns, priorities)

    def check(self, experiences: Any) -> None:
        """Raise what `extend` would raise; store nothing."""
        taken_apart("experiences", experiences, self.form, self.arrays)

    def sample(self, n: int, beta: float = 0.4) -> ReplayBatch:
        """Draw a ReplayBatch of `n` experiences, in tensors on the CPU.

        Uniform and reservoir draw without replacement, n at most len(self). By priority one is drawn from each n-th
        of the total (stratified), with replacement. The weights (len·P(i))^-beta are divided by the largest in
        the batch, so that they only scale a step down (Schaul et al. 2016, section 3.4); without priorities they are 1.
        """
        n, beta, size = positive_int("n", n), real("beta", beta, low=0), len(self)
        self._check_some()
        if self.kind in ("uniform", "reservoir"):
            if n > size:
                raise ValueError(f"n must be at most the {size} experiences stored, got {n}")
            places, weights = self.rng.choice(size, n, replace=False, shuffle=False), np.ones(n, np.float32)
        else:
            fractions = self.rng.random(n)
            fractions += np.arange(float(n))
            fractions /= n
            places, shares = self.tree.find(fractions) if self.kind == "proportional" else self._find_rank(fractions)
            weights = (shares[shares.argmin()] / shares) ** beta  # a quotient of at most 1, which cannot overflow
            weights = weights.astype(np.float32)
        data = [torch.from_numpy(array.take(places, 0)) for array in self.arrays]
        return ReplayBatch(joined(self.form, data), self.numbers.take(places), torch.from_numpy(weights))

    def probabilities(self) -> np.ndarray:
        """The chance (len,) of what lies at each place to be drawn next; they sum to 1."""
        self._check_some()
        size = len(self)
        scaled = self.tree.leaves[:size] if self.kind == "proportional" else np.ones(size)
        if self.kind == "rank":
            scaled[self._ranked()] = np.arange(1, size + 1) ** -self.alpha
        return scaled / scaled.sum()

    def update_priorities(self, indices: ArrayLike, priorities: ArrayLike) -> None:
        """Give the experiences `indices` (n,), as `sample` returned them, new priorities (n,) >= 0.

        IndexError if one was overwritten since it was drawn (nothing changes then). Without effect where there
        are no priorities (uniform, reservoir), so that kinds can be exchanged.
        """
        numbers = np.asarray(indices)
        if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
            raise TypeError(f"indices must be (n,) integers, got {numbers.shape} of {numbers.dtype}")
        values, places = self.checked_priorities(priorities, len(numbers)), numbers % self.capacity
        stale = self.numbers.take(places) != numbers
        if np.count_nonzero(stale) and self.kind != "reservoir":
            first, got = self.seen - len(self), numbers[stale][0]
            raise IndexError(f"indices must be stored ones, {first}..{self.seen - 1}, got {got} (overwritten?)")
        if self.kind in ("proportional", "rank"):
            self._set_priorities(places, values, given=True)

    def checked_priorities(self, priorities: ArrayLike, count: int) -> np.ndarray:
        """Priorities (count,) in float64, or a ValueError where they are no such, or too large to be summed."""
        values = numpy_of("priorities", priorities, torch.float64).astype(np.float64, copy=False)
        if values.shape != (count,):
            raise ValueError(f"priorities must be ({count},), got {values.shape}")
        if count == 0:
            return values
        lowest, highest = values[values.argmin()], values[values.argmax()]  # min() takes four times as long for a batch
        if not (lowest >= 0 and highest < np.inf):  # false for NaN, too
            raise ValueError(f"priorities must be finite and at least 0, got {lowest}..{highest}")
        if highest > self.limit:
            power = f"with alpha={self.alpha} must be at most {self.limit:.3g}, that their sum stays finite"
            raise ValueError(f"priorities {power}, got {highest}")
        return values

    def state_dict(self) -> dict[str, Any]:
        """Everything, as a flat dict of tensors, numbers and strings, from which `load_state_dict` goes on exactly."""
        size = len(self)
        state = {
            "capacity": self.capacity, "kind": self.kind, "alpha": self.alpha, "epsilon": self.epsilon,
            "form": json.dumps(self.form), "seen": self.seen, "rng": json.dumps(self.rng.bit_generator.state),
            "numbers": torch.tensor(self.numbers[:size]),
        }  # fmt: skip
        state |= {name: torch.tensor(values[:size]) for name, values in self._prioritised().items()}
        if self.kind == "rank":
            state["order"] = torch.tensor(self.order)
        return state | {f"array.{i:03}": torch.tensor(part[:size]) for i, part in enumerate(self.arrays or ())}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Become what `state` says; capacity, kind, alpha and epsilon must be this buffer's.

        ValueError where they are not, or where the state is no replay's: nothing has changed then.
        """
        instance("state", state, dict)
        for name in ("capacity", "kind", "alpha", "epsilon"):
            mine, given = getattr(self, name), state.get(name)
            if type(given) is not type(mine) or given != mine:
                raise ValueError(f"{name} must be {mine!r} as in this replay, got {given!r}")
        other = ExperienceReplay(self.capacity, self.kind, self.alpha, epsilon=self.epsilon)
        try:
            other._restore(state)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"state must be a replay's state_dict: {type(error).__name__}: {error}") from error
        self.__dict__.update(other.__dict__)

    def _restore(self, state):
        """Take over a state into this new buffer, or raise where its parts do not fit together."""
        self.seen, form = integer("seen", state["seen"], low=0), json.loads(state["form"])
        self.rng.bit_generator.state = json.loads(state["rng"])
        size, arrays = len(self), [state[key].numpy() for key in sorted(state) if key[:6] == "array."]
        parts = form if isinstance(form, int) else len(form or ()) if form != "" else 1
        if len(arrays) != parts or any(len(array) != size for array in arrays):
            raise ValueError(f"it must hold {parts} arrays of {size} experiences")
        for name, values in {"numbers": self.numbers, **self._prioritised()}.items():
            stored, low = state[name].numpy(), -1 if name == "given" else 0
            if stored.shape != (size,) or stored.dtype != values.dtype:
                raise ValueError(f"{name} must be ({size},) of {values.dtype}, got {stored.shape} of {stored.dtype}")
            if size and not (low <= stored.min() and stored.max() < (self.seen if name == "numbers" else np.inf)):
                raise ValueError(f"{name} must be finite and at least {low}, got {stored.min()}..{stored.max()}")
            values[:size] = stored
        self.peak = np.inf  # not known
        if self.kind == "proportional":
            self.tree.set(np.arange(size), self.tree.leaves[:size])
        elif self.kind == "rank":
            self.order = state["order"].numpy().copy()
            if self.order.dtype != np.int64 or sorted(self.order.tolist()) != list(range(min(size, len(self.order)))):
                raise ValueError(f"order must hold each of the first places once, at most {size}")
        if form is not None:
            self.form, self.arrays = form, allocated(self.capacity, arrays)
            for array, values in zip(self.arrays, arrays, strict=True):
                array[:size] = values

    def _prioritised(self):
        """What is kept a place where there are priorities, by its name in the state."""
        if self.kind == "proportional":
            return {"scaled": self.tree.leaves, "given": self.given}
        return {"priorities": self.priorities, "given": self.given} if self.kind == "rank" else {}

    def _store(self, form, columns, priorities):
        """Store checked columns (the first fix the storage), piece by piece; return their indices."""
        count = len(columns[0])
        indices = np.arange(self.seen, self.seen + count, dtype=np.int64)
        if priorities is not None:
            priorities = self.checked_priorities(priorities, count)
        if self.arrays is None and count:
            self.form, self.arrays = form, allocated(self.capacity, columns)
        first = 0 if self.kind == "reservoir" else max(count - self.capacity, 0)  # at most one whole ring
        if first and self.kind != "uniform":  # what the rest finds is without those that the first ones overwrote
            self.given[indices[: min(first, self.capacity)] % self.capacity] = -1.0
        self.seen += first
        for start in range(first, count, PIECE):
            piece = slice(start, start + PIECE)
            self._store_piece(indices[piece], [column[piece] for column in columns], priorities, piece)
        return indices

    def _store_piece(self, numbers, columns, priorities, piece):
        """Store columns under `numbers` (n,), which become -1 where a reservoir passes over them."""
        places = numbers % self.capacity
        self.seen += len(numbers)
        if self.kind == "reservoir":  # item t goes to a random place of 0..t, if there is such a place
            places = np.where(numbers < self.capacity, numbers, self.rng.integers(0, numbers + 1))
            numbers[places >= self.capacity] = -1
            kept = numbers >= 0
            places, numbers, columns = places[kept], numbers[kept], [column[kept] for column in columns]
        elif self.kind != "uniform":
            given = self._inherited(places) if priorities is None else priorities[piece]
            self._set_priorities(places, given, priorities is not None)
        for array, column in zip(self.arrays, columns, strict=True):
            array[places] = column
        self.numbers[places] = numbers

    def _inherited(self, places):
        """Priorities (n,) of new items at `places`, which come one by one and overwrite what was given there."""
        if len(places) == 1:
            return np.array([self.highest])
        before = self.given[places]
        self.given[places] = -1.0
        highest = np.maximum(np.maximum.accumulate(before[::-1])[::-1], self.given.max())
        return np.where(highest < 0, min(1.0, self.limit), highest)

    def _check_some(self):
        """Refuse to draw where nothing is stored or every chance is 0."""
        if not self.seen:
            raise IndexError("the replay is empty, add experiences before drawing from it")
        if self.kind == "proportional" and self.may_vanish and not self.tree.top.any():
            raise ValueError("priorities are all 0, as is epsilon: there is nothing to draw")

    def _set_priorities(self, places, priorities, given):
        """Write priorities at places, arrays (n,) or one of each; only those that were `given` are passed on."""
        if self.kind == "proportional":
            self.tree.set(places, (priorities + self.epsilon) ** self.alpha)
        else:
            self.priorities[places] = priorities
        self.given[places] = priorities if given else -1.0
        if given and len(priorities):
            best = priorities.argmax()
            if priorities[best] >= self.peak:  # whether it stands there still, `highest` looks when it is asked
                self.peak, self.peak_place = float(priorities[best]), int(places[best])

    def _ranked(self):
        """Places from the highest priority to the lowest: last time's order, sorted again, which is nearly done."""
        self.order = np.concatenate([self.order, np.arange(len(self.order), len(self))])
        self.order = self.order[np.argsort(-self.priorities[self.order], kind="stable")]
        return self.order

    def _find_rank(self, fractions):
        """Places (n,) of the ranks where the running sum of 1/rank^alpha passes the fractions, and their shares."""
        running = np.cumsum(np.arange(1, len(self) + 1) ** -self.alpha)
        ranks = np.minimum(running.searchsorted(fractions * running[-1], side="right"), len(self) - 1)
        return self._ranked()[ranks], (ranks + 1) ** -self.alpha
