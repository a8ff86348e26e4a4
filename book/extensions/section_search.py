"""Sphinx extension: a search that finds sections and terms, says where, and works from a file.

Each section of each page, and each term of the glossary, becomes a record in `_static/search/sections.js`; the search
page ranks them with MiniSearch (MIT licence, in `book/static/search`), which no browser has to fetch: it is a script.
"""

import json
import re
from pathlib import Path

from docutils import nodes

GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "eta": "η", "theta": "θ", "lambda": "λ",
    "mu": "μ", "pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ", "phi": "φ", "psi": "ψ", "xi": "ξ", "omega": "ω",
}  # fmt: skip
SCRIPTS = re.compile(r'\s*<script src="[^"]*(searchtools|language_data|searchindex)\.js[^"]*"></script>')


def words_of(node):
    """The text of a node, without outputs, drawings and displayed mathematics; Greek letters by sign and by name."""
    if isinstance(node, nodes.section | nodes.raw | nodes.image | nodes.math_block | nodes.comment | nodes.title):
        return ""
    if isinstance(node, nodes.Element) and {"cell_output", "solution"} & set(node.get("classes", [])):
        return ""
    if isinstance(node, nodes.math):
        text = re.sub(r"\\(\w+)", lambda match: f"{GREEK.get(match[1], '')} {match[1]}", node.astext())
        return re.sub(r"[{}^_\\$]", " ", text)
    if isinstance(node, nodes.Text):
        return str(node)
    inline = isinstance(node, nodes.TextElement) and not node.tagname.startswith("desc")
    between = "" if inline else " "
    return between.join(words_of(child) for child in node.children)


def records_of(doctree, address):
    """The records of one page: its sections and, where it has a glossary, the terms."""
    page = next((title.astext() for title in doctree.findall(nodes.title)), "")
    for section in doctree.findall(nodes.section):
        title = next((child.astext() for child in section.children if isinstance(child, nodes.title)), "")
        if not title:
            continue  # a solution
        text = " ".join(" ".join(words_of(child) for child in section.children).split())
        place = "" if section.parent is doctree else "#" + section["ids"][0]
        yield {"page": page, "title": title, "text": text, "url": address + place, "term": ""}
    for item in doctree.findall(nodes.definition_list_item):
        for term in item.findall(nodes.term):
            if term["ids"] and term["ids"][0].startswith("term-"):
                text = " ".join(words_of(item.children[-1]).split())
                name = term.astext()
                yield {"page": page, "title": name, "text": text, "url": f"{address}#{term['ids'][0]}", "term": name}


def finish(app, exception):
    """Write the records, and let the search page use them."""
    if exception or app.builder.name != "html":
        return
    out, records = Path(app.outdir), []
    for name in sorted(app.env.found_docs):
        address = app.builder.get_target_uri(name)
        records += records_of(app.env.get_doctree(name), address)
    records = [{"id": number, **record} for number, record in enumerate(records)]
    text = json.dumps(records, ensure_ascii=False).replace("</", "<\\/")
    (out / "_static" / "search" / "sections.js").write_text(f"window.SECTIONS = {text};\n", encoding="utf-8")
    scripts = [f'<script src="_static/search/{name}.js"></script>\n' for name in ("minisearch", "sections", "search")]
    for path in out.rglob("*.html"):  # the theme loads its own search everywhere, which keeps words from being marked
        page = SCRIPTS.sub("", path.read_text(encoding="utf-8"))
        if path == out / "search.html":
            page = page.replace("</head>", "".join(scripts) + "</head>", 1)
        path.write_text(page, encoding="utf-8")


def setup(app):
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
