"""One function per kind of figure: arrays in, a matplotlib Figure out.

The same colour means the same thing in the whole book (Okabe-Ito colours, told apart by colour-blind readers).
"""

import matplotlib.pyplot as plt
import numpy as np
import torch

from . import addressing as A
from .bank import erase_and_add
from .metrics import confidence_interval
from .tasks import function_pairs, split_generator

COLOURS = {
    "memory": "#0072B2",
    "replay": "#E69F00",
    "meta": "#009E73",
    "full": "#D55E00",
    "baseline": "#6E6E6E",
    "ceiling": "#CC79A7",
}
"""Hex colour of each role."""


def new_figure(width=6.0, height=3.2, rows=1, columns=1, **kwargs):
    """Return (figure, axes) on an opaque white background, closed so that it is shown only where it is returned.

    `width` and `height` are in inches; other arguments go to `plt.subplots`.
    """
    figure, axes = plt.subplots(rows, columns, figsize=(width, height), layout="constrained", **kwargs)
    figure.set_facecolor("white")
    plt.close(figure)
    return figure, axes


# Addressing and the bank: chapters 1 and 2


def heatmap(matrix, title="", xlabel="slot", ylabel="", ax=None, value_range=(None, None)):
    """Draw a matrix (rows, columns) as a heat map with a colour bar and return its Figure."""
    figure, ax = new_figure() if ax is None else (ax.figure, ax)
    low, high = value_range
    image = ax.imshow(np.asarray(matrix), aspect="auto", cmap="viridis", interpolation="nearest", vmin=low, vmax=high)
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel)
    figure.colorbar(image, ax=ax)
    return figure


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


def measured_curves(panels, xlabel, ylabel, roles=None, **axes_settings):
    """Draw means over seeds with 95 % bands against x, one panel a title, and return the Figure.

    `panels` maps a title to (x, curves) and `curves` a label to samples (seeds, X), or to a closed form (X,), drawn
    dashed; `roles` maps a label to a role of COLOURS. Other arguments go to `Axes.set`.
    """
    figure, axes = new_figure(4.2 * len(panels) + 0.6, 3.2, columns=len(panels), sharey=True, squeeze=False)
    for ax, (title, (x, curves)) in zip(axes[0], panels.items(), strict=True):
        for (label, samples), marker in zip(curves.items(), "osv^Dxos", strict=False):
            samples = np.asarray(samples, dtype=float)
            colour = COLOURS.get((roles or {}).get(label, "memory" if samples.ndim > 1 else ""), "black")
            if samples.ndim == 1:
                ax.plot(x, samples, "--", color=colour, label=label, linewidth=1.2)
                continue
            mean, half = confidence_interval(samples)
            ax.plot(x, mean, marker=marker, markersize=4, color=colour, label=label)
            ax.fill_between(x, mean - half, mean + half, color=colour, alpha=0.2, linewidth=0)
        ax.set(title=title, xlabel=xlabel, **axes_settings)
    axes[0, 0].set_ylabel(ylabel)
    max(axes[0][::-1], key=lambda ax: len(ax.lines)).legend(fontsize=8)
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


# The controller: chapter 3


def strips(panels, title="", marks=()):
    """Draw arrays (T, K) below each other against time, one a title, and return the Figure.

    `marks` are times at which a thin line is drawn through all panels.
    """
    panels = {key: np.asarray(panel, dtype=float).reshape(len(panel), -1) for key, panel in panels.items()}
    heights = [max(0.35, min(1.7, 0.13 * panel.shape[1])) for panel in panels.values()]
    size = 6.6, sum(heights) + 0.32 * len(heights) + 0.5
    figure, axes = new_figure(*size, rows=len(panels), sharex=True, squeeze=False, height_ratios=heights)
    for ax, (key, panel) in zip(axes[:, 0], panels.items(), strict=True):
        low, high = min(0, panel.min()), max(1, panel.max())
        ax.imshow(panel.T, aspect="auto", cmap="viridis", interpolation="nearest", vmin=low, vmax=high)
        for mark in marks:
            ax.axvline(mark - 0.5, color="white", linewidth=1)
        ax.set_title(key, fontsize=9, loc="left")
        ax.set_yticks([])
    axes[-1, 0].set_xlabel("time step")
    axes[-1, 0].xaxis.get_major_locator().set_params(integer=True)
    figure.suptitle(title, fontsize=10)
    return figure


def learning_curves(curves, roles, xlabel, ylabel="bits a sequence", bar=None):
    """Draw one thin line a run, on a logarithmic axis, and return the Figure.

    `curves` maps a label to a list of (x, y) arrays, one a seed; `bar` is drawn as a dashed line.
    """
    figure, ax = new_figure(6, 3.2)
    for (label, runs), style in zip(curves.items(), ["-", "--", ":", "-."], strict=False):
        for number, (x, y) in enumerate(runs):
            ax.plot(x, y, style, color=COLOURS[roles[label]], linewidth=1.1, label=None if number else label)
    if bar is not None:
        ax.axhline(bar, color="black", linestyle=(0, (1, 3)), linewidth=1)
    ax.set(xlabel=xlabel, ylabel=ylabel, yscale="log")
    ax.legend(fontsize=8)
    return figure


def explore_trace(trace, step=1, row=0):
    """Draw where a trained network writes and reads until time `step`; `trace` as a controller returns it."""
    shown = {"written at": trace["write_weightings"][:, row, 0], "read at": trace["read_weightings"][:, row, 0]}
    panels = {key: value.clone().detach() for key, value in shown.items()}
    for panel in panels.values():
        panel[step:] = 0
    return strips(panels, f"after step {step} of {len(panels['read at'])}", [step])


# Replay and forgetting: chapter 4


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


# Meta-learning: chapter 5


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


# The demo and the agent: chapters 0 and 6


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


def episode_strip(x, y, names=("store | ask", "cue", "symbol", "answer"), widths=(2, 6, 16, 3)):
    """Draw an episode of cue-value recall, a column a step: x (T, D) above, y (T, bits) below. Returns the Figure."""
    figure, ax = new_figure(6.4, 4.2)
    rows = np.concatenate([np.asarray(x), np.asarray(y)], axis=1).T
    ax.imshow(rows, cmap="cividis", vmin=-1, vmax=1, aspect="auto", interpolation="nearest")
    edges = np.cumsum((0, *widths))
    ax.hlines(edges[1:-1] - 0.5, -0.5, rows.shape[1] - 0.5, color="white", linewidth=4)
    ax.set_yticks((edges[:-1] + edges[1:] - 1) / 2, names)
    ax.set_xticks(range(rows.shape[1]), [("store", "ask")[int(step)] for step in rows[1]], rotation=90, fontsize=8)
    ax.set_xlabel("steps of the episode, in order")
    return figure


def ablation_intervals(table, titles, roles, xlabel="share of wrong bits"):
    """Draw each method's mean, 95 % interval and seeds, a panel a quantity, and return the Figure.

    `table` maps a method to samples (seeds, quantities); `titles` name the quantities; `roles` map methods to COLOURS.
    """
    figure, axes = new_figure(7.6, 0.36 * len(table) + 1.0, columns=len(titles), sharey=True)
    for column, (ax, title) in enumerate(zip(axes, titles, strict=True)):
        for row, (method, samples) in enumerate(table.items()):
            values, colour = np.asarray(samples)[:, column], COLOURS[roles[method]]
            mean, half = confidence_interval(values)
            ax.errorbar(mean, row, xerr=half, fmt="o", color=colour, capsize=4, markersize=6)
            ax.plot(values, np.full(len(values), row + 0.25), "|", color=colour, markersize=7)
        ax.set(title=title, xlim=(0, 0.55), xlabel=xlabel)
        ax.axvline(0.5, color="black", linestyle=":", linewidth=1)
    axes[0].set_yticks(range(len(table)), list(table))
    axes[0].invert_yaxis()
    return figure


def switch_curves(curves, visits, roles):
    """Draw the error through a life with 95 % bands: `curves` maps a method to samples (seeds, looks).

    `visits` lists the seasons visited, each with as many looks; dotted lines mark the changes. Returns the Figure.
    """
    figure, ax = new_figure(7.4, 3.2)
    for (method, samples), style in zip(curves.items(), ("-", "--", "-.", ":"), strict=False):
        mean, half = confidence_interval(samples)
        at = np.arange(len(mean)) * len(visits) / len(mean)
        ax.plot(at, mean, style, color=COLOURS[roles[method]], label=method)
        ax.fill_between(at, mean - half, mean + half, color=COLOURS[roles[method]], alpha=0.2, linewidth=0)
    for visit in range(1, len(visits)):
        ax.axvline(visit, color="black", linestyle=":", linewidth=1)
    ax.set_xticks(np.arange(len(visits)) + 0.5, [f"season {season + 1}" for season in visits])
    ax.set(ylabel="share of wrong bits", ylim=(0, 0.55))
    ax.legend(fontsize=8, ncols=len(curves), loc="upper center")
    return figure


def explore_life(lives, method="full", visit=0, role="full"):
    """Draw, after one visit of a method's lives, the error on every season, and episode by episode in its own.

    Visits and seasons count from 0 as `lives` does, and from 1 in the picture; `role` names one of COLOURS.
    """
    colour = COLOURS[role]
    seasons, own = (np.array([life[key][visit] for life in lives[method]]) for key in ("R", "prequential"))
    figure, axes = new_figure(6.4, 2.9, columns=2, sharey=True)
    mean, half = confidence_interval(seasons)
    axes[0].bar(range(1, len(mean) + 1), mean, yerr=half, color=colour, capsize=4)
    axes[0].set(title=f"{method}, after visit {visit + 1}", xlabel="season", ylabel="wrong bits", ylim=(0, 0.6))
    mean, half = confidence_interval(own)
    axes[1].errorbar(np.arange(1, len(mean) + 1), mean, half, fmt="o-", color=colour, capsize=4)
    axes[1].set(title="in this season", xlabel="episode of a new session")
    return figure
