"""Who decides: a recurrent network that drives any bank, or none (chapter 3)."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ._validate import boolean, instance, positive_int, shaped
from .bank import MemoryState, NeuralMemoryBank, autocasts
from .gradients import add_product, join, linear, lstm_cell
from .tape import changed, taped, watched


class ControllerState(NamedTuple):
    """What is carried from step to step: the LSTM's two vectors, what was read, and the bank's state (or None)."""

    hidden: Tensor  # (B, hidden_dim)
    cell: Tensor  # (B, hidden_dim)
    reads: Tensor  # (B, R, W); (B, 0, 0) without a bank
    memory: MemoryState | None


class MemoryController(nn.Module):
    """An LSTM that reads and writes a bank, called as torch.nn.LSTM is (chapter 3; Graves et al. 2016, Methods).

    At each step the LSTM sees the input and what was read at the step before; one linear layer emits the whole
    interface vector; another makes the output from the hidden state and what was read now. `bank=None` is the plain
    LSTM. `input_to_interface=True` feeds the interface from the input directly, too; `batch_first=True` takes inputs
    and gives outputs as (B, T, ...). The weights are drawn as torch.nn draws them, from torch's generator. A bank
    may be compiled, by `controller.bank.compile()`, with the same numbers; then a sequence does not run on a tape, and
    nothing is gained (tests/benchmarks). Raises ValueError or TypeError naming the argument.
    """

    def __init__(
        self,
        input_dim: int,
        hidden_dim: int,
        output_dim: int,
        bank: NeuralMemoryBank | None = None,
        input_to_interface: bool = False,
        batch_first: bool = False,
    ) -> None:
        super().__init__()
        self.input_dim = input_dim = positive_int("input_dim", input_dim)
        self.hidden_dim = hidden_dim = positive_int("hidden_dim", hidden_dim)
        self.output_dim = output_dim = positive_int("output_dim", output_dim)
        self.bank = instance("bank", bank, NeuralMemoryBank, optional=True)
        self.input_to_interface = boolean("input_to_interface", input_to_interface)
        self.batch_first = boolean("batch_first", batch_first)
        heads, width = (bank.config.num_read_heads, bank.config.memory_dim) if bank is not None else (0, 0)
        self.read_shape = (heads, width)
        self.from_input = nn.Linear(input_dim, 4 * hidden_dim)  # the four gates of the LSTM: input, forget,
        self.from_past = nn.Linear(hidden_dim + heads * width, 4 * hidden_dim, bias=False)  # output, candidate
        for parameter in (*self.from_input.parameters(), *self.from_past.parameters()):
            nn.init.uniform_(parameter, -(hidden_dim**-0.5), hidden_dim**-0.5)  # as torch.nn.LSTM
        self.output = nn.Linear(hidden_dim + heads * width, output_dim)
        if bank is not None:
            sources = hidden_dim + (input_dim if self.input_to_interface else 0)
            self.interface = nn.Linear(sources, bank.interface_size)
            with torch.no_grad():
                self.interface.bias.add_(bank.initial_interface_bias())

    def initial_state(self, batch_size: int) -> ControllerState:
        """The state before the first step, the same at every call: ControllerState for `batch_size` sequences.

        Raises ValueError or TypeError where `batch_size` is not an integer of at least 1.
        """
        zeros = self.output.weight.new_zeros(positive_int("batch_size", batch_size), self.hidden_dim)
        memory = None if self.bank is None else self.bank.initial_state(batch_size, zeros.dtype, zeros.device)
        return ControllerState(zeros, zeros, zeros.new_zeros(batch_size, *self.read_shape), memory)

    def forward(
        self,
        inputs: Tensor,
        state: ControllerState | None = None,
        lengths: Any = None,
        return_trace: bool = False,
    ) -> tuple:
        """Run a batch of sequences.

        Shapes: inputs (T, B, input_dim); `state` as returned by an earlier call, to go on where it ended; `lengths`
        (B,) integers: beyond its length a sequence's inputs are not looked at (they may be NaN), its state stays as it
        is and its outputs are 0. Returns (outputs (T, B, output_dim), state), and with `return_trace` also a dict of
        (T, B, ...) tensors: the interface's parts and the weightings of every step. Under autocast it takes either
        precision, as torch.nn.LSTM does, and the state keeps the parameters' dtype. Raises ValueError or TypeError
        naming the argument.
        """
        inputs = self._checked(inputs)
        steps, batch, _ = inputs.shape
        state = self.initial_state(batch) if state is None else self._fitting(state, batch)
        running, traced = _running(lengths, steps, batch, inputs.device), boolean("return_trace", return_trace)
        if running is not None:
            inputs = inputs.masked_fill(~running.unsqueeze(-1), 0)  # here, since 0 times NaN is NaN in a gradient
        gates = self.from_input(inputs).unbind(0)  # T times (B, 4·hidden_dim), all steps in one product
        trace: list[dict[str, Tensor]] = []
        if running is None and not traced and self._is_plain(inputs):
            features, state = self._taped(gates, state)
        else:
            features = [join(state.hidden, state.reads)]
            for step in range(steps):
                reached, part = self._step(inputs[step], gates[step], features[-1], state)
                state = reached if running is None else _where(running[step], reached, state)
                features.append(join(state.hidden, state.reads))
                if traced and self.bank is not None and state.memory is not None:
                    trace.append(self._observe(part, state.memory))
        outputs = self.output(torch.stack(features[1:]))
        if running is not None:
            outputs = outputs.masked_fill(~running.unsqueeze(-1), 0)
        outputs = outputs.transpose(0, 1) if self.batch_first else outputs
        if not traced:
            return outputs, state
        names = trace[0] if trace else ()
        return outputs, state, {name: torch.stack([seen[name] for seen in trace]) for name in names}

    def _checked(self, inputs: Tensor) -> Tensor:
        """The inputs as (T, B, input_dim), or an error."""
        weight, letters = self.output.weight, "B T D" if self.batch_first else "T B D"
        shaped("inputs", inputs, letters, like=None if autocasts(weight.device.type) else weight, D=self.input_dim)
        inputs = inputs.transpose(0, 1) if self.batch_first else inputs
        for name, size in zip(("step T", "sequence B"), inputs.shape, strict=False):
            if size == 0:
                raise ValueError(f"inputs must have at least one {name}, got {name[-1]}=0")
        return inputs

    def _fitting(self, state: ControllerState, batch: int) -> ControllerState:
        """The state, or an error where it is not one of this controller for `batch` sequences."""
        instance("state", state, ControllerState)
        weight, (heads, width) = self.output.weight, self.read_shape
        for name in ("hidden", "cell"):
            shaped(f"state.{name}", getattr(state, name), "B H", like=weight, B=batch, H=self.hidden_dim)
        shaped("state.reads", state.reads, "B R W", like=weight, B=batch, R=heads, W=width)
        if self.bank is None and state.memory is not None:
            raise ValueError("state.memory must be None for a controller without a bank, got a MemoryState")
        return state

    def _step(self, x, gates, past, state):
        """One time step: x (B, input_dim), its share of the gates, features -> (ControllerState, interface vector)."""
        hidden, cell = lstm_cell(add_product(gates, past, self.from_past.weight), state.cell)
        if self.bank is None:
            return ControllerState(hidden, cell, state.reads, None), None
        sources = torch.cat([hidden, x], dim=-1) if self.input_to_interface else hidden
        interface = self.interface(sources)
        reads, memory = self.bank(interface, state.memory)
        return ControllerState(hidden, cell, reads, memory), interface

    def _is_plain(self, inputs: Tensor) -> bool:
        """Whether a gradient is wanted, and every step is made of equations with gradients by hand."""
        wanted = torch.is_grad_enabled() and not self.input_to_interface and not watched(inputs.device.type)
        if not wanted or type(self) is not MemoryController or changed(self.from_past):
            return False
        return self.bank is None or (self.bank.is_plain and not changed(self.interface))

    def _taped(self, gates: tuple[Tensor, ...], state: ControllerState) -> tuple[list[Tensor], ControllerState]:
        """The loop of `forward`, without what autograd notes at each step: features and last state."""
        bank, start, steps = self.bank, _tensors(state), len(gates)
        if bank is not None:
            bank.check(instance("state.memory", state.memory, MemoryState), state.hidden)
        weights = [self.from_past.weight] + ([] if bank is None else [self.interface.weight, self.interface.bias])

        def run(*tensors: Tensor) -> tuple[Tensor, ...]:
            gates, given = tensors[:steps], iter(tensors[steps:])
            recurrent, *emitting = [next(given) for _ in weights]
            hidden, cell, reads, memory = _rebuilt(state, given)
            features = [join(hidden, reads)]
            for step in range(steps):
                hidden, cell = lstm_cell(add_product(gates[step], features[-1], recurrent), cell)
                if bank is not None:
                    reads, memory = bank.step(linear(hidden, *emitting), memory)
                features.append(join(hidden, reads))
            return *features, *_tensors(ControllerState(hidden, cell, reads, memory))

        found = taped(run, *gates, *weights, *start)
        return list(found[: steps + 1]), _rebuilt(state, iter(found[steps + 1 :]))

    def _observe(self, interface: Tensor, memory: MemoryState) -> dict[str, Tensor]:
        """What a trace holds of one step."""
        seen = self.bank.split(interface)
        for name in ("read_weightings", "write_weightings", "usage", "link"):
            if getattr(memory, name) is not None:
                seen[name] = getattr(memory, name)
        return seen


def _tensors(state: Any) -> list[Tensor]:
    """The tensors of a state, in order."""
    parts: list[Tensor] = []
    for part in state:
        parts += _tensors(part) if isinstance(part, tuple) else [] if part is None else [part]
    return parts


def _rebuilt(state: Any, parts: Iterator[Tensor]) -> Any:
    """A state like `state` of other tensors."""
    if state is None or isinstance(state, Tensor):
        return None if state is None else next(parts)
    return type(state)(*(_rebuilt(part, parts) for part in state))


def _running(lengths: Any, steps: int, batch: int, device: torch.device) -> Tensor | None:
    """(T, B) booleans: which sequences are not over at each step; None where no lengths are given."""
    if lengths is None:
        return None
    try:
        lengths = torch.as_tensor(lengths, device=device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"lengths must be (B,) integers with B={batch}, got {type(lengths).__name__}") from error
    if lengths.is_floating_point() or lengths.is_complex() or lengths.dtype == torch.bool:
        raise TypeError(f"lengths must be integers, got {lengths.dtype}")
    if lengths.shape != (batch,):
        raise ValueError(f"lengths must be (B,) integers with B={batch}, got {tuple(lengths.shape)}")
    if bool((lengths < 0).any()) or bool((lengths > steps).any()):
        raise ValueError(f"lengths must lie in 0..T with T={steps}, got {lengths.tolist()}")
    return torch.arange(steps, device=device).unsqueeze(1) < lengths


def _where(running: Tensor, reached: Any, before: Any) -> Any:
    """Of two states, the one reached where a sequence is running, the one before where it is over."""
    if reached is None:
        return None
    if isinstance(reached, Tensor):
        return torch.where(running.view(-1, *[1] * (reached.dim() - 1)), reached, before)
    return type(reached)(*(_where(running, new, old) for new, old in zip(reached, before, strict=True)))
