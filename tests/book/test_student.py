"""The student edition has every exercise and no solution."""

import re
import subprocess
import sys

import nbformat
import pytest
from conftest import ROOT, chapter_paths
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

sys.path.insert(0, str(ROOT / "book"))
from student import main, without_solutions


def lesson():
    return new_notebook(
        cells=[
            new_markdown_cell('<a id="a"></a>\n### Exercise 1.1: One\n\nDo it.'),
            new_code_cell("def one(): raise NotImplementedError", metadata={"tags": ["exercise"]}),
            new_markdown_cell("<details><summary>Hint</summary>\n\nThink.\n\n</details>"),
            new_markdown_cell("#### Solution of exercise 1.1"),
            new_markdown_cell("So:"),
            new_code_cell("def one_solution(): return 1", metadata={"tags": ["solution"]}),
            new_code_cell("one_solution()"),
            new_markdown_cell('Because.\n\n<a id="b"></a>\n### Exercise 1.2: Two\n\nMore.'),
            new_markdown_cell("Hint: none.\n\n#### Solution of exercise 1.2\n\nThus.\n\n#### A remark on it"),
            new_markdown_cell("```python\ntwo = 2\n```"),
            new_markdown_cell("## Further reading"),
        ]
    )


def test_what_stands_around_a_solution_is_kept_and_all_of_the_solution_is_gone():
    cells = without_solutions(lesson()).cells
    assert [cell.source for cell in cells] == [
        '<a id="a"></a>\n### Exercise 1.1: One\n\nDo it.',
        "def one(): raise NotImplementedError",
        "<details><summary>Hint</summary>\n\nThink.\n\n</details>",
        '<a id="b"></a>\n### Exercise 1.2: Two\n\nMore.',
        "Hint: none.",
        "## Further reading",
    ]


@pytest.mark.parametrize("path", chapter_paths(), ids=lambda path: path.stem)
def test_a_chapter_keeps_its_exercises_and_needs_no_solution(path):
    whole = nbformat.read(path, as_version=4)
    count = sum("exercise" in cell.metadata.get("tags", []) for cell in whole.cells)
    words = len(" ".join(cell.source for cell in whole.cells).split())
    student = without_solutions(whole)
    nbformat.validate(student)
    text = "\n".join(cell.source for cell in student.cells)
    assert not re.search(r"\w+_solution\b|^#### Solution", text, flags=re.M)
    exercises, hints = re.findall(r"^### Exercise ", text, flags=re.M), re.findall("<summary>Hint</summary>", text)
    assert len(exercises) == len(hints) == count >= 4
    assert len(text.split()) > 0.8 * words, "more than the solutions is gone"


def files(folder):
    """Every file below a folder, with its bytes."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_edition_is_a_folder_that_can_be_handed_out(tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("deep/student", "empty"):
        main(tmp_path / name)
        found = set(files(tmp_path / name))
        assert {path.name for path in (ROOT / "book").glob("*.ipynb")} <= found
        assert {"results/runtimes.json", "static/agent.svg", "appendices/glossary.md"} <= found
    assert {path.name for path in tmp_path.iterdir()} == {"deep", "empty"}, "something was left behind"


def test_every_link_of_the_edition_leads_to_a_file_of_it(tmp_path):
    main(tmp_path / "student")
    pages = [*(tmp_path / "student").rglob("*.ipynb"), *(tmp_path / "student").rglob("*.md")]
    assert len(pages) > 30
    for page in pages:
        text = page.read_text(encoding="utf-8")
        if page.suffix == ".ipynb":
            cells = nbformat.reads(text, as_version=4).cells
            text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        for address in re.findall(r"\]\(([^)\s#]+)[^)\s]*\)", text):
            assert address.startswith(("http", "mailto:")) or (page.parent / address).exists(), (page.name, address)


def test_what_somebody_wrote_is_not_overwritten(tmp_path):
    main(tmp_path / "student")
    (tmp_path / "student" / "01_addressing.ipynb").write_text("my answers")
    before = files(tmp_path)
    with pytest.raises(FileExistsError, match="holds something.*name another folder"):
        main(tmp_path / "student")
    assert files(tmp_path) == before


@pytest.mark.parametrize("content", [".hidden", "notes.txt"])
def test_a_folder_that_holds_anything_is_refused(content, tmp_path):
    (tmp_path / content).write_text("mine")
    with pytest.raises(FileExistsError):
        main(tmp_path)
    assert files(tmp_path) == {content: b"mine"}
    with pytest.raises(FileExistsError):
        main(tmp_path / content)


@pytest.mark.parametrize("folder", ["book", "book/student", "book/results/../new"])
def test_the_book_is_refused(folder):
    names = sorted(path.name for path in (ROOT / "book").iterdir())
    with pytest.raises(ValueError, match="part of the book itself"):
        main(ROOT / folder)
    assert sorted(path.name for path in (ROOT / "book").iterdir()) == names


def test_the_command_says_it_in_one_line(tmp_path):
    (tmp_path / "mine.txt").write_text("")
    command = [sys.executable, str(ROOT / "book" / "student.py"), str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 1 and "holds something" in run.stderr and "Traceback" not in run.stderr
