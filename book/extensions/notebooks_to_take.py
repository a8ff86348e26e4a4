"""Sphinx extension: each chapter's page offers its notebook, with its solutions and without.

The copies lie in `_static/notebooks` of the built book, so that they are there without a network.
"""

import sys
from pathlib import Path

import nbformat

BOOK = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(BOOK))
from student import without_solutions  # noqa: E402

FOLDER = "_static/notebooks"
OFFER = (
    '<p class="to-take">This chapter as a notebook: <a href="{0}{1}.ipynb" download>with solutions</a>, '
    '<a href="{0}{1}-exercises.ipynb" download>without solutions</a>.</p>'
)


def is_chapter(name):
    """Whether a page is a chapter that is written as a notebook."""
    return name.startswith("book/") and (BOOK / f"{Path(name).name}.ipynb").exists() and Path(name).name[:2].isdigit()


def offer(app, pagename, templatename, context, doctree):
    """Put the links at the end of the chapter's text."""
    if is_chapter(pagename) and "body" in context:
        root = "../" * pagename.count("/")
        context["body"] += OFFER.format(f"{root}{FOLDER}/", Path(pagename).name)


def copy(app, exception):
    """Write the notebooks beside the pages."""
    if exception or app.builder.name != "html":
        return
    folder = Path(app.outdir) / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for name in filter(is_chapter, app.env.found_docs):
        notebook = nbformat.read(BOOK / f"{Path(name).name}.ipynb", as_version=4)
        nbformat.write(notebook, folder / f"{Path(name).name}.ipynb")
        nbformat.write(without_solutions(notebook), folder / f"{Path(name).name}-exercises.ipynb")


def setup(app):
    app.connect("html-page-context", offer)
    app.connect("build-finished", copy)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
