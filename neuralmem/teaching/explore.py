"""An interactive figure: alive with a kernel, alive without one, still on paper."""

import base64
import io
import itertools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha1
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from .figures.style import SHARPNESS, pixels
from .mosaic import COLUMNS, SIDE, mosaic
from .progress import progress

MOST_FRAMES = 200
PLAYER = Template(Path(__file__).with_name("explorer.html").read_text(encoding="utf-8"))
SLIDER = Template(
    '<label><span>$name</span><input type="range" name="$name" min="0" max="$last" step="1" value="$index" '
    'autocomplete="off" data-values="$values" aria-valuetext="$value"$plays><span class="value">$value</span></label>'
)
BUTTONS = Template('<fieldset data-values="$values"><legend>$name</legend>$buttons</fieldset>')
BUTTON = Template(
    '<label><input type="radio" name="$group" value="$index" autocomplete="off"$checked><span>$value</span></label>'
)
PLAY = '<button type="button" disabled>Play</button>'


def _text(value):
    return f"{value:g}" if isinstance(value, float) else str(value)


def _webp(picture, method):
    """The bytes of a picture (H, W, 3) as WebP without loss, in base64; `method` is the pains taken, 0 to 6."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "WEBP", lossless=True, quality=100, method=method)
    return base64.b64encode(file.getvalue()).decode()


class Explorer:
    """What `explore` returns: widgets where a kernel runs, a player of stored frames elsewhere."""

    def __init__(
        self,
        function: Callable[..., Figure],
        start: Mapping[str, Any],
        play: str | None,
        names: Mapping[str, str],
        options: Mapping[str, Sequence[Any]],
    ) -> None:
        self.function, self.play, self.options = function, play, options
        self.start = {name: start.get(name, values[0]) for name, values in options.items()}
        self.names = {name: names.get(name, name.replace("_", " ")) for name in options}
        words = str(function.__doc__ or getattr(function, "__name__", "figure")).strip().split("\n\n")[0]
        label = " ".join(words.replace("`", "").split()).removeprefix("Draw ")
        self.label = label[:1].upper() + label[1:]

    def __repr__(self) -> str:
        frames = math.prod(map(len, self.options.values()))
        return f"Explorer({getattr(self.function, '__name__', 'function')}, {frames} frames)"

    def draw(self, **values: Any) -> tuple[NDArray[np.uint8], str]:
        """Call the function: its picture, an array (H, W, 3) of bytes, and what is seen in it."""
        figure = self.function(**values)
        if not isinstance(figure, Figure):
            raise TypeError(f"function must return a matplotlib Figure, got {type(figure).__name__} for {values}")
        drawn = pixels(figure)
        plt.close(figure)
        settings = ", ".join(f"{self.names[name]} {_text(value)}" for name, value in values.items())
        return drawn, getattr(figure, "seen", settings)

    def html(self) -> str:
        """Draw every combination of the options and return the player, a fragment of HTML that needs nothing else.

        It holds the picture that is shown first, and the tiles of which a script lays the others.
        """
        combinations = list(itertools.product(*self.options.values()))
        waiting = progress(combinations, "pictures")
        drawn = [self.draw(**dict(zip(self.options, values, strict=True))) for values in waiting]
        first = combinations.index(tuple(self.start.values()))
        shown, seen = drawn[first]
        tiles, changes = mosaic([picture for picture, _ in drawn])
        laid = _webp(tiles, method=6)
        key = sha1("".join([self.label, *self.names.values(), laid, json.dumps(changes)]).encode()).hexdigest()[:10]
        return PLAYER.substitute(
            key=key,
            label=escape(self.label),
            picture=_webp(shown, method=6),
            wide=shown.shape[1],
            high=shown.shape[0],
            width=shown.shape[1] // SHARPNESS,
            height=shown.shape[0] // SHARPNESS,
            seen=escape(seen),
            controls="\n".join(self._control(name, values, key) for name, values in self.options.items()),
            play=PLAY if self.play else "",
            tiles=laid,
            side=SIDE,
            columns=COLUMNS,
            changes=json.dumps(changes, separators=(",", ":")),
            said=json.dumps([seen for _, seen in drawn]).replace("<", "\\u003c"),
        )

    def _control(self, name, values, key):
        """The HTML of one option: a slider for quantities, buttons for choices."""
        texts, index = [_text(value) for value in values], values.index(self.start[name])
        quoted = {"name": escape(self.names[name]), "values": escape(json.dumps(texts))}
        if not _is_choice(values):
            plays = ' data-plays="yes"' if name == self.play else ""
            return SLIDER.substitute(quoted, value=escape(texts[index]), last=len(values) - 1, index=index, plays=plays)
        buttons = []
        for place, text in enumerate(texts):
            checked = " checked" if place == index else ""
            group = f"{key}-{escape(name)}"
            buttons.append(BUTTON.substitute(group=group, index=place, value=escape(text), checked=checked))
        return BUTTONS.substitute(quoted, buttons="".join(buttons))

    def widget(self) -> Any:
        """Return ipywidgets controls that call the function at each move, so that edited code shows."""
        import ipywidgets

        controls = {}
        wide = max(10, *(round(0.6 * len(name)) for name in self.names.values()))  # no word is cut off
        for name, values in self.options.items():
            kind = ipywidgets.ToggleButtons if _is_choice(values) else ipywidgets.SelectionSlider
            labelled = [(_text(value), value) for value in values]
            controls[name] = kind(options=labelled, value=self.start[name], description=self.names[name])
            controls[name].style.description_width = f"{wide}em"
            if kind is ipywidgets.SelectionSlider:
                controls[name].layout.width, controls[name].layout.max_width = "100%", "44em"
            else:
                controls[name].style.button_width = "auto"
        shown = ipywidgets.HTML()

        def show(_=None):
            values = {name: control.value for name, control in controls.items()}
            try:
                drawn, seen = self.draw(**values)
                source = "data:image/webp;base64," + _webp(drawn, method=0)
                height, width = (side // SHARPNESS for side in drawn.shape[:2])
                size = f'width="{width}" height="{height}" style="max-width: 100%; height: auto"'
                alt = escape(f"{self.label} {seen}")
                shown.value = f'<img src="{source}" alt="{alt}" {size}><p>{escape(seen)}</p>'
            except Exception as error:  # a reader's edit is in error: say so where the picture was
                shown.value = f"<pre>{escape(f'{type(error).__name__}: {error}')}</pre>"

        for control in controls.values():
            control.observe(show, "value")
        show()
        return ipywidgets.VBox([shown, *controls.values(), *self._play(controls)])

    def _play(self, controls):
        """The button that moves the option that stands for time, in a list; an empty list where there is none."""
        if self.play is None:
            return []
        import ipywidgets

        last = len(self.options[self.play]) - 1
        button = ipywidgets.Play(value=controls[self.play].index, min=0, max=last, interval=900, show_repeat=False)
        ipywidgets.jslink((button, "value"), (controls[self.play], "index"))
        return [button]

    def _repr_mimebundle_(self, include=None, exclude=None):
        bundle = {"text/plain": repr(self), "text/html": self.html()}
        try:
            return self.widget()._repr_mimebundle_() | bundle
        except ImportError:  # without ipywidgets the player serves the kernel, too
            return bundle


def _is_choice(values):
    """Whether an option's values are choices rather than quantities."""
    return any(isinstance(value, str | bool) for value in values)


def explore(
    function: Callable[..., Figure],
    start: Mapping[str, Any] | None = None,
    play: str | None = None,
    names: Mapping[str, str] | None = None,
    **options: Sequence[Any],
) -> Explorer:
    """Return an interactive figure: a slider for each option of numbers, buttons for each option of words.

    `function(**values)` draws one matplotlib Figure; if the Figure has an attribute `seen`, a sentence on what is to
    be seen in it, that sentence is shown below and read aloud. Each option is a list of values; `start` maps options to
    the values shown first (default: each list's first); `names` maps options to the words shown; `play` names the
    option that stands for time: a button moves it to its end. The first paragraph of the function's docstring is the
    picture's label. Raises TypeError for an option that is no list and a function that returns no Figure, ValueError
    for no options, an empty list, a start, name or play that is not among them, more than 200 combinations, and
    figures of different sizes.
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
        _known("start", name, options)
        if value not in options[name]:
            raise ValueError(f"start must hold a value of {name} ({options[name]}), got {value!r}")
    for name in names or {}:
        _known("names", name, options)
    if play is not None:
        _known("play", play, options)
        if _is_choice(options[play]):
            raise ValueError(f"play must name an option of numbers, got {play!r} with {options[play]}")
    frames = math.prod(map(len, options.values()))
    if frames > MOST_FRAMES:
        raise ValueError(f"options must have at most {MOST_FRAMES} combinations, got {frames}: shorten a list")
    return Explorer(function, start or {}, play, names or {}, options)


def _known(argument, name, options):
    """Raise unless `name` is one of the options."""
    if name not in options:
        raise ValueError(f"{argument} must name options only ({', '.join(options)}), got {name!r}")
