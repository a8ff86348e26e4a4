"""Replay and forgetting (chapter 4)."""

import matplotlib.pyplot as plt
import numpy as np

from ...metrics import confidence_interval
from .style import COLOURS, new_figure

__all__ = [
    "explore_priorities",
    "kept_items",
    "methods_by_scenario",
    "training_curves",
]


def training_curves(trace, names, title=""):
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


def kept_items(buffers, length):
    """Draw which items 0..length-1 of a stream each buffer holds, one row of ticks a buffer, and return the Figure."""
    figure, ax = new_figure(6, 0.55 * len(buffers) + 0.8)
    ax.eventplot(list(buffers.values()), colors=COLOURS["replay"], linelengths=0.7, linewidths=1)
    ax.set(xlabel="number in the stream", xlim=(-length / 100, length * 1.01))
    ax.set_yticks(range(len(buffers)), list(buffers))
    return figure


def methods_by_scenario(results, roles, xlabel="average accuracy after the last task"):
    """Draw means and 95 % intervals of methods, one panel a scenario, and return the Figure.

    `results` maps a scenario to a dict of method to samples (seeds,); `roles` a method to a role of COLOURS.
    """
    figure, axes = new_figure(7.5, 3.2, columns=len(results), sharey=True, squeeze=False)
    for ax, (scenario, methods) in zip(axes[0], results.items(), strict=True):
        for row, (method, samples) in enumerate(methods.items()):
            mean, half = confidence_interval(samples)
            colour = COLOURS.get(roles.get(method), "black")
            ax.errorbar(mean, row, xerr=half, fmt="o", color=colour, capsize=3, markersize=5)
        ax.set(title=scenario, xlim=(0, 1.03))
        ax.grid(axis="x", alpha=0.3)
    axes[0, 0].set_yticks(range(len(methods)), list(methods))
    axes[0, 0].invert_yaxis()
    figure.supxlabel(xlabel, fontsize=10)
    return figure


def explore_priorities(alpha=0.6, beta=0.4):
    """Draw how often eight items of given priorities are drawn at exponent `alpha`, and their weights at `beta`."""
    priorities = np.array([8, 4, 4, 2, 2, 1, 0.5, 0.25])
    chances = priorities**alpha / (priorities**alpha).sum()
    figure, axes = new_figure(6, 2.6, columns=2)
    panels = {"chance of being drawn": chances, "importance weight": (chances / chances.min()) ** -beta}
    for ax, (title, values), top in zip(axes, panels.items(), (0.6, 1.05), strict=True):
        ax.bar(range(8), values, color=COLOURS["replay"])
        ax.set(title=title, ylim=(0, top), xlabel="priority")
        ax.set_xticks(range(8), [f"{p:g}" for p in priorities])
    axes[0].bar(range(8), chances * panels["importance weight"], width=0.3, color="black", label="chance x weight")
    axes[0].axhline(1 / 8, color=COLOURS["baseline"], linestyle="--", linewidth=1, label="uniform")
    axes[0].legend(fontsize=8)
    figure.suptitle(f"alpha = {alpha}, beta = {beta}", fontsize=10)
    return figure
