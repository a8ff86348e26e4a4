"""A figure in a notebook is stored with twice the pixels of the size at which it is shown."""

import base64
import io

import pytest
from PIL import Image

pytest.importorskip("nbformat")
pytest.importorskip("nbclient")
import nbformat
from nbclient import NotebookClient

DRAW = "from neuralmem.teaching.figures.style import new_figure\nfigure, ax = new_figure(5, 2)\nfigure"


@pytest.mark.parametrize("first", ["", "import matplotlib.pyplot as plt\n", "%matplotlib inline\n"])
def test_a_kernel_stores_a_figure_sharp(first):
    """pyplot registers a picture of its own for every Figure, which once came before the sharp one."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(first + DRAW)])
    NotebookClient(notebook, kernel_name="python3").execute()
    (shown,) = notebook.cells[0].outputs
    size = Image.open(io.BytesIO(base64.b64decode(shown.data["image/png"]))).size
    assert size == (1000, 400)
    assert shown.metadata["image/png"] == {"width": 500, "height": 200}
