"""Sphinx extension: figures, tables, equations and exercises are numbered by chapter, as book/numbering.py does it.

Sphinx counts through the whole book. After it has counted, each number becomes (chapter, place on the page): Figure
6.3, equation (6.4), Exercise 6.1. A page without a number in its file name, an appendix, counts for itself: Figure 1.
"""

import re


def by_chapter(app, env):
    """Replace the numbers that Sphinx has assigned, page by page; no page has to be read anew for it."""
    for docname, kinds in env.toc_fignumbers.items():
        chapter = re.search(r"(?:^|/)(\d\d)_[^/]*$", docname)
        for numbers in kinds.values():
            for place, label in enumerate(numbers, start=1):  # in the order of the page
                numbers[label] = (int(chapter[1]), place) if chapter else (place,)
    return []


def setup(app):
    """Register what happens once Sphinx has counted."""
    app.connect("env-get-updated", by_chapter, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
