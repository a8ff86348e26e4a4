"""What the first cell of a chapter does: say in one line what is missing, and explain a name that is not there yet."""

import sys
from collections.abc import Callable
from typing import Any

import neuralmem
from neuralmem.doctor import NEEDS, installed_version, numbers_of

from .progress import shell

USED = ("torch", "numpy", "scipy", "scikit-learn", "matplotlib", "pandas", "ipywidgets")
"""What the chapters import, besides the package."""


def ready(version: str, installed: Callable[[str], str | None] = installed_version) -> None:
    """Return silently where a chapter can run; otherwise raise ImportError that names what is missing or too old.

    `version` is the oldest `neuralmem` that the chapter runs with; `installed(name)` gives a distribution's version or
    None. In a notebook, an unknown name is explained from now on (`explain`).
    """
    if numbers_of(neuralmem.__version__) < numbers_of(version):
        raise ImportError(f"neuralmem {neuralmem.__version__} is too old for this chapter, which needs {version}")
    for name in USED:
        found, lowest = installed(name), NEEDS[name][0]
        if found is None:
            raise ImportError(f"{name} is missing")
        if numbers_of(found) < lowest:
            raise ImportError(f"{name} {found} is too old, this book needs {'.'.join(map(str, lowest))}")
    reader = shell()
    if reader is not None:
        reader.set_custom_exc((NameError,), explain)


def explain(reader: Any, kind: type, error: NameError, trace: Any, tb_offset: int | None = None) -> None:
    """Show a NameError as ever, and then say what it means after a cell that was interrupted or passed over."""
    reader.showtraceback((kind, error, trace), tb_offset=tb_offset)
    if error.name:
        print(
            f"If a cell above makes {error.name}, it has not run to its end: run it, and then this one. "
            "(Menu Run, Run All Above Selected Cell.)",
            file=sys.stderr,
        )
