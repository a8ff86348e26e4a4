"""Who decides: a recurrent network that drives any bank, or none (chapter 3)."""

from typing import NamedTuple

import torch
from torch import nn

from ._validate import positive_int, shaped
from .bank import MemoryState, NeuralMemoryBank


class ControllerState(NamedTuple):
    """What is carried from step to step: the LSTM's two vectors, what was read, and the bank's state (or None)."""

    hidden: torch.Tensor  # (B, hidden_dim)
    cell: torch.Tensor  # (B, hidden_dim)
    reads: torch.Tensor  # (B, R, W); (B, 0, 0) without a bank
    memory: MemoryState | None


class MemoryController(nn.Module):
    """An LSTM that reads and writes a bank, called as torch.nn.LSTM is (chapter 3; Graves et al. 2016, Methods).

    At each step the LSTM sees the input and what was read at the step before; one linear layer emits the whole
    interface vector; another makes the output from the hidden state and what was read now. `bank=None` is the plain
    LSTM. `input_to_interface=True` feeds the interface from the input directly, too; `batch_first=True` takes inputs
    and gives outputs as (B, T, ...). The weights are drawn as torch.nn draws them, from torch's generator. Where a C++
    compiler is at hand, `controller.bank.compile()` before a long training fuses a bank's step: a minute of compiling
    for each batch size, then up to twice the speed for small batches and little for large ones (tests/benchmarks).
    Raises ValueError or TypeError naming the argument.
    """

    def __init__(self, input_dim, hidden_dim, output_dim, bank=None, input_to_interface=False, batch_first=False):
        super().__init__()
        self.input_dim = positive_int("input_dim", input_dim)
        self.hidden_dim = positive_int("hidden_dim", hidden_dim)
        self.output_dim = positive_int("output_dim", output_dim)
        if bank is not None and not isinstance(bank, NeuralMemoryBank):
            raise TypeError(f"bank must be a NeuralMemoryBank or None, got {type(bank).__name__}")
        self.bank, self.input_to_interface, self.batch_first = bank, input_to_interface, batch_first
        heads, width = (bank.config.num_read_heads, bank.config.memory_dim) if bank else (0, 0)
        self.read_shape = (heads, width)
        self.from_input = nn.Linear(input_dim, 4 * hidden_dim)  # the four gates of the LSTM: input, forget,
        self.from_past = nn.Linear(hidden_dim + heads * width, 4 * hidden_dim, bias=False)  # output, candidate
        for parameter in (*self.from_input.parameters(), *self.from_past.parameters()):
            nn.init.uniform_(parameter, -(hidden_dim**-0.5), hidden_dim**-0.5)  # as torch.nn.LSTM
        self.output = nn.Linear(hidden_dim + heads * width, output_dim)
        if bank is not None:
            sources = hidden_dim + (input_dim if input_to_interface else 0)
            self.interface = nn.Linear(sources, bank.interface_size)
            with torch.no_grad():
                self.interface.bias += bank.initial_interface_bias()

    def initial_state(self, batch_size):
        """The state before the first step, the same at every call: ControllerState for `batch_size` sequences."""
        zeros = self.output.weight.new_zeros(positive_int("batch_size", batch_size), self.hidden_dim)
        memory = self.bank.initial_state(batch_size, zeros.dtype, zeros.device) if self.bank else None
        return ControllerState(zeros, zeros, zeros.new_zeros(batch_size, *self.read_shape), memory)

    def forward(self, inputs, state=None, lengths=None, return_trace=False):
        """Run a batch of sequences.

        Shapes: inputs (T, B, input_dim); `state` as returned by an earlier call, to go on where it ended; `lengths`
        (B,) integers: beyond its length a sequence's state stays as it is and its outputs are 0. Returns
        (outputs (T, B, output_dim), state), and with `return_trace` also a dict of (T, B, ...) tensors: the
        interface's parts and the weightings of every step. Raises ValueError or TypeError naming the argument.
        """
        shaped("inputs", inputs, "B T D" if self.batch_first else "T B D", like=self.output.weight, D=self.input_dim)
        inputs = inputs.transpose(0, 1) if self.batch_first else inputs
        steps, batch, _ = inputs.shape
        if steps == 0:
            raise ValueError("inputs must have at least one step T, got T=0")
        state = self.initial_state(batch) if state is None else state
        if not isinstance(state, ControllerState):
            raise TypeError(f"state must be a ControllerState or None, got {type(state).__name__}")
        shaped("state.hidden", state.hidden, "B H", like=inputs, B=batch, H=self.hidden_dim)
        running = _running(lengths, steps, batch, inputs.device)
        features, trace = [_features(state)], []
        gates = self.from_input(inputs).unbind(0)  # T times (B, 4·hidden_dim), all steps in one product
        for step in range(steps):
            reached, part = self._step(inputs[step], gates[step], features[-1], state)
            state = reached if running is None else _where(running[step], reached, state)
            features.append(_features(state))
            if return_trace and self.bank is not None:
                trace.append(self._observe(part, state.memory))
        outputs = self.output(torch.stack(features[1:]))
        if running is not None:
            outputs = outputs * running.unsqueeze(-1)
        outputs = outputs.transpose(0, 1) if self.batch_first else outputs
        if not return_trace:
            return outputs, state
        names = trace[0] if trace else ()
        return outputs, state, {name: torch.stack([seen[name] for seen in trace]) for name in names}

    def _step(self, x, gates, past, state):
        """One time step: x (B, input_dim), its share of the gates, features -> (ControllerState, interface vector)."""
        gates = torch.addmm(gates, past, self.from_past.weight.mT)
        opened, candidate = gates.split([3 * self.hidden_dim, self.hidden_dim], dim=-1)
        enter, forget, leave = torch.sigmoid(opened).chunk(3, dim=-1)
        cell = torch.addcmul(forget * state.cell, enter, torch.tanh(candidate))
        hidden = leave * torch.tanh(cell)
        if self.bank is None:
            return ControllerState(hidden, cell, state.reads, None), None
        sources = torch.cat([hidden, x], dim=-1) if self.input_to_interface else hidden
        interface = self.interface(sources)
        reads, memory = self.bank(interface, state.memory)
        return ControllerState(hidden, cell, reads, memory), interface

    def _observe(self, interface, memory):
        """What a trace holds of one step."""
        seen = self.bank.split(interface)
        for name in ("read_weightings", "write_weightings", "usage", "link"):
            if getattr(memory, name) is not None:
                seen[name] = getattr(memory, name)
        return seen


def _features(state):
    """(B, hidden_dim + R·W): the hidden state and what was read, for the output and for the next step."""
    return torch.cat([state.hidden, state.reads.flatten(1)], dim=-1)


def _running(lengths, steps, batch, device):
    """(T, B) booleans: which sequences are not over at each step; None where no lengths are given."""
    if lengths is None:
        return None
    lengths = torch.as_tensor(lengths, device=device)
    if lengths.shape != (batch,) or lengths.is_floating_point():
        raise ValueError(f"lengths must be (B,) integers with B={batch}, got {tuple(lengths.shape)} of {lengths.dtype}")
    if bool((lengths < 0).any()) or bool((lengths > steps).any()):
        raise ValueError(f"lengths must lie in 0..T with T={steps}, got {lengths.tolist()}")
    return torch.arange(steps, device=device).unsqueeze(1) < lengths


def _where(running, reached, before):
    """Of two states, the one reached where a sequence is running, the one before where it is over."""
    if reached is None:
        return None
    if isinstance(reached, torch.Tensor):
        return torch.where(running.view(-1, *[1] * (reached.dim() - 1)), reached, before)
    return type(reached)(*(_where(running, new, old) for new, old in zip(reached, before, strict=True)))
