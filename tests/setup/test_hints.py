"""Every public function and method of the package says what it takes and returns; mypy checks that it is true."""

import ast

import pytest
from conftest import ROOT

PACKAGE = ROOT / "neuralmem"
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


def public_functions(body, prefix=""):
    """Yield the public functions and methods of a module, with their names; __init__ and __call__ are public, too."""
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public_functions(node.body, f"{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if not node.name.startswith("_") or (prefix and node.name in ("__init__", "__call__")):
                yield prefix + node.name, node


def without_hint(name, node):
    """Return what of a function has no hint: its arguments' names, and `return`."""
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    if "." in name and not any(
        isinstance(mark, ast.Name) and mark.id == "staticmethod" for mark in node.decorator_list
    ):
        arguments = arguments[1:]
    arguments += [extra for extra in (node.args.vararg, node.args.kwarg) if extra]
    missing = [argument.arg for argument in arguments if argument.annotation is None]
    return missing + (["return"] if node.returns is None and not name.endswith(".__init__") else [])


@pytest.mark.parametrize("module", MODULES)
def test_public_functions_say_what_they_take_and_return(module):
    tree = ast.parse((PACKAGE / module).read_text(encoding="utf-8"))
    missing = {name: without_hint(name, node) for name, node in public_functions(tree.body)}
    assert not {name: what for name, what in missing.items() if what}


def test_a_missing_hint_is_seen():
    program = """
def one(x: int, y, *rest, key) -> int: ...
def two(x: int): ...
class Three:
    def __init__(self, x): ...
    def four(self) -> int: ...
    @staticmethod
    def five(x): ...
    def _six(self, x): ...
class _Seven:
    def eight(self, x): ...
def _nine(x): ...
"""
    found = {name: without_hint(name, node) for name, node in public_functions(ast.parse(program).body)}
    assert found == {
        "one": ["y", "key", "rest"],
        "two": ["return"],
        "Three.__init__": ["x"],
        "Three.four": [],
        "Three.five": ["x", "return"],
    }
