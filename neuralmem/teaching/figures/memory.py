"""Addressing and the bank (chapters 1 and 2)."""

import numpy as np
import torch

from ... import addressing as A
from ...bank import erase_and_add
from .style import COLOURS, new_figure

__all__ = [
    "STORY",
    "explore_content",
    "explore_location",
    "explore_memory",
    "tables",
    "weighting_bars",
]


def tables(panels, names=None, title=""):
    """Draw matrices with one row a slot side by side, blue above zero and red below, and return the Figure.

    `panels` maps a title to an array (N, K), or (N,) for one column; cells of small matrices carry their number.
    `names` maps a title to the labels of its columns.
    """
    panels = {key: np.asarray(panel, dtype=float).reshape(len(panel), -1) for key, panel in panels.items()}
    slots, names = max(map(len, panels.values())), names or {}
    widths = [max(0.5 * panel.shape[1], 0.8) if panel.size <= 80 else 3 for panel in panels.values()]
    size = sum(widths) + 0.35 * len(widths) + 0.4, max(0.3 * slots if slots <= 10 else 2.4, 1) + 0.75
    figure, axes = new_figure(*size, columns=len(panels), squeeze=False, width_ratios=widths)
    for ax, (key, panel) in zip(axes[0], panels.items(), strict=True):
        top = max(1, np.abs(panel).max())
        ax.imshow(panel, cmap="RdBu", vmin=-1.3 * top, vmax=1.3 * top, aspect="auto", interpolation="nearest")
        ax.set_title(key, fontsize=10)
        ax.set_yticks(range(0, len(panel), 1 if slots <= 10 else 8))
        ax.set_xticks(*((range(panel.shape[1]), names[key]) if key in names else ([],)))
        for i, j in np.ndindex(panel.shape) if panel.size <= 80 else ():
            colour = "white" if abs(panel[i, j]) > 0.8 * top else "black"
            number = f"{panel[i, j]:.2f}".rstrip("0").rstrip(".")
            ax.text(j, i, number, ha="center", va="center", fontsize=8, color=colour)
    axes[0, 0].set_ylabel("slot")
    figure.suptitle(title, fontsize=10)
    return figure


def weighting_bars(panels, ylabel="weight"):
    """Draw weightings (N,) as bar charts in a row, from a dict of title to weighting, and return the Figure."""
    figure, axes = new_figure(1.9 * len(panels) + 0.4, 2.1, columns=len(panels), sharey=True, squeeze=False)
    for ax, (title, weighting) in zip(axes[0], panels.items(), strict=True):
        ax.bar(range(len(weighting)), np.asarray(weighting), color=COLOURS["memory"])
        ax.set_title(title, fontsize=9)
        ax.set(xlabel="slot", ylim=(0, 1.05))
        ax.set_xticks(range(len(weighting)))
    axes[0, 0].set_ylabel(ylabel)
    return figure


def explore_content(strength=4.0, angle=30):
    """Draw a key at `angle` degrees among five rows, and the content weighting at key strength `strength`."""
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
    return figure


def explore_location(shift=1.0, gamma=2.0):
    """Draw a weighting, moved by `shift` slots (a fraction blurs it), and sharpened by `gamma`."""
    before = torch.tensor([[[0.0, 0.1, 0.8, 0.1, 0.0, 0.0, 0.0, 0.0]]])
    moves = torch.stack([(1 - abs(torch.tensor(float(shift)) - move)).clamp_min(0) for move in (-1, 0, 1)])
    shifted = A.circular_shift(before, moves[None, None])
    sharp = A.sharpen(shifted, torch.tensor([[float(gamma)]]))
    titles = ("before", f"shifted by {shift:g}", f"sharpened, γ = {gamma:g}")
    return weighting_bars({title: w[0, 0] for title, w in zip(titles, (before, shifted, sharp), strict=True)})


STORY = ["write A", "write B", "write C", "read B", "write D", "write E", "write F", "read A"] + [
    f"write {name}" for name in "GHIJ"
]
"""What happens in `explore_memory`, step by step."""


def explore_memory(step=1, free_gate=1.0):
    """Draw an 8-slot memory after `step` steps of STORY, where each read frees its slot by `free_gate`."""
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
    return tables(panels, title=f"step {step}: {STORY[step - 1]}")
