"""The first cell of a chapter: one line where something is missing; and what a reader sees after an interruption."""

import os
import queue
import time

import pytest
from conftest import ROOT

import neuralmem
from neuralmem.doctor import installed_version
from neuralmem.teaching.start import USED, own_names, ready

pytest.importorskip("jupyter_client")
from jupyter_client.manager import start_new_kernel

ANATOMY = (ROOT / "tests" / "book" / "test_anatomy.py").read_text(encoding="utf-8")
FIRST = ANATOMY.split('START = """')[1].split('"""')[0]


def test_nothing_is_said_where_all_is_there():
    assert ready(neuralmem.__version__) is None


@pytest.mark.parametrize("name", USED)
def test_what_is_missing_or_too_old_is_named(name):
    with pytest.raises(ImportError, match=f"^{name} is missing$"):
        ready("0.1", lambda other: None if other == name else installed_version(other))
    with pytest.raises(ImportError, match=rf"^{name} 0\.0\.1\+cpu is too old, this book needs \d"):
        ready("0.1", lambda other: "0.0.1+cpu" if other == name else installed_version(other))


def test_an_old_package_is_named():
    with pytest.raises(ImportError, match=r"^neuralmem \S+ is too old for this chapter, which needs 99\.0$"):
        ready("99.0")


class Kernel:
    """A kernel in an empty folder, asked as JupyterLab asks."""

    def __init__(self, folder, path):
        environment = {**os.environ, "PYTHONPATH": str(path), "IPYTHONDIR": str(folder / "ipython")}
        self.manager, self.client = start_new_kernel(kernel_name="python3", cwd=str(folder), env=environment)

    def run(self, code, stop=None):
        """Run a cell, interrupted after it prints or shows `stop`; return how it ended and what it showed."""
        asked, shown = self.client.execute(code, allow_stdin=True), []
        while True:
            message = self.client.get_iopub_msg(timeout=120)
            if message["parent_header"].get("msg_id") != asked:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "stream":
                shown.append(content["text"])
            if stop and kind in ("stream", "display_data"):
                if stop in content.get("text", "") + content.get("data", {}).get("text/plain", ""):
                    self.manager.interrupt_kernel()
            if kind == "error":
                shown.append("\n".join(content["traceback"]))
            if kind == "status" and content["execution_state"] == "idle":
                break
        return self.answer(asked)["status"], "".join(shown)

    def answer(self, asked):
        """The kernel's answer to what was asked."""
        for _ in range(100):
            try:
                message = self.client.get_shell_msg(timeout=60)
            except queue.Empty:
                break
            if message["parent_header"].get("msg_id") == asked:
                return message["content"]
            time.sleep(0.01)
        raise AssertionError("the kernel does not answer")

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture
def kernel(tmp_path):
    kernels = []

    def start(path=ROOT):
        kernels.append(Kernel(tmp_path, path))
        return kernels[-1]

    yield start
    for one in kernels:
        one.close()


OLD = "neuralmem 0.0.1 is too old for this chapter, which needs 0.1.0"
MISSING = "No module named 'neuralmem'"


@pytest.mark.parametrize(
    ("package", "start", "said"),
    [
        (f'raise ModuleNotFoundError("{MISSING}")', "", MISSING),
        ("", f'def ready(version):\n    raise ImportError("{OLD}")', OLD),
    ],
    ids=["missing", "too old"],
)
def test_the_first_output_of_a_chapter_is_one_line(package, start, said, kernel, tmp_path):
    folder = tmp_path / "other" / "neuralmem" / "teaching"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text(package)
    (folder / "__init__.py").write_text("")
    (folder / "start.py").write_text(start)
    status, shown = kernel(tmp_path / "other").run(FIRST)
    assert status == "error", "the cells below would run"
    shown = [line for line in shown.splitlines() if line.strip()]
    assert shown == [f"UsageError: {said}. In the folder of the book: pip install -r requirements.txt"]


def test_an_interrupted_cell_leaves_a_notebook_that_says_what_is_missing(kernel):
    notebook = kernel()
    assert notebook.run(FIRST) == ("ok", "")
    training = "import time\nfrom neuralmem.teaching.progress import progress\ndef train(seconds):\n"
    training += "    for step in progress(range(100)):\n        print('on')\n        time.sleep(seconds)\n    return 42"
    assert notebook.run(training) == ("ok", "")
    status, shown = notebook.run("trained = train(1)", stop="on")
    assert status == "error" and "KeyboardInterrupt" in shown
    status, shown = notebook.run("print(trained)")
    assert status == "error" and "name 'trained' is not defined" in shown
    assert "trained is missing because cell [3] was interrupted: run that, and then this." in shown
    assert notebook.run("trained = train(0)\nprint(trained)")[0] == "ok"
    assert notebook.run("print(trained)") == ("ok", "42\n")
    status, shown = notebook.run("print(untrained)")
    assert status == "error" and "If a cell above makes untrained, it has not run to its end" in shown


def test_what_a_cell_makes_is_what_it_binds_before_it_reads():
    source = "import torch\nnet = build(size)\nrows |= {1: 2}\nfor seed in seeds:\n    count = seed + count\n"
    source += "def f():\n    inner = net\nlast = [x for x in net]\nprint(net)\n"
    assert own_names(source) == ["torch", "net", "seed", "f", "last"]
    assert own_names("await asyncio.sleep(0)\nafter = 1") == ["after"]


def test_no_cell_uses_what_an_interrupted_one_was_making(kernel):
    """Not even where the cell had run to its end before, and what was there can be had by name."""
    notebook = kernel()
    assert notebook.run(FIRST) == ("ok", "")
    cell = "import time\nnet = list(seen)\ndef tell():\n    print('on', flush=True)\n"
    cell += "for step in range(3):\n    tell()\n    time.sleep(pause)\n    net.append(step)\nlosses = [1]"
    assert notebook.run("pause, seen, other = 0, [7], 1") == ("ok", "")
    assert notebook.run(cell)[0] == "ok"
    assert notebook.run("pause = 20") == ("ok", "")
    status, shown = notebook.run(cell, stop="on")
    assert status == "error" and "What it was making is in half_made: net, step, losses." in shown
    for name in ("net", "losses"):
        status, shown = notebook.run(f"print({name})")
        assert status == "error" and f"{name} is missing because cell [5] was interrupted" in shown
    assert notebook.run("print(half_made['net'], seen, other, time.time() > 0)") == ("ok", "[7] [7] 1 True\n")
    assert notebook.run("pause = 0") == ("ok", "")
    assert notebook.run(cell)[0] == "ok"
    assert notebook.run("print(net, 'net' in half_made)") == ("ok", "[7, 0, 1, 2] False\n")


@pytest.mark.parametrize(
    ("name", "words", "stop", "missing", "below"),
    [
        ("03_controller", "ntm_losses = train(ntm,", "update 50", "ntm", "ntm(ten.inputs"),
        ("05_maml", "train(starts[name],", "training", "starts", "meta.task_losses(*test"),
    ],
)
def test_a_chapter_goes_on_after_its_training_was_interrupted(name, words, stop, missing, below, kernel):
    nbformat = pytest.importorskip("nbformat")
    cells = nbformat.read(ROOT / "book" / f"{name}.ipynb", as_version=4).cells
    cells = [cell.source for cell in cells if cell.cell_type == "code"]
    notebook = kernel()
    training = next(place for place, source in enumerate(cells) if words in source)
    for source in cells[:training]:
        status, shown = notebook.run(source)
        assert status == "ok", shown
    status, shown = notebook.run(cells[training], stop=stop)
    assert status == "error" and "run this cell again before the cells below" in shown
    status, shown = notebook.run(next(source for source in cells[training + 1 :] if below in source))
    assert status == "error" and f"{missing} is missing because cell [{training + 1}] was interrupted" in shown
