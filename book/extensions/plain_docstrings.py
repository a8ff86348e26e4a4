"""Sphinx extension: docstrings are plain text, in which `code` stands in single backticks.

A *word* between two asterisks is stressed; other asterisks, | and _ are themselves.
"""

import re


def _escape(text):
    """Return reStructuredText that shows the plain text as it is."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # a lone backtick is a character like any other
        return re.sub(r"([\\*|_`])", r"\\\1", text)
    plain = [re.sub(r"(?<!\w)\\\*(\w+)\\\*(?!\w)", r"*\1*", re.sub(r"([\\*|_])", r"\\\1", part)) for part in parts[::2]]
    code = [f"\\ ``{part}``\\ " for part in parts[1::2]]
    return "".join(piece for pair in zip(plain, [*code, ""], strict=True) for piece in pair)


def process(app, what, name, obj, options, lines):
    """Turn each paragraph into one line of text; a line that starts a list keeps its own."""
    paragraphs = [[]]
    for line in lines:
        if not line.strip():
            paragraphs.append([])
        elif line.lstrip().startswith("- "):
            paragraphs += [[f"- {_escape(line.strip()[2:])}"]]
        else:
            paragraphs[-1].append(_escape(line.strip()))
    lines[:] = [line for paragraph in paragraphs for line in (" ".join(paragraph), "")]


def skip(app, what, name, obj, skipped, options):
    """Leave out the fields of named tuples: their classes say what they hold."""
    return True if (getattr(obj, "__doc__", "") or "").startswith("Alias for field number") else None


def setup(app):
    app.connect("autodoc-process-docstring", process)
    app.connect("autodoc-skip-member", skip)
    return {"parallel_read_safe": True}
