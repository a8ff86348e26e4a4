"""Every chapter has the anatomy of a chapter: what a reader may rely on from page to page."""

import ast
import json
import re
import sys
from statistics import median

import nbformat
import pytest
from conftest import ROOT, chapter_paths

sys.path.insert(0, str(ROOT / "book"))
sys.path.insert(0, str(ROOT / "book" / "extensions"))
from execute import tidy
from plain_notebooks import CAPTION, captioned

HEADINGS = [
    "The question",
    "A property that must hold",
    "The package's version",
    "Experiment",
    "Explorer",
    "Summary",
    "Exercises",
    "Further reading",
]
BANNED = ["simply", "obviously", "trivially", "of course", "as we all know", "needless to say", "state-of-the-art"]
APART = {"exercise", "solution", "check"}
SETUP = "# Set-up: the chapter's imports, or one line that says what is missing\n"
START = """try:
    from neuralmem.teaching.start import ready
    ready("0.1.0")
except ImportError as error:
    from IPython.core.error import UsageError
    say = "In the folder of the book: pip install -r requirements.txt"
    raise UsageError(f"{error}. {say}") from None
"""
EMOJI = re.compile("[\U0001f300-\U0001faff\u2600-\u27bf]")

pytestmark = pytest.mark.parametrize("path", chapter_paths(), ids=lambda path: path.stem)


def read(path):
    assert path.exists(), f"_toc.yml names {path.name}, which is not there"
    return nbformat.read(path, as_version=4)


def tags(cell):
    return set(cell.metadata.get("tags", []))


def lesson_cells(notebook):
    """The code cells that teach: all but stubs, solutions and their checks."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and not tags(cell) & APART]


def code_lines(cell):
    lines = [line for line in cell.source.replace(START, "").splitlines() if line.strip()]
    return lines[1:] if "hide-input" in tags(cell) else lines  # the first line of a folded cell is its title


def markdown(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def headings(notebook, level):
    text = re.sub(r"```.*?```", "", "\n".join(markdown(notebook)), flags=re.S)
    return re.findall(rf"^{'#' * level} (.+)$", text, flags=re.M)


def prose(notebook):
    """The words of the lesson: no code, mathematics, captions, rules, addresses or exercises, and no run times."""
    text = CAPTION.sub("", "\n\n".join(markdown(notebook)))
    text = re.sub(r"!\[.*\]\(\S+\)|^> \*\*Rule \d(.|\n>)*", "", text, flags=re.M)
    text = re.sub(r" \(?[A-Z][^.()]* takes? (some|about|half) [^.()]*(seconds|minute)[^.()]*\.\)?", "", text)
    text = text.split("\n## Exercises")[0] + "\n## Further reading" + text.split("\n## Further reading")[-1]
    text = re.sub(r"```.*?```|\$\$.*?\$\$", " ", text, flags=re.S)
    text = re.sub(r"\[[^][]*\b\d{4}\)?\]\(\S+\)", " x ", text)  # who wrote a work is one word
    text = re.sub(r"</?[a-z][^>]*>|\]\(\S+\)", " ", text)
    return re.sub(r"`[^`]*`|\$[^$]*\$", " x ", text)


def figures(notebook):
    """(cell, metadata) of each cell that shows a picture."""
    for cell in notebook.cells:
        if cell.cell_type == "code" and any("image/png" in output.get("data", {}) for output in cell.outputs):
            yield cell, cell.metadata.get("mystnb", {})


def explorers(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code" and re.search(r"\bexplore\(", cell.source)]


def test_opens_with_title_promise_and_box(path):
    first = read(path).cells[0].source
    number = int(path.stem[:2])
    assert first.startswith(f"# {number}. "), f"the title must start with the chapter's number: '# {number}. ...'"
    title, promise, box = first.split("\n\n", 2)
    assert promise.strip().endswith(".") and len(promise.split()) <= 50, "one sentence of promise"
    assert box.startswith("> **In this chapter**\n>\n> - ")
    for marker in ("> - **Afterwards you can**", "> - **You need**"):
        assert marker in box
    assert re.search(r"> - \*\*Minutes:\*\* read \d+, run \d+, exercises \d+", box)


def test_headings_stand_in_the_fixed_order(path):
    notebook = read(path)
    assert len(headings(notebook, 1)) == 1
    found = headings(notebook, 2)
    places = []
    for wanted in HEADINGS:
        matching = [i for i, title in enumerate(found) if title.startswith(wanted)]
        assert matching, f"no section whose title starts with '{wanted}'; there are {found}"
        places.append(matching[0])
    assert places == sorted(places), f"sections out of order: {found}"
    assert places[0] == 0 and found[-4:] == HEADINGS[-4:], f"first and last sections: {found}"
    assert places[1] > 1, "no section on the mechanism between the question and the property"


def test_the_question_comes_with_a_picture_before_any_symbol(path):
    notebook = read(path)
    picture = False
    for cell in notebook.cells[1:]:
        if cell.cell_type == "markdown":
            if picture and re.search(r"^## (?!The question)", cell.source, flags=re.M):
                return
            before = cell.source.split("![")[0]
            assert picture or "$" not in before, f"a symbol before the first picture: {before[-80:]}"
            picture = picture or "![" in cell.source
        else:
            picture = picture or any("image/png" in output.get("data", {}) for output in cell.outputs)
    pytest.fail("no picture in 'The question'")


def test_has_1500_to_3000_words_of_prose(path):
    words = len(prose(read(path)).split())
    assert 1500 <= words <= 3000, f"{words} words"


def test_code_cells_are_many_and_short(path):
    notebook = read(path)
    cells = lesson_cells(notebook)
    assert 12 <= len(cells) <= 25, f"{len(cells)} code cells"
    lengths = [len(code_lines(cell)) for cell in cells]
    assert median(lengths) <= 8, f"median {median(lengths)} lines"
    assert max(lengths) <= 25, f"the longest has {max(lengths)} lines:\n{cells[lengths.index(max(lengths))].source}"
    for cell in cells:
        imports = [line for line in code_lines(cell) if re.match(r"(import|from) ", line)]
        most = 13 if "hide-input" in tags(cell) else 6  # a folded cell is not in the reader's way
        assert len(imports) <= most, f"{len(imports)} lines of imports: {imports}"


def test_no_comprehension_holds_another(path):
    kinds = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
    for cell in read(path).cells:
        nodes = list(ast.walk(ast.parse(cell.source))) if cell.cell_type == "code" else []
        for outer in [node for node in nodes if isinstance(node, kinds)]:
            held = [node for node in ast.walk(outer) if isinstance(node, kinds)]
            assert held == [outer] and len(outer.generators) == 1, ast.unparse(outer)


def test_the_first_cell_says_what_is_missing(path):
    first = next(cell for cell in read(path).cells if cell.cell_type == "code")
    assert first.source.startswith(SETUP + START + "\n") and "hide-input" in tags(first)


def test_a_folded_cell_says_in_its_first_line_what_it_holds(path):
    """JupyterLab shows that line of a folded cell, and nothing else of it."""
    folded = [cell for cell in read(path).cells if cell.cell_type == "code" and "hide-input" in tags(cell)]
    assert folded and all(re.match(r"# [A-Z].{8,70}\n", cell.source) for cell in folded)


def test_a_cell_that_takes_long_has_a_bar_and_the_text_above_says_so(path):
    """Cells of more than five seconds, as `book/execute.py` measured them; the first one imports and cannot."""
    notebook = read(path)
    runtimes = json.loads((ROOT / "book" / "results" / "runtimes.json").read_text(encoding="utf-8"))
    start = next(cell for cell in notebook.cells if cell.cell_type == "code").source
    for slow in runtimes[path.stem]["cells"]:
        if slow["seconds"] > 5 and slow["line"] not in start:
            assert slow["bar"], f"no bar (neuralmem.teaching.progress): {slow}"
            text = text_above(notebook, slow["section"], slow["line"])
            assert re.search(r"seconds|minute", text), f"the text above does not say how long: {slow}"


def text_above(notebook, section, line):
    """The text of a section, its heading included, down to the first code cell in it that has the line."""
    text = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text = re.split(r"^#+ ", f"{text}\n{cell.source}", flags=re.M)[-1]
        elif text.partition("\n")[0] == section and line in cell.source.splitlines():
            return text
    pytest.fail(f"there is no such cell: {section}: {line}")


def test_no_plotting_code_and_no_paths_in_cells(path):
    for cell in read(path).cells:
        if cell.cell_type == "code":
            assert not re.search(r"matplotlib|\bplt\.|sys\.path|%matplotlib|!pip|tqdm\.auto", cell.source), cell.source


def test_every_figure_has_alt_text_caption_name_and_a_reference(path):
    text = "\n".join(markdown(read(path)))
    names = []
    for cell, shown in figures(captioned(read(path))):
        alt, figure = shown.get("image", {}).get("alt", ""), shown.get("figure", {})
        assert len(alt.split()) >= 6, f"no alt text that says what is seen:\n{cell.source}"
        assert len(figure.get("caption", "").split()) >= 4, f"no caption:\n{cell.source}"
        name = figure.get("name", "")
        assert re.fullmatch(rf"fig-ch{int(path.stem[:2])}-[\w-]+", name), f"figure name {name!r}:\n{cell.source}"
        assert f"](#{name})" in text, f"the text does not refer to {name}"
        names.append(name)
    assert names and len(names) == len(set(names)), names
    drawn = [match["label"] for match in CAPTION.finditer(text)]
    assert all(f"](#{label})" in text for label in drawn), f"a drawing that the text does not refer to: {drawn}"


def test_outputs_are_whole_and_ran_in_order(path):
    notebook = read(path)
    counts = []
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        counts.append(cell.execution_count)
        for output in cell.outputs:
            assert output.output_type != "error" or "raises-exception" in tags(cell), cell.source
            assert output.get("name") != "stderr", f"a warning or a bar is stored:\n{output.text}"
            assert not any("widget" in kind for kind in output.get("data", {})), "a stored widget"
    assert counts == list(range(1, len(counts) + 1)), f"not run in order: {counts}"


def test_stored_as_execute_stores_it(path):
    notebook = read(path)
    ids = [cell.id for cell in notebook.cells]
    assert len(ids) == len(set(ids))
    assert "widgets" not in notebook.metadata
    written = path.read_text(encoding="utf-8")
    assert written == nbformat.writes(tidy(notebook)) + "\n", "run `python book/execute.py` on it"


def test_every_explorer_is_stored_as_a_player(path):
    cells = explorers(read(path))
    assert cells, "no explorer"
    for cell in cells:
        assert "nbval-ignore-output" in tags(cell)
        pages = [output.data.get("text/html", "") for output in cell.outputs if "data" in output]
        assert any('class="explorer"' in page for page in pages), f"no stored player:\n{cell.source}"


def test_exercises_have_stub_check_hint_and_solution(path):
    notebook = read(path)
    text = "\n".join(markdown(notebook))
    labels = re.findall(r'<a id="(\S+)"></a>\n### Exercise ', text)
    assert 4 <= len(labels) <= 6, f"{len(labels)} exercises"
    assert all(label.startswith(f"ex-ch{int(path.stem[:2])}-") for label in labels), labels
    wanted = re.findall(r"^### Exercise ([\d.]+): ", text, flags=re.M)
    assert len(wanted) == len(labels), "each exercise has a label"
    solved = re.findall(r"^#### Solution of exercise (\S+)$", text, flags=re.M)
    assert solved == wanted, "each exercise has its solution, in the same order"
    assert len(re.findall(r"\*Difficulty [1-3] of 3, about \d+ minutes\.\*", text)) == len(labels)
    assert text.count("<details><summary>Hint</summary>\n\n") == len(labels)
    stubs = [cell for cell in notebook.cells if "exercise" in tags(cell)]
    solutions = [cell for cell in notebook.cells if "solution" in tags(cell)]
    assert len(stubs) == len(solutions) == len(labels)
    typed = re.compile(r"def \w+\([^)]*\)\s*->[^\n]*:\n\s+r?\"\"\"")
    for cell in stubs:
        assert typed.search(cell.source), f"the stub needs a return type and a docstring:\n{cell.source}"
        assert "raise NotImplementedError" in cell.source and "check" in cell.source, cell.source
        assert any("Not done yet" in output.get("text", "") for output in cell.outputs), cell.source
    for cell in solutions:
        said = "".join(output.get("text", "") for output in cell.outputs)
        assert "Right." in said, f"the check does not accept the solution:\n{cell.source}\n{said}"


def test_the_text_leads_to_other_pages(path):
    """To chapters, modules, terms and exercises, at least ten times and to at least five pages."""
    addresses = re.findall(r"\]\(([^)\s]+)\)", "\n".join(markdown(read(path))))
    inside = [address for address in addresses if not address.startswith(("http", "#"))]
    assert len(inside) >= 10, f"{len(inside)} links to other pages"
    assert len({address.partition("#")[0] for address in inside}) >= 5, sorted(set(inside))


def test_the_language_is_plain(path):
    text = re.sub(r"```.*?```", "", "\n".join(markdown(read(path))), flags=re.S)
    for word in BANNED:
        assert not re.search(rf"\b{word}\b", text, flags=re.I), f"'{word}' in the text"
    plain = re.sub(r"`[^`]*`|\$[^$]*\$|!\[", "", text)
    assert not re.search(r"\w!(\s|$)", plain), "an exclamation mark"
    assert not EMOJI.search(plain), "an emoji"


def test_the_summary_is_3_to_6_bullets_and_the_page_ends_with_its_references(path):
    text = "\n".join(markdown(read(path)))
    summary = text.split("\n## Summary")[1].split("\n## ")[0]
    assert 3 <= len(re.findall(r"^- ", summary, flags=re.M)) <= 6
    assert re.search(r"\(\d{4}\)\]\(|, \d{4}\]\(", text.split("\n## Further reading")[1]), "no work is cited"


def test_equations_and_packages_are_there(path):
    notebook = read(path)
    code = "\n".join(cell.source for cell in lesson_cells(notebook))
    assert re.search(r"^\s*(from|import) neuralmem", code, flags=re.M)
    assert re.search(r"\bassert\b|testing\.assert_close|assert_allclose", code), "no claim is asserted"
    labels = re.findall(r'<a id="(eq-[\w-]+)"></a>', "\n".join(markdown(notebook)))
    assert labels and all(label.startswith(f"eq-ch{int(path.stem[:2])}-") for label in labels), labels
