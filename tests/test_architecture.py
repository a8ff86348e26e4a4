"""The rooms: which module may import which, how long a module may be, and that the tests mirror them.

Mechanisms import no world and no teaching, worlds import no teaching, and nothing but the book and the teaching imports
the teaching. A new module gets a line in ROOMS; what stands there may be imported, and nothing else of the package.
"""

import ast
import re

import pytest
from conftest import ROOT, chapter_paths

ROOMS = {  # module: what of the package it may import, besides _validate
    "_validate": set(),
    "doctor": set(),
    "attention": set(),
    "tape": set(),
    "gradients": {"tape"},
    "interface": {"tape"},
    "addressing": {"gradients"},
    "bank": {"addressing", "gradients", "interface", "tape"},
    "controller": {"bank", "gradients", "tape"},
    "sum_tree": set(),
    "columns": set(),
    "replay": {"columns", "sum_tree"},
    "together": {"bank", "controller", "tape"},
    "descent": {"tape"},
    "meta": {"descent", "tape", "together"},
    "metrics": set(),
    "closed_form": set(),
    "episodic": {"addressing"},
    "planning": set(),
    "training": {"controller", "meta"},
    "sweep": set(),
    "persistence": set(),
    "guards": {"replay"},
    "agent": {"bank", "controller", "replay", "meta", "training", "sweep", "persistence", "guards"},
    "series": set(),
    "prequential": {"closed_form", "series"},
    "stream_agent": {"agent", "closed_form", "episodic", "persistence", "prequential", "replay"},
}
MOST_LINES = 350
WITHOUT_A_MODULE = {"architecture", "errors"}  # tests of several rooms at once
PACKAGE = ROOT / "neuralmem"
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
OTHERS = [
    path.relative_to(ROOT).as_posix()
    for folder in ("book", "tests", ".ci")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if ".ipynb_checkpoints" not in path.parts
]


def imports(path):
    """Return the modules of the package that a file imports, at its head or in a function, as `worlds.rooms`."""
    inside = path.relative_to(ROOT).with_suffix("").parts[:-1] if PACKAGE in path.parents else ()
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = ".".join(inside[: len(inside) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, [package, node.module]))
            found |= {f"{module}.{alias.name}" for alias in node.names}
    return {name.removeprefix("neuralmem.") for name in found if name.split(".")[0] == "neuralmem"}


def room(name):
    """Return the room of an import: `worlds`, `teaching`, the module, or `neuralmem` for its six classes."""
    first = name.split(".")[0]
    if first == "neuralmem" or (PACKAGE / first).is_dir() or (PACKAGE / f"{first}.py").exists():
        return first
    return "neuralmem"


@pytest.mark.parametrize("module", [name for name in MODULES if "/" not in name and name != "__init__.py"])
def test_a_mechanism_imports_what_its_line_says(module):
    name = module.removesuffix(".py")
    assert name in ROOMS, f"{name} has no line in ROOMS: say which rooms it may import"
    used = {room(found) for found in imports(PACKAGE / module)}
    assert used <= ROOMS[name] | {"_validate"}, f"{name} may not import {used - ROOMS[name]}"


def test_no_two_mechanisms_import_each_other():
    seen = []
    for name, used in ROOMS.items():
        assert used <= set(seen), f"{name} imports what stands below it: {used - set(seen)}"
        seen.append(name)
    assert {f"{name}.py" for name in ROOMS} == {name for name in MODULES if "/" not in name} - {"__init__.py"}


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("worlds/")])
def test_a_world_imports_no_teaching_and_no_agent(module):
    used = {room(found) for found in imports(PACKAGE / module)}
    assert used <= {"_validate", "worlds"}, f"{module} may not import {used}"


def test_nothing_but_the_book_and_the_teaching_imports_the_teaching():
    for module in [name for name in MODULES if not name.startswith("teaching/")]:
        assert "teaching" not in {room(found) for found in imports(PACKAGE / module)}, module
    may = ("book/", "tests/book/", "tests/teaching/", "tests/setup/")
    for path in [path for path in OTHERS if not path.startswith(may)]:
        found = {room(found) for found in imports(ROOT / path)}
        assert "teaching" not in found or path in ("tests/exercises.py", "tests/conftest.py"), path


def test_the_reader_of_imports_sees_every_form():
    path = PACKAGE / "worlds" / "invented.py"
    forms = {
        "import neuralmem.teaching.explore": "teaching",
        "from neuralmem import teaching": "teaching",
        "from neuralmem.teaching import explore": "teaching",
        "from ..teaching import explore": "teaching",
        "from .. import teaching": "teaching",
        "def f():\n    from ..teaching.explore import Explorer": "teaching",
        "from . import pendulum": "worlds",
        "from .pendulum import step": "worlds",
        "from .._validate import real": "_validate",
        "from neuralmem import MemoryConfig": "neuralmem",
    }

    class Text:
        parents = path.parents
        relative_to = staticmethod(path.relative_to)

    for text, expected in forms.items():
        Text.read_text = staticmethod(lambda encoding, text=text: text)
        assert {room(found) for found in imports(Text)} == {expected}, text


@pytest.mark.parametrize("path", [*(f"neuralmem/{name}" for name in MODULES), *OTHERS])
def test_no_module_is_longer_than_a_reader_stays(path):
    lines = len((ROOT / path).read_text(encoding="utf-8").splitlines())
    assert lines <= MOST_LINES, f"{path} has {lines} lines: make two rooms of it"


@pytest.mark.parametrize("module", MODULES)
def test_each_module_has_its_test(module):
    *folders, name = module.removesuffix(".py").split("/")
    wanted = ROOT / "tests" / "/".join(folders[:1]) / f"test_{name}.py"
    if name in ("__init__", "_validate"):
        pytest.skip("tested through its users: test_errors")
    elif module.startswith("teaching/checks/chapter_"):
        wanted = ROOT / "tests" / "book" / f"test_{name}.py"
    elif module.startswith("teaching/figures/"):
        pytest.skip("drawn, and looked at, in the chapters")
    elif module.startswith("teaching/") and not wanted.exists():  # what serves one chapter is tested with it
        dotted = f"neuralmem.teaching.{name}"
        paths = sorted((ROOT / "tests" / "book").glob("test_chapter_*.py"))
        wanted = next((path for path in paths if dotted in imports_of(path)), wanted)
    assert wanted.exists(), f"{module} has no {wanted.relative_to(ROOT)}"


def imports_of(path):
    """Return the dotted names that a test imports."""
    return {f"neuralmem.{name}" for found in imports(path) for name in (found, found.rpartition(".")[0])}


def test_each_test_stands_where_its_room_stands():
    chapters = {f"test_chapter_{int(path.stem[:2])}.py" for path in chapter_paths()}
    found = {path.name for path in (ROOT / "tests" / "book").glob("test_chapter*.py")}
    assert found == chapters, "one file of tests a chapter"
    for folder in ("", "worlds", "teaching"):
        for path in (ROOT / "tests" / folder).glob("test_*.py"):
            name = re.sub(r"_(models|speed|priorities|refuses)$", "", path.stem.removeprefix("test_"))
            homes = [PACKAGE / folder / room / f"{name}.py" for room in ("", "checks", "figures")]
            assert (not folder and name in WITHOUT_A_MODULE) or any(home.exists() for home in homes), path
