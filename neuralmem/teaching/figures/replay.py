"""Replay and forgetting (chapter 4)."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from ...metrics import confidence_interval
from ...worlds.digits import ClassTask
from .style import COLOURS, PAGE_WIDTH, new_figure

__all__ = [
    "digit_pairs",
    "explore_priorities",
    "kept_items",
    "methods_by_scenario",
    "task_matrix",
    "training_curves",
]


def digit_pairs(tasks: Sequence[ClassTask], names: Sequence[str], columns: int = 4) -> Figure:
    """Draw the first training images of both classes of each task, one panel a task, and return the Figure.

    tasks: ClassTasks of square images in the scenario "class"; two rows of `columns` images a panel, a class each.
    """
    figure, axes = new_figure(7.0, 1.25, columns=len(tasks))
    for ax, task, name in zip(axes, tasks, names, strict=True):
        rows = []
        for label in task.train_y.unique():
            images = task.train_x[task.train_y == label][:columns]
            side = round(images.shape[1] ** 0.5)
            padded = [np.pad(image.reshape(side, side), 1) for image in images.numpy()]
            rows.append(np.concatenate(padded, 1))
        ax.imshow(np.concatenate(rows), cmap="gray_r", interpolation="nearest")
        ax.set_title(name, fontsize=9)
        ax.set_xticks([])
        ax.set_yticks([])
    return figure


def task_matrix(A: ArrayLike, names: Sequence[str]) -> Figure:
    """Draw a task matrix A (phases, tasks) as squares with their numbers in them, and return the Figure.

    Row i is what is known after phase i; the first row, before any training, is named "none".
    """
    A = np.asarray(A)
    figure, ax = new_figure(4.6, 4.4)
    ax.imshow(A, cmap="viridis", vmin=0, vmax=1, aspect="equal")
    for i, row in enumerate(A):
        for j, value in enumerate(row):
            ax.text(j, i, f"{value:.2f}", ha="center", va="center", color="white" if value < 0.6 else "black")
    ax.set_xticks(range(A.shape[1]), names)
    ax.set_yticks(range(len(A)), (["none", *names] if len(A) > len(names) else names))
    ax.set(xlabel="tested on", ylabel="trained up to")
    return figure


def training_curves(trace: ArrayLike, names: Sequence[str], title: str = "") -> Figure:
    """Draw the accuracy on every task while the tasks are trained one after the other, and return the Figure.

    trace (seeds, K, tasks): K equally spaced measurements in all; drawn are means and 95 % bands.
    """
    figure, ax = new_figure(6.4, 2.9)
    mean, half = confidence_interval(np.asarray(trace))
    time = np.arange(1, len(mean) + 1) * len(names) / len(mean)
    for j, (name, style) in enumerate(zip(names, ["-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1))], strict=True)):
        line = ax.plot(time, mean[:, j], linestyle=style, label=name, color=plt.cm.viridis(0.9 * j / len(names)))[0]
        ax.fill_between(time, (mean - half)[:, j], (mean + half)[:, j], color=line.get_color(), alpha=0.2, linewidth=0)
        ax.axvline(j, color="black", linewidth=0.5)
        ax.text(j + 0.5, 1.03, f"training {name}", ha="center", fontsize=8)
    ax.set(xlabel="phase", ylabel="test accuracy", xlim=(0, len(names)), ylim=(-0.02, 1.12), title=title)
    ax.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def kept_items(buffers: Mapping[str, Sequence[int]], length: int) -> Figure:
    """Draw which items 0..length-1 of a stream each buffer holds, one row of ticks a buffer, and return the Figure."""
    figure, ax = new_figure(6, 0.55 * len(buffers) + 0.8)
    ax.eventplot(list(buffers.values()), colors=COLOURS["replay"], linelengths=0.7, linewidths=1)
    ax.set(xlabel="number in the stream", xlim=(-length / 100, length * 1.01))
    ax.set_yticks(range(len(buffers)), list(buffers))
    return figure


def methods_by_scenario(
    results: Mapping[str, Mapping[str, Sequence[float]]],
    roles: Mapping[str, str],
    xlabel: str = "average accuracy after the last task",
) -> Figure:
    """Draw means, 95 % intervals and every seed of methods, one panel a scenario, and return the Figure.

    `results` maps a scenario to a dict of method to samples (seeds,); `roles` a method to a role of COLOURS. Each panel
    has the range that its numbers need; where it does not begin at 0, its title says where it does.
    """
    figure, axes = new_figure(PAGE_WIDTH, 3.6, columns=len(results), sharey=True, squeeze=False)
    for ax, (scenario, methods) in zip(axes[0], results.items(), strict=True):
        lowest = min(np.min(samples) for samples in methods.values())
        left = 0.0 if lowest < 0.5 else np.floor(20 * lowest) / 20
        for row, (method, samples) in enumerate(methods.items()):
            mean, half = confidence_interval(samples)
            colour = COLOURS.get(roles.get(method, ""), "black")
            ax.plot(samples, np.full(len(samples), row + 0.25), ".", color=colour, markersize=4, alpha=0.7)
            ax.errorbar(mean, row, xerr=half, fmt="o", color=colour, capsize=3, markersize=5)
        start = "" if left == 0 else f"\n(axis from {left:.2f})"
        ax.set(title=scenario + start, xlim=(left - 0.03 * (1 - left), 1.03 - 0.03 * left))
        ax.title.set_fontsize(10)
        ax.grid(axis="x", alpha=0.3)
    axes[0, 0].set_yticks(range(len(methods)), list(methods))
    axes[0, 0].invert_yaxis()
    figure.supxlabel(xlabel, fontsize=10)
    return figure


def explore_priorities(alpha: float = 0.6, beta: float = 0.4) -> Figure:
    """Draw how often each of eight items is drawn, and how much it counts when it is drawn."""
    priorities = np.array([8, 4, 4, 2, 2, 1, 0.5, 0.25])
    chances = priorities**alpha / (priorities**alpha).sum()
    weights = (chances / chances.min()) ** -beta
    figure, axes = new_figure(6, 2.6, columns=2)
    panels = {"chance of being drawn": chances, "importance weight": weights}
    for ax, (title, values), top in zip(axes, panels.items(), (0.6, 1.05), strict=True):
        ax.bar(range(8), values, color=COLOURS["replay"])
        ax.set(title=title, ylim=(0, top), xlabel="priority")
        ax.set_xticks(range(8), [f"{p:g}" for p in priorities])
    axes[0].bar(range(8), chances * weights, width=0.3, color="black", label="chance x weight")
    axes[0].axhline(1 / 8, color=COLOURS["baseline"], linestyle="--", linewidth=1, label="uniform")
    axes[0].legend(fontsize=8)
    often, counts = chances[0] / chances[-1], (chances * weights)[0] / (chances * weights)[-1]
    figure.seen = (
        f"The item of priority 8 is drawn {often:.3g} times as often as the one of 0.25; "
        f"weights as small as {weights.min():.2g} leave it {counts:.3g} times as much in the long run."
    )
    return figure
