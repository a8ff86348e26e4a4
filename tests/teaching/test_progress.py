"""Bars where a person waits, and nowhere else."""

import io
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from conftest import ROOT

from neuralmem.teaching import progress as module
from neuralmem.teaching.progress import progress, watched

pytest.importorskip("nbformat")
pytest.importorskip("nbclient")
import nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

SLOW = "import time\nfrom neuralmem.teaching.progress import progress\n"
SLOW += "for i in progress(range(3), 'training'): time.sleep(0.5)"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(module, "shell", lambda: None)
    monkeypatch.setattr(module, "sys", SimpleNamespace(stdout=screen, modules=sys.modules))
    return screen


def test_a_loop_is_the_same_with_and_without_a_bar(terminal, monkeypatch):
    assert list(progress(range(3), "training")) == [0, 1, 2]
    assert [len(list(progress(range(2)))) for _ in progress("ab")] == [2, 2], "a loop in a loop"
    monkeypatch.setattr(module.sys, "stdout", io.StringIO())
    assert list(progress(range(3))) == [0, 1, 2] and not watched()


def test_a_bar_is_shown_on_a_terminal_after_a_second(terminal, monkeypatch):
    monkeypatch.setattr(module, "Line", lambda items, **options: terminal.write(str(options)) and items)
    list(progress([1], "training"))
    assert "'training'" in terminal.getvalue() and "'delay': 1" in terminal.getvalue()


def test_the_outermost_loop_has_the_bar_and_a_broken_one_leaves_none_behind(terminal, monkeypatch):
    shown = []
    monkeypatch.setattr(module, "Line", lambda items, desc, **options: shown.append(desc) or items)
    for _ in progress("ab", "outer"):
        list(progress("ab", "inner"))
    with pytest.raises(KeyboardInterrupt):
        for _ in progress("ab", "stopped"):
            raise KeyboardInterrupt
    list(progress("ab", "after"))
    assert shown == ["outer", "stopped", "after"]


def test_the_first_item_is_waited_for_with_a_bar(terminal):
    end = time.monotonic() + 30
    for _ in progress([1], "training"):
        while "training:   0%" not in terminal.getvalue() and time.monotonic() < end:
            time.sleep(0.05)
        drawn = terminal.getvalue()
        while terminal.getvalue() == drawn and time.monotonic() < end:
            time.sleep(0.05)
    assert time.monotonic() < end, "no bar, or a bar whose clock stands still"
    assert not [thread for thread in threading.enumerate() if thread.name == "clock of a bar"]


def test_a_drawing_that_is_interrupted_leaves_no_lock(terminal, monkeypatch):
    """Its clock would wait for that lock for ever, and the interrupted cell for its clock."""

    def interrupted(*_):
        raise KeyboardInterrupt

    bar = module.Line(range(3), file=terminal)
    monkeypatch.setattr(bar, "display", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bar.refresh()
    bar.disable, free = True, threading.Event()

    def other():
        with bar.get_lock():
            free.set()

    threading.Thread(target=other, daemon=True).start()
    assert free.wait(10)


def test_a_loop_of_an_interrupted_cell_does_not_take_the_bar_from_the_next(terminal, monkeypatch):
    shown, cell = [], SimpleNamespace(execution_count=1)
    monkeypatch.setattr(module, "shell", lambda: cell)
    monkeypatch.setattr(module, "Line", lambda items, desc, **options: shown.append(desc) or items)
    left = iter(progress("ab", "left"))
    next(left)  # and a traceback keeps it
    cell.execution_count = 2
    rest = progress("ab", "next")
    next(rest)
    left.close()
    assert list(progress("ab", "within")) == ["a", "b"] and list(rest) == ["b"]
    assert shown == ["left", "next"]


@pytest.mark.parametrize(("answers", "seen"), [(True, True), (False, False)])
def test_a_notebook_is_watched_where_its_reader_could_be_asked(answers, seen, monkeypatch):
    kernel = SimpleNamespace(get_parent=lambda channel: {"content": {"allow_stdin": answers}})
    monkeypatch.setattr(module, "shell", lambda: SimpleNamespace(kernel=kernel))
    assert watched() is seen


def test_no_bar_is_stored_when_a_program_runs_a_notebook():
    notebook = new_notebook(cells=[new_code_cell(SLOW)])
    NotebookClient(nbformat.from_dict(notebook), kernel_name="python3").execute()
    assert notebook.cells[0].outputs == []


def answering(cell=None):
    """A notebook with a slow loop that prints, run as if a reader could be asked."""
    printing = "import time\nfrom neuralmem.teaching.progress import progress\n"
    printing += "for i in progress(range(4), 'training'):\n"
    printing += "    time.sleep(0.6)\n    print('step', i)\nlen(list(progress(range(3))))"
    notebook = new_notebook(cells=[new_code_cell(cell or printing)])
    client = NotebookClient(notebook, kernel_name="python3")
    with client.setup_kernel():
        client.kc.allow_stdin = True
        plain = client.kc.execute
        client.kc.execute = lambda code, **options: plain(code, **{**options, "allow_stdin": True})
        client.execute_cell(notebook.cells[0], 0)
    return notebook


def test_a_bar_in_a_notebook_is_an_output_of_its_own_that_ends_empty():
    outputs = answering().cells[0].outputs
    (bar,) = [output for output in outputs if output.get("metadata", {}).get("neuralmem") == "bar"]
    assert bar.output_type == "display_data" and bar.data == {"text/plain": ""}
    printed = "".join(output.text for output in outputs if output.output_type == "stream")
    assert printed == "step 0\nstep 1\nstep 2\nstep 3\n" and outputs[-1].data == {"text/plain": "3"}


def test_the_loops_of_a_cell_have_their_bars_in_one_place():
    outputs = answering(SLOW + "\n" + SLOW).cells[0].outputs
    assert [output.data for output in outputs] == [{"text/plain": ""}]


def test_a_bar_that_a_reader_saved_is_left_out(book_programs):
    execute, plain_notebooks = book_programs
    for read in (execute.tidy, lambda notebook: plain_notebooks.directives(notebook, {}, {}, references=False)):
        notebook = read(answering())
        assert [output.output_type for output in notebook.cells[0].outputs][-1] == "execute_result"
        assert not [output for output in notebook.cells[0].outputs if output.output_type == "display_data"]


@pytest.fixture
def book_programs(monkeypatch):
    for folder in (ROOT / "book" / "extensions", ROOT / "book"):
        monkeypatch.syspath_prepend(folder)
    import execute
    import plain_notebooks

    return execute, plain_notebooks
