"""Sphinx extension: docstrings are plain text, and the names of the package lead to its pages.

In a docstring `code` stands in single backticks, a *word* between two asterisks is stressed, other asterisks, | and _
are themselves, and "chapter 4" leads to that chapter. On every other page code that names a module, class or function
of the package, such as `ExperienceReplay` or `neuralmem.replay`, leads to where it is described.
"""

import re
from pathlib import Path

from docutils import nodes
from sphinx.util.nodes import make_refnode

PACKAGE, PAGES = "neuralmem", "book/appendices/api"


def _escape(text):
    """Return reStructuredText that shows the plain text as it is."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # a lone backtick is a character like any other
        return re.sub(r"([\\*|_`])", r"\\\1", text)
    plain = [re.sub(r"(?<!\w)\\\*(\w+)\\\*(?!\w)", r"*\1*", re.sub(r"([\\*|_])", r"\\\1", part)) for part in parts[::2]]
    code = [f"\\ ``{part}``\\ " for part in parts[1::2]]
    return "".join(piece for pair in zip(plain, [*code, ""], strict=True) for piece in pair)


def _linked(text, chapters):
    """Let "chapter 4" lead to that chapter."""

    def link(match):
        page = chapters.get(int(match[1]))
        return f"\\ :doc:`{match[0]} </{page}>`\\ " if page else match[0]

    return re.sub(r"\bchapter (\d+)\b", link, text)


def process(app, what, name, obj, options, lines):
    """Turn each paragraph into one line of text; a line that starts a list keeps its own."""
    chapters = {int(path.name[:2]): f"book/{path.stem}" for path in Path(app.srcdir, "book").glob("[0-9][0-9]_*.ipynb")}
    paragraphs = [[]]
    for line in lines:
        if not line.strip():
            paragraphs.append([])
        elif line.lstrip().startswith("- "):
            paragraphs += [[f"- {_escape(line.strip()[2:])}"]]
        else:
            paragraphs[-1].append(_escape(line.strip()))
    lines[:] = [line for paragraph in paragraphs for line in (_linked(" ".join(paragraph), chapters), "")]


def skip(app, what, name, obj, skipped, options):
    """Leave out the fields of named tuples: their classes say what they hold."""
    return True if (getattr(obj, "__doc__", "") or "").startswith("Alias for field number") else None


def _names(app):
    """What may stand in code -> its entry: full names, names without the package's, and names of classes alone."""
    entries, names = app.env.domaindata["py"]["objects"], {}
    for full, entry in entries.items():
        short = full.removeprefix(f"{PACKAGE}.")
        names[full] = entry
        if "." in short:
            names[short] = entry
        if entry.objtype == "class":
            names.setdefault(short.split(".")[-1], entry)
    return names


def link_names(app, doctree, docname):
    """Let code that names a part of the package lead to its description, once a section."""
    if docname.startswith(PAGES):
        return
    names, seen = _names(app), set()
    for node in list(doctree.findall(lambda node: isinstance(node, nodes.literal | nodes.section))):
        if isinstance(node, nodes.section):
            seen = set()
            continue
        text = node.astext().removesuffix("()")
        inside = node.parent
        while inside is not None and not isinstance(inside, nodes.reference | nodes.title | nodes.section):
            inside = inside.parent
        if text not in names or text in seen or isinstance(inside, nodes.reference | nodes.title):
            continue
        seen.add(text)
        entry = names[text]
        node.replace_self(make_refnode(app.builder, docname, entry.docname, entry.node_id, node.deepcopy(), text))


def setup(app):
    app.connect("autodoc-process-docstring", process)
    app.connect("autodoc-skip-member", skip)
    app.connect("doctree-resolved", link_names)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
