"""What the tests share."""

import os
import re
import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)  # several threads on busy cores are many times slower than one

ROOT = Path(__file__).parents[1]


def process_state():
    """What holds for the whole process and would carry one test's choice into the next."""
    return {
        "default dtype": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
        "gradients": torch.is_grad_enabled(),
        "numbers below the normal ones kept": bool(torch.tensor(1e-42) * 1 != 0),
    }


@pytest.fixture(autouse=True)
def _no_trace():
    """No test, and nothing that it calls, changes what holds for the whole process."""
    before = process_state()
    yield
    assert process_state() == before


# The book: anatomy, built pages, browser


def toc_entries():
    """Return the pages of _toc.yml, without suffix, in their order."""
    return re.findall(r"(?:root|file): (\S+)", (ROOT / "_toc.yml").read_text(encoding="utf-8"))


def chapter_paths():
    """Return the chapters' notebooks in their order."""
    return [ROOT / f"{entry}.ipynb" for entry in toc_entries() if re.match(r"book/\d\d_", entry)]


@pytest.fixture(scope="session")
def html_root():
    """The folder of the built book; it must have been built: `make book`."""
    folder = ROOT / "_build" / "html"
    if not (folder / "index.html").exists():
        pytest.fail("the book is not built: run `make book`, or `jupyter-book build . -W --keep-going --all`")
    return folder


def missing(message):
    """Skip a test because something is not installed, but never with CI=true."""
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(message)


def needed(name):
    """Import a module that a test cannot do without."""
    try:
        return import_module(name)
    except ImportError:
        missing(f"{name} is not installed: pip install -r requirements.txt")


@pytest.fixture(scope="session")
def chromium():
    """The path of a Chromium. Where none is installed the test is skipped, but never with CI=true."""
    sys.path.insert(0, str(ROOT / "book"))
    from chromium import find_chromium  # here, since the package's tests also run without the book

    path = find_chromium()
    if path is None:
        missing("no Chromium found: install chromium or Chrome, or set CHROMIUM to its path")
    return path


@pytest.fixture(scope="session")
def browser(chromium):
    """A headless Chromium."""
    sync_api = needed("playwright.sync_api")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    arguments += ["--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield running
        running.close()
