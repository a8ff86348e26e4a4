"""What to rehearse: a buffer of experiences, sampled uniformly, by reservoir or by priority (chapter 4)."""

import json
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike

from ._validate import choice, instance, integer, positive_int, real
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
            self.given, self.peak = np.full(self.capacity, -1.0), -1.0  # -1: inherited; the highest, None: not known
        if self.kind == "proportional":
            self.tree = SumTree(self.capacity)
            self.limit = self.tree.limit ** (1 / max(self.alpha, 1)) - self.epsilon
        elif self.kind == "rank":
            self.priorities, self.order = np.zeros(self.capacity), np.arange(0, dtype=np.int64)

    def __len__(self) -> int:
        return min(self.seen, self.capacity)

    @property
    def highest(self) -> float:
        """The priority of the next new item: the highest stored one that was given, 1 while there is none."""
        if self.kind not in ("proportional", "rank"):
            return 1.0
        if self.peak is None:
            self.peak = float(self.given.max())
        return self.peak if self.peak >= 0 else min(1.0, self.limit)

    def add(self, experience: Any, priority: float | None = None) -> int | None:
        """Store one experience and return its index, or None where the reservoir passes it over.

        `priority` >= 0 defaults to the highest that was given.
        """
        form, columns = self._taken_apart("experience", experience, single=True)
        number = int(self._store(form, columns, None if priority is None else [priority])[0])
        return number if number >= 0 else None

    def extend(self, experiences: Any, priorities: ArrayLike | None = None) -> np.ndarray:
        """Store many at once, as if they came one by one (each array with a leading axis n); return indices (n,).

        In a reservoir the index of what is passed over is -1; `priorities` (n,) default to the highest given one.
        """
        form, columns = self._taken_apart("experiences", experiences)
        return self._store(form, columns, priorities)

    def check(self, experiences: Any) -> None:
        """Raise what `extend` would raise; store nothing."""
        self._taken_apart("experiences", experiences)

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
            places, weights = self.rng.choice(size, n, replace=False, shuffle=False), np.ones(n)
        else:
            fractions = (np.arange(n) + self.rng.random(n)) / n
            places, shares = self.tree.find(fractions) if self.kind == "proportional" else self._find_rank(fractions)
            weights = (shares.min() / shares) ** beta  # a quotient of at most 1, which cannot overflow
        data = [torch.from_numpy(array.take(places, 0)) for array in self.arrays]
        return ReplayBatch(self._joined(data), self.numbers[places], torch.from_numpy(weights.astype(np.float32)))

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
        stale = numbers[self.numbers[places] != numbers]
        if len(stale) and self.kind != "reservoir":
            first = self.seen - len(self)
            raise IndexError(f"indices must be stored ones, {first}..{self.seen - 1}, got {stale[0]} (overwritten?)")
        self._set_priorities(places, values, values)

    def checked_priorities(self, priorities: ArrayLike, count: int) -> np.ndarray:
        """Priorities (count,) in float64, or a ValueError where they are no such, or too large to be summed."""
        values = _numpy("priorities", priorities, torch.float64).astype(np.float64)
        if values.shape != (count,):
            raise ValueError(f"priorities must be ({count},), got {values.shape}")
        lowest, highest = values.min(initial=np.inf), values.max(initial=0.0)
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
        self.peak = None
        if self.kind == "proportional":
            self.tree.set(np.arange(size), self.tree.leaves[:size])
        elif self.kind == "rank":
            self.order = state["order"].numpy().copy()
            if self.order.dtype != np.int64 or sorted(self.order.tolist()) != list(range(min(size, len(self.order)))):
                raise ValueError(f"order must hold each of the first places once, at most {size}")
        if form is not None:
            self._allocate(form, arrays)
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
            self._allocate(form, columns)
        first = 0 if self.kind == "reservoir" else max(count - self.capacity, 0)  # at most one whole ring
        if first and self.kind != "uniform":  # what the rest finds is without those that the first ones overwrote
            self._set_given(indices[: min(first, self.capacity)] % self.capacity, -1.0)
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
            self._set_priorities(places, given, -1.0 if priorities is None else given)
        for array, column in zip(self.arrays, columns, strict=True):
            array[places] = column
        self.numbers[places] = numbers

    def _inherited(self, places):
        """Priorities (n,) of new items at `places`, which come one by one and overwrite what was given there."""
        if len(places) == 1:
            return np.array([self.highest])
        before = self.given[places]
        self.given[places], self.peak = -1.0, None
        highest = np.maximum(np.maximum.accumulate(before[::-1])[::-1], self.given.max())
        return np.where(highest < 0, min(1.0, self.limit), highest)

    def _allocate(self, form, columns):
        """Room for `capacity` experiences like these."""
        for column in columns:
            torch.from_numpy(np.empty(0, column.dtype))  # TypeError where torch has no such numbers
        self.arrays = [np.zeros((self.capacity, *column.shape[1:]), column.dtype) for column in columns]
        self.form = form

    def _check_some(self):
        """Refuse to draw where nothing is stored or every chance is 0."""
        if not self.seen:
            raise IndexError("the replay is empty, add experiences before drawing from it")
        if self.kind == "proportional" and not self.tree.top.any():
            raise ValueError("priorities are all 0, as is epsilon: there is nothing to draw")

    def _set_priorities(self, places, priorities, given):
        """Write priorities (n,), of which those that were `given` are passed on (the others are -1 there)."""
        if self.kind == "proportional":
            self.tree.set(places, (priorities + self.epsilon) ** self.alpha)
        elif self.kind == "rank":
            self.priorities[places] = priorities
        if self.kind in ("proportional", "rank"):
            self._set_given(places, given)

    def _set_given(self, places, values):
        """Note which priorities were given; the highest is looked for anew only where it went away."""
        before = self.given[places].max(initial=-1.0)
        self.given[places] = values
        highest = self.given[places].max(initial=-1.0)  # as stored: of equal places the last value counts
        if self.peak is not None and highest >= self.peak:
            self.peak = float(highest)
        elif before == self.peak:
            self.peak = None

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

    def _taken_apart(self, name, experiences, single=False):
        """(form, columns): how experiences are put together, and their arrays with a leading axis, checked."""
        if isinstance(experiences, dict):
            form = sorted(experiences) if all(isinstance(key, str) for key in experiences) else []
            parts = [experiences[key] for key in form]
        elif isinstance(experiences, tuple):
            form, parts = len(experiences), experiences
        else:
            form, parts = "", [experiences]
        if not parts:
            raise TypeError(f"{name} must be a dict with names as keys, a tuple or one array, got {experiences!r}")
        if self.arrays is not None and form != self.form:
            raise ValueError(f"{name} must be put together as the first was, {self.form!r}, got {form!r}")
        columns = [_numpy(name, part) for part in parts]
        if single:
            columns = [column[None] for column in columns]
        elif any(column.ndim == 0 for column in columns) or len({len(column) for column in columns}) != 1:
            shapes = [column.shape for column in columns]
            raise ValueError(f"{name} must be arrays that share one leading axis, got shapes {shapes}")
        for i, (array, column) in enumerate(zip(self.arrays or (), columns, strict=False)):
            if column.shape[1:] != array.shape[1:] or column.dtype != array.dtype:
                part = "" if form == "" else f"[{form[i] if isinstance(form, list) else i!r}]"
                self._refuse(name + part, array, column)
        return form, columns

    def _refuse(self, label, array, column):
        """Say why a column cannot be stored in an array, and what to do."""
        if column.dtype != array.dtype:
            raise TypeError(f"{label} must have dtype {array.dtype} as those stored, got {column.dtype}")
        cure = "make all of one shape (pad, and mask what was added), or keep a replay for each shape"
        raise ValueError(f"{label} must be {array.shape[1:]} each as those stored, got {column.shape[1:]}: {cure}")

    def _joined(self, arrays):
        """The parts put together as they were added."""
        if isinstance(self.form, list):
            return dict(zip(self.form, arrays, strict=True))
        return tuple(arrays) if isinstance(self.form, int) else arrays[0]


def _numpy(name, value, dtype=None):
    """An array of `value`; Python's numbers and lists get `dtype`, or torch's default one."""
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biufc":
        return np.asarray(value)
    try:
        return torch.as_tensor(value, dtype=dtype).detach().cpu().numpy()
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{name} must hold numbers, arrays or tensors, got {type(value).__name__}: {error}") from None
