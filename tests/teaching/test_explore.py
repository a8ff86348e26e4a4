"""The explorer's contract: both faces, its errors, and pages that hold several."""

import base64
import io
import json
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from neuralmem.teaching.explore import explore
from neuralmem.teaching.mosaic import mosaic


def bars(height=1.0, name="one"):
    """Draw two bars, the second of the given `height`.

    Nothing of this second paragraph belongs into the alternative text.
    """
    figure, ax = plt.subplots(figsize=(2, 1))
    ax.bar([0, 1], [1, height])
    ax.set_title(name)
    return figure


def stored(page, name):
    return json.loads(re.search(rf'class="{name}">(.*?)</script>', page).group(1))


def image(address):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))).convert("RGB"))


def test_the_player_holds_a_frame_for_each_combination_and_opens_at_the_start():
    explorer = explore(bars, start={"height": 3.0}, height=[1.0, 2.0, 3.0], name=["one", "two"])
    page = explorer.html()
    tiles = stored(page, "tiles")
    wanted = [explorer.draw(height=h, name=n)[0] for h in (1.0, 2.0, 3.0) for n in ("one", "two")]
    assert len({picture.tobytes() for picture in wanted}) == 6 and wanted[0].shape == (200, 400, 3)
    held, changes = mosaic(wanted)
    assert (image(tiles["source"]) == held).all() and tiles["changes"] == changes
    assert (image(re.search(r'<img src="([^"]*)', page).group(1)) == wanted[4]).all()
    assert 'width="200" height="100" alt="Two bars, the second of the given height. height 3, name one"' in page


def test_numbers_get_a_slider_and_words_get_buttons():
    names = ["one", "two", "<b>"]
    page = explore(bars, height=[1.0, 2.5], name=names, names={"height": "height of the second"}).html()
    slider = r"<label><span>([\w ]+)</span><input type=\"range\".*?max=\"(\d)\".*?class=\"value\">(.*?)</span></label>"
    assert re.findall(slider, page) == [("height of the second", "1", "1")]
    assert re.findall(r"<legend>(\w+)</legend>", page) == ["name"] and page.count('type="radio"') == 3
    assert re.findall(r'type="radio"[^>]* value="(\d)"[^>]* checked', page) == ["0"]
    assert 'role="group"' in page and "aria-label=" in page and "<b>" not in page


def test_what_is_seen_is_said_for_each_frame():
    def seen(height):
        figure = bars(height)
        figure.seen = f"The second bar is {height:g} times as high, </script> or so."
        return figure

    page = explore(seen, height=[1.0, 2.0]).html()
    assert stored(page, "said") == [seen(1.0).seen, seen(2.0).seen]
    assert page.count("The second bar is 1 times") == 4  # below the picture, for those who hear it, and in the list


def test_there_is_a_play_button_only_where_an_option_stands_for_time():
    assert "<button" not in explore(bars, height=[1.0, 2.0]).html()
    page = explore(bars, play="height", height=[1.0, 2.0], name=["one", "two"]).html()
    assert page.count("<button") == 1 and page.count("data-plays=") == 1


def test_a_viewer_that_runs_no_script_shows_no_live_button_and_says_what_to_do():
    """JupyterLab takes style and script out of a notebook that it does not trust."""
    html = explore(bars, play="height", height=[1.0, 2.0]).html()
    bare = re.sub(r"<(style|script).*?</\1>", "", html, flags=re.S)
    assert '<button type="button" disabled>Play' in bare and "trust this notebook" in bare
    assert ".asleep) {display: none}" in html and "button.disabled = false" in html


def test_the_player_needs_nothing_else_and_the_same_call_gives_the_same_bytes():
    page = explore(bars, height=[1.0, 2.0]).html()
    assert not re.search(r"https?://|<link|<script src|import ", page)
    assert page == explore(bars, height=[1.0, 2.0]).html()
    other = explore(bars, height=[1.0, 3.0]).html()
    assert re.search(r'data-explorer="(\w+)"', page).group(1) not in other


def test_figures_are_closed_so_that_a_page_of_explorers_does_not_fill_memory():
    before = plt.get_fignums()
    explore(bars, height=[1.0, 2.0]).html()
    assert plt.get_fignums() == before


def test_a_live_control_calls_the_function_itself():
    pytest.importorskip("ipywidgets")
    called = []

    def spy(height):
        called.append(height)
        return bars(height)

    picture, slider = explore(spy, height=np.array([1.0, 2.0, 3.0])).widget().children
    first = picture.value
    slider.value = 3.0
    assert called == [1.0, 3.0]
    assert picture.value != first and "height 3" in picture.value


def test_the_live_face_has_a_play_button_where_the_stored_one_has():
    pytest.importorskip("ipywidgets")
    *_, slider, button = explore(bars, {"height": 2.0}, play="height", height=[1.0, 2.0, 3.0]).widget().children
    assert type(button).__name__ == "Play" and (button.min, button.value, button.max) == (0, 1, 2)
    assert type(slider).__name__ == "SelectionSlider" and slider.index == 1
    assert len(explore(bars, height=[1.0, 2.0]).widget().children) == 2


def test_a_live_control_has_room_for_its_words():
    pytest.importorskip("ipywidgets")
    words = "the height of the bar, in units of its width"
    _, slider = explore(bars, height=[1.0, 2.0], names={"height": words}).widget().children
    assert float(slider.style.description_width.removesuffix("em")) >= len(words) / 2
    *_, buttons = explore(bars, height=[1.0], name=["one", words]).widget().children
    assert buttons.style.button_width == "auto"


def test_a_live_control_shows_the_error_of_a_function_that_a_reader_broke():
    pytest.importorskip("ipywidgets")

    def broken(height):
        if height > 1:
            raise ZeroDivisionError("no <such> height")
        return bars(height)

    picture, slider = explore(broken, height=[1, 2]).widget().children
    slider.value = 2
    assert "ZeroDivisionError: no &lt;such&gt; height" in picture.value


def test_the_cell_holds_both_faces():
    bundle = explore(bars, height=[1.0, 2.0])._repr_mimebundle_()
    assert bundle["text/plain"] == "Explorer(bars, 2 frames)"
    assert "<input" in bundle["text/html"]
    pytest.importorskip("ipywidgets")
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_without_ipywidgets_the_player_is_shown(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ipywidgets", None)
    assert set(explore(bars, height=[1.0])._repr_mimebundle_()) == {"text/plain", "text/html"}


ERROR_CASES = [
    ("no function", lambda: explore("bars", height=[1]), TypeError, ["function", "callable", "str"]),
    ("no options", lambda: explore(bars), ValueError, ["options", "at least one", "none"]),
    ("empty list", lambda: explore(bars, height=[]), ValueError, ["height", "at least one", "empty"]),
    ("a number for a list", lambda: explore(bars, height=3), TypeError, ["height", "list", "3"]),
    ("a string for a list", lambda: explore(bars, name="one"), TypeError, ["name", "list", "'one'"]),
    ("start of no option", lambda: explore(bars, start={"wide": 1}, height=[1]), ValueError, ["start", "wide"]),
    ("start not listed", lambda: explore(bars, start={"height": 9}, height=[1]), ValueError, ["start", "height", "9"]),
    ("name of no option", lambda: explore(bars, names={"wide": "w"}, height=[1]), ValueError, ["names", "wide"]),
    ("play of no option", lambda: explore(bars, play="wide", height=[1]), ValueError, ["play", "wide"]),
    ("play of words", lambda: explore(bars, play="name", name=["a", "b"]), ValueError, ["play", "numbers", "name"]),
    ("too many frames", lambda: explore(bars, height=range(15), name=["a"] * 15), ValueError, ["200", "225"]),
    ("no Figure", lambda: explore(lambda height: height, height=[1]).html(), TypeError, ["function", "Figure", "int"]),
]


@pytest.mark.parametrize(("label", "call", "kind", "words"), ERROR_CASES)
def test_errors_name_what_came_and_what_was_expected(label, call, kind, words):
    with pytest.raises(kind) as caught:
        call()
    assert all(word in str(caught.value) for word in words), caught.value
