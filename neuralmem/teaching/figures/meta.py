"""Meta-learning (chapter 5)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from ...metrics import confidence_interval
from ...worlds import split_generator
from .style import COLOURS, PAGE_WIDTH, BookFigure, new_figure

__all__ = [
    "few_shot_task",
    "explore_adaptation",
    "explore_start",
    "fits",
    "paired_differences",
    "starts_compared",
    "waves",
]


def waves(x: Any, y: Any, support_x: Any, support_y: Any) -> Figure:
    """Draw a family of functions y (K, n) over x (n,), the last one with the few points (k,) that are known of it."""
    figure, ax = new_figure(6.6, 2.8)
    lines = ax.plot(x, np.asarray(y)[:-1].T, color=COLOURS["baseline"], alpha=0.5, linewidth=1)
    lines[0].set_label("waves seen before")
    ax.plot(x, y[-1], color=COLOURS["ceiling"], linewidth=2, label="a new wave")
    ax.plot(support_x, support_y, "o", color="black", markersize=5, label="what is known of it")
    ax.set(xlabel="x", ylabel="y")
    ax.legend(fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def few_shot_task(support_x: Any, support_y: Any, query_x: Any, query_y: Any) -> Figure:
    """Draw the images of one task: a row a class, its support set left of a line and its query set right of it.

    support_x (n, side·side), support_y (n,) labels 0, 1, ...; the query set the same, with any number of rows.
    """
    labels = sorted(set(np.asarray(support_y).tolist()))
    rows = []
    for label in labels:
        parts = [np.asarray(x)[np.asarray(y) == label] for x, y in ((support_x, support_y), (query_x, query_y))]
        rows.append(parts)
    shots, asked = len(rows[0][0]), len(rows[0][1])
    widths = [1] * shots + [0.35] + [1] * asked
    size = 0.52 * (shots + asked) + 1.3, 0.56 * len(labels) + 0.5
    figure, axes = new_figure(*size, len(labels), shots + asked + 1, gridspec_kw={"width_ratios": widths})
    for line, (label, parts) in zip(np.atleast_2d(axes), zip(labels, rows, strict=True), strict=True):
        for ax in line:
            ax.axis("off")
        for place, image in enumerate((*parts[0], *parts[1])):
            side = int(round(len(image) ** 0.5))
            line[place + (place >= shots)].imshow(image.reshape(side, side), cmap="gray_r", vmin=0, vmax=1)
        line[0].text(-0.35, 0.5, f"class {label}", transform=line[0].transAxes, ha="right", va="center", fontsize=10)
    axes = np.atleast_2d(axes)
    axes[0, shots // 2].set_title("support: the label is given", fontsize=10)
    axes[0, shots + 1 + asked // 2].set_title("query: asked", fontsize=10)
    return figure


def paired_differences(samples: Mapping[str, Any], roles: Mapping[str, str], xlabel: str) -> Figure:
    """Draw for each method the differences from a reference, seed by seed, with mean and 95 % interval.

    `samples` maps a method to differences (seeds,), `roles` a method to COLOURS. The line at 0 is the reference.
    """
    figure, ax = new_figure(6.4, 0.34 * len(samples) + 0.9)
    ax.axvline(0, color="black", linewidth=1)
    for row, (name, values) in enumerate(samples.items()):
        mean, half = confidence_interval(np.asarray(values))
        colour = COLOURS[roles[name]]
        ax.errorbar(mean, row, xerr=half, fmt="o", color=colour, capsize=4, markersize=6)
        ax.plot(values, np.full(len(values), row + 0.28), "|", color=colour, markersize=7)
    ax.set_yticks(range(len(samples)), list(samples))
    ax.set(xlabel=xlabel)
    ax.grid(axis="x", alpha=0.3)
    ax.invert_yaxis()
    return figure


def fits(
    panels: Mapping[str, Any], x: Any, truth: Any, support_x: Any, support_y: Any, roles: Mapping[str, str]
) -> BookFigure:
    """Draw predictions (n,) over x (n,), a panel a start, beside the truth (n,) and the points (k,) adapted to.

    `panels` maps a start to a dict of label to predictions, at most three,
    drawn dotted, dashed, solid; `roles` a start to COLOURS.
    """
    width = min(2.6 * len(panels) + 0.6, PAGE_WIDTH)
    figure, axes = new_figure(width, 2.8, columns=len(panels), sharey=True, squeeze=False)
    for ax, (start, curves) in zip(axes[0], panels.items(), strict=True):
        ax.plot(x, truth, color="black", linewidth=3, alpha=0.25, label="truth")
        for (label, curve), style in zip(curves.items(), (":", "--", "-")[-len(curves) :], strict=True):
            ax.plot(x, curve, style, color=COLOURS[roles[start]], label=label)
        ax.plot(support_x, support_y, "o", color="black", markersize=4)
        ax.set(title=start, xlabel="x", ylim=(-6, 6))
        ax.legend(fontsize=7, loc="lower left")
    axes[0, 0].set_ylabel("y")
    return figure


def starts_compared(
    table: Mapping[str, Any], titles: Sequence[str], roles: Mapping[str, str], xlabel: str, **axes_settings: Any
) -> Figure:
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


def explore_start(rate: float = 0.1, steps: int = 1) -> Figure:
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
    best = {name: (weight * target).sum() / weight.sum() for name, weight in starts.items()}
    loss = {name: (curvature * (left * (best[name] - target)) ** 2).mean() for name in best}
    figure.seen = (
        f"Joint training starts at {best['joint']:.1f} and has a mean loss of {loss['joint']:.2f} after adapting; "
        f"MAML starts at {best['MAML']:.1f} and has {loss['MAML']:.2f}."
    )
    return figure


def explore_adaptation(starts: Mapping[str, Any], start: str = "MAML", steps: int = 1, shots: int = 10) -> Figure:
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
    many = f"{steps} step{'s' * (steps != 1)} on {shots} points"
    figure.axes[0].set_title(f"{start}, {many}: error {error:.2f}", fontsize=10)
    spread = float(truth.square().mean())
    verdict = "follows the wave" if error < 0.1 * spread else "is still far from the wave"
    if 0.1 * spread <= error < 0.4 * spread:
        verdict = "has the wave's shape and misses parts of it"
    figure.seen = f"From {start}, after {many}, the prediction {verdict}: its squared error is {error:.2f}."
    return figure
