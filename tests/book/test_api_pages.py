"""The pages of the package: every module has its page, and every example on them runs."""

import doctest
import re

import pytest
from conftest import ROOT, toc_entries

PAGES = sorted((ROOT / "book" / "appendices" / "api").glob("*.md"))
NO_ADDRESS = {"naik1992"}  # in print, with volume and pages; no address of it could be confirmed
FENCED = re.compile(r"^```pycon\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_the_examples_of_a_page_run(path):
    examples = FENCED.findall(path.read_text(encoding="utf-8"))
    assert examples, f"{path.name} has no example"
    for number, source in enumerate(examples, 1):
        test = doctest.DocTestParser().get_doctest(source, {}, f"{path.name}, example {number}", path.name, 0)
        report = []
        result = doctest.DocTestRunner().run(test, out=report.append)
        assert result.failed == 0, "".join(report)


def test_every_mechanism_and_world_stands_on_a_page_and_every_page_in_the_contents():
    shown = {name for path in PAGES for name in re.findall(r"automodule:: (\S+)", path.read_text(encoding="utf-8"))}
    modules = set()
    for path in (ROOT / "neuralmem").rglob("*.py"):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if not path.name.startswith("_") and not name.startswith("neuralmem.teaching."):
            modules.add(name)
    assert modules <= shown, f"no page shows {sorted(modules - shown)}"
    assert {f"book/appendices/api/{path.stem}" for path in PAGES} <= set(toc_entries())
    index = (ROOT / "book" / "appendices" / "api.md").read_text(encoding="utf-8")
    assert all(f"(api/{path.stem}.md)" in index for path in PAGES)


def test_every_work_has_an_address():
    text = (ROOT / "book" / "references.bib").read_text(encoding="utf-8")
    entries = re.split(r"^@", text, flags=re.MULTILINE)[1:]
    named = [(entry.split(",")[0].split("{")[1], entry) for entry in entries]
    without = {name for name, entry in named if not re.search(r"\b(doi|eprint|url)\s*=", entry)}
    assert entries and without <= NO_ADDRESS, f"no DOI, arXiv number or address: {without - NO_ADDRESS}"
