"""Make the student edition: the chapters as they are, less their solutions.

    python book/student.py                 into _build/student
    python book/student.py FOLDER          into FOLDER, which must not hold anything else

Each exercise keeps its text, its stub, its check and its hint. The folder opens in JupyterLab wherever the requirements
are installed: stored results and drawings lie beside the chapters.
"""

import re
import shutil
import sys
from pathlib import Path

import nbformat

HERE = Path(__file__).parent
MARK = re.compile(r"^(`{3,})\{solution-(start|end)\}.*?^\1[ \t]*$", flags=re.M | re.S)


def without_solutions(notebook):
    """Remove what stands between the marks solution-start and solution-end, and the marks; return the notebook."""
    kept, inside = [], False
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            texts, place = [], 0
            for mark in MARK.finditer(cell.source):
                if not inside:
                    texts.append(cell.source[place : mark.start()])
                inside, place = mark.group(2) == "start", mark.end()
            if not inside:
                texts.append(cell.source[place:])
            cell.source = "\n\n".join(text.strip() for text in texts if text.strip())
            kept += [cell] if cell.source else []
        elif not inside and "solution" not in cell.metadata.get("tags", []):
            kept.append(cell)
    if inside:
        raise ValueError("a solution-start has no solution-end")
    notebook.cells = kept
    return notebook


def main(folder):
    """Write every chapter without its solutions to `folder`, with the results and drawings that it shows."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(HERE.glob("[0-9]*.ipynb")):
        nbformat.write(without_solutions(nbformat.read(path, as_version=4)), folder / path.name)
    shutil.copytree(HERE / "results", folder / "results", dirs_exist_ok=True)
    (folder / "static").mkdir(exist_ok=True)
    for path in (HERE / "static").glob("*.svg"):
        shutil.copy(path, folder / "static")
    print(f"The student edition is in {folder.resolve()}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent / "_build" / "student")
