"""The chapters in JupyterLab, in a real browser: what a reader sees, and what happens when cells run."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import nbformat
import pytest
from conftest import ROOT, chapter_paths, needed

SYNTAX = re.compile(r":{3}|`{3}|\{[\w:-]+\}`|^:[\w-]+:|\$\$|\\tag|\\begin\{|\]\(#|</?\w+>", flags=re.M)
"""What no reader should meet in drawn text: directives, roles, raw TeX, links and tags."""
TOKEN = "reader"
LIVE = {"01_addressing": ("strength_for", "1 + 0 * weight"), "02_bank": ("interface_size", "width")}
"""The chapters that are run, an exercise of each, and a wrong answer to it."""
SEEN = """() => {
  const hidden = e => e.getClientRects().length === 0;
  const texts = [...document.querySelectorAll('.jp-Notebook .jp-RenderedMarkdown')].filter(e => !hidden(e));
  const target = id => document.querySelector(`.jp-Notebook [id="${id}"], .jp-Notebook [data-jupyter-id="${id}"]`);
  return {
    texts: texts.map(e => { const c = e.cloneNode(true); c.querySelectorAll('mjx-container, pre, code').forEach(x => x.remove()); return c.textContent; }),
    formulas: document.querySelectorAll('.jp-Notebook mjx-container').length,
    faults: [...document.querySelectorAll('.jp-Notebook mjx-merror, .jp-Notebook [data-mjx-error]')].map(e => e.textContent),
    dangling: texts.flatMap(e => [...e.querySelectorAll('a[href^="#"]')]).map(a => decodeURIComponent(a.getAttribute('href')).slice(1))
      .filter(id => id && !target(id)),
    code: [...document.querySelectorAll('.jp-Notebook .jp-CodeCell .cm-content')].filter(e => !hidden(e)).map(e => e.innerText),
    pictures: [...document.querySelectorAll('.jp-Notebook .jp-RenderedMarkdown img')].map(e => e.naturalWidth),
  };
}"""  # noqa: E501


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """JupyterLab on a copy of the book, started with the flags of the Dockerfile and no settings of this machine."""

    def __init__(self, folder):
        self.root, self.port = folder, free_port()
        hidden = shutil.ignore_patterns(".ipynb_checkpoints", "__pycache__", "mathjax")
        shutil.copytree(ROOT / "book", folder / "book", ignore=hidden)
        shutil.copy(ROOT / "_config.yml", folder)
        settings = folder / "settings" / "labconfig"
        settings.mkdir(parents=True)
        plain = {"jupyterlab-myst": True}
        (settings / "page_config.json").write_text(json.dumps({"disabledExtensions": plain}))
        whole = {"@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"}}  # draw what is out of sight, too
        (settings / "default_setting_overrides.json").write_text(json.dumps(whole))
        said = re.search(r'^CMD \["jupyter", (.*)\]$', (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.M)
        flags = [flag for flag in json.loads(f"[{said[1]}]") if "--ip" not in flag]
        command = [sys.executable, "-m", "jupyter", *flags, f"--port={self.port}", "--allow-root"]
        command += [f"--IdentityProvider.token={TOKEN}", "--ServerApp.port_retries=0"]
        command += ["--LabApp.expose_app_in_browser=True"]
        variables = {**os.environ, "JUPYTER_CONFIG_DIR": str(folder / "settings"), "OMP_NUM_THREADS": "1"}
        variables["IPYTHONDIR"] = str(folder / "ipython")
        variables["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        self.log = open(folder / "server.txt", "w+", encoding="utf-8")
        self.process = subprocess.Popen(command, cwd=folder, env=variables, stdout=self.log, stderr=self.log)
        for _ in range(240):
            try:
                return self.ask("api/status") and None
            except (URLError, ConnectionError):
                time.sleep(0.25)
        pytest.fail("JupyterLab does not start:\n" + self.said())

    def said(self):
        return (self.root / "server.txt").read_text(encoding="utf-8")

    def ask(self, path, method="GET"):
        headers = {"Authorization": f"token {TOKEN}"}
        address = f"http://localhost:{self.port}/{path}"
        with urlopen(Request(address, method=method, headers=headers), timeout=10) as answer:
            return json.loads(answer.read() or b"null")

    def close(self):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()


@pytest.fixture(scope="module")
def server(browser, tmp_path_factory):
    needed("jupyterlab")
    running = Server(tmp_path_factory.mktemp("lab"))
    yield running
    running.close()


class Notebook:
    """A chapter that is open in JupyterLab."""

    def __init__(self, server, browser, name):
        self.server, self.path = server, server.root / "book" / f"{name}.ipynb"
        self.page = browser.new_page(viewport={"width": 1400, "height": 1000})
        self.page.set_default_timeout(60_000)
        address = f"http://localhost:{server.port}/doc/tree/book/{name}.ipynb?reset&token={TOKEN}"
        self.page.goto(address, wait_until="domcontentloaded")
        texts = sum(cell.cell_type == "markdown" for cell in nbformat.read(self.path, as_version=4).cells)
        self.page.wait_for_function(
            f"() => document.querySelectorAll('.jp-Notebook .jp-MarkdownCell .jp-RenderedMarkdown').length >= {texts}"
        )

    def drawn(self):
        """Wait until mathematics is set; return what is to be seen."""
        self.page.wait_for_function("() => document.querySelectorAll('.jp-Notebook mjx-container').length > 0")
        seen, before = self.page.evaluate(SEEN), -1
        while seen["formulas"] != before:
            before = seen["formulas"]
            self.page.wait_for_timeout(500)
            seen = self.page.evaluate(SEEN)
        return seen

    def do(self, command):
        """Start a command, once the kernel is there; do not wait for its end."""
        self.page.wait_for_function(CONNECTED)
        self.page.evaluate(f"() => {{ window.jupyterapp.commands.execute('{command}') }}")

    def cell(self, words):
        """Return the place of the code cell whose text contains some words."""
        cells = nbformat.read(self.path, as_version=4).cells
        (found,) = [i for i, cell in enumerate(cells) if cell.cell_type == "code" and words in cell.source]
        return found

    def run(self, place, source):
        """Type into a cell, run it as a reader does, and return what it prints."""
        cell = self.page.locator(".jp-Notebook .jp-Cell").nth(place)
        cell.locator(".cm-content").click()
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.insert_text(source)
        self.page.keyboard.press("Control+Enter")
        self.page.wait_for_timeout(300)
        self.page.wait_for_function(IDLE)
        return cell.locator(".jp-OutputArea-output").all_inner_texts()

    def close(self):
        self.page.close()
        for kernel in self.server.ask("api/kernels"):
            self.server.ask(f"api/kernels/{kernel['id']}", "DELETE")


CONNECTED = "() => window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status === 'idle'"
WAITS = "() => [...document.querySelectorAll('.jp-InputPrompt')].some(prompt => prompt.textContent.includes('*'))"
IDLE = f"() => !({WAITS})() && ({CONNECTED})()"


@pytest.fixture
def opened(server, browser):
    notebooks = []

    def open_one(name):
        notebooks.append(Notebook(server, browser, name))
        return notebooks[-1]

    yield open_one
    for notebook in notebooks:
        notebook.close()


@pytest.mark.parametrize("path", chapter_paths(), ids=lambda path: path.stem)
def test_a_chapter_reads_well(path, opened):
    """No raw syntax, no reference that leads nowhere, formulas set, drawings there, plumbing and solutions folded."""
    cells = nbformat.read(path, as_version=4).cells
    notebook = opened(path.stem)
    seen, page = notebook.drawn(), notebook.page
    assert len(seen["texts"]) > 20
    assert not [text for text in seen["texts"] if SYNTAX.search(text)]
    assert seen["dangling"] == [] and seen["faults"] == [] and all(seen["pictures"])
    shown = "\n".join(seen["code"])
    for cell in cells:
        tags = set(cell.metadata.get("tags", []))
        if cell.cell_type == "code" and tags & {"solution", "hide-input"}:
            last = [line for line in cell.source.splitlines() if line.strip()][-1]
            assert last not in shown or any(last in other.source for other in cells if other is not cell), cell.source
    assert page.locator(".Toastify__toast").count() == 0, "a question that has nothing to do with the book"
    assert "_solution(" not in shown and not any("Solution:" in text for text in seen["texts"])


def test_a_term_leads_to_what_it_means(opened):
    """The glossary opens as text and not as its source, with its links and without raw syntax."""
    page = opened("02_bank").page
    page.locator('.jp-Notebook a[href*="glossary.md"][href$="#term-weighting"]').first.click()
    glossary = page.locator(".jp-MarkdownViewer .jp-RenderedMarkdown")
    glossary.locator('[id="term-weighting"], [data-jupyter-id="term-weighting"]').wait_for(state="attached")
    assert "A row of numbers, one for each slot" in glossary.inner_text()
    assert not SYNTAX.search(glossary.inner_text()) and glossary.locator("strong").count() > 50


def source_of(explorer):
    return explorer.locator("img").first.get_attribute("src")


@pytest.mark.parametrize("name", LIVE)
def test_a_chapter_runs_and_its_sliders_are_alive(name, opened, server):
    notebook = opened(name)
    page = notebook.page
    notebook.do("notebook:run-all-cells")
    page.wait_for_function(WAITS)
    page.wait_for_function(IDLE, timeout=900_000)
    assert page.locator('.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.error"]').count() == 0
    explorer = page.locator(".jp-OutputArea-output .widget-vbox").first
    explorer.scroll_into_view_if_needed()
    slider = explorer.locator(".widget-slider").first
    assert slider.locator(".noUi-target").bounding_box()["width"] >= 200
    changed = "([element, before]) => element.querySelector('img').getAttribute('src') !== before"
    for move in (by_key, by_mouse, back_by_key, *([by_playing] if name == "02_bank" else [])):
        before = source_of(explorer)
        move(page, slider)
        page.wait_for_function(changed, arg=[explorer.element_handle(), before])
    wrong(notebook, name)
    notebook.do("docmanager:save")
    page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
    saved = nbformat.read(notebook.path, as_version=4)
    assert not [output for cell in saved.cells for output in cell.get("outputs", []) if output.output_type == "error"]
    folded = [cell for cell in saved.cells if cell.metadata.get("jp-MarkdownHeadingCollapsed")]
    assert len(folded) >= 4, "what was folded is unfolded by saving"


def by_key(page, slider):
    slider.locator(".noUi-handle").focus()
    page.keyboard.press("ArrowRight")


def by_mouse(page, slider):
    box = slider.locator(".noUi-target").bounding_box()
    page.mouse.click(box["x"] + 0.98 * box["width"], box["y"] + box["height"] / 2)


def back_by_key(page, slider):
    slider.locator(".noUi-handle").focus()
    page.keyboard.press("Home")


def by_playing(page, slider):
    page.locator(".jp-OutputArea-output .widget-play button").first.click()


def wrong(notebook, name):
    """Fill in a stub: first wrong, then right."""
    function, value = LIVE[name]
    cells = nbformat.read(notebook.path, as_version=4).cells
    place = notebook.cell(f"def {function}(")
    (stub, check) = cells[place].source.split("    raise NotImplementedError")
    said = notebook.run(place, f"{stub}    return {value}{check}")
    assert said and "Right." not in said[-1] and "Not done yet" not in said[-1], said
    solution = next(cell.source for cell in cells[place:] if "solution" in cell.metadata.get("tags", []))
    assert notebook.run(place, solution)[-1].strip() == "Right."


def test_the_book_of_saved_notebooks_has_its_explorers(server):
    """Runs after the chapters were run and saved above."""
    names = sorted(LIVE)
    chapters = [f"  - file: book/{name}" for name in names[1:]]
    contents = ["format: jb-book", f"root: book/{names[0]}", "chapters:", *chapters]
    (server.root / "_toc.yml").write_text("\n".join(contents))
    program = "import sys; from jupyter_book.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "build", str(server.root), "--all"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in names:
        saved = nbformat.read(server.root / "book" / f"{name}.ipynb", as_version=4)
        outputs = [output for cell in saved.cells for output in cell.get("outputs", [])]
        views = [output for output in outputs if "application/vnd.jupyter.widget-view+json" in output.get("data", {})]
        page = (Path(server.root) / "_build" / "html" / "book" / f"{name}.html").read_text(encoding="utf-8")
        assert page.count('<div class="explorer"') == len(views) >= 1, "the notebook was not run and saved"
