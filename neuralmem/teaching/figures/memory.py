"""Addressing and the bank (chapters 1 and 2)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from ... import addressing as A
from ...bank import erase_and_add
from ...metrics import confidence_interval
from .style import COLOURS, BookFigure, new_figure

__all__ = [
    "BLUES",
    "STORY",
    "explore_content",
    "explore_location",
    "explore_memory",
    "key_strengths",
    "seed_curves",
    "slope_lines",
    "tables",
    "usage_maps",
    "weighting_bars",
]

BLUES = ("#74A9CF", "#0570B0", "#023858")
"""Three shades of the memory's colour, light to dark: one quantity in three sizes."""


def tables(
    panels: Mapping[str, Any],
    names: Mapping[str, Sequence[str]] | None = None,
    title: str = "",
    plain: Sequence[str] = (),
) -> BookFigure:
    """Draw matrices with one row a slot side by side, blue above zero and red below, and return the Figure.

    `panels` maps a title to an array (N, K), or (N,) for one column; cells of small matrices carry their number, but
    for those named in `plain`. `names` maps a title to the labels of its columns.
    """
    panels = {key: np.asarray(panel, dtype=float).reshape(len(panel), -1) for key, panel in panels.items()}
    slots, names = max(map(len, panels.values())), names or {}
    numbered = {key: panel.size <= 80 and key not in plain for key, panel in panels.items()}
    widths = [max(0.5 * panel.shape[1], 0.8) if panel.size <= 80 else 3 for panel in panels.values()]
    size = sum(widths) + 0.35 * len(widths) + 0.4, max(0.3 * slots if slots <= 10 else 2.4, 1) + 0.75
    figure, axes = new_figure(*size, columns=len(panels), squeeze=False, width_ratios=widths)
    for ax, (key, panel) in zip(axes[0], panels.items(), strict=True):
        top = max(1, np.abs(panel).max())
        ax.imshow(panel, cmap="RdBu", vmin=-1.3 * top, vmax=1.3 * top, aspect="auto", interpolation="nearest")
        ax.set_title(key, fontsize=10)
        ax.set_yticks(range(0, len(panel), 1 if slots <= 10 else 8))
        ax.tick_params(labelleft=ax is axes[0, 0])
        ax.set_xticks(*((range(panel.shape[1]), names[key]) if key in names else ([],)))
        for i, j in np.ndindex(panel.shape) if numbered[key] else ():
            colour = "white" if abs(panel[i, j]) > 0.8 * top else "black"
            number = f"{panel[i, j]:.2f}".rstrip("0").rstrip(".")
            ax.text(j, i, number, ha="center", va="center", fontsize=8, color=colour)
    axes[0, 0].set_ylabel("slot")
    figure.suptitle(title, fontsize=10)
    return figure


def weighting_bars(panels: Mapping[str, Any], ylabel: str = "weight") -> BookFigure:
    """Draw weightings (N,) as bar charts in a row, from a dict of title to weighting, and return the Figure."""
    figure, axes = new_figure(min(1.9 * len(panels) + 0.4, 7), 2.1, columns=len(panels), sharey=True, squeeze=False)
    for ax, (title, weighting) in zip(axes[0], panels.items(), strict=True):
        ax.bar(range(len(weighting)), np.asarray(weighting), color=COLOURS["memory"])
        ax.set_title(title, fontsize=9)
        ax.set(xlabel="slot", ylim=(0, 1.05))
        ax.set_xticks(range(len(weighting)))
    axes[0, 0].set_ylabel(ylabel)
    return figure


def seed_curves(
    panels: Mapping[str, tuple[Any, Mapping[str, Any]]],
    xlabel: str,
    ylabel: str,
    styles: Mapping[str, Mapping[str, Any]],
    **axes_settings: Any,
) -> Figure:
    """Draw means over seeds with 95 % bands, one panel a title, in given styles, and return the Figure.

    `panels` maps a title to (x, curves), `curves` a label to samples (seeds, X) or to a line (X,) without a band;
    `styles` maps each label to the arguments of its line. Other arguments go to `Axes.set`.
    """
    width = max(3.4 * len(panels) + 0.4, 5.6)  # room for the legend below a single panel
    figure, axes = new_figure(width, 3.2, columns=len(panels), sharey=True, squeeze=False)
    for ax, (title, (x, curves)) in zip(axes[0], panels.items(), strict=True):
        for label, samples in curves.items():
            samples = np.asarray(samples, dtype=float)
            mean, half = (samples, None) if samples.ndim == 1 else confidence_interval(samples)
            (line,) = ax.plot(x, mean, label=label, markersize=4, **styles[label])
            if half is not None:
                ax.fill_between(x, mean - half, mean + half, color=line.get_color(), alpha=0.2, linewidth=0)
        ax.set(title=title, xlabel=xlabel if isinstance(xlabel, str) else xlabel[title], **axes_settings)
    axes[0, 0].set_ylabel(ylabel)
    lines = {line.get_label(): line for ax in axes[0] for line in ax.lines}
    figure.legend(lines.values(), lines, loc="outside lower center", ncols=min(len(lines), 3), fontsize=9)
    return figure


def slope_lines(lengths: Any, plain: Any, safe: Any) -> Figure:
    """Draw the gradient's length against the row's, of the plain cosine and of the safe one, and return the Figure."""
    figure, ax = new_figure(5.2, 3.2)
    ax.loglog(lengths, plain, "-", color=COLOURS["baseline"], linewidth=2)
    ax.loglog(lengths, safe, "-", color=COLOURS["memory"], linewidth=2)
    ax.text(2e-5, 1.2e5, "as written", color=COLOURS["baseline"])
    ax.text(1.5e-6, 3e2, "constant inside the root", color=COLOURS["memory"])
    ax.set(xlabel="length of the row", ylabel="length of the gradient")
    return figure


def key_strengths(slots: Any, needed: Mapping[int, Any], closed_form: Any, perpendicular: Any) -> Figure:
    """Draw the strength that one slot among `slots` needs, from a dict of word size to samples (seeds, X).

    `closed_form` (X,) belongs to the widest rows, `perpendicular` (X,) to rows without chance likeness.
    """
    figure, ax = new_figure(5.6, 3.4)
    for (width, samples), colour in zip(sorted(needed.items()), BLUES, strict=True):
        mean, half = confidence_interval(np.asarray(samples, dtype=float))
        ax.plot(slots, mean, "o-", color=colour, markersize=4)
        ax.fill_between(slots, mean - half, mean + half, color=colour, alpha=0.25, linewidth=0)
        ax.text(slots[-1] * 1.12, mean[-1], f"W = {width}", color=colour, va="center")
    ax.plot(slots, closed_form, "--", color="black", linewidth=1.2, label=f"closed form, W = {max(needed)}")
    ax.plot(slots, perpendicular, ":", color=COLOURS["baseline"], label="rivals perpendicular")
    ax.set(xscale="log", xlim=(3.5, 3200), xlabel="slots N", ylabel="strength β for a weight of 0.9")
    ax.legend(loc="upper left", fontsize=9)
    return figure


def usage_maps(panels: Mapping[str, Any]) -> Figure:
    """Draw the usage of each slot (slots, steps) over time, side by side, one panel a title, and return the Figure."""
    figure, axes = new_figure(3.3 * len(panels) + 0.8, 2.7, columns=len(panels), sharey=True, squeeze=False)
    for ax, (title, used) in zip(axes[0], panels.items(), strict=True):
        drawn = ax.imshow(np.asarray(used), cmap="Blues", vmin=0, vmax=1.2, aspect="auto", interpolation="nearest")
        ax.set(title=title, xlabel="step", xticks=range(np.shape(used)[1]), yticks=range(np.shape(used)[0]))
    axes[0, 0].set_ylabel("slot")
    bar = figure.colorbar(drawn, ax=axes[0].tolist(), ticks=[0, 1], boundaries=np.linspace(0, 1, 50))
    bar.set_label("usage")
    return figure


def explore_content(strength: float = 4.0, angle: float = 30) -> Figure:
    """Draw a key among five rows, and the weight that each row gets from its likeness to the key."""
    turns = torch.tensor([0.0, 50.0, 100.0, 180.0, 270.0]).deg2rad()
    rows = torch.stack([turns.cos(), turns.sin()], -1) * torch.tensor([1.0, 0.5, 1.0, 0.7, 1.0]).unsqueeze(-1)
    key = torch.tensor([np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))], dtype=torch.float32)
    weighting = A.content_weighting(rows[None], key[None, None], torch.tensor([[float(strength)]]))[0, 0]
    figure, (plane, bars) = new_figure(5.2, 2.6, columns=2)
    plane.quiver(*np.zeros((2, 5)), *rows.T.numpy(), scale=1, scale_units="xy", angles="xy", color=COLOURS["memory"])
    plane.quiver(0, 0, *key.numpy(), scale=1, scale_units="xy", angles="xy", color=COLOURS["full"])
    for slot, (x, y) in enumerate(rows.tolist()):
        plane.text(1.25 * x, 1.25 * y, f"{slot}", ha="center", va="center")
    plane.set(xlim=(-1.4, 1.4), ylim=(-1.4, 1.4), aspect="equal", title=f"rows, and the key at {angle}°")
    bars.bar(range(5), weighting.numpy(), color=COLOURS["memory"])
    bars.set(title=f"content weighting, β = {strength:g}", xlabel="slot", ylim=(0, 1.05), xticks=range(5))
    figure.seen = f"{_leading(weighting)} The key points to {angle}°, with strength {strength:g}."
    return figure


def explore_location(shift: float = 1.0, gamma: float = 2.0) -> Figure:
    """Draw a weighting on slot 2 of eight, the same moved along the ring, and the moved one sharpened."""
    before = torch.tensor([[[0.0, 0.1, 0.8, 0.1, 0.0, 0.0, 0.0, 0.0]]])
    moves = torch.stack([(1 - abs(torch.tensor(float(shift)) - move)).clamp_min(0) for move in (-1, 0, 1)])
    shifted = A.circular_shift(before, moves[None, None])
    sharp = A.sharpen(shifted, torch.tensor([[float(gamma)]]))
    titles = ("before", f"shifted by {shift:g}", f"sharpened, γ = {gamma:g}")
    figure = weighting_bars({title: w[0, 0] for title, w in zip(titles, (before, shifted, sharp), strict=True)})
    figure.seen = f"After the shift: {_leading(shifted[0, 0])} After sharpening: {_leading(sharp[0, 0])}"
    return figure


def _leading(weighting):
    """Which slot has most of a weighting, and how much; or that two share it."""
    first, second = weighting.topk(2).indices.tolist()
    high, low = (100 * weighting[slot].item() for slot in (first, second))
    if high - low < 0.5:
        low_slot, high_slot = sorted((first, second))
        return f"Slots {low_slot} and {high_slot} share the lead with {high:.0f} % each."
    return f"Slot {first} leads with {high:.0f} %, before slot {second} with {low:.0f} %."


STORY = ["write A", "write B", "write C", "read B", "write D", "write E", "write F", "read A"] + [
    f"write {name}" for name in "GHIJ"
]
"""What happens in `explore_memory`, step by step."""


def explore_memory(step: int = 1, free_gate: float = 1.0) -> Figure:
    """Draw a memory of eight slots after some steps of a story, with each slot's usage and where it wrote and read."""
    items = torch.randn(10, 6, generator=torch.Generator().manual_seed(0)).sign()
    memory, used, written = torch.zeros(1, 8, 6), torch.zeros(1, 8), torch.zeros(1, 1, 8)
    read, gate = torch.zeros(1, 1, 8), torch.zeros(1, 1)
    for event in STORY[:step]:
        item = items[None, None, "ABCDEFGHIJ".index(event[-1])]
        used = A.usage(used, written, A.retention(gate, read))
        free, erase = A.allocation_weighting(used)[:, None], torch.ones_like(item)
        written = free if event.startswith("write") else torch.zeros_like(free)
        memory = erase_and_add(memory, written, erase, item)
        read = A.content_weighting(memory, item, torch.full((1, 1), 20.0)) * float(event.startswith("read"))
        gate = torch.full((1, 1), float(free_gate))
    panels = {"memory": memory[0], "usage": used[0], "write": written[0, 0], "read": read[0, 0]}
    figure = tables(panels, title=f"step {step}: {STORY[step - 1]}", plain=("memory",))
    figure.seen = f"Step {step}, {STORY[step - 1]}: {_what_happened(STORY[step - 1], written[0, 0], read[0, 0])}"
    return figure


def _what_happened(event, written, read):
    """Where a step of the story wrote or read, in a sentence."""
    if event.startswith("read"):
        return f"found in slot {int(read.argmax())}."
    if written.sum() < 0.005:
        return "no slot is free, and nothing is written."
    if written.max() > 0.995:
        return f"it goes to slot {int(written.argmax())}."
    shares = [f"{100 * w:.0f} % to slot {slot}" for slot, w in enumerate(written.tolist()) if w > 0.005]
    return f"it is spread, {', '.join(shares)}."
