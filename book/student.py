"""Make the student edition: the chapters as they are, less their solutions.

    python book/student.py                 into _build/student
    python book/student.py FOLDER          into FOLDER

The folder must be new or empty: what somebody wrote into an edition is not overwritten. Each exercise keeps its text,
its stub, its check and its hint. The folder opens in JupyterLab wherever the requirements are installed: stored results
and drawings lie beside the chapters.
"""

import shutil
import sys
import tempfile
from pathlib import Path

import nbformat

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "extensions"))
from plain_notebooks import HEADING, SOLUTION  # noqa: E402


def without_solutions(notebook):
    """Remove what stands between the heading of a solution and the next of a higher level; return the notebook."""
    kept, inside = [], False
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            texts, rest = [], cell.source
            while rest:
                found = (HEADING if inside else SOLUTION).search(rest)
                if not inside:
                    texts.append(rest[: found.start()] if found else rest)
                rest = rest[found.start() if inside else found.end() :] if found else ""
                inside = inside != bool(found)
            cell.source = "\n\n".join(text.strip() for text in texts if text.strip())
            kept += [cell] if cell.source else []
        elif not inside and "solution" not in cell.metadata.get("tags", []):
            kept.append(cell)
    notebook.cells = kept
    return notebook


def refuse(folder):
    """Raise ValueError or FileExistsError where an edition in `folder` would overwrite something."""
    folder = folder.resolve()
    if folder == HERE or HERE in folder.parents:
        raise ValueError(f"{folder} is part of the book itself: name a folder outside {HERE}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(
            f"{folder} exists and holds something, perhaps somebody's answers: move it away, or name another folder "
            "(make student FOLDER=path)"
        )


def main(folder):
    """Write every chapter without its solutions to `folder`, with the results and drawings that it shows.

    The edition appears whole or not at all. Raises ValueError for a folder in the book itself and FileExistsError for
    one that holds anything.
    """
    refuse(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".student-") as beside:
        made = Path(beside) / "edition"
        made.mkdir()
        for path in sorted(HERE.glob("*.ipynb")):
            nbformat.write(without_solutions(nbformat.read(path, as_version=4)), made / path.name)
        shutil.copytree(HERE / "results", made / "results")
        hidden = shutil.ignore_patterns(".ipynb_checkpoints")
        shutil.copytree(HERE / "appendices", made / "appendices", ignore=hidden)  # the text links to the glossary
        (made / "static").mkdir()
        for path in (HERE / "static").glob("*.svg"):
            shutil.copy(path, made / "static")
        if folder.exists():
            folder.rmdir()  # it is empty, or this raises
        made.rename(folder)
    print(f"The student edition is in {folder.resolve()}")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent / "_build" / "student")
    except (ValueError, FileExistsError) as error:
        sys.exit(str(error))
