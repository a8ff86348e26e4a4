"""The built book: every page is there, whole, and asks nobody outside for anything."""

import base64
import json
import re
from html.parser import HTMLParser
from importlib.metadata import version

import nbformat
import pytest
from conftest import ROOT, chapter_paths, toc_entries
from PIL import Image

LOADED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "object": "data"}
"""Tags that make a browser fetch something, and the attribute that says what."""
SAYS_ONLY = {"canonical", "license", "author"}
"""Kinds of <link> that nothing is fetched for."""


class Page(HTMLParser):
    """What a page loads, its pictures, its anchors and its links."""

    def __init__(self, text):
        super().__init__()
        self.loads, self.images, self.links, self.ids, self.inputs = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if values.get("id"):
            self.ids.append(values["id"])
        if tag in LOADED and values.get(LOADED[tag]) and values.get("rel") not in SAYS_ONLY:
            self.loads.append(values[LOADED[tag]])
        if tag == "img":
            self.images.append(values)
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
        if tag == "input":
            self.inputs.append(values)


@pytest.fixture(scope="module")
def pages(html_root):
    """Maps each _toc.yml entry to its parsed page."""
    return {entry: Page((html_root / f"{entry}.html").read_text(encoding="utf-8")) for entry in toc_entries()}


def test_jupyter_book_is_the_release_that_reads_our_settings():
    pinned = re.search(r"jupyter-book==(\S+)", (ROOT / "requirements.txt").read_text()).group(1)
    assert version("jupyter-book") == pinned
    assert pinned.startswith("1.0.")


def test_every_entry_has_its_page_and_no_page_is_left_over(html_root):
    paths = [path.relative_to(html_root) for path in html_root.rglob("*.html")]
    built = {path.with_suffix("").as_posix() for path in paths if path.parts[0] != "_static"}
    assert set(toc_entries()) <= built
    assert built - set(toc_entries()) <= {"index", "genindex", "search", "py-modindex", "prf-prf"}


def test_pages_are_as_new_as_their_sources(html_root):
    for entry in toc_entries():
        source = next(ROOT / f"{entry}{suffix}" for suffix in (".md", ".ipynb") if (ROOT / f"{entry}{suffix}").exists())
        assert (html_root / f"{entry}.html").stat().st_mtime >= source.stat().st_mtime, f"{entry}: build the book again"


def test_nothing_is_loaded_from_outside(pages):
    for entry, page in pages.items():
        outside = [target for target in page.loads if re.match(r"(https?:)?//", target)]
        assert not outside, f"{entry} loads {outside}"


def test_styles_load_nothing_from_outside(html_root):
    outside = re.compile(r"url\(\s*['\"]?(?:https?:)?//[^)]*|@import[^;]*https?://[^;]*")
    for path in html_root.rglob("*.css"):
        assert not outside.findall(path.read_text(encoding="utf-8")), path


def test_what_pages_load_is_there(pages, html_root):
    for entry, page in pages.items():
        for target in page.loads:
            if not target.startswith("data:"):
                assert ((html_root / entry).parent / re.sub(r"[?#].*", "", target)).exists(), f"{entry} loads {target}"


def test_links_lead_somewhere(pages, html_root):
    for entry, page in pages.items():
        for link in page.links:
            if re.match(r"https?://|mailto:|#$", link):
                continue
            place, _, anchor = link.partition("#")
            target = ((html_root / entry).parent / place).resolve() if place else html_root / f"{entry}.html"
            assert target.exists(), f"{entry} links to {link}"
            if anchor and target.suffix == ".html":
                assert f'id="{anchor}"' in target.read_text(encoding="utf-8"), f"{entry} links to {link}"


def test_no_links_to_launch_or_repository(pages):
    launch = re.compile(r"mybinder|colab\.|github\.com/executablebooks")
    for entry, page in pages.items():
        assert not list(filter(launch.search, page.links)), entry


def test_every_picture_says_what_it_shows(pages):
    for entry, page in pages.items():
        for image in page.images:
            decorative = "logo__image" in (image.get("class") or "")
            alt = image.get("alt", "").strip()
            assert alt or decorative, f"{entry}: {image.get('src', '')[:60]}"
            assert not re.search(r"_images/|\.png$|^Figure$", alt), f"{entry}: {alt} is no description"


@pytest.mark.parametrize("entry", toc_entries())
def test_tables_are_tables_and_no_bars_and_dashes(entry, html_root):
    html = (html_root / f"{entry}.html").read_text(encoding="utf-8")
    assert not re.search(r"\|\s*(—|-{3})\s*\|", html)


def test_ids_are_unique(pages):
    for entry, page in pages.items():
        twice = {name for name in page.ids if page.ids.count(name) > 1}
        assert not twice - {"exercise-content", "solution-content"}, f"{entry}: {twice}"  # sphinx-exercise's own


@pytest.mark.parametrize("path", chapter_paths(), ids=lambda path: path.stem)
def test_every_explorer_is_in_the_page(path, html_root):
    sources = [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    wanted = sum(len(re.findall(r"\bexplore\(", source)) for source in sources)
    page = (html_root / f"book/{path.stem}.html").read_text(encoding="utf-8")
    assert page.count('<div class="explorer"') == wanted >= 1
    assert "application/vnd.jupyter.widget" not in page


def test_a_half_width_is_not_torn_from_its_sign(html_root):
    texts = [path.read_text(encoding="utf-8") for path in sorted((html_root / "book").glob("*.html"))]
    assert sum(len(re.findall(r"±\N{NO-BREAK SPACE}\d", text)) for text in texts) > 100
    assert not [text for text in texts if re.search(r"± \d", text)]
    cells = [cell for text in texts for cell in re.findall(r"<td[^>]*>([^<]*(?:<wbr[^>]*>)?±[^<]*)</td>", text)]
    assert len(cells) > 100
    whole = re.compile(r'[-−+\d.,e]+\N{NO-BREAK SPACE}<wbr class="narrow">±\N{NO-BREAK SPACE}[\d.,e]+')
    assert not [cell for cell in cells if not whole.fullmatch(cell)], "a line may end in it, not only on a phone"


def test_mathematics_is_local_and_present(pages):
    for entry, page in pages.items():
        assert not [target for target in page.loads if "mathjax" in target and "://" in target], entry
    chapters = [pages[f"book/{path.stem}"] for path in chapter_paths()]
    assert all(any("mathjax/tex-chtml.js" in target for target in page.loads) for page in chapters)


def test_the_index_of_the_search_holds_every_page(html_root):
    index = (html_root / "searchindex.js").read_text(encoding="utf-8")
    assert all(f'"{entry}"' in index for entry in toc_entries())


@pytest.mark.parametrize("entry", toc_entries())
def test_the_head_says_what_the_page_is_about_and_loads_no_icon_script(entry, html_root):
    page = (html_root / f"{entry}.html").read_text(encoding="utf-8")
    head = page.split("</head>")[0]
    description = re.search(r'<meta name="description" content="([^"]*)"', head).group(1)
    assert len(description) >= 40 or "appendices" in entry, description
    assert head.count('name="viewport"') == 1 and head.count('property="og:title"') == 1
    preview = (html_root / entry).parent / re.search(r'property="og:image" content="([^"]*)"', head).group(1)
    assert Image.open(preview).size == (1200, 630), "the size that previews are shown at"
    assert "fontawesome.js" not in head and "THEBE" not in page


EXPLORER = re.compile(
    r'<div class="explorer" data-explorer="(\w+)".*?<img src="([^"]*)".*?class="tiles">(.*?)</script>', flags=re.S
)
"""An explorer in HTML: its key, the picture shown first, and the tiles of which the others are laid."""


def test_each_explorer_of_a_page_has_pictures_of_its_own_in_files(html_root):
    """Two on a page: the second one's pictures were once written over those of the first."""
    most = 0
    for entry in toc_entries():
        page = (html_root / f"{entry}.html").read_text(encoding="utf-8")
        found = EXPLORER.findall(page)
        for key, first, tiles in found:
            for address in (first, json.loads(tiles)["source"]):
                assert re.fullmatch(rf"(\./|\.\./)+_static/explorers/{key}-(first|tiles)\.webp", address), address
                assert (html_root / entry).parent.joinpath(address).exists(), f"{entry}: {address}"
        assert len(found) == len({key for key, _, _ in found}) == page.count('<div class="explorer"'), entry
        most = max(most, len(found))
    assert most >= 2, "no page with two explorers to test on"


def test_pictures_of_explorers_are_those_that_the_notebook_holds(html_root):
    """Pictures made lighter for the page once let the first one's letters and bars shine through."""
    compared = 0
    for path in chapter_paths():
        page = (html_root / "book" / f"{path.stem}.html").read_text(encoding="utf-8")
        on_page = {key: json.loads(tiles) for key, _, tiles in EXPLORER.findall(page)}
        for cell in nbformat.read(path, 4).cells:
            for output in cell.get("outputs", []):
                for key, first, stored in EXPLORER.findall(output.get("data", {}).get("text/html", "")):
                    tiles = json.loads(stored)
                    for part, embedded in (("first", first), ("tiles", tiles["source"])):
                        written = html_root / "_static" / "explorers" / f"{key}-{part}.webp"
                        assert written.read_bytes() == base64.b64decode(embedded.split(",")[1]), f"{path.stem}: {key}"
                    assert on_page[key] == tiles | {"source": on_page[key]["source"]}
                    compared += len(tiles["changes"])
    assert compared > 100


@pytest.mark.parametrize("entry", toc_entries())
def test_explorers_are_light(entry, html_root):
    page = (html_root / f"{entry}.html").read_text(encoding="utf-8")
    for explorer in re.findall(r'<div class="explorer".*?</script>\s*</div>', page, flags=re.S):
        key = re.search(r'data-explorer="(\w+)"', explorer).group(1)
        files = [html_root / "_static" / "explorers" / f"{key}-{part}.webp" for part in ("first", "tiles")]
        size = (len(explorer.encode()) + sum(path.stat().st_size for path in files)) / 1024
        assert size <= 250, f"{entry}: {size:.0f} KiB"


@pytest.mark.parametrize("path", chapter_paths(), ids=lambda path: path.stem)
def test_a_chapter_offers_its_notebook_with_and_without_solutions(path, pages, html_root):
    offered = [link for link in pages[f"book/{path.stem}"].links if link.endswith(".ipynb")]
    whole, exercises = (nbformat.read(html_root / "book" / link, 4) for link in offered[-2:])
    assert whole.cells == nbformat.read(path, 4).cells
    kept = [cell.source for cell in exercises.cells]
    assert any("### Exercise" in source for source in kept)
    assert not any("#### Solution" in source for source in kept) and len(kept) < len(whole.cells)


@pytest.mark.parametrize("path", chapter_paths(), ids=lambda path: path.stem)
def test_a_chapter_leads_to_ten_other_places(path, html_root):
    page = (html_root / "book" / f"{path.stem}.html").read_text(encoding="utf-8")
    article = page.split('<article class="bd-article">')[1].split("</article>")[0]
    assert len(re.findall(r'<a [^>]*href="(?!#|https?:)[^"]+\.html[^"]*"', article)) >= 10
