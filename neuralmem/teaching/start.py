"""What the first cell of a chapter does: say in one line what is missing, and keep what is half made out of the way."""

import ast
import dis
import sys
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

import neuralmem
from neuralmem.doctor import NEEDS, installed_version, numbers_of

from .progress import shell

USED = ("torch", "numpy", "scipy", "scikit-learn", "matplotlib", "pandas", "ipywidgets")
"""What the chapters import, besides the package."""
_interrupted: dict[str, int] = {}
"""The number of the interrupted cell that was to make a name."""


def ready(version: str, installed: Callable[[str], str | None] = installed_version) -> None:
    """Return silently where a chapter can run; otherwise raise ImportError that names what is missing or too old.

    `version` is the oldest `neuralmem` that the chapter runs with; `installed(name)` gives a distribution's version or
    None. In a notebook, an unknown name is explained from now on (`explain`), and what an interrupted cell was making
    is set aside (`set_aside`).
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
        if set_aside not in reader.events.callbacks["post_run_cell"]:
            reader.events.register("post_run_cell", set_aside)


def own_names(source: str) -> list[str]:
    """The names that a cell makes: those that it binds before it reads them."""
    code = compile(source, "cell", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    read: set[str] = set()
    made: list[str] = []
    for step in dis.get_instructions(code):
        if step.opname == "LOAD_NAME" and step.argval not in made:
            read.add(step.argval)
        if step.opname == "STORE_NAME" and step.argval not in read and step.argval not in made:
            made.append(step.argval)
    return made


def set_aside(result: Any) -> None:
    """After a cell was interrupted, move the values that it makes into `half_made`, so that no cell below uses them.

    A network that was trained half-way looks like one that was trained to the end, and on a second run its history is
    still that of the first. Functions, classes and modules stay.
    """
    reader = shell()
    if result.error_before_exec is not None:
        return
    values = reader.user_ns
    names = own_names(reader.transform_cell(result.info.raw_cell))
    names = [name for name in names if not isinstance(values.get(name), type | ModuleType | FunctionType)]
    for name in names:
        values.get("half_made", {}).pop(name, None)
        _interrupted.pop(name, None)
    if names and isinstance(result.error_in_exec, KeyboardInterrupt):
        _interrupted.update(dict.fromkeys(names, result.execution_count))
        made = {name: values.pop(name) for name in names if name in values}
        values["half_made"] = values.get("half_made", {}) | made
        kept = f" What it was making is in half_made: {', '.join(made)}." if made else ""
        print(f"Interrupted: run this cell again before the cells below.{kept}", file=sys.stderr)


def explain(reader: Any, kind: type, error: NameError, trace: Any, tb_offset: int | None = None) -> None:
    """Show a NameError as ever, and then say what it means after a cell that was interrupted or passed over."""
    reader.showtraceback((kind, error, trace), tb_offset=tb_offset)
    if error.name in _interrupted:
        cell = f"cell [{_interrupted[error.name]}]"
        print(f"{error.name} is missing because {cell} was interrupted: run that, and then this.", file=sys.stderr)
    elif error.name:
        print(
            f"If a cell above makes {error.name}, it has not run to its end: run it, and then this one. "
            "(Menu Run, Run All Above Selected Cell.)",
            file=sys.stderr,
        )
