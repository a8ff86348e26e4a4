"""A chapter that was run and saved in JupyterLab still shows its explorers on the page."""

import subprocess
import sys

import nbformat
import yaml
from conftest import ROOT
from nbformat.v4 import new_code_cell, new_notebook, new_output

VIEW = "application/vnd.jupyter.widget-view+json"


def saved_notebook():
    """What JupyterLab saves for an explorer: the player, the view of a widget, the widget's state."""
    data = {
        "text/plain": "Explorer(figure, 3 frames)",
        "text/html": '<div class="explorer">the player</div>',
        VIEW: {"version_major": 2, "version_minor": 0, "model_id": "1234"},
    }
    cell = new_code_cell("explore(figure)", execution_count=1)
    cell.outputs = [new_output("execute_result", data=data, execution_count=1)]
    state = {"1234": {"model_name": "VBoxModel", "model_module": "@jupyter-widgets/controls", "state": {}}}
    notebook = new_notebook(cells=[nbformat.v4.new_markdown_cell("# Saved"), cell])
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata["widgets"] = {
        "application/vnd.jupyter.widget-state+json": {"state": state, "version_major": 2, "version_minor": 0}
    }
    return notebook


def test_the_page_of_a_saved_notebook_shows_the_player_and_no_widget(tmp_path):
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    chosen = {"nb_mime_priority_overrides": config["sphinx"]["config"]["nb_mime_priority_overrides"]}
    small = {"title": "Small", "execute": {"execute_notebooks": "off"}, "sphinx": {"config": chosen}}
    (tmp_path / "_config.yml").write_text(yaml.safe_dump(small))
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: saved\n")
    nbformat.write(saved_notebook(), tmp_path / "saved.ipynb")
    program = "import sys; from jupyter_book.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "build", str(tmp_path), "-W", "--all"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "_build" / "html" / "saved.html").read_text(encoding="utf-8")
    assert '<div class="explorer">the player</div>' in page
    assert VIEW not in page
