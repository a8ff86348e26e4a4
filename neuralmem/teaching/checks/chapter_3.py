"""The checks of chapter 3's exercises; each draws instances of its own from `seed`."""

import math

import torch
import torch.nn.functional as F

from .judge import Function, examine


def check_matching_hidden(function: Function, seed: int = 0) -> bool:
    """The size of the LSTM whose parameters are nearest to a number: function(total, inputs, outputs) -> integer."""
    generator = torch.Generator().manual_seed(seed)
    instances = {"an NTM of 29,300 parameters": (29_300, 9, 8), "one of 28,900": (28_900, 9, 8)}
    for number in range(4):
        inputs, outputs, hidden = (_drawn(generator, *bounds) for bounds in ((1, 30), (1, 30), (5, 90)))
        share = 0.1 + 0.3 * float(torch.rand((), generator=generator)) + 0.5 * (number % 2)  # above or below the middle
        few, many = (_parameters(size, inputs, outputs) for size in (hidden, hidden + 1))
        instances[f"random sizes {number + 1}"] = (round(few + share * (many - few)), inputs, outputs)
    instances["a number that is met exactly"] = (_parameters(12, 3, 2), 3, 2)
    instances["fewer than one unit has"] = (5, 4, 3)
    mistakes = [
        (_at_least, "rounding up always is not nearest: compare both neighbours."),
        (lambda *sizes: max(1, _at_least(*sizes) - 1), "rounding down always is not nearest: compare both neighbours."),
        (lambda *sizes: _nearest(*sizes, biases=2), "torch's second bias does not count here: one bias a gate."),
        (lambda *sizes: _nearest(*sizes, gates=1), "an LSTM has four gates, each with weights of its own."),
        (lambda *sizes: _nearest(*sizes, read_out=0), "the output layer has parameters, too: d_y (d_h + 1) of them."),
    ]
    return examine(function, _nearest, instances, mistakes)


def check_bits_a_sequence(function: Function, seed: int = 0) -> bool:
    """The mean price of an answer in bits: function(logits (T, B, d_y), targets, mask (T, B)) -> 0-d tensor."""
    generator = torch.Generator().manual_seed(seed)

    def case(steps, batch, bits, size=2.0):
        logits = size * torch.randn(steps, batch, bits, generator=generator)
        targets = torch.randint(0, 2, (steps, batch, bits), generator=generator).float()
        mask = torch.randint(0, 2, (steps, batch), generator=generator).float()
        mask[0], mask[1] = 0, 1  # something counts, and something does not
        return logits, targets, mask

    sizes = ((3, 2, 4), (5, 3, 2), (2, 4, 3))
    instances = {f"random answers {number + 1}": case(*size) for number, size in enumerate(sizes)}
    instances["a network that knows nothing"] = (torch.zeros(3, 2, 4), *case(3, 2, 4)[1:])
    instances["one sequence"] = case(4, 1, 2)
    instances["logits of a hundred and more"] = case(3, 2, 4, 300.0)
    instances["no answer due"] = (*case(3, 2, 4)[:2], torch.zeros(3, 2))

    def nats(logits, targets):
        return F.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(-1)

    def price(logits, targets, mask):
        return (nats(logits, targets) * mask).sum() / logits.shape[1] / math.log(2)

    def unmasked(logits, targets, mask):
        return price(logits, targets, torch.ones_like(mask))

    mistakes = [
        (lambda *case: price(*case) * math.log(2), "those are nats; a bit is ln 2 of them."),
        (unmasked, "steps outside the answer count nothing: multiply by the mask."),
        (lambda x, y, m: price(x, y, m) * m.shape[1] / m.sum(), "average over sequences, not over steps."),
        (lambda x, y, m: price(x, y, m) * m.shape[1], "divide by the number of sequences B."),
        (lambda x, y, m: price(x, y, m) / x.shape[2], "the bits of a step are summed, not averaged."),
        (lambda x, y, m: price(x, y, m) / x.shape[0], "the steps of an answer are summed, not averaged."),
        (lambda x, y, m: price(-x, y, m), "the price of a 1 is -log2 of the chance given to a 1: a sign is wrong."),
    ]
    return examine(function, price, instances, mistakes, gradients=(0,))


def check_copy_program(function: Function, seed: int = 0) -> bool:
    """The commands of a hand-made copy machine at time t: function(t, length) -> (write, move of the reader)."""
    generator = torch.Generator().manual_seed(seed)
    instances = {f"t = {t} in a list of 3": (t, 3) for t in (0, 2, 3, 4, 6)}
    for _ in range(3):
        length = _drawn(generator, 4, 60)
        for t in (_drawn(generator, 0, length - 1), length, _drawn(generator, length + 1, 2 * length)):
            instances[f"t = {t} in a list of {length}"] = (t, length)
    instances |= {f"t = {t} in a list of 1": (t, 1) for t in range(3)}
    mistakes = [
        (lambda t, n: (float(t <= n), int(t > n)), "the marker at t = length is no row: do not write it."),
        (lambda t, n: (float(t < n), int(t >= n)), "at the marker nothing is said yet: the reader moves after it."),
        (lambda t, n: (float(t <= n), int(t >= n)), "at the marker neither finger moves: it is no row of either."),
        (lambda t, n: (1.0, int(t > n)), "after the list there is nothing to write."),
        (lambda t, n: (float(t < n), 1), "while the list is shown the reader waits."),
    ]
    return examine(function, lambda t, length: (float(t < length), int(t > length)), instances, mistakes)


def check_clip(function: Function, seed: int = 0) -> bool:
    """Gradients scaled to a joint norm of at most `limit`: function([tensors], limit) -> [tensors]."""
    generator = torch.Generator().manual_seed(seed)

    def case(size, limit, *shapes):
        return [size * torch.randn(shape, generator=generator) for shape in shapes], limit

    instances = {"the example": ([torch.tensor([3.0, 4.0]), torch.tensor([[12.0]])], 1.0)}
    for number, shapes in enumerate((((3,), (2, 2)), ((4, 2), (2,), (1, 3)), ((2, 3), (5,)))):
        instances[f"random gradients {number + 1}"] = case(5.0, 0.5 + number, *shapes)
    instances["gradients within the limit"] = case(0.01, 2.0, (3,), (2, 2))
    instances["a single tensor"] = case(3.0, 1.0, (2, 2))
    instances["gradients of zeros"] = ([torch.zeros(3), torch.zeros(2, 2)], 1.0)
    instances["very large gradients"] = case(1e12, 1.0, (3,), (2,))

    def norm(gradients):
        return torch.cat([gradient.flatten() for gradient in gradients]).norm()

    def clipped(gradients, limit):
        return [gradient * (limit / max(float(norm(gradients)), limit)) for gradient in gradients]

    def each(gradients, limit):
        return [clipped([gradient], limit)[0] for gradient in gradients]

    def always(gradients, limit):
        return [gradient * limit / norm(gradients).clamp_min(1e-30) for gradient in gradients]

    def squared(gradients, limit):
        return [gradient * (limit / max(float(norm(gradients)) ** 2, limit)) for gradient in gradients]

    mistakes = [
        (each, "you scaled each tensor by its own norm, which turns the step."),
        (lambda gs, limit: [g.clamp(-limit, limit) for g in gs], "you cut each number; clip the norm of all together."),
        (always, "a gradient within the limit must stay as it is."),
        (squared, "the norm is the root of the sum of squares."),
        (lambda gs, limit: gs, "nothing is scaled, and the joint norm may exceed the limit."),
    ]
    return examine(function, clipped, instances, mistakes)


def check_answers(function: Function, seed: int = 0) -> bool:
    """Each sequence answered as if it came alone: function(step, start, [[x, ...], ...]) -> [[output, ...], ...]."""
    generator = torch.Generator().manual_seed(seed)

    def times_ten(x, state):
        return 10 * state + x, 10 * state + x

    def difference(x, state):
        return x - state, x

    def case(step, start, *lengths):
        return step, start, [[_drawn(generator, 1, 9) for _ in range(length)] for length in lengths]

    instances = {"the example": (times_ten, 0, [[1, 2], [3, 4]])}
    instances["random sequences 1"] = case(times_ten, 5, 3, 2, 3)
    instances["random sequences 2"] = case(difference, 2, 4, 1, 2)
    instances["random sequences 3"] = case(difference, -3, 2, 2)
    instances["an empty sequence"] = case(times_ten, 1, 2, 0, 2)
    instances["no sequence"] = (difference, 1, [])

    def answered(step, start, sequences, anew=True, carry=True):
        state, outputs = start, []
        for sequence in sequences:
            state = start if anew else state
            outputs.append([])
            for x in sequence:
                output, reached = step(x, state)
                state = reached if carry else start
                outputs[-1].append(output)
        return outputs

    def goes_on(step, start, sequences):
        return answered(step, start, sequences, anew=False)

    def forgets(step, start, sequences):
        return answered(step, start, sequences, carry=False)

    mistakes = [
        (goes_on, "the second sequence goes on where the first one ended: begin each at `start`."),
        (forgets, "within a sequence the state must be carried from step to step."),
        (lambda step, start, xs: answered(step, 0, xs), "a sequence begins at `start`, which need not be 0."),
    ]
    return examine(function, answered, instances, mistakes)


def _drawn(generator, low, high):
    """A whole number from low..high."""
    return int(torch.randint(low, high + 1, (), generator=generator))


def _parameters(hidden, inputs, outputs, gates=4, biases=1, read_out=1):
    """How many parameters an LSTM and its output layer have."""
    return gates * hidden * (inputs + hidden + biases) + read_out * outputs * (hidden + 1)


def _nearest(total, inputs, outputs, **counted):
    """The size whose count is nearest to the total."""
    sizes = range(1, 2 + math.isqrt(total))
    return min(sizes, key=lambda hidden: abs(_parameters(hidden, inputs, outputs, **counted) - total))


def _at_least(total, inputs, outputs):
    """The smallest size with at least as many."""
    return next(hidden for hidden in range(1, total + 2) if _parameters(hidden, inputs, outputs) >= total)
