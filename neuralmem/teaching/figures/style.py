"""The common style: one meaning for each colour, sharp pictures, and the axes every subject uses."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any, cast

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from ...metrics import confidence_interval
from ..progress import shell

__all__ = [
    "COLOURS",
    "PAGE_WIDTH",
    "heatmap",
    "measured_curves",
    "new_figure",
    "picture",
    "pixels",
]


COLOURS = {
    "memory": "#0072B2",
    "replay": "#E69F00",
    "meta": "#009E73",
    "full": "#D55E00",
    "baseline": "#6E6E6E",
    "ceiling": "#CC79A7",
}
"""Hex colour of each role."""


SHARPNESS = 2
"""Pixels of a stored picture for each pixel of the page, so that it is sharp on a high-density screen."""


PAGE_WIDTH = 7.4
"""Inches of the page's column, 740 of its pixels: what is drawn wider would be shown smaller than it was drawn."""


class BookFigure(Figure):
    """A Figure that a notebook shows sharp and small: twice the pixels of its size, at most 256 colours."""

    seen: str
    """Where it is set: a sentence on what is to be seen, which an explorer shows and reads aloud."""

    def __repr__(self):
        return super().__repr__().replace("BookFigure", "Figure")

    def _repr_mimebundle_(self, include=None, exclude=None):
        data, size = _png(self)
        return {"image/png": data, "text/plain": repr(self)}, {"image/png": size}


def _png(figure):
    """The picture of a BookFigure for a notebook, in base64, and the size at which it is shown, in pixels."""
    width, height = (round(side) for side in figure.get_size_inches() * figure.dpi)
    return base64.b64encode(picture(figure)).decode(), {"width": width, "height": height}


def _show_sharp():
    """Register the sharp picture with IPython, if it runs: the coarse one that pyplot registers would come first."""
    reader = shell()
    if reader is not None:
        reader.display_formatter.formatters["image/png"].for_type(BookFigure, _png)


def pixels(figure: Figure) -> NDArray[np.uint8]:
    """Draw any Figure as an array (H, W, 3) of bytes, SHARPNESS times its size on the page."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=SHARPNESS * 100, facecolor="white")
    return np.asarray(Image.open(drawn).convert("RGB"))


def picture(figure: Figure) -> bytes:
    """Draw any Figure as the bytes of a PNG of at most 256 colours, SHARPNESS times its size on the page."""
    small = io.BytesIO()
    Image.fromarray(pixels(figure)).quantize(256, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    return small.getvalue()


def new_figure(
    width: float = 6.0, height: float = 3.2, rows: int = 1, columns: int = 1, **kwargs: Any
) -> tuple[BookFigure, Any]:
    """Return (figure, axes) on an opaque white background, closed so that it is shown only where it is returned.

    `width` and `height` are in inches; other arguments go to `plt.subplots`. Raises ValueError for a figure that is
    wider than the page's column.
    """
    if width > PAGE_WIDTH:
        raise ValueError(f"width must be at most {PAGE_WIDTH} inches, the page's column, got {width:g}")
    settings: dict[str, Any] = {"figsize": (width, height), "layout": "constrained", "dpi": 100}
    settings |= {"FigureClass": BookFigure, **kwargs}
    drawn, axes = plt.subplots(rows, columns, **settings)
    figure = cast(BookFigure, drawn)
    figure.set_facecolor("white")
    plt.close(figure)
    _show_sharp()
    return figure, axes


def heatmap(
    matrix: ArrayLike,
    title: str = "",
    xlabel: str = "slot",
    ylabel: str = "",
    ax: Axes | None = None,
    value_range: tuple[float | None, float | None] = (None, None),
) -> Figure:
    """Draw a matrix (rows, columns) as a heat map with a colour bar and return its Figure."""
    figure, ax = new_figure() if ax is None else (cast(BookFigure, ax.figure), ax)
    low, high = value_range
    image = ax.imshow(np.asarray(matrix), aspect="auto", cmap="viridis", interpolation="nearest", vmin=low, vmax=high)
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel)
    figure.colorbar(image, ax=ax)
    return figure


def measured_curves(
    panels: Mapping[str, tuple[Sequence[float], Mapping[str, ArrayLike]]],
    xlabel: str,
    ylabel: str,
    roles: Mapping[str, str] | None = None,
    **axes_settings: Any,
) -> Figure:
    """Draw means over seeds with 95 % bands against x, one panel a title, and return the Figure.

    `panels` maps a title to (x, curves) and `curves` a label to samples (seeds, X), or to a closed form (X,), drawn
    dashed; `roles` maps a label to a role of COLOURS. Other arguments go to `Axes.set`.
    """
    width = min(4.2 * len(panels) + 0.6, PAGE_WIDTH)
    figure, axes = new_figure(width, 3.2, columns=len(panels), sharey=True, squeeze=False)
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
