"""The stored results that chapters draw from, found wherever a notebook is opened.

Looked for in this order: `results/` beside the notebook (the student edition), `book/results/` and `results/` in the
folders above it, `book/results/` of the repository that this package was installed from, and the copy that is installed
with the package. So a chapter works from any working directory, and as a copy alone in an empty folder.
"""

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()


def folders() -> list[Path]:
    """Return the folders that hold stored results, the first to be asked first; see above for the order."""
    working = Path.cwd()
    candidates = [working / "results"]
    for above in [working, *working.parents]:
        candidates += [above / "book" / "results", above / "results"]
    candidates += [HERE.parents[2] / "book" / "results", HERE.parent / "data"]
    found = [folder for folder in candidates if any(folder.glob("*.json"))]
    return list(dict.fromkeys(found))


def names() -> list[str]:
    """Return the names of all stored results in alphabetical order, as `load` takes them."""
    return sorted({path.stem for folder in folders() for path in folder.glob("*.json")})


def load(name: str) -> dict[str, Any]:
    """Return what the stored results `name` hold, for example `load("copy_task")["runs"]`.

    Raises FileNotFoundError, which says what to do, where no folder holds them, and ValueError for a file that is no
    JSON, for instance one that was cut short.
    """
    for folder in folders():
        path = folder / f"{name}.json"
        if path.is_file():
            try:
                return json.loads(path.read_text(encoding="utf-8"))
            except json.JSONDecodeError as error:
                raise ValueError(f"{path} is no JSON ({error}): get the file again, or remove it") from None
    known = ", ".join(names()) or "none at all"
    raise FileNotFoundError(
        f"The stored results {name!r} were not found (found: {known}). Either copy the folder book/results of the "
        f"repository to {Path.cwd() / 'results'}, or install the package from the repository, which brings them: "
        "python -m pip install PATH-TO-THE-REPOSITORY. To make them anew, type in the repository: "
        f"python -m book.experiments.{name}"
    )
