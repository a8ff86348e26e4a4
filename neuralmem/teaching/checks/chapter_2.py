"""The checks of chapter 2's exercises, each on random instances of its `seed` and on awkward ones."""

from collections import namedtuple

import torch

from ...addressing import allocation_weighting
from .judge import Function, attempt, examine, verdict

State = namedtuple("State", "memory time")


def _draws(seed):
    return torch.Generator().manual_seed(seed)


def check_write_heads(function: Function, seed: int = 0) -> bool:
    """A write by several heads: function(memory (N, W), weightings (H, N), erase (H, W), add (H, W)) -> (N, W)."""

    def erasures(weightings, erase):
        return (1 - weightings.unsqueeze(-1) * erase.unsqueeze(1)).prod(0)

    def reference(memory, weightings, erase, add):
        return memory * erasures(weightings, erase) + weightings.T @ add

    def in_turn(memory, weightings, erase, add):
        for where, out, new in zip(weightings, erase, add, strict=True):
            memory = memory * (1 - torch.outer(where, out)) + torch.outer(where, new)
        return memory

    def added_first(memory, weightings, erase, add):
        return (memory + weightings.T @ add) * erasures(weightings, erase)

    def erasures_summed(memory, weightings, erase, add):
        return memory * (1 - weightings.T @ erase) + weightings.T @ add

    def first_head(memory, weightings, erase, add):
        return in_turn(memory, weightings[:1], erase[:1], add[:1])

    draw = _draws(seed)

    def drawn(slots, width, heads):
        weightings = torch.randn(heads, slots, generator=draw).softmax(-1)
        erase, add = torch.rand(heads, width, generator=draw), torch.randn(heads, width, generator=draw)
        return torch.randn(slots, width, generator=draw), weightings, erase, add

    paper = torch.tensor([[4.0]]), torch.tensor([[1.0], [0.5]]), torch.ones(2, 1), torch.tensor([[2.0], [3.0]])
    instances = {"the case on paper": paper}
    instances |= {f"random numbers {number + 1}": drawn(5, 3, 2) for number in range(3)}
    memory, weightings, erase, add = drawn(4, 3, 2)
    instances |= {
        "three heads": drawn(6, 4, 3),
        "one head": drawn(4, 2, 1),
        "weightings of zeros": (memory, 0 * weightings, erase, add),
        "nothing erased": (memory, weightings, 0 * erase, add),
        "large numbers": (1e4 * memory, weightings, erase, add),
    }
    mistakes = [
        (in_turn, "the second head erased what the first had added: all erase, then all add."),
        (added_first, "you added before you erased, so the new values were erased too."),
        (erasures_summed, "the erasures of the heads multiply, they do not add up."),
        (first_head, "only the first head has written."),
    ]
    return examine(function, reference, instances, mistakes, gradients=(0, 1, 2, 3))


def check_store(function: Function, seed: int = 0) -> bool:
    """A write that lets gradients through: function(memory (N, W), where (N,), value (W,)) -> (N, W)."""

    def reference(memory, where, value):
        return memory * (1 - where.unsqueeze(1)) + torch.outer(where, value)

    def not_erased(memory, where, value):
        return memory + torch.outer(where, value)

    def all_erased(memory, where, value):
        return torch.outer(where, value)

    draw = _draws(seed)

    def drawn(slots, width):
        where = torch.randn(slots, generator=draw).softmax(0)
        return torch.randn(slots, width, generator=draw), where, torch.randn(width, generator=draw)

    example = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([0.25, 0.5]), torch.tensor([5.0, 6.0])
    instances = {"two slots": example}
    instances |= {f"random numbers {number + 1}": drawn(4, 3) for number in range(3)}
    memory, where, value = drawn(5, 4)
    instances |= {
        "a weighting of zeros": (memory, 0 * where, value),
        "a full stroke": (memory, torch.eye(5)[2], value),
        "one slot of one number": (torch.ones(1, 1), torch.full((1,), 0.5), torch.ones(1)),
        "large numbers": (1e4 * memory, where, value),
    }
    mistakes = [
        (not_erased, "the old content must fade by the share that is written, or the memory grows without bound."),
        (all_erased, "what stood where nothing is written must stay."),
    ]
    return examine(function, reference, instances, mistakes, gradients=(1, 2, 0))


def check_interface_size(function: Function, seed: int = 0) -> bool:
    """The length of a DNC's interface vector: function(width, reads, writes) -> int."""

    def reference(width, reads, writes):
        return writes * (3 * width + 3) + reads * (width + 3 + 2 * writes)

    def one_write_head(width, reads, writes):
        return reference(width, reads, 1)

    def three_modes(width, reads, writes):
        return writes * (3 * width + 3) + reads * (width + 5)

    def no_free_gates(width, reads, writes):
        return writes * (3 * width + 3) + reads * (width + 2 + 2 * writes)

    def gates_a_write_head_short(width, reads, writes):
        return writes * (3 * width + 2) + reads * (width + 3 + 2 * writes)

    draw = _draws(seed)
    instances = {"W = 64, R = 4, H = 2": (64, 4, 2)}
    for number in range(3):
        width, reads, writes = (int(torch.randint(2, high, (), generator=draw)) for high in (100, 9, 6))
        instances[f"random numbers {number + 1}"] = (width, reads, writes)
    instances |= {"one of each": (1, 1, 1), "the DNC of the paper": (64, 4, 1), "wide words": (1024, 1, 3)}
    mistakes = [
        (one_write_head, "that is for one write head: each of its numbers occurs H times."),
        (three_modes, "the read modes need 1 + 2H numbers: forward and backward for each write head."),
        (no_free_gates, "each read head has a free gate, too."),
        (gates_a_write_head_short, "a write head has three scalars: strength, write gate and allocation gate."),
    ]
    return examine(function, reference, instances, mistakes)


def check_never_refuse(function: Function, seed: int = 0) -> bool:
    """Allocation that overwrites the oldest slot when full: function(usage (N,), age (N,)) -> (N,)."""

    def free_share(usage):
        return allocation_weighting(usage[None])[0]

    def oldest(age):
        return torch.eye(len(age), dtype=age.dtype)[age.argmax()]

    def reference(usage, age):
        free = free_share(usage)
        return free + (1 - free.sum()) * oldest(age)

    def oldest_only(usage, age):
        return oldest(age)

    def still_refuses(usage, age):
        return free_share(usage)

    def newest(usage, age):
        free = free_share(usage)
        return free + (1 - free.sum()) * oldest(-age)

    def rescaled(usage, age):
        free = free_share(usage)
        return free / free.sum().clamp_min(1e-12)

    draw = _draws(seed)

    def drawn(slots):
        ages = torch.randperm(4 * slots, generator=draw)[:slots].float()
        return torch.rand(slots, generator=draw), ages

    ages = torch.tensor([3.0, 9.0, 1.0])
    instances = {"usages 1, 0.5, 0.8": (torch.tensor([1.0, 0.5, 0.8]), ages)}
    instances |= {f"random numbers {number + 1}": drawn(5) for number in range(3)}
    instances |= {
        "a full memory": (torch.ones(3), ages),
        "an empty memory": (torch.zeros(3), ages),
        "a slot that is quite free": (torch.tensor([1.0, 0.0, 1.0]), ages),
        "one slot": (torch.tensor([0.75]), torch.tensor([2.0])),
    }
    mistakes = [
        (oldest_only, "the oldest slot gets only what the free slots leave, 1 - Σ a."),
        (still_refuses, "what the free slots leave, 1 - Σ a, is not handed out: a full memory still refuses."),
        (newest, "the slot of the greatest age is the one written longest ago."),
        (rescaled, "what is left goes to the oldest slot, not to all free ones in proportion."),
    ]
    return examine(function, reference, instances, mistakes, gradients=(0,))


def check_step(function: Function, seed: int = 0) -> bool:
    """A step that makes a new state: function(state, slot, value) -> state, a NamedTuple of memory and time."""
    draw = _draws(seed)

    def drawn(slots, width, time):
        slot = int(torch.randint(slots, (), generator=draw))
        return State(torch.randn(slots, width, generator=draw), time), slot, torch.randn(width, generator=draw)

    instances = {"a memory of zeros": (State(torch.zeros(2, 2), 0), 1, torch.tensor([1.0, 2.0]))}
    instances |= {f"random numbers {number + 1}": drawn(4, 3, 5 * number + 2) for number in range(3)}
    instances |= {"the first slot": (State(torch.ones(3, 2), 7), 0, torch.zeros(2)), "one slot": drawn(1, 3, 9)}
    return verdict(*(_step_problem(function, label, *instance) for label, instance in instances.items()))


def _step_problem(function, label, state, slot, value):
    """What is wrong with one step, or None: its kind, the old state, the time, the slot, the other slots."""
    old, given = state.memory.clone(), value.clone()
    new, problem = attempt(function, state, slot, value)
    if problem:
        return problem
    if not torch.equal(state.memory, old):
        return "The old state changed, too: you wrote into its memory in place. Clone it first."
    if not torch.equal(value, given):
        return "`value` was given to you and has changed."
    if not isinstance(new, tuple) or getattr(new, "_fields", ()) != State._fields:
        return f"A state is asked for, a NamedTuple of memory and time, got a {type(new).__name__}."
    if not isinstance(new.memory, torch.Tensor) or new.memory.shape != old.shape:
        return f"For {label}: the new memory must be a tensor of shape {tuple(old.shape)}."
    if new.time != state.time + 1:
        return f"For {label}: the time must move on by 1, from {state.time}; it went to {new.time}."
    changed = [row for row in range(len(old)) if row != slot and not torch.allclose(new.memory[row], old[row])]
    if not torch.allclose(new.memory[slot], value):
        where = f"; slot {changed[0]} has changed instead" if changed else ""
        return f"For {label}: the value is not in slot {slot} of the new memory{where}."
    return f"For {label}: slot {changed[0]} has changed, and only slot {slot} should." if changed else None
