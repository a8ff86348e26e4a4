"""Bind the built book as one PDF: contents with page numbers, bookmarks, links that lead to their page.

    python book/pdf.py [FILE]        FILE defaults to _build/neural-memory-agents.pdf

The pages must have been built (`make book`). Their articles are put into one page in the order of _toc.yml, which a
headless Chromium typesets and prints twice: the first time to learn on which sheet each article begins.
"""

import io
import os
import posixpath
import re
import sys
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

from bs4 import BeautifulSoup
from playwright.sync_api import sync_playwright
from pypdf import PdfReader, PdfWriter
from pypdf.generic import NameObject, TextStringObject

sys.path.insert(0, str(Path(__file__).resolve().parent))
from chromium import find_chromium

ROOT = Path(__file__).resolve().parents[1]
HTML = ROOT / "_build" / "html"
TITLE = "Neural Memory Agents"
REFERRING = ("href", "id", "name", "for", "aria-labelledby", "aria-describedby", "aria-controls")
DROPPED = "script, .headerlink, .toctree-wrapper, iframe, video, .explorer label, .explorer fieldset, .explorer button"
STYLE = """
@page { size: A4; margin: 20mm 19mm 22mm 19mm }
html, body { background: #fff; font-size: 10.4pt; scroll-padding: 0 }
body, body > main, .bd-content, .sheet { display: block !important; width: 100%; max-width: none }
body, body > main, .bd-content, .sheet { margin: 0 !important; padding: 0 !important; box-sizing: border-box }
article.sheet { break-before: page; overflow: visible }
.cover { height: 225mm; display: flex; flex-direction: column; justify-content: center; text-align: center }
.cover h1 { font-size: 34pt; margin: 12mm 0 4mm; border: 0 }
.cover img { width: 62mm; margin: 0 auto }
.contents { break-before: page; background: none; box-shadow: none; border: 0 }
.contents span { min-width: 1.6em; text-align: right }
.contents ol { list-style: none; padding: 0 }
.contents li { display: flex; gap: .5em; margin: .22em 0 }
.contents li.part { margin-top: 1.1em; font-weight: 700 }
.contents i { flex: 1; border-bottom: 1px dotted #888; height: 1em }
.contents a { color: inherit; text-decoration: none }
pre { white-space: pre-wrap; font-size: 8.6pt }
h1, h2, h3, h4 { break-after: avoid }
img { max-width: 100%; height: auto }
tr, .cell_input, .cell_output, figure, mjx-container[display] { break-inside: avoid }
.hide-input > summary { display: none }
.sheet section > h1 { display: block !important }
.pst-scrollable-table-container, .cell_output, div.highlight { overflow: visible }
table { font-size: 8.4pt }
"""
FOOTER = (
    '<div style="width:100%;font:8pt sans-serif;color:#666;text-align:center">'
    '<span class="pageNumber"></span></div>'
)


def pages():
    """Return (caption of the part or "", page without suffix) for each page of _toc.yml, in its order."""
    found, part = [], ""
    for line in (ROOT / "_toc.yml").read_text(encoding="utf-8").splitlines():
        named = re.match(r"\s*(?:- )?(caption|root|file): (.+)", line)
        if named and named[1] == "caption":
            part = named[2].strip()
        elif named:
            found.append((part, named[2].strip()))
            part = ""
    return found


def label(page, fragment=""):
    """Return the anchor of a page, or of a place on it, in the bound book."""
    return re.sub(r"\W+", "-", page) + ("--" + fragment if fragment else "")


def leads_to(page, address, names):
    """Return where a link on `page` leads in the bound book, or None where its goal is not bound."""
    if urlsplit(address).scheme or address.startswith("//"):
        return address
    path, fragment = urldefrag(address)
    goal = posixpath.normpath(posixpath.join(posixpath.dirname(page), unquote(path))) if path else page + ".html"
    name = goal.removesuffix(".html")
    return "#" + label(name, fragment) if name in names else None


def article_of(page, names):
    """Return a page's article as a soup: all it holds opened, its anchors and links made unique in the book."""
    soup = BeautifulSoup((HTML / f"{page}.html").read_text(encoding="utf-8"), "html.parser")
    article = soup.find("article")
    for piece in article.select(DROPPED):
        piece.decompose()
    for details in article.find_all("details"):
        details["open"] = ""
    for tag in article.find_all(True):
        for name in REFERRING:
            if name not in tag.attrs:
                continue
            if name != "href":
                tag[name] = " ".join(label(page, part) for part in str(tag[name]).split())
            elif (goal := leads_to(page, tag[name], names)) is not None:
                tag[name] = goal
            else:
                del tag[name]
        if tag.name == "img" and not urlsplit(tag["src"]).scheme:
            tag["src"] = posixpath.normpath(posixpath.join(posixpath.dirname(page), tag["src"]))
            tag.attrs.pop("loading", None)
    article["id"], article["class"] = label(page), ["bd-article", "sheet"]
    return article


def bound():
    """Return the whole book as the HTML of one page, and [(anchor, title)] of its articles."""
    order = pages()
    names = {page for _, page in order}
    head = BeautifulSoup((HTML / f"{order[1][1]}.html").read_text(encoding="utf-8"), "html.parser").head
    links = []
    for sheet in head.select("link[rel=stylesheet]"):
        address = posixpath.normpath(posixpath.join(posixpath.dirname(order[1][1]), sheet["href"]))
        links.append(f'<link rel="stylesheet" href="{address}">')
    maths = [str(script) for script in head.find_all("script") if "MathJax" in script.text]
    maths.append('<script defer src="_static/mathjax/tex-chtml.js"></script>')
    articles, titles, lines = [], [], []
    for part, page in order:
        article = article_of(page, names)
        title = article.find("h1").get_text(" ", strip=True)
        if part:
            lines.append(f'<li class="part">{part}</li>')
        anchor = label(page)
        lines.append(f'<li><a href="#{anchor}">{title}</a><i></i><span data-of="{anchor}"></span></li>')
        titles.append((anchor, title))
        articles.append(str(article))
    cover = f'<div class="cover"><img src="_static/logo.svg" alt=""><h1>{TITLE}</h1><p>A book that runs</p></div>'
    contents = f'<div class="contents"><h1>Contents</h1><ol>{"".join(lines)}</ol></div>'
    whole = f'<main class="bd-main"><div class="bd-content">{cover}{contents}{"".join(articles)}</div></main>'
    opening = '<!doctype html><html lang="en" data-theme="light" data-mode="light"><head><meta charset="utf-8">'
    opening += f"<title>{TITLE}</title>"
    return opening + "".join(links + maths) + f"<style>{STYLE}</style></head><body>{whole}</body></html>", titles


def starts(reader, titles):
    """Return the number of the sheet on which each article begins, by its anchor."""
    destinations = reader.named_destinations
    numbers = {}
    for anchor, _ in titles:
        goal = destinations.get("/" + anchor) or destinations.get(anchor)
        numbers[anchor] = reader.get_destination_page_number(goal) + 1
    return numbers


def squeezed(text):
    """Return a text without its white space."""
    return re.sub(r"\s+", "", text)


def name_bookmarks(writer, headings):
    """Give the bookmarks the headings' own words: a browser doubles some, and joins those of two lines."""
    words = {squeezed(heading): heading for heading in headings}
    waiting = [writer.root_object["/Outlines"]]
    while waiting:
        entry = waiting.pop().get_object()
        waiting += [entry[key] for key in ("/First", "/Next") if key in entry]
        title = squeezed(str(entry.get("/Title", "")))
        found = words.get(title) or words.get(title[: len(title) // 2])
        if found:
            entry[NameObject("/Title")] = TextStringObject(found)


def bind(target):
    """Write the PDF to `target`; return the sheet on which each article begins."""
    if not (HTML / "index.html").exists():
        raise SystemExit("the book is not built: run `make book` first")
    chromium = find_chromium()
    if chromium is None:
        raise SystemExit("book/pdf.py needs Chromium or Chrome: install one, or set CHROMIUM to its path")
    text, titles = bound()
    source = HTML / "_bound.html"  # beside the pages, where their pictures and fonts are
    source.write_text(text, encoding="utf-8")
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
            page = browser.new_page()
            page.set_default_timeout(300_000)
            page.goto(source.as_uri())
            page.evaluate("() => MathJax.startup.promise")
            page.evaluate("() => document.fonts.ready.then(() => true)")

            def printed():
                return page.pdf(
                    prefer_css_page_size=True, print_background=True, tagged=True, outline=True,
                    display_header_footer=True, header_template="<span></span>", footer_template=FOOTER,
                )  # fmt: skip

            numbers = starts(PdfReader(io.BytesIO(printed())), titles)
            fill = "of => document.querySelectorAll('[data-of]').forEach(e => e.textContent = of[e.dataset.of])"
            page.evaluate(fill, numbers)
            headings = page.evaluate("() => [...document.querySelectorAll('h1, h2, h3, h4')].map(h => h.innerText)")
            content = printed()
            browser.close()
    finally:
        source.unlink()
    writer = PdfWriter(clone_from=io.BytesIO(content))
    name_bookmarks(writer, headings)
    writer.add_metadata({"/Title": TITLE, "/Author": "The authors of Neural Memory Agents"})
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f"{target.name}.{os.getpid()}")
    with open(beside, "wb") as file:
        writer.write(file)
    os.replace(beside, target)
    return starts(PdfReader(target), titles)


if __name__ == "__main__":
    where = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "_build" / "neural-memory-agents.pdf"
    bind(where)
    print(f"{where}: {len(PdfReader(where).pages)} pages, {where.stat().st_size / 2**20:.1f} MB")
