"""Sphinx extension: make the written pages lighter, and say in each page's head what it is about.

After the build, each page loses what it does not need (a megabyte of icon scripts beside the icon font, the launcher of
a service that this book does not use, repeated tags, translations), and gains a description and what helpers of the
blind ask for. The pictures of explorers move from the page into files of their own, so that the text is there before
them.
"""

import base64
import re
import shutil
from html import escape, unescape
from pathlib import Path

UNUSED = [
    r"\s*<!-- So that users can add custom icons -->",
    r"\s*<script[^>]*fontawesome\.js[^>]*></script>",
    r"\s*<script>const THEBE_JS_URL = .*?</script>",
    r"\s*<script[^>]*sphinx-thebe\.js[^>]*></script>",
    r"\s*<link[^>]*sphinx-thebe\.css[^>]*/>",
    r"\s*<script type=\"text/x-thebe-config\">.*?</script>",
    r"\s*<script>kernelName = .*?</script>",
    r"\s*<meta name=\"docsearch:[^>]*>",
]
FILES = ["sphinx-thebe.js", "sphinx-thebe.css", "scripts/fontawesome.js", "scripts/fontawesome.js.LICENSE.txt"]
ROLES = [
    (r'<div role="list" class="citation-list">', '<div class="citation-list">'),  # its entries are no list items
    (r' role="doc-biblioentry"', ""),  # withdrawn from the standard
    (r'<th class="(blank[^"]*|index_name[^"]*)"\s*>(&nbsp;)?</th>', r'<td class="\1"></td>'),  # the head of nothing
    (r'<th class="(blank[^"]*)"( id="[^"]*")?\s*>(&nbsp;)?</th>', r'<td class="\1"></td>'),
    (r'(<details[^>]*>\s*<summary)(><span class="toctree-toggle")', r'\1 aria-label="Show the pages below"\2'),
    (r'class="bd-sidebar-primary bd-sidebar', r'role="region" aria-label="Book" \g<0>'),
]
"""What the theme, docutils and pandas write, and what stands there instead, for those who hear the page."""
TORN = "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}"
"""Between a mean and its half-width: where room is short a line may end before the sign, and nowhere after it."""
PREVIEW = "Nine squares, eight blue in several strengths and one orange: a memory of nine slots, one of them written."
VIEWPORT = '<meta name="viewport" content="width=device-width, initial-scale=1" />'
EXPLORER = re.compile(
    r'(<div class="explorer" data-explorer="(?P<key>\w+)".*?<img src=")data:image/webp;base64,(?P<first>[^"]*)'
    r'(".*?class="tiles">{"source":")data:image/webp;base64,(?P<tiles>[^"]*)',
    flags=re.S,
)


def lighten(page):
    """Return the page's HTML without what it does not need."""
    for pattern in UNUSED:
        page = re.sub(pattern, "", page, flags=re.S)
    for pattern, instead in ROLES:
        page = re.sub(pattern, instead, page)
    page = re.sub(r"± (?=\d)", "±\N{NO-BREAK SPACE}", page)
    page = page.replace(TORN, TORN[0] + '<wbr class="narrow">' + TORN[1:])
    head, body = page.split("</head>", 1)
    head = re.sub(r'\s*<meta name="viewport"[^>]*>', "", head)
    return head.replace('<meta charset="utf-8" />', '<meta charset="utf-8" />\n    ' + VIEWPORT) + "</head>" + body


def describe(page, title, root):
    """Return the page's HTML with a description and a picture, for search engines and previews: its first paragraph
    and the book's cover. `root` leads from the page to the folder of all pages."""
    if 'property="og:title"' in page:  # written by an earlier build
        return page
    found = re.search(r"<article.*?</h1>.*?<p>(.*?)</p>", page, flags=re.S)
    text = " ".join(unescape(re.sub(r"<[^>]+>", "", found.group(1) if found else title)).split())[:300]
    shown = re.search(r"<article.*?<h1>(.*?)<a class=\"headerlink\"", page, flags=re.S)
    name = " ".join(unescape(re.sub(r"<[^>]+>", "", shown.group(1))).split()) if shown else title
    tags = {"name='description'": text, "property='og:title'": name, "property='og:description'": text}
    tags |= {"property='og:type'": "book", "property='og:site_name'": title}
    tags |= {"property='og:image'": f"{root}_static/preview.png", "property='og:image:alt'": PREVIEW}
    tags |= {"name='twitter:card'": "summary_large_image"}
    lines = "".join(f'<meta {key} content="{escape(value)}" />\n    ' for key, value in tags.items()).replace("'", '"')
    return page.replace("<title>", lines + "<title>", 1)


def take_out_pictures(page, folder, root):
    """Return the page's HTML with its explorers' pictures written to files in `folder`; `root` leads there from it."""

    def write(match):
        folder.mkdir(parents=True, exist_ok=True)
        for part in ("first", "tiles"):
            (folder / f"{match['key']}-{part}.webp").write_bytes(base64.b64decode(match[part]))
        begin = f"{root}_static/explorers/{match['key']}"
        return f'{match[1]}{begin}-first.webp" loading="lazy{match[4]}{begin}-tiles.webp'

    return EXPLORER.sub(write, page)


def finish(app, exception):
    """Go through all written pages."""
    if exception or app.builder.name != "html":
        return
    out = Path(app.outdir)
    for path in out.rglob("*.html"):
        if "_static" in path.parts:
            continue
        page = path.read_text(encoding="utf-8")
        if "</head>" not in page:
            continue
        root = "../" * (len(path.relative_to(out).parts) - 1)
        page = describe(lighten(page), app.config.html_title or app.config.project, root or "./")
        path.write_text(take_out_pictures(page, out / "_static" / "explorers", root or "./"), encoding="utf-8")
    for name in FILES:
        (out / "_static" / name).unlink(missing_ok=True)
    for path in (out / "_static").rglob("*.map"):
        path.unlink()
    shutil.rmtree(out / "_static" / "locales", ignore_errors=True)
    (out / ".nojekyll").touch()


def setup(app):
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
