"""A figure in a notebook is stored with twice the pixels of the size at which it is shown."""

import base64
import io
import re
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("nbformat")
pytest.importorskip("nbclient")
import nbformat
from nbclient import NotebookClient

from neuralmem.teaching.figures import style

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


def test_no_figure_is_wider_than_the_column_of_the_page():
    assert style.new_figure(style.PAGE_WIDTH, 2)[0].get_size_inches().tolist() == [style.PAGE_WIDTH, 2]
    with pytest.raises(ValueError, match="width must be at most 7.4 inches, the page's column, got 7.5"):
        style.new_figure(7.5, 2)


def test_no_letters_are_smaller_than_nine_pixels():
    smallest = 9 * 72 / 100  # in points, at the 100 dots an inch at which a page shows a figure
    asked = []
    for path in Path(style.__file__).parent.glob("*.py"):
        found = re.findall(r"\b(?:font|label|title)size=([\d.]+)", path.read_text(encoding="utf-8"))
        asked += [(path.name, float(size)) for size in found]
    assert len(asked) > 40 and [found for found in asked if found[1] < smallest] == []
