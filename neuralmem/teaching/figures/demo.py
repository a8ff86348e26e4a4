"""The demo of chapter 0."""

import matplotlib.pyplot as plt
import numpy as np
import torch

from ...metrics import confidence_interval
from ...worlds import split_generator
from ...worlds.functions import function_pairs
from .style import COLOURS, heatmap, new_figure

__all__ = [
    "demo_panels",
    "errors_by_task",
    "explore_rows",
]


def demo_panels(memory, panels, names, floors=None, roles=None):
    """The demo's figure: the memory's rows (N, W) on the left, error on every task after each task on the right.

    `panels` maps a title to errors (phases, tasks), drawn on one logarithmic scale from the phase in which a task is
    trained on; `names` are the tasks'; `floors` (tasks,) are their constants' errors, dashed; `roles` maps a title to a
    role of COLOURS. Returns the Figure.
    """
    count = len(panels)
    figure, axes = new_figure(3.0 + 1.9 * count, 3.4, columns=1 + count, width_ratios=[1.5] + [1] * count)
    heatmap(memory, title="memory", xlabel="word", ylabel="slot", ax=axes[0])
    tasks = range(len(names))
    shades = plt.get_cmap("cividis")(np.linspace(0, 0.85, len(names)))
    for ax, (title, errors) in zip(axes[1:], panels.items(), strict=True):
        for task, shade, marker in zip(tasks, shades, "os^D", strict=False):
            ax.semilogy(tasks[task:], np.asarray(errors)[task:, task], marker=marker, color=shade, label=names[task])
            if floors is not None:
                ax.axhline(floors[task], color=shade, linestyle=":", linewidth=1)
        ax.set_title(title, fontsize=9, color=COLOURS[(roles or {}).get(title, "baseline")])
        ax.set_xticks(tasks, names, rotation=45, ha="right", fontsize=8)
    limits = [ax.get_ylim() for ax in axes[1:]]
    for ax in axes[1:]:
        ax.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
        ax.tick_params(labelleft=ax is axes[1])
    axes[1].set_ylabel("mean squared error")
    axes[1].legend(fontsize=7)
    figure.supxlabel("after training on", fontsize=9)
    return figure


def errors_by_task(names, rows, roles=None, ylabel="held-out mean squared error"):
    """Draw errors on a logarithmic scale, task by task, and return the Figure.

    `rows` maps a label to samples (seeds, tasks), drawn as a mean with its 95 % interval, or to one value a task
    (tasks,); `roles` maps a label to a role of COLOURS.
    """
    figure, ax = new_figure(6.4, 3.4)
    for position, ((label, values), marker) in enumerate(zip(rows.items(), "osD^vX", strict=False)):
        values, at = np.asarray(values, dtype=float), np.arange(len(names)) + 0.13 * (position - (len(rows) - 1) / 2)
        mean, half = confidence_interval(values) if values.ndim == 2 else (values, np.zeros(len(names)))
        bars = [np.minimum(half, 0.9 * mean), half]  # a logarithmic axis has no place for an interval that reaches 0
        colour = COLOURS[(roles or {}).get(label, "baseline")]
        ax.errorbar(at, mean, bars, fmt=marker, color=colour, capsize=3, markersize=5, label=label)
    ax.set(yscale="log", ylabel=ylabel)
    ax.set_xticks(range(len(names)), names)
    ax.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def explore_rows(task="sin", rows=20):
    """Draw the errors of a least-squares fit of one of FOUR_TASKS against its number of training rows; mark `rows`."""
    counts = [5, 10, 20, 40, 60, 70, 100, 200, 500]
    (x, y), (new_x, new_y) = (function_pairs(task, 500, split_generator(split, 0)) for split in ("train", "test"))
    x, new_x = (torch.cat([part, torch.ones(500, 1)], 1).double() for part in (x, new_x))
    errors = []
    for count in counts:
        weights = torch.linalg.pinv(x[:count]) @ y[:count].double()
        errors.append([(x[:count] @ weights - y[:count]).square().mean(), (new_x @ weights - new_y).square().mean()])
    seen, new = np.maximum(np.array(errors), 1e-12).T
    figure, ax = new_figure(5.2, 3.0)
    ax.loglog(counts, seen, "o-", color=COLOURS["baseline"], label="on its training rows")
    ax.loglog(counts, new, "s-", color=COLOURS["full"], label="on new rows")
    ax.axhline(float((new_y - y.mean()).square().mean()), color=COLOURS["ceiling"], linestyle="--", label="a constant")
    at = counts.index(rows)
    ax.plot([rows, rows], [seen[at], new[at]], "|-", color="black", linewidth=1)
    ax.set(xlabel="training rows", ylabel="mean squared error", ylim=(3e-13, 3))
    on_seen = f"{seen[at]:.0e}" if seen[at] > 1e-9 else "0"
    ax.set_title(f"{task}, {rows} rows: error {on_seen} on seen, {new[at]:.0e} on new", fontsize=10)
    ax.legend(fontsize=8, loc="lower right")
    return figure
