"""What is kept: the memory state, and the bank that writes and reads it (chapter 2).

One step of a bank: address the write heads, erase and add, address the read heads, read. Three ways to address stand
behind the same door: "content" only; "ntm" (content, interpolate, shift, sharpen); "dnc" (content, allocation from
usage, temporal links). Letters: B batch, N slots, W word size, R read heads, H write heads.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import addressing as A
from . import gradients
from ._validate import autocasts, boolean, choice, floating, instance, positive_int, real, shaped, tensor
from .interface import cut, squash
from .tape import changed

ADDRESSINGS = ("content", "ntm", "dnc")


@dataclass(frozen=True)
class MemoryConfig:
    """What a bank is made of. Raises ValueError or TypeError, naming the field, where a value is out of range.

    `key_size` restricts content addressing to the first words of each row (None: all W). `key_masking` lets the
    controller mask each key, `deallocation` erases what is freed, `link_sharpening` sharpens the directional
    weightings (all three: Csordás & Schmidhuber 2019). `sort_gradient` and `usage_gradient` say whether gradients
    flow through the allocation's sorted products and through the usage.
    """

    memory_size: int = 128  # N
    memory_dim: int = 64  # W
    num_read_heads: int = 4  # R
    num_write_heads: int = 1  # H
    addressing: str = "dnc"
    initial_memory: str = "constant"  # "constant": parameters do not depend on N, so N may change after training
    initial_value: float = 1e-2  # not 0: a zero row has no direction, and its cosine no useful gradient
    shift_range: int = 1  # NTM: one slot either way, as in Graves et al. 2014
    sharpening: bool = True  # NTM: without it weightings blur a little, and training is far steadier (chapter 3)
    temporal_links: bool = True  # DNC: without them a step costs N times less
    key_size: int | None = None
    key_masking: bool = False
    deallocation: bool = False
    link_sharpening: bool = False
    sort_gradient: bool = True
    usage_gradient: bool = True
    associative_start: bool = False  # biases: sharp keys, write to free slots, free nothing

    def __post_init__(self) -> None:
        for name, field in self.__dataclass_fields__.items():
            value = getattr(self, name)
            if field.type is bool:
                value = boolean(name, value)
            elif field.type is int or (name == "key_size" and value is not None):
                value = positive_int(name, value)
            elif field.type is float:
                value = real(name, value)
            object.__setattr__(self, name, value)  # Python's own numbers, so that a configuration can be saved as JSON
        choice("addressing", self.addressing, ADDRESSINGS)
        choice("initial_memory", self.initial_memory, ("constant", "learned"))
        if self.key_width > self.memory_dim:
            raise ValueError(f"key_size must be at most memory_dim={self.memory_dim}, got {self.key_size}")

    @property
    def key_width(self) -> int:
        """Number of words of a row that content addressing compares."""
        return self.key_size or self.memory_dim


class MemoryState(NamedTuple):
    """All that a bank remembers. The last three are None unless the addressing is "dnc" (and has links)."""

    memory: Tensor  # (B, N, W)
    read_weightings: Tensor  # (B, R, N)
    write_weightings: Tensor  # (B, H, N)
    usage: Tensor | None = None  # (B, N)
    precedence: Tensor | None = None  # (B, H, N)
    link: Tensor | None = None  # (B, H, N, N)


def erase_and_add(memory: Tensor, write_weightings: Tensor, erase: Tensor, add: Tensor) -> Tensor:
    """Write: M'[n] = M[n]·prod_h (1 - w[h, n] e[h]) + sum_h w[h, n] v[h] (Graves et al. 2014, eqs. 3 and 4).

    Shapes: memory (B, N, W), write_weightings (B, H, N), erase (B, H, W) in [0, 1], add (B, H, W); returns (B, N, W).
    All heads erase before any adds, as in the NTM, so their order does not matter. Chapter 2.
    Raises ValueError or TypeError where a shape, dtype or device does not fit.
    """
    shaped("memory", memory, "B N W")
    batch, slots, width = memory.shape
    shaped("write_weightings", write_weightings, "B H N", like=memory, B=batch, N=slots)
    heads = write_weightings.shape[1]
    shaped("erase", erase, "B H W", like=memory, B=batch, H=heads, W=width)
    shaped("add", add, "B H W", like=memory, B=batch, H=heads, W=width)
    return gradients.write(memory, write_weightings, erase, add)


def read_memory(memory: Tensor, read_weightings: Tensor) -> Tensor:
    """Read: r = w M, a weighted mean of the rows (Graves et al. 2014, eq. 2).

    Shapes: memory (B, N, W), read_weightings (B, R, N); returns (B, R, W). Raises ValueError or TypeError. Chapter 2.
    """
    shaped("memory", memory, "B N W")
    shaped("read_weightings", read_weightings, "B R N", like=memory, B=memory.shape[0], N=memory.shape[1])
    return read_weightings @ memory


class NeuralMemoryBank(nn.Module):
    """A differentiable memory: `reads, state = bank(interface, state)` (chapter 2).

    `config` is a MemoryConfig. `parts` lists the pieces of the interface vector with their shapes, and
    `interface_size` is their total. It has no parameters, but for a learned initial memory. Raises TypeError.
    """

    def __init__(self, config: MemoryConfig) -> None:
        super().__init__()
        self.config = instance("config", config, MemoryConfig)
        self.parts = _interface_parts(config)
        self.layout = tuple(cut(name, *shape) for name, shape in self.parts.items())
        self.sizes = [size for *_, size in self.layout]
        self.interface_size = sum(self.sizes)
        self.held = {"read_weightings": "B R N", "write_weightings": "B H N"}
        if config.addressing == "dnc":
            self.held["usage"] = "B N"
        if config.addressing == "dnc" and config.temporal_links:
            self.held |= {"precedence": "B H N", "link": "B H N N"}
        if config.initial_memory == "learned":
            rows = torch.randn(config.memory_size, config.memory_dim) * config.memory_dim**-0.5
            self.initial_rows = nn.Parameter(rows)

    def initial_state(
        self, batch_size: int, dtype: torch.dtype = torch.float32, device: torch.device | str | None = None
    ) -> MemoryState:
        """The state before the first step, the same at every call: MemoryState for `batch_size` sequences.

        NTM heads start on slot 0; the others start nowhere (weightings of zeros). Raises ValueError or TypeError.
        """
        config, batch = self.config, positive_int("batch_size", batch_size)
        floating("dtype", dtype)
        slots, readers, writers = config.memory_size, config.num_read_heads, config.num_write_heads
        zeros = torch.zeros(batch, writers, slots, dtype=dtype, device=device)
        if config.initial_memory == "learned":
            memory = self.initial_rows.to(zeros).expand(batch, -1, -1)
        else:
            memory = zeros.new_full((batch, slots, config.memory_dim), config.initial_value)
        reads, writes = zeros.new_zeros(batch, readers, slots), zeros
        if config.addressing == "ntm":
            first = F.one_hot(torch.tensor(0), slots).to(zeros)
            reads, writes = first.expand(batch, readers, slots), first.expand(batch, writers, slots)
        usage = zeros[:, 0] if "usage" in self.held else None
        if "link" not in self.held:
            return MemoryState(memory, reads, writes, usage)
        link = zeros.new_zeros(1).expand(batch, writers, slots, slots)
        return MemoryState(memory, reads, writes, usage, zeros, link)

    @property
    def is_plain(self) -> bool:
        """Whether each step is made of equations of `gradients` alone: no rarer option, no hook, not compiled."""
        config = self.config
        options = config.key_masking, config.deallocation, config.link_sharpening
        stopped = not config.sort_gradient or not config.usage_gradient
        several = config.addressing == "dnc" and config.num_write_heads > 1
        whole = config.key_width == config.memory_dim
        return whole and not (any(options) or stopped or several or changed(self)) and type(self) is NeuralMemoryBank

    def initial_interface_bias(self) -> Tensor:
        """Bias (interface_size,) to add to a controller's interface layer at its start.

        Zeros; with `associative_start` strengths 4, write and allocation gates 1, free gates -3, all before squashing.
        """
        starts = {"write_strengths": 4.0, "read_strengths": 4.0, "write_gates": 1.0}
        starts |= {"allocation_gates": 1.0, "free_gates": -3.0}
        values = starts if self.config.associative_start else {}
        parts = zip(self.parts, self.sizes, strict=True)
        return torch.cat([torch.full((size,), values.get(name, 0.0)) for name, size in parts])

    def split(self, interface: Tensor) -> dict[str, Tensor]:
        """Cut the interface vector (B, interface_size) into its parts and squash each to its range, as a dict.

        Keys, erase and gates are (B, heads, width) or (B, heads); see `parts`. Raises ValueError or TypeError.
        """
        shaped("interface", interface, "B I", I=self.interface_size)
        return self._split(interface)

    def _split(self, interface: Tensor) -> dict[str, Tensor]:
        return dict(zip(self.parts, squash(self.layout, interface), strict=True))

    def forward(self, interface: Tensor, state: MemoryState) -> tuple[Tensor, MemoryState]:
        """One step: write, then read. Shapes: interface (B, interface_size); returns (reads (B, R, W), MemoryState).

        Under autocast the bank computes in the dtype of its state, as autocast itself does with norms and softmaxes.
        Raises ValueError or TypeError where a shape, dtype or device does not fit, or the state is another bank's.
        """
        instance("state", state, MemoryState)
        shaped("interface", interface, "B I", I=self.interface_size)
        if autocasts(interface.device.type):
            with torch.autocast(interface.device.type, enabled=False):
                interface = interface.to(tensor("state.memory", state.memory).dtype)
                self.check(state, interface)
                return self.step(interface, state)
        self.check(state, interface)
        return self.step(interface, state)

    def step(self, interface: Tensor, state: MemoryState) -> tuple[Tensor, MemoryState]:
        """The step of `forward` without its checks, for a controller that has made them at its door."""
        config, part = self.config, self._split(interface)
        address_writes, address_reads = _ADDRESS[config.addressing]
        state = address_writes(config, part, state)
        memory = gradients.write(state.memory, state.write_weightings, part["erase"], part["add"])
        state = address_reads(config, part, state._replace(memory=memory))
        return gradients.read(state.read_weightings, memory), state

    def check(self, state: MemoryState, interface: Tensor) -> None:
        """Raise unless `state` is one that this bank could have returned; only the number of slots is free.

        Batch, dtype and device are those of `interface` (B, ...).
        """
        instance("state", state, MemoryState)
        config, batch = self.config, interface.shape[0]
        shaped("state.memory", state.memory, "B N W", like=interface, B=batch, W=config.memory_dim)
        slots, readers, writers = state.memory.shape[1], config.num_read_heads, config.num_write_heads
        for name, value in zip(MemoryState._fields[1:], state[1:], strict=True):
            if name in self.held:
                shaped(f"state.{name}", value, self.held[name], like=interface, B=batch, N=slots, R=readers, H=writers)
            elif value is not None:
                raise ValueError(f"state.{name} must be None for this {config.addressing} bank, got a tensor")


def _interface_parts(config: MemoryConfig) -> dict[str, tuple[int, int]]:
    """Names and shapes (heads, width) of the pieces of the interface vector, in order."""
    readers, writers, width = config.num_read_heads, config.num_write_heads, config.memory_dim
    parts = {"add": (writers, width), "erase": (writers, width)}
    for side, heads in (("write", writers), ("read", readers)):
        parts[f"{side}_keys"] = (heads, config.key_width)
        parts[f"{side}_strengths"] = (heads, 1)
        if config.key_masking:
            parts[f"{side}_masks"] = (heads, config.key_width)
        if config.addressing == "ntm":
            parts[f"{side}_interpolation"] = (heads, 1)
            parts[f"{side}_shifts"] = (heads, 2 * config.shift_range + 1)
        if config.addressing == "ntm" and config.sharpening:
            parts[f"{side}_gammas"] = (heads, 1)
    if config.addressing != "ntm":
        parts["write_gates"] = (writers, 1)
    if config.addressing == "dnc":
        parts |= {"allocation_gates": (writers, 1), "free_gates": (readers, 1)}
        if config.temporal_links:
            parts["read_modes"] = (readers, 1 + 2 * writers)
        if config.temporal_links and config.link_sharpening:
            parts["link_gammas"] = (readers, 1)
    return parts


def _content(config: MemoryConfig, part: dict[str, Tensor], side: str, memory: Tensor) -> Tensor:
    """The content weightings of the "read" or "write" heads."""
    rows = memory if config.key_width == config.memory_dim else memory[..., : config.key_width]
    keys, strengths = part[f"{side}_keys"], part[f"{side}_strengths"]
    if config.key_masking:
        return A.content_weighting(rows, keys, strengths, part[f"{side}_masks"])
    return gradients.content(rows, keys, strengths)


def _content_writes(config, part, state):
    content = _content(config, part, "write", state.memory)
    return state._replace(write_weightings=gradients.gate(content, part["write_gates"]))


def _content_reads(config, part, state):
    return state._replace(read_weightings=_content(config, part, "read", state.memory))


def _ntm_weightings(config, part, side, memory, previous):
    """Content, interpolate, shift, sharpen (Graves et al. 2014, section 3.3)."""
    content = _content(config, part, side, memory)
    weightings = gradients.turn(content, previous, part[f"{side}_interpolation"], part[f"{side}_shifts"])
    return gradients.sharpen(weightings, part[f"{side}_gammas"]) if config.sharpening else weightings


def _ntm_writes(config, part, state):
    return state._replace(write_weightings=_ntm_weightings(config, part, "write", state.memory, state.write_weightings))


def _ntm_reads(config, part, state):
    return state._replace(read_weightings=_ntm_weightings(config, part, "read", state.memory, state.read_weightings))


def _dnc_writes(config, part, state):
    """Usage, allocation, write weightings, and the order of writing (Graves et al. 2016, Methods)."""
    usage, retained = gradients.use(part["free_gates"], state.read_weightings, state.usage, state.write_weightings)
    if not config.usage_gradient:
        usage = usage.detach()
    if config.num_write_heads == 1 and config.sort_gradient:
        allocation = gradients.allocate(usage, A.ascending(usage.detach()))
    else:
        gates = part["allocation_gates"] * part["write_gates"]
        allocation = A.allocation_weightings(usage, gates, config.sort_gradient)
    content = _content(config, part, "write", state.memory)
    writes = gradients.place(content, allocation, part["allocation_gates"], part["write_gates"])
    memory = state.memory * retained.unsqueeze(-1) if config.deallocation else state.memory
    return state._replace(memory=memory, write_weightings=writes, usage=usage)


def _dnc_reads(config, part, state):
    """Content, or one step forward or backward along the links, by read mode (Graves et al. 2016, Methods)."""
    content = _content(config, part, "read", state.memory)
    if not config.temporal_links:
        return state._replace(read_weightings=content)
    link, precedence, forward, backward = gradients.follow_links(
        state.link, state.precedence, state.write_weightings, state.read_weightings
    )
    if config.link_sharpening:
        pairs = (A.sharpen_links(w.transpose(1, 2), part["link_gammas"]) for w in (forward, backward))
        forward, backward = (w.transpose(1, 2) for w in pairs)
    reads = gradients.mix(content, forward, backward, part["read_modes"])
    return state._replace(read_weightings=reads, precedence=precedence, link=link)


_ADDRESS = {
    "content": (_content_writes, _content_reads),
    "ntm": (_ntm_writes, _ntm_reads),
    "dnc": (_dnc_writes, _dnc_reads),
}
