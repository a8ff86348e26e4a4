"""Where a Chromium is, for what prints the book and for what tests its pages."""

import os
import shutil
from pathlib import Path


def find_chromium():
    """Return the path of a Chromium: the variable CHROMIUM, or the first found under its usual names, or None."""
    names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge"]
    mac = "/Applications/{0}.app/Contents/MacOS/{0}"
    fixed = [mac.format("Google Chrome"), mac.format("Chromium")]
    for folder in (os.environ.get("PROGRAMFILES", ""), os.environ.get("PROGRAMFILES(X86)", "")):
        fixed += [f"{folder}/Google/Chrome/Application/chrome.exe", f"{folder}/Microsoft/Edge/Application/msedge.exe"]
    found = [os.environ.get("CHROMIUM"), *map(shutil.which, names), *(path for path in fixed if Path(path).exists())]
    return next((path for path in found if path), None)
