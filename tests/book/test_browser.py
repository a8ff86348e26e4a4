"""The book in a browser, opened from files, with no network: what a reader sees and does."""

import base64
import io
import re

import numpy as np
import pytest
from conftest import chapter_paths
from PIL import Image

from neuralmem.teaching.explore import explore
from neuralmem.teaching.figures.style import new_figure


class Visit:
    """A page with what it asked for and what it complained about."""

    def __init__(self, browser, **settings):
        self.context = browser.new_context(offline=True, **settings)
        self.page = self.context.new_page()
        self.outside, self.complaints = [], []
        self.page.on("request", self._requested)
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _requested(self, request):
        if not re.match(r"(file|data|blob|about):", request.url):
            self.outside.append(request.url)

    def _said(self, message):
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def open(self, path):
        self.page.goto(path.as_uri(), wait_until="load")
        return self.page

    def close(self):
        self.context.close()


@pytest.fixture
def visit(browser):
    visits = []

    def new(**settings):
        visits.append(Visit(browser, **settings))
        return visits[-1]

    yield new
    for one in visits:
        one.close()


def picture(explorer):
    """The picture that an explorer shows, as the reader sees it once it has come."""
    explorer.scroll_into_view_if_needed()  # one that is out of sight may not have been asked for yet
    explorer.locator(".picture img").evaluate_all("pictures => Promise.all(pictures.map(one => one.decode()))")
    return explorer.locator(".picture").screenshot()


def moved(page, explorer):
    """Move the explorer's first knob, and wait until the tiles have come of which its pictures are laid."""
    explorer.locator("input").first.focus()
    for key in ("End", "Home", "ArrowRight", "ArrowLeft"):
        page.keyboard.press(key)
    explorer.locator("canvas").wait_for()


@pytest.mark.parametrize("path", chapter_paths(), ids=lambda path: path.stem)
def test_explorers_move_by_keyboard(path, visit, html_root):
    page = visit().open(html_root / "book" / f"{path.stem}.html")
    explorers = page.locator(".explorer")
    assert explorers.count() >= 1
    for number in range(explorers.count()):
        explorer = explorers.nth(number)
        rest = [explorers.nth(i) for i in range(explorers.count()) if i != number]
        before = [picture(other) for other in rest]
        moved(page, explorer)
        for control in explorer.locator("input[type=range]").all():
            last, seen = int(control.get_attribute("max")), set()
            control.focus()
            page.keyboard.press("Home")
            for _ in range(last + 1):
                seen.add(picture(explorer))
                said = control.locator("xpath=..").locator(".value").inner_text()
                assert said == control.get_attribute("aria-valuetext")
                label = explorer.locator("canvas").get_attribute("aria-label")
                assert explorer.locator(".seen").inner_text() in label
                page.keyboard.press("ArrowRight")
            assert last == 0 or len(seen) > 1, f"{control.get_attribute('name')} moves and the picture stands still"
        for choice in explorer.locator("fieldset").all():
            seen = set()
            for button in choice.locator("input").all():
                button.focus()
                page.keyboard.press("Space")
                seen.add(picture(explorer))
            assert len(seen) > 1, f"the buttons {choice.inner_text()!r} change nothing"
        still = [one == picture(other) for one, other in zip(before, rest, strict=True)]
        assert all(still), "another explorer moved, too"


def test_the_pictures_that_an_explorer_lays_are_exactly_those_that_were_drawn(visit):
    """Differences laid over the first picture once let its letters and bars shine through."""

    def bars(height, name):
        figure, ax = new_figure(3, 2)
        ax.bar([0, 1, 2], [1, height, height**2], color=["C0", "C1", "C2"])
        ax.set_title(f"{name}, {height}")
        return figure

    knobs = {"height": [0.5, 1.0, 1.7], "name": ["one", "two"]}
    explorer = explore(bars, {"height": 1.0}, **knobs)
    page = visit().page
    page.set_content(explorer.html())
    for place, height in enumerate(knobs["height"]):
        for choice, name in enumerate(knobs["name"]):
            page.evaluate("place => { document.querySelector('[type=range]').value = place }", place)
            page.locator("[type=radio]").nth(choice).check(force=True)
            page.locator("[type=range]").dispatch_event("input")
            page.locator("canvas").wait_for()
            seen = page.evaluate("() => document.querySelector('canvas').toDataURL().split(',')[1]")
            laid = np.asarray(Image.open(io.BytesIO(base64.b64decode(seen))).convert("RGB"))
            assert (laid == explorer.draw(height=height, name=name)[0]).all(), f"{name}, {height}"


def test_without_javascript_an_explorer_is_a_picture_without_knobs(visit, html_root):
    page = visit(java_script_enabled=False).open(html_root / "book" / "05_maml.html")
    for explorer in page.locator(".explorer").all():
        assert explorer.locator("img").is_visible() and explorer.locator(".seen").is_visible()
        assert not any(knob.is_visible() for knob in explorer.locator("input, fieldset, button, canvas").all())


def test_an_explorer_plays_to_its_end_and_pauses(visit, html_root):
    playing = visit()
    page = playing.open(html_root / "book" / "02_bank.html")
    explorer = page.locator(".explorer:has(button)").first
    said, button = explorer.locator(".seen"), explorer.locator("button")
    assert button.inner_text() == "Play"
    moved(page, explorer)
    before = picture(explorer)
    words = said.inner_text()
    button.click()
    page.wait_for_function("([seen, words]) => seen.innerText !== words", arg=[said.element_handle(), words])
    assert button.inner_text() == "Pause" and picture(explorer) != before
    time = explorer.locator("[data-plays]")
    time.focus()
    page.keyboard.press("End")
    assert button.inner_text() == "Play"
    still = picture(explorer)
    page.wait_for_timeout(1200)
    assert picture(explorer) == still, "a reader moved the slider, and it went on playing"
    page.keyboard.press("ArrowLeft")
    button.click()
    page.wait_for_timeout(1200)
    assert button.inner_text() == "Play" and time.input_value() == time.get_attribute("max"), "it did not stop"
    assert playing.complaints == []


@pytest.mark.parametrize(("motion", "moves"), [("no-preference", True), ("reduce", False)])
def test_the_landing_page_moves_unless_the_reader_asked_for_stillness(motion, moves, visit, html_root):
    page = visit(reduced_motion=motion).open(html_root / "book" / "index.html")
    explorer = page.locator(".explorer").first
    before = picture(explorer)
    page.wait_for_timeout(1500)
    assert (picture(explorer) != before) == moves


@pytest.mark.parametrize(
    ("words", "title", "page"),
    [
        ("importance weight", "importance weight", "glossary"),
        ("allocation", "", "01_addressing"),
        ("Meta-SGD", "", "05_maml"),
        ("reservoir", "", "04_replay"),
        ("β", "", "01_addressing"),
    ],
)
def test_search_finds_the_place_and_marks_the_words_there(words, title, page, visit, html_root):
    """From a file: sections with excerpts, definitions first, the words marked in the excerpt and on arrival."""
    search = visit()
    search.page.goto((html_root / "search.html").as_uri() + f"?q={words}")
    search.page.wait_for_selector("#search-results li")
    hits = search.page.locator("#search-results li")
    links = [hit.locator("a") for hit in hits.all()]
    addresses = [link.get_attribute("href") for link in links]
    assert any(page in address for address in addresses[:3]), addresses[:3]
    assert not title or links[0].inner_text() == title
    assert all(hit.locator("p").inner_text() for hit in hits.all()[:5])
    assert search.page.locator("#search-results mark").count()
    links[0].click()
    search.page.wait_for_selector("span.highlighted", state="attached")
    assert search.outside == [] and search.complaints == []


def test_a_search_for_what_is_not_there_says_so(visit, html_root):
    search = visit()
    search.page.goto((html_root / "search.html").as_uri() + "?q=qwertzuiop")
    assert "Nothing found" in search.page.locator("#search-results").inner_text()


def luminance(colour):
    return sum(map(float, re.findall(r"[\d.]+", colour)[:3])) / 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_colour_schemes_read_and_figures_have_a_ground_that_suits_them(scheme, visit, html_root):
    page = visit(color_scheme=scheme).open(html_root / "book" / "01_addressing.html")
    page.wait_for_function(f"() => document.documentElement.dataset.theme === '{scheme}'")
    ground = luminance(page.evaluate("() => getComputedStyle(document.body).backgroundColor"))
    text = luminance(page.locator(".bd-article p").first.evaluate("p => getComputedStyle(p).color"))
    label = luminance(page.locator(".explorer .seen").first.evaluate("e => getComputedStyle(e).color"))
    assert (ground > 200 and text < 120) if scheme == "light" else (ground < 60 and text > 140)
    assert abs(label - ground) > 100
    explorer = page.locator(".explorer").first
    moved(page, explorer)
    figures = page.locator(".bd-article .cell_output img, .explorer canvas").filter(visible=True).all()
    for figure in figures:
        shot = np.asarray(Image.open(io.BytesIO(figure.screenshot())).convert("RGB"))
        ground = shot.max()  # figures are drawn on white
        assert ground == 255 if scheme == "light" else 180 < ground < 225, ground
    assert len(figures) > 5


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_first_paint_has_the_colours_of_the_scheme(scheme, visit, html_root):
    """The theme is set before the body begins, so that no page flashes white in the dark."""
    reader = visit(color_scheme=scheme)
    reader.page.add_init_script(
        "new MutationObserver(() => { if (document.body && !window.firstTheme) "
        "window.firstTheme = document.documentElement.dataset.theme; })"
        ".observe(document, {childList: true, subtree: true})"
    )
    page = reader.open(html_root / "book" / "01_addressing.html")
    assert page.evaluate("() => window.firstTheme") == scheme


def test_in_print_an_explorer_is_one_figure(visit, html_root):
    page = visit().open(html_root / "book" / "01_addressing.html")
    page.emulate_media(media="print")
    explorer = page.locator(".explorer").first
    assert explorer.locator("img, canvas").filter(visible=True).count() == 1
    assert not explorer.locator("input").first.is_visible()
    assert explorer.locator(".seen").first.is_visible()


def test_a_page_prints(visit, html_root):
    page = visit().open(html_root / "book" / "index.html")
    assert page.pdf()[:5] == b"%PDF-"


def test_a_solution_opens(visit, html_root):
    page = visit().open(html_root / "book" / "01_addressing.html")
    solution = page.locator(".solution").first
    closed = solution.bounding_box()["height"]
    solution.locator("button.toggle-button, summary").first.click()
    page.wait_for_timeout(400)
    assert solution.bounding_box()["height"] > closed


@pytest.mark.parametrize("path", chapter_paths(), ids=lambda path: path.stem)
def test_figures_are_shown_at_the_width_that_they_were_drawn_at(path, visit, html_root):
    page = visit(viewport={"width": 1300, "height": 900}).open(html_root / "book" / f"{path.stem}.html")
    shrunk = page.evaluate("""() => [...document.querySelectorAll('.bd-article .cell_output img')]
      .map(e => [e.clientWidth, parseFloat(e.style.width) || Number(e.getAttribute('width'))])
      .filter(([shown, drawn]) => drawn && shown < drawn)""")
    assert shrunk == [], "shown and drawn width"
