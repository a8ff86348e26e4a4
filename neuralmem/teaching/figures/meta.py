"""Meta-learning (chapter 5)."""

import numpy as np
import torch

from ...metrics import confidence_interval
from ...worlds import split_generator
from .style import COLOURS, new_figure

__all__ = [
    "explore_adaptation",
    "explore_start",
    "fits",
    "starts_compared",
    "waves",
]


def waves(x, y, support_x, support_y):
    """Draw a family of functions y (K, n) over x (n,), the last one with the few points (k,) that are known of it."""
    figure, ax = new_figure(6, 2.8)
    ax.plot(x, np.asarray(y)[:-1].T, color=COLOURS["baseline"], alpha=0.5, linewidth=1)
    ax.plot(x, y[-1], color=COLOURS["ceiling"], linewidth=2, label="a new task")
    ax.plot(support_x, support_y, "o", color="black", markersize=5, label="what is known of it")
    ax.set(xlabel="x", ylabel="y")
    ax.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def fits(panels, x, truth, support_x, support_y, roles):
    """Draw predictions (n,) over x (n,), a panel a start, beside the truth (n,) and the points (k,) adapted to.

    `panels` maps a start to a dict of label to predictions, at most three,
    drawn dotted, dashed, solid; `roles` a start to COLOURS.
    """
    figure, axes = new_figure(2.6 * len(panels) + 0.6, 2.8, columns=len(panels), sharey=True, squeeze=False)
    for ax, (start, curves) in zip(axes[0], panels.items(), strict=True):
        ax.plot(x, truth, color="black", linewidth=3, alpha=0.25, label="truth")
        for (label, curve), style in zip(curves.items(), (":", "--", "-")[-len(curves) :], strict=True):
            ax.plot(x, curve, style, color=COLOURS[roles[start]], label=label)
        ax.plot(support_x, support_y, "o", color="black", markersize=4)
        ax.set(title=start, xlabel="x", ylim=(-6, 6))
        ax.legend(fontsize=7, loc="lower left")
    axes[0, 0].set_ylabel("y")
    return figure


def starts_compared(table, titles, roles, xlabel, **axes_settings):
    """Draw each start's mean, 95 % interval and single seeds, a panel a quantity, and return the Figure.

    `table` maps a start to samples (seeds, quantities), `titles` name the quantities, `roles` map starts to COLOURS.
    """
    size = 2.9 * len(titles) + 1.4, 0.34 * len(table) + 0.9
    figure, axes = new_figure(*size, columns=len(titles), sharey=True, squeeze=False)
    for column, (ax, title) in enumerate(zip(axes[0], titles, strict=True)):
        for row, (start, samples) in enumerate(table.items()):
            values, colour = np.asarray(samples)[:, column], COLOURS[roles[start]]
            mean, half = confidence_interval(values)
            ax.errorbar(mean, row, xerr=half, fmt="o", color=colour, capsize=4, markersize=6)
            ax.plot(values, np.full(len(values), row + 0.25), "|", color=colour, markersize=6)
        ax.set(title=title, xlabel=xlabel, **axes_settings)
        if ax.get_xscale() == "log":
            ax.set_xticks(np.outer([0.01, 0.1, 1], [1, 2, 5]).ravel(), minor=False)
            ax.xaxis.set_major_formatter("{x:g}")
            ax.xaxis.set_minor_formatter("")
            ax.set_xlim(0.5 * np.min(list(table.values())), 2 * np.max(list(table.values())))
            ax.tick_params(axis="x", labelsize=8)
        ax.grid(axis="x", alpha=0.3)
    axes[0, 0].set_yticks(range(len(table)), list(table))
    axes[0, 0].invert_yaxis()
    return figure


def explore_start(rate=0.1, steps=1):
    """Draw the mean loss of two quadratic tasks before and after `steps` steps of size `rate`, and the best starts."""
    curvature, target = np.array([1.0, 4.0]), np.array([0.0, 10.0])
    left = (1 - 2 * rate * curvature) ** steps  # the share of the way to its target that a task has still to go
    theta = np.linspace(-2, 12, 281)[:, None]
    starts = {"joint": curvature, "first order": curvature * left, "MAML": curvature * left**2}
    figure, ax = new_figure(5.2, 3.0)
    ax.plot(theta, (curvature * (theta - target) ** 2).mean(1), color=COLOURS["baseline"], label="before adapting")
    ax.plot(theta, (curvature * (left * (theta - target)) ** 2).mean(1), color=COLOURS["meta"], label="after adapting")
    for (name, weight), style in zip(starts.items(), ("-", "--", ":"), strict=True):
        best = (weight * target).sum() / weight.sum()
        ax.axvline(best, linestyle=style, color=COLOURS["baseline" if name == "joint" else "meta"], linewidth=1)
        ax.text(best, 238, f"{name}\n{best:.1f}", ha="center", va="top", fontsize=8, backgroundcolor="white")
    ax.set(xlabel="start θ", ylabel="mean loss of the two tasks", ylim=(0, 250))
    ax.set_title(f"{steps} step{'s' * (steps > 1)} of size {rate:g}", fontsize=10)
    ax.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def explore_adaptation(starts, start="MAML", steps=1, shots=10):
    """Draw what a network predicts from one of `starts` after `steps` steps on `shots` points of a new sine wave.

    `starts` maps a name to a MetaLearner; the title carries the mean squared error on the whole wave.
    """
    x, points = torch.linspace(-5, 5, 101).unsqueeze(1), torch.rand(20, 1, generator=split_generator("test", 7))
    points = 10 * points[:shots] - 5
    truth, known = 3 * torch.sin(x - 1), 3 * torch.sin(points - 1)
    adapted = starts[start].adapt(points, known, num_steps=steps)
    found = starts[start].predict(adapted, x).detach()
    roles = {name: "meta" if name == "MAML" else "baseline" for name in starts}
    figure = fits({start: {"prediction": found}}, x, truth, points, known, roles)
    figure.set_size_inches(4.6, 3.0)
    error = float((found - truth).square().mean())
    figure.axes[0].set_title(f"{start}, {steps} steps on {shots} points: error {error:.2f}", fontsize=10)
    return figure
