"""Run the chapters again and store what they print and draw, the same bytes for the same results.

    python book/execute.py            all chapters
    python book/execute.py 03 04      those whose file name begins so
"""

import hashlib
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
WIDGET = "application/vnd.jupyter.widget-view+json"


def tidy(notebook):
    """Remove what changes from run to run: ids, timings, widget views and state, the kernel's patch version."""
    seen = {}
    for cell in notebook.cells:
        digest = hashlib.sha1(cell.source.encode()).hexdigest()[:8]
        seen[digest] = seen.get(digest, 0) + 1
        cell["id"] = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET, None)
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return notebook


def execute(path):
    """Run one notebook in its own folder and write it back, tidied."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, timeout=900, kernel_name="python3", record_timing=False, resources={"metadata": {"path": str(path.parent)}}
    ).execute()
    nbformat.write(tidy(notebook), path)


def main(prefixes):
    """Execute the chapters whose names begin with one of `prefixes` (all when there are none)."""
    for path in sorted(HERE.glob("[0-9]*.ipynb")):
        if not prefixes or path.name.startswith(tuple(prefixes)):
            began = time.perf_counter()
            execute(path)
            print(f"{path.name}: {time.perf_counter() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
