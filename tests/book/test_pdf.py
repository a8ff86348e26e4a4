"""The book as one PDF: everything is in it, its contents name the right pages, and its links lead there."""

import re
import subprocess
import sys

import pytest
from conftest import ROOT, chapter_paths, toc_entries

sys.path.insert(0, str(ROOT / "book"))

pypdf = pytest.importorskip("pypdf")


@pytest.fixture(scope="module")
def bound(tmp_path_factory, html_root, chromium):
    """The PDF that book/pdf.py makes of the built pages, read again, and the sheet on which each article begins."""
    pdf = pytest.importorskip("pdf")
    target = tmp_path_factory.mktemp("pdf") / "book.pdf"
    # in a process of its own: two browsers cannot be driven from one
    done = subprocess.run([sys.executable, ROOT / "book" / "pdf.py", target], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    reader = pypdf.PdfReader(target)
    return reader, pdf.starts(reader, pdf.bound()[1])


@pytest.fixture(scope="module")
def texts(bound):
    return [page.extract_text() for page in bound[0].pages]


def test_every_page_of_the_book_is_bound_in_its_order(bound):
    reader, starts = bound
    assert len(starts) == len(toc_entries())
    sheets = list(starts.values())
    assert sheets == sorted(sheets) and len(set(sheets)) == len(sheets)
    assert sheets[-1] <= len(reader.pages)


def test_the_contents_name_the_sheet_on_which_each_chapter_begins(bound, texts):
    _, starts = bound
    contents = " ".join(texts[1].split())
    for path in chapter_paths():
        title = re.match(r"\d+", path.stem)[0].lstrip("0") or "0"
        sheet = next(number for anchor, number in starts.items() if anchor.endswith(path.stem))
        assert re.search(rf"{title}\. [^\d]+{sheet}\b", contents), f"{path.stem} begins on {sheet}: {contents}"
        assert re.search(rf"^{title}\. ", texts[sheet - 1].strip(), flags=re.M), f"{path.stem} is not on sheet {sheet}"


def test_sheets_are_numbered(texts):
    for number in (2, 20, len(texts)):
        assert re.search(rf"{number}$", texts[number - 1].rstrip()) or re.search(rf"(?m)^{number}$", texts[number - 1])


def test_links_lead_to_places_in_the_book_and_bookmarks_to_chapters(bound):
    reader, _ = bound
    names, inner, outer = set(reader.named_destinations), 0, 0
    for page in reader.pages:
        for annotation in page.get("/Annots", []):
            annotation = annotation.get_object()
            goal = annotation.get("/Dest") or annotation.get("/A", {}).get("/D")
            address = str(annotation.get("/A", {}).get("/URI", ""))
            if goal is not None:
                inner += 1
                assert not isinstance(goal, str) or goal in names or goal.lstrip("/") in names, goal
            assert not address.startswith("file:"), f"a link leads to a file of the machine that printed: {address}"
            outer += address.startswith("http")
    assert inner > 50 * len(chapter_paths()) and outer > 30

    def titles(entries):
        for entry in entries:
            yield from titles(entry) if isinstance(entry, list) else [entry.title]

    marked = list(titles(reader.outline))
    for path in chapter_paths():
        assert any(re.match(rf"{int(path.stem[:2])}\. ", title) for title in marked), f"no bookmark for {path.stem}"


def test_formulas_are_set_and_figures_are_there(bound, texts, html_root):
    reader, _ = bound
    whole = "\n".join(texts)
    raw = re.findall(r"\\\(|\\\[|\\frac|\\sum|\\begin\{", whole)
    assert not raw, f"formulas that were not set: {raw[:5]}"
    pages = [(html_root / f"{entry}.html").read_text(encoding="utf-8") for entry in toc_entries()]
    captions = sum(page.count('class="caption-number">Figure') for page in pages)
    assert len(re.findall(r"^\s*Figure \d+\.\d+", whole, flags=re.M)) >= captions
    pictures = sum(len(page.images) for page in reader.pages)
    assert pictures >= captions
