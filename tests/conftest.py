"""What the tests share."""

import os
import re
import shutil
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


def find_chromium():
    """Return the path of a Chromium: the variable CHROMIUM, or the first found under its usual names, or None."""
    names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge"]
    mac = "/Applications/{0}.app/Contents/MacOS/{0}"
    fixed = [mac.format("Google Chrome"), mac.format("Chromium")]
    for folder in (os.environ.get("PROGRAMFILES", ""), os.environ.get("PROGRAMFILES(X86)", "")):
        fixed += [f"{folder}/Google/Chrome/Application/chrome.exe", f"{folder}/Microsoft/Edge/Application/msedge.exe"]
    found = [os.environ.get("CHROMIUM"), *map(shutil.which, names), *(path for path in fixed if Path(path).exists())]
    return next((path for path in found if path), None)


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium. Where none is installed the test is skipped, but never with CI=true."""
    path = find_chromium()
    if path is None:
        message = "no Chromium found: install chromium or Chrome, or set CHROMIUM to its path"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(message)
    sync_api = pytest.importorskip("playwright.sync_api")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    arguments += ["--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"]
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=arguments)
        yield running
        running.close()
