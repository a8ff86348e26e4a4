"""An interactive figure: alive with a kernel, alive without one, still on paper.

Its button plays the slider that was moved last, the first one at the start; in a cell tagged `play` it starts so.
"""

import base64
import io
import itertools
import json
import math
from hashlib import sha1
from html import escape
from pathlib import Path
from string import Template

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from PIL import Image

MOST_FRAMES = 200
PLAYER = Template(Path(__file__).with_name("explorer.html").read_text(encoding="utf-8"))
CONTROL = Template(
    '<label><span>$name</span><input type="range" name="$name" min="0" max="$last" step="1" value="$index" '
    'autocomplete="off" data-values="$values" aria-valuetext="$value"><output>$value</output></label>'
)


def _text(value):
    return f"{value:g}" if isinstance(value, float) else str(value)


class Explorer:
    """What `explore` returns: widgets where a kernel runs, a player of stored frames elsewhere."""

    def __init__(self, function, start, options):
        self.function, self.options = function, options
        self.start = {name: start.get(name, values[0]) for name, values in options.items()}
        words = (function.__doc__ or getattr(function, "__name__", "figure")).strip().split("\n\n")[0]
        label = " ".join(words.replace("`", "").split()).removeprefix("Draw ")
        self.label = label[:1].upper() + label[1:]

    def __repr__(self):
        frames = math.prod(map(len, self.options.values()))
        return f"Explorer({getattr(self.function, '__name__', 'function')}, {frames} frames)"

    def png(self, **values):
        """Call the function and return its Figure as the bytes of a small PNG (128 colours)."""
        figure = self.function(**values)
        if not isinstance(figure, Figure):
            raise TypeError(f"function must return a matplotlib Figure, got {type(figure).__name__} for {values}")
        drawn, small = io.BytesIO(), io.BytesIO()
        figure.savefig(drawn, format="png", dpi=100, facecolor="white")
        plt.close(figure)
        Image.open(drawn).convert("RGB").quantize(128, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
        return small.getvalue()

    def alt(self, values):
        """Return the alternative text of the picture drawn for `values`."""
        return f"{self.label} Here: " + ", ".join(f"{name} = {_text(value)}" for name, value in values.items()) + "."

    def html(self):
        """Draw every combination of the options and return the player, a fragment of HTML that needs nothing else."""
        combinations = list(itertools.product(*self.options.values()))
        pictures = [self.png(**dict(zip(self.options, values, strict=True))) for values in combinations]
        frames = [base64.b64encode(picture).decode() for picture in pictures]
        controls = []
        for name, values in self.options.items():
            texts, index = [_text(value) for value in values], values.index(self.start[name])
            quoted = {"name": escape(name), "value": escape(texts[index]), "values": escape(json.dumps(texts))}
            controls.append(CONTROL.substitute(quoted, last=len(values) - 1, index=index))
        return PLAYER.substitute(
            key=sha1("".join([self.label, *controls, *frames]).encode()).hexdigest()[:10],
            label=escape(self.label),
            source="data:image/png;base64," + frames[combinations.index(tuple(self.start.values()))],
            alt=escape(self.alt(self.start)),
            controls="\n".join(controls),
            frames=json.dumps(frames),
        )

    def widget(self):
        """Return ipywidgets controls that call the function at each move, so that edited code shows."""
        import ipywidgets

        sliders = {}
        for name, values in self.options.items():
            labelled = [(_text(value), value) for value in values]
            sliders[name] = ipywidgets.SelectionSlider(options=labelled, value=self.start[name], description=name)
            sliders[name].style.description_width = "8em"
        picture = ipywidgets.HTML()

        def show(_=None):
            values = {name: slider.value for name, slider in sliders.items()}
            try:
                source = base64.b64encode(self.png(**values)).decode()
                picture.value = f'<img src="data:image/png;base64,{source}" alt="{escape(self.alt(values))}">'
            except Exception as error:  # a reader's edit is in error: say so where the picture was
                picture.value = f"<pre>{escape(f'{type(error).__name__}: {error}')}</pre>"

        for slider in sliders.values():
            slider.observe(show, "value")
        show()
        return ipywidgets.VBox([picture, *sliders.values()])

    def _repr_mimebundle_(self, include=None, exclude=None):
        bundle = {"text/plain": repr(self), "text/html": self.html()}
        try:
            return self.widget()._repr_mimebundle_() | bundle
        except ImportError:  # without ipywidgets the player serves the kernel, too
            return bundle


def explore(function, start=None, **options):
    """Return an interactive figure: one slider an option, each option a list of values.

    `function(**values)` draws one matplotlib Figure; `start` maps options to the values shown first (default: each
    list's first). The first paragraph of the function's docstring is the picture's alternative text. Raises TypeError
    for an option that is no list and a function that returns no Figure, ValueError for no options, an empty list, a
    start value that is not in its list, and more than 200 combinations.
    """
    if not callable(function):
        raise TypeError(f"function must be callable, got {type(function).__name__}")
    if not options:
        raise ValueError("options must name at least one list of values, got none")
    for name, values in options.items():
        if isinstance(values, str) or not hasattr(values, "__len__"):
            raise TypeError(f"{name} must be a list of values, got {values!r}")
        if len(values) == 0:
            raise ValueError(f"{name} must hold at least one value, got an empty list")
    options = {name: values.tolist() if hasattr(values, "tolist") else list(values) for name, values in options.items()}
    for name, value in (start or {}).items():
        if name not in options:
            raise ValueError(f"start must name options only ({', '.join(options)}), got {name!r}")
        if value not in options[name]:
            raise ValueError(f"start must hold a value of {name} ({options[name]}), got {value!r}")
    frames = math.prod(map(len, options.values()))
    if frames > MOST_FRAMES:
        raise ValueError(f"options must have at most {MOST_FRAMES} combinations, got {frames}: shorten a list")
    return Explorer(function, start or {}, options)
