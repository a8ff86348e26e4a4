"""Run every cell of notebooks twice in a row, from copies alone in empty folders, with only the package installed.

    python tests/twice.py book/01_addressing.ipynb book/02_bank.ipynb

A reader runs a cell again, opens a chapter from another folder, has it without the rest of the book, or may not write
where it lies: a notebook that writes into its folder fails, too. The package that the copy sees is built and installed
to a folder of its own, so that it cannot lean on the repository around it.
Prints one line a notebook, and for each that fails the cell and the error; exits 1 where one failed.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from alone import build
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook


def installed(folder):
    """Build a wheel of the package, install it without what it needs to a folder, and return that folder."""
    site = Path(folder) / "site"
    wheel = build(Path(folder))
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*command, "--target", site, wheel], check=True)
    return site


def doubled(notebook):
    """Return the notebook with each code cell followed by itself."""
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        if cell.cell_type == "code":
            cells.append(nbformat.from_dict({**cell, "id": f"{cell.get('id', len(cells))}-again"[-64:]}))
    return nbformat.from_dict({**notebook, "cells": cells})


def trouble(path, site=None):
    """Run a copy of a notebook alone in an empty folder, each cell twice; return None, or what went wrong."""
    with tempfile.TemporaryDirectory() as folder:
        notebook = doubled(nbformat.read(path, as_version=4))
        began = os.stat(folder).st_mtime_ns
        environment = {**os.environ}
        if site is not None:
            environment["PYTHONPATH"] = str(site)
        client = NotebookClient(notebook, timeout=1200, kernel_name="python3", resources={"metadata": {"path": folder}})
        try:
            client.execute(env=environment)
        except CellExecutionError as error:
            number = client.code_cells_executed
            which = "first" if number % 2 else "second"
            return f"code cell {(number + 1) // 2}, when run the {which} time:\n{error}"
        if os.stat(folder).st_mtime_ns == began:
            return None
        left = ", ".join(sorted(name.name for name in Path(folder).iterdir())) or "removed again"
        return f"it wrote into the folder it was opened in, which may be read-only (use a temporary one): {left}"


def main(paths):
    """Run the notebooks; return the exit status."""
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        site = installed(folder)
        probe = Path(folder) / "probe.ipynb"
        seen = new_code_cell(f"import neuralmem\nassert neuralmem.__file__.startswith({str(site)!r}), neuralmem")
        nbformat.write(new_notebook(cells=[seen]), probe)
        if trouble(probe, site):
            print("FAILED: the package that a copy sees is not the one that was installed for it\n1 failed")
            return 1
        for path in paths:
            began = time.perf_counter()
            said = trouble(path, site)
            failed += said is not None
            print(f"{'FAILED' if said else 'passed'}  {path}  {time.perf_counter() - began:.0f} s", flush=True)
            if said:
                print(said, flush=True)
    print(f"{len(paths) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
