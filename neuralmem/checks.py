"""Checks of the exercises: each takes the reader's function and says whether it is right, and if not, why."""

import copy
import math
from collections import namedtuple

import numpy as np
import torch

from .addressing import content_weighting
from .bank import erase_and_add
from .meta import MetaLearner
from .replay import ExperienceReplay


def attempt(function, *args, **kwargs):
    """Call the reader's function; return (result, None), or (None, a message) if it is undone or raises."""
    try:
        return function(*args, **kwargs), None
    except NotImplementedError:
        return None, f"Not done yet: {function.__name__} raises NotImplementedError."
    except Exception as error:  # the reader's code may fail in any way
        return None, f"{function.__name__} raised {type(error).__name__}: {error}"


# Chapter 0


def check_shared_rows(function):
    """How many rows of `test` occur in `train`: function(train (n, D), test (m, D)) -> integer."""
    train = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [5.0, 6.0]])
    test = torch.tensor([[5.0, 6.0], [1.0, 9.0], [1.0, 2.0], [2.0, 1.0]])
    mistakes = [
        (0, "you compare row i with row i; compare each test row with every training row."),
        (4, "you count rows that share a number; a row is shared when all its numbers are."),
        (3, "you count pairs; a test row that occurs twice in the training rows is one shared row."),
    ]
    return judge(function, (train, test), 2, mistakes)


def check_constant_error(function):
    """Held-out error of the best constant: function(train_y, test_y) -> float."""
    train, test = torch.tensor([1.0, 3.0]), torch.tensor([2.0, 6.0])
    mistakes = [
        (4.0, "your constant is the mean of the test targets: it has seen them."),
        (2.0, "you took the absolute error; the book's error is the mean square."),
        (1.0, "that is the error on the training targets."),
    ]
    return judge(function, (train, test), 8.0, mistakes)


def check_half_width(function):
    """Half-width of the 95 % interval of a mean over seeds: function(samples) -> float."""
    mistakes = [
        (1.96 * 0.5773503, "1.96 is for many seeds; with three, Student's t with 2 degrees of freedom is 4.303."),
        (4.3026527 * 0.4714045, "divide the squares by n - 1, not n: the mean was fitted to these samples."),
        (4.3026527, "that is the spread of one seed; the mean's is smaller by the root of n."),
    ]
    return judge(function, ([1.0, 2.0, 3.0],), 4.3026527 * 0.5773503, mistakes)


def check_untrained(function):
    """Names of the parameters that no gradient reaches: function(model), after backward -> list of names."""
    model = torch.nn.ModuleDict({name: torch.nn.Linear(1, 1, bias=False) for name in ("cut", "flat", "live")})
    (0 * model["flat"](torch.ones(1)) + model["live"](torch.ones(1))).backward()
    got, problem = attempt(function, model)
    if problem is None and sorted(got) != ["cut.weight", "flat.weight"]:
        why = "a gradient of zeros teaches no more than None. " if list(got) == ["cut.weight"] else ""
        problem = f"{why}Expected ['cut.weight', 'flat.weight'], got {list(got)}."
    print(problem or "Right.")
    return problem is None


def check_blind_error(function):
    """Least error of one answer for all tasks: function(targets (J, n)) -> float."""
    mistakes = [
        (3.5, "one constant for all inputs; the answer may depend on the input, not on the task."),
        (5.0, "you divide by J - 1; this is no sample of tasks but all of them."),
        (1.25, "you let the answer depend on the task and not on the input."),
    ]
    return judge(function, (torch.tensor([[1.0, 2.0], [3.0, 6.0]]),), 2.5, mistakes)


# Chapter 1


def judge(function, args, right, mistakes=()):
    """Print "Right.", or what is wrong with function(*args) and why, and return True or False.

    `mistakes` is a list of (result, why): a plausible wrong result, and the explanation that it gets.
    """
    got, problem = attempt(function, *args)
    if problem is None:
        try:
            got, right = (torch.as_tensor(value, dtype=torch.float64).detach() for value in (got, right))
        except (TypeError, ValueError, RuntimeError):
            problem = f"{function.__name__} must return numbers, got {type(got).__name__}."
        else:
            problem = _difference(got, right, mistakes)
    print(problem or "Right.")
    return problem is None


def _difference(got, right, mistakes):
    if got.shape != right.shape:
        return f"Wrong shape: expected {tuple(right.shape)}, got {tuple(got.shape)}."
    if not torch.isfinite(got).all():
        return "Right shape, but NaN or infinite: a division by zero, or a power that underflows."
    for other, why in [(right, None), *mistakes]:
        if torch.allclose(got, torch.as_tensor(other, dtype=torch.float64), rtol=1e-4, atol=1e-6):
            return why and f"Right shape, wrong values: {why}"
    return f"Right shape, wrong values: expected {right.tolist()}, got {got.tolist()}."


def check_strength_for(function):
    """The key strength that puts a given weight on the best slot: function(weight, slots, cosine) -> float."""
    mistakes = [
        (math.log(9 * 128) / 0.75, "the best slot has N - 1 rivals, not N."),
        (math.log(9 * 127), "what counts is the lead 1 - c over the rivals, not the cosine 1 alone."),
    ]
    return judge(function, (0.9, 128, 0.25), math.log(9 * 127) / 0.75, mistakes)


def check_sharpen(function):
    """Sharpening that stays finite: function(weighting (N,), gamma) -> (N,)."""
    weighting, even = torch.tensor([0.1, 0.4, 0.3, 0.2]), torch.full((128,), 1 / 128)
    softmax = torch.softmax(3 * weighting, -1), "softmax(γ w) is not w^γ / Σ w^γ: the logarithm is missing."
    mistakes = [(weighting**3, "w^γ is not yet a weighting: divide by its sum."), softmax]
    right = judge(function, (weighting, 3.0), weighting**3 / (weighting**3).sum(), mistakes)
    return right and judge(function, (even, 50.0), even)


def check_allocation(function):
    """The allocation weighting: function(usage (N,)) -> (N,)."""
    right = torch.tensor([0.05, 0.9, 0.0, 0.01])
    mistakes = [
        (torch.tensor([0.9, 0.05, 0.01, 0.0]), "these are in the order of usage: put each back at its own slot."),
        (torch.tensor([0.5, 0.45, 0.0, 0.01]), "the product must run over the less used slots, not over those before."),
        (right / 0.96, "no division: a full memory must give a weighting of zeros."),
    ]
    return judge(function, (torch.tensor([0.5, 0.1, 1.0, 0.8]),), right, mistakes)


def check_follow(function):
    """Read `steps` further along the order of writing: function(link (N, N), start (N,), steps) -> (N,)."""
    link, start = torch.zeros(4, 4), torch.tensor([0.0, 0.0, 1.0, 0.0])
    link[0, 2], link[3, 0] = 1.0, 0.5
    mistakes = [
        (torch.zeros(4), "nothing was written before the start: you walked backward (the transpose of the link)."),
        (link @ start, "that is one step, not two: each step starts from the last."),
    ]
    return judge(function, (link, start, 2), torch.tensor([0.0, 0.0, 0.0, 0.5]), mistakes)


def check_initial_memory(function):
    """A start from which content writes make different rows: function(slots, width) -> (N, W)."""

    def rank(slots, width):
        memory, draw = function(slots, width)[None], torch.Generator().manual_seed(0)
        for _ in range(5):
            key, value = torch.randn(2, 1, 1, width, generator=draw)
            where = content_weighting(memory, key, torch.full((1, 1), 10.0))
            memory = erase_and_add(memory, where, torch.ones_like(value), value)
        return torch.linalg.matrix_rank(memory[0]).clamp_max(2)

    rank.__name__ = function.__name__
    same = "after five writes all rows are equal: rows alike at the start get the same weight from every key."
    return judge(rank, (8, 6), 2, [(0, same), (1, same)])


# Chapter 2


def check_write_heads(function):
    """A write by several heads: function(memory (N, W), weightings (H, N), erase (H, W), add (H, W)) -> (N, W)."""
    weightings = torch.tensor([[1.0, 0.0], [1.0, 0.5]])
    args = torch.full((2, 1), 4.0), weightings, torch.ones(2, 1), torch.tensor([[2.0], [3.0]])
    mistakes = [
        (torch.tensor([[3.0], [3.5]]), "the second head erased what the first had added: all erase, then all add."),
        (torch.tensor([[0.0], [2.75]]), "you added before you erased, so the new values were erased too."),
        (torch.tensor([[1.0], [3.5]]), "the erasures of the heads multiply, they do not add up."),
    ]
    return judge(function, args, torch.tensor([[5.0], [3.5]]), mistakes)


def check_store(function):
    """A write that lets gradients through: function(memory (N, W), where (N,), value (W,)) -> (N, W)."""
    memory, where = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([0.25, 0.5], requires_grad=True)
    value = torch.tensor([5.0, 6.0], requires_grad=True)

    def gradients(*args):
        total = function(*args).sum() + 0 * (where.sum() + value.sum())
        return torch.cat(torch.autograd.grad(total, (where, value)))

    gradients.__name__ = function.__name__
    cut = "the memory is right, but no gradient reaches {}: it was detached on its way."
    right = torch.tensor([8.0, 4.0, 0.75, 0.75])
    mistakes = [
        (right * 0, cut.format("the weighting nor the value")),
        (right * torch.tensor([0, 0, 1, 1]), cut.format("the weighting")),
        (right * torch.tensor([1, 1, 0, 0]), cut.format("the value")),
    ]
    stored = judge(function, (memory, where, value), torch.tensor([[2.0, 3.0], [4.0, 5.0]]))
    return stored and judge(gradients, (memory, where, value), right, mistakes)


def check_interface_size(function):
    """The length of a DNC's interface vector: function(width, reads, writes) -> int."""
    mistakes = [
        (471, "that is for one write head: each of its numbers occurs H times."),
        (666, "the read modes need 1 + 2H numbers: forward and backward for each write head."),
    ]
    return judge(function, (64, 4, 2), 674, mistakes)


def check_never_refuse(function):
    """Allocation that overwrites the oldest slot when full: function(usage (N,), age (N,)) -> (N,)."""
    age, free = torch.tensor([3.0, 9.0, 1.0]), torch.tensor([0.0, 0.5, 0.1])
    mistakes = [
        (torch.tensor([0.0, 1.0, 0.0]), "the oldest slot gets only what the free slots leave, 1 - Σ a."),
        (free, "what the free slots leave, 1 - Σ a, is not handed out: a full memory still refuses."),
    ]
    right = judge(function, (torch.tensor([1.0, 0.5, 0.8]), age), free + torch.tensor([0.0, 0.4, 0.0]), mistakes)
    return right and judge(function, (torch.ones(3), age), torch.tensor([0.0, 1.0, 0.0]))


def check_step(function):
    """A step that makes a new state: function(state, slot, value) -> state, a NamedTuple of memory and time."""

    def history(slot, value):
        first = namedtuple("State", "memory time")(torch.zeros(2, 2), 0)
        second = function(first, slot, value)
        return [*first.memory.flatten(), first.time, *second.memory.flatten(), second.time]

    history.__name__ = function.__name__
    old, new = [0.0] * 5, [0.0, 0.0, 1.0, 2.0]
    mistakes = [
        (new + [0.0] + new + [1.0], "the old state changed too: you wrote into its memory in place. Clone it first."),
        (old + new + [0.0], "the time did not move on."),
    ]
    return judge(history, (1, torch.tensor([1.0, 2.0])), old + new + [1.0], mistakes)


# Chapter 3


def check_matching_hidden(function):
    """Hidden size of the LSTM (one bias) and output layer with the parameters nearest to a number."""
    right = [80, 79]  # 4h(9 + h + 1) + 8(h + 1) = 29,448 at h = 80 and 28,764 at h = 79
    mistakes = [
        ([80, 80], "rounding up always is not nearest: compare both neighbours."),
        ([79, 79], "rounding down always is not nearest, and torch's second bias does not count here."),
        ([162, 161], "an LSTM has four gates, each with weights of its own."),
    ]

    def sizes(*totals):
        return [function(total, 9, 8) for total in totals]

    sizes.__name__ = function.__name__
    return judge(sizes, (29_300, 28_900), right, mistakes)


def check_bits_a_sequence(function):
    """Cross-entropy in bits, summed over time and bits, averaged over the batch: function(logits, targets, mask)."""
    logits = torch.tensor([[[0.0, 0.0], [2.0, 0.0]], [[0.0, 0.0], [0.0, -1.0]]])
    targets, mask = torch.zeros(2, 2, 2), torch.tensor([[1.0, 1.0], [0.0, 1.0]])
    nats = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    right = (nats.sum(-1) * mask).sum() / 2 / math.log(2)
    mistakes = [
        (right * math.log(2), "those are nats; a bit is ln 2 of them."),
        (nats.sum() / 2 / math.log(2), "steps outside the answer count nothing: multiply by the mask."),
        (right * 2 / 3, "average over sequences, not over steps: divide by B."),
        (right * 2, "divide by the number of sequences B."),
    ]
    return judge(function, (logits, targets, mask), right, mistakes)


def check_copy_program(function):
    """The interface of a hand-made copy machine at time t: function(t, length) -> (write gate, move of read head)."""
    right = [[1, 0], [1, 0], [0, 0], [0, 1], [0, 1]]
    mistakes = [
        ([[1, 0], [1, 0], [1, 0], [0, 1], [0, 1]], "the marker at t = length is not of the pattern: do not write it."),
        ([[1, 0], [1, 0], [0, 1], [0, 1], [0, 1]], "at the marker the read head is still to arrive: it moves after."),
    ]

    def program(*times):
        return [list(function(time, 3)) for time in times]

    program.__name__ = function.__name__
    return judge(program, (0, 2, 3, 4, 5), right, mistakes)


def check_clip(function):
    """Gradients scaled to a joint norm of at most `limit`: function([tensors], limit) -> [tensors]."""
    gradients = [torch.tensor([3.0, 4.0]), torch.tensor([[12.0]])]

    def clipped(*scales):
        return [[float(x) for g in function([g * s for g in gradients], 1.0) for x in g.flatten()] for s in scales]

    clipped.__name__ = function.__name__
    small, right = [0.03, 0.04, 0.12], [3 / 13, 4 / 13, 12 / 13]
    mistakes = [
        ([[0.6, 0.8, 1.0], small], "you scaled each tensor by its own norm, which turns the step."),
        ([[1.0, 1.0, 1.0], small], "you cut each number; clip the norm of all of them together."),
        ([right, right], "a gradient within the limit must stay as it is."),
    ]
    return judge(clipped, (1.0, 0.01), [right, small], mistakes)


def check_answers(function):
    """Each sequence answered as if it came alone: function(step, start, [[x, ...], ...]) -> [[output, ...], ...]."""

    def step(x, state):
        return 10 * state + x, 10 * state + x

    mistakes = [
        ([[1, 12], [123, 1234]], "the second sequence goes on where the first one ended: begin each at `start`."),
        ([[1, 2], [3, 4]], "within a sequence the state must be carried from step to step."),
    ]
    return judge(function, (step, 0, [[1, 2], [3, 4]]), [[1, 12], [3, 34]], mistakes)


# Chapter 4


def check_kept(function):
    """Chances that item t of n is still stored: function(t, n, capacity) -> (in a ring, in a reservoir)."""
    mistakes = [
        ([0.0, 0.25], "capacity / t is the chance to be let in when it comes; later items may push it out again."),
        ([1.0, 0.1], "a ring holds the last `capacity` items, and item 400 of 1000 is not among the last 100."),
    ]
    return judge(function, (400, 1000, 100), [0.0, 0.1], mistakes)


def check_importance_weights(function):
    """Weights of the drawn items, largest 1: function(priorities, drawn, alpha, beta) -> (n,)."""
    priorities, drawn = torch.tensor([1.0, 4.0, 16.0, 64.0]), torch.tensor([1, 3, 1])
    plain = (4 * priorities.sqrt()[drawn] / priorities.sqrt().sum()) ** -0.5
    mistakes = [
        (plain, "they are not divided by the largest in the batch."),
        (plain / plain.sum(), "you made them sum to 1; divide by the largest instead."),
        (plain / plain.min(), "you divided by the smallest, so steps are scaled up; divide by the largest."),
        ([1.0, 0.25, 1.0], "P(i) comes from p^alpha, and you took alpha for 1."),
        ([0.5, 1.0, 0.5], "the exponent is minus beta: what is drawn often must count less."),
    ]
    return judge(function, (priorities, drawn, 0.5, 0.5), plain / plain.max(), mistakes)


def check_draw(function):
    """The place where a running sum passes a fraction of the total: function(priorities, fraction) -> int."""
    problem = None
    for fraction, place, why in [
        (0.99, 3, "the newest item, at the end, is never drawn: your total leaves it out."),
        (0.5, 2, "a target equal to the running sum belongs to the next item that has a priority."),
        (0.6, 2, "0.6 of the total 4 is 2.4, and item 2 reaches from 2 to 3."),
    ]:
        got, failed = attempt(function, torch.tensor([2.0, 0.0, 1.0, 1.0]), fraction)
        problem = problem or failed or (None if got == place else f"Got {got} for fraction {fraction}: {why}")
    print(problem or "Right.")
    return problem is None


def check_rehearse(function):
    """One replayed batch whose priorities are renewed: function(replay, loss_of, n, beta) -> weighted mean loss."""
    replay = ExperienceReplay(4, alpha=1.0)
    replay.extend(torch.arange(4.0), [1.0, 1.0, 2.0, 4.0])  # 8 strata draw them 1, 1, 2 and 4 times
    before = copy.deepcopy(replay)
    if attempt(function, replay, lambda x: 3 * x, 8, 1.0)[1] is None:
        if replay.tree.leaves[:4].tolist() != [0.0, 3.0, 6.0, 9.0]:
            print("The priorities are not the new losses, so the same items are drawn for ever.")
            return False
    mistakes = [(6.375, "each loss must be multiplied by its weight."), (18.0, "that is the sum, not the mean.")]
    return judge(function, (before, lambda x: 3 * x, 8, 1.0), 2.25, mistakes)


def check_victim(function):
    """Whom a balanced buffer gives up: function(labels, rng) -> place of a random item of the most frequent class."""
    rng, labels = np.random.default_rng(0), np.array([0, 1, 1, 2, 1, 0])
    places, problems = zip(*[attempt(function, labels, rng) for _ in range(60)], strict=True)
    problem = problems[0]
    if problem is None and not set(places) <= {1, 2, 4}:
        problem = f"Place {min(set(places) - {1, 2, 4})} was given up, but class 1 has the most items: places 1, 2, 4."
    elif problem is None and len(set(places)) < 3:
        problem = f"It is never place {({1, 2, 4} - set(places)).pop()}: choose among the class at random."
    print(problem or "Right.")
    return problem is None


# Chapter 5


def check_reptile_start(function):
    """Where Reptile comes to rest: function(curvatures (J,), targets (J,), rate, steps) -> number."""
    mistakes = [
        (8.0, "that is joint training's start, which one step gives; the tasks go three steps here."),
        (5.0, "that is the plain mean of the targets, reached when every task is adapted to its end."),
        (8.90485, "a task pulls with what it has moved, 1 - c, not with its curvature as well."),
        (0.00975610, "these are MAML's weights, h c². Reptile pulls towards theta', with 1 - c."),
        (0.1538462, "c is what is left of the way; a task pulls with what it has gone, 1 - c."),
    ]
    return judge(function, (torch.tensor([1.0, 4.0]), torch.tensor([0.0, 10.0]), 0.1, 3), 6.702703, mistakes)


def check_inner_loop(function):
    """A differentiable inner loop: function(loss, start (dict), rate, steps) -> dict of adapted tensors."""
    start = {"theta": torch.tensor(2.0, requires_grad=True)}
    got, problem = attempt(function, lambda weights: 4 * (weights["theta"] - 10) ** 2, start, 0.1, 2)
    if problem is None:
        value = torch.as_tensor(got["theta"])
        if float(start["theta"].detach()) != 2:
            problem = "The start has moved: make new tensors, the next task needs the old ones."
        elif not torch.allclose(value, torch.tensor(9.68)):
            problem = f"Two steps should lead from 2 by 8.4 to 9.68, got {float(value.detach()):.4g}."
        elif not value.requires_grad:
            problem = "Right value, but no gradient leads back to the start."
        elif not torch.allclose(torch.autograd.grad(value, start["theta"])[0], torch.tensor(0.04)):
            problem = "Right value, wrong gradient: 1 instead of 0.2² says first order; create_graph=True is missing."
    print(problem or "Right.")
    return problem is None


def check_task_losses(function):
    """Query loss of each task, all from the same start: function(model, tasks, rate) -> (J,)."""
    model = torch.nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(2.0)
    one, two = torch.ones(1, 1), 2 * torch.ones(1, 1)
    tasks = [(one, 0 * one, one, 0 * one), (two, 10 * two, two, 10 * two)]
    mistakes = [
        ([2.56, 11.2896], "the second task starts where the first one ended."),
        ([2.56, 17.3056], "the second task starts where the first ended, and with its gradient still added up."),
        ([2.56, 16.0], "the first task's gradient is still added to the second's."),
        ([4.0, 256.0], "these are the losses of the start: the adapted weights are never used."),
    ]
    right = judge(function, (model, tasks, 0.1), [2.56, 10.24], mistakes)
    if right and float(model.weight.detach()) != 2:
        print("But the model is not as it was: its weights have moved.")
    return right and float(model.weight.detach()) == 2


def check_tuned_error(function):
    """Test error of a step size chosen fairly: function(validation (rates, tasks), test (rates, tasks)) -> number."""
    validation = torch.tensor([[1.0, 3.0], [2.0, 1.0], [4.0, 4.0]])
    test = torch.tensor([[1.0, 1.0], [2.0, 4.0], [5.0, 0.0]])
    mistakes = [
        (1.0, "you chose on the test tasks, so they are no test any more."),
        (0.5, "you chose anew for each test task, by looking at its answers."),
        (1.5, "that is the validation error; the chosen rate has to be tried on the test tasks."),
        (2.5, "you chose a rate for each task; choose one, by its mean over the validation tasks."),
    ]
    return judge(function, (validation, test), 3.0, mistakes)


def check_nearest_centroid(function):
    """Few-shot labels without learning: function(support_x (n, D), support_y (n,), query_x (m, D)) -> labels (m,)."""
    x, y = torch.tensor([[0.0, 0], [6, 0], [10, 0], [10, 2]]), torch.tensor([0, 0, 1, 1])
    mistakes = [
        ([0, 0, 1], "that is the nearest neighbour's label; take the class whose mean is nearest."),
        ([1, 0, 0], "that is the class whose mean is farthest."),
    ]
    return judge(function, (x, y, torch.tensor([[1.0, 0], [7, 0], [9, 1]])), [0, 1, 1], mistakes)


# Chapter 6


def check_needed(function):
    """Parts that have something to do where the answer code never changes: function() -> set of names."""
    got, problem = attempt(function)
    if problem is None and set(got) != {"memory", "replay"}:
        if "meta" in got:
            problem = "meta: with one code for all sessions there is nothing left to find out from revealed episodes."
        elif "memory" not in got:
            problem = "memory: what is stored under a cue is still drawn anew in each episode."
        else:
            problem = "replay: the seasons' symbols still differ, and slow weights still forget the old ones."
    print(problem or "Right.")
    return problem is None


def check_retention(function):
    """Mean error at the end on all seasons but the last one: function(R (visits, seasons)) -> float."""
    R = torch.tensor([[0.1, 0.5, 0.5], [0.3, 0.1, 0.5], [0.4, 0.2, 0.1]])
    mistakes = [
        (0.7 / 3, "the season just learnt is in your mean: that one is recall, not retention."),
        (0.2, "you took the change since each season was learnt; that is forgetting. Retention is the error itself."),
        (0.8 / 3, "that is the first column: one season through time. Take the last row: all seasons at the end."),
    ]
    return judge(function, (R,), 0.3, mistakes)


def check_prequential(function):
    """Mean error of testing on each pair, then learning from it: function(predict, learn, stream) -> float."""
    table = {}
    stream = [(1, 1.0), (1, 1.0), (2, 5.0), (2, 5.0)]
    mistakes = [
        (0.0, "you learn from a pair before you predict it: the answer is known when it is asked."),
        (3.0, "you never learn from the stream, so a question that comes again is answered as badly."),
        (6.0, "that is the sum; the prequential error is the mean over the stream."),
    ]
    return judge(function, (lambda x: table.get(x, 0.0), table.__setitem__, stream), 1.5, mistakes)


def check_adapted_loss(function):
    """Query loss after adaptation: function(meta, support_x, support_y, query_x, query_y) -> number."""
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(model.weight)
    one = torch.ones(1, 1)
    mistakes = [
        (9.0, "that is the loss of the start: the adapted parameters were computed and never used."),
        (2.25, "you adapted to the query set: those answers are what is asked for."),
        (1.0, "that is the loss on the support set, after adaptation."),
    ]
    return judge(function, (MetaLearner(model, inner_lr=0.25), one, 2 * one, one, 3 * one), 4.0, mistakes)


def check_paired_interval(function):
    """Half-width of the 95 % interval of b - a, seed by seed: function(a, b) -> float."""
    a, b = np.array([1.0, 2.0, 3.0]), np.array([1.5, 2.4, 3.6])
    mistakes = [
        (3.608418, "you treat the two methods' seeds as strangers; take the difference within each seed first."),
        (4.30265 * 0.1, "that is the spread of one seed's difference; the mean's is smaller by the root of n."),
        (0.5, "that is the mean of the differences; the half-width is asked for."),
    ]
    return judge(function, (a, b), 0.248414, mistakes)
