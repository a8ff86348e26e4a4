"""Run the chapters again and store what they print and draw, the same bytes for the same results.

    python book/execute.py            all chapters
    python book/execute.py 03 04      those whose file name begins so

The seconds that each took, and its slowest cells, are kept in book/results/runtimes.json.
"""

import hashlib
import json
import os
import platform
import re
import sys
import time
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import nbformat
from nbclient import NotebookClient

sys.path.insert(0, str(Path(__file__).resolve().parent / "extensions"))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from numbering import numbered
from plain_notebooks import is_bar

HERE = Path(__file__).parent
WIDGET = "application/vnd.jupyter.widget-view+json"


def tidy(notebook):
    """Remove what changes from run to run: ids, timings, widget views and state, how a stream was cut into pieces.

    Numbers of figures, equations and exercises are set right, and what a reader opens by a click is folded.
    """
    seen = {}
    for cell in numbered(notebook).cells:
        digest = hashlib.sha1(cell.source.encode()).hexdigest()[:8]
        seen[digest] = seen.get(digest, 0) + 1
        cell["id"] = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
        cell.metadata.pop("execution", None)
        _fold(cell)
        if cell.cell_type == "code":
            cell["outputs"] = _joined(cell.outputs)
            _show_at_its_size(cell)
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return notebook


def _fold(cell):
    """Fold solutions and plumbing, and nothing else: JupyterLab folds with a heading what stands below it."""
    for key in ("jupyter", "collapsed", "scrolled", "jp-MarkdownHeadingCollapsed"):
        cell.metadata.pop(key, None)
    if cell.cell_type == "markdown" and cell.source.startswith("#### Solution"):
        cell.metadata["jp-MarkdownHeadingCollapsed"] = True
    if {"hide-input", "remove-input"} & set(cell.metadata.get("tags", [])):
        cell.metadata["jupyter"] = {"source_hidden": True}


def _show_at_its_size(cell):
    """Tell the page how wide the cell's picture was drawn, since its file has more pixels for sharp screens."""
    for output in cell.outputs:
        width = output.get("metadata", {}).get("image/png", {}).get("width")
        if width:
            shown = cell.metadata.setdefault("mystnb", {}).setdefault("image", {})
            shown["width"] = f"{width}px"


def _joined(outputs):
    """Return the outputs without bars and widget views, and with consecutive pieces of one stream put together."""
    kept = []
    for output in outputs:
        if is_bar(output):
            continue
        output.get("data", {}).pop(WIDGET, None)
        if kept and output.output_type == "stream" and kept[-1].get("name") == output.name:
            kept[-1]["text"] += output.text
        else:
            kept.append(output)
    return kept


class Watching(NotebookClient):
    """Runs a notebook as for a person who waits, so that it shows in which cells bars are drawn; none is stored."""

    async def async_start_new_kernel_client(self):
        client = await super().async_start_new_kernel_client()
        client.allow_stdin = True  # by which `neuralmem.teaching.progress` knows a person
        return client


def execute(path):
    """Run one notebook in its own folder and write it back, tidied; return its slowest cells."""
    notebook = nbformat.read(path, as_version=4)
    here = {"metadata": {"path": str(path.parent)}}
    Watching(notebook, timeout=900, kernel_name="python3", record_timing=True, resources=here).execute()
    longest = slowest(notebook)
    nbformat.write(tidy(notebook), path)
    return longest


def slowest(notebook, count=3, long=5):
    """The cells that took most, `count` or all that took more than `long` seconds, a list of dicts.

    Of each the seconds, the heading above it, its first line of code, and whether it had a bar.
    """
    found, heading = [], ""
    for cell in notebook.cells:
        lines = cell.source.splitlines()
        if cell.cell_type == "markdown":
            heading = next((line.lstrip("# ") for line in reversed(lines) if re.match(r"#+ ", line)), heading)
        elif "execution" in cell.metadata:
            ends = (cell.metadata.execution[key] for key in ("iopub.status.busy", "shell.execute_reply"))
            began, ended = (datetime.fromisoformat(end.replace("Z", "+00:00")) for end in ends)
            seconds = round((ended - began).total_seconds(), 1)
            code = (line for line in lines if line and not line.startswith(("#", "import ", "from ", "%", "try:")))
            bar = any(map(is_bar, cell.outputs))
            found.append({"seconds": seconds, "section": heading, "line": next(code, ""), "bar": bar})
    found = sorted(found, key=lambda cell: -cell["seconds"])
    return [cell for place, cell in enumerate(found) if place < count or cell["seconds"] > long]


def record(name, seconds, cells):
    """Keep in book/results/runtimes.json the seconds of a chapter, and of its slowest cells, with their machine."""
    path = HERE / "results" / "runtimes.json"
    path.parent.mkdir(exist_ok=True)
    known = json.loads(path.read_text()) if path.exists() else {}
    known[name] = {
        "seconds": round(seconds, 1),
        "python": platform.python_version(),
        "torch": version("torch"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "cells": cells,
    }
    path.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n")


def main(prefixes):
    """Execute the chapters whose names begin with one of `prefixes` (all when there are none)."""
    for path in sorted(HERE.glob("[0-9]*.ipynb")):
        if not prefixes or path.name.startswith(tuple(prefixes)):
            began = time.perf_counter()
            cells = execute(path)
            seconds = time.perf_counter() - began
            record(path.stem, seconds, cells)
            print(f"{path.name}: {seconds:.0f} s", flush=True)
    for path in sorted([*(HERE / "appendices").glob("*.ipynb"), *HERE.glob("[a-z]*.ipynb")]):  # show what others left
        if not prefixes or path.stem.startswith(tuple(prefixes)):
            execute(path)
            print(path.name, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
