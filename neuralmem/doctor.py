"""Say which versions are installed, what does not fit, and how to mend it: `python -m neuralmem.doctor`."""

from __future__ import annotations  # an old Python is to be told that it is old

import re
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version

MEND = "run `python -m pip install -r requirements.txt`."
Need = tuple  # (lowest version, first version that is too new or None, what it is for)
NEEDS: dict[str, Need] = {
    "torch": ((2, 2), None, "every chapter"),
    "numpy": ((1, 26), None, "every chapter"),
    "matplotlib": ((3, 8), None, "figures"),
    "scikit-learn": ((1, 4), None, "the digits of chapters 4 to 6"),
    "safetensors": ((0, 4), None, "saving an agent"),
    "joblib": ((1, 3), None, "many seeds on many cores"),
    "tqdm": ((4, 66), None, "progress bars"),
    "scipy": ((1, 11), None, "intervals over seeds"),
    "pandas": ((2, 1), None, "tables of results"),
    "jinja2": ((3, 1), None, "tables of results"),
    "river": ((0, 21), None, "a stream of chapter 8"),
    "vega_datasets": ((0, 9), None, "a stream of chapter 8"),
    "ipywidgets": ((8,), (9,), "live sliders"),
    "jupyterlab": ((4,), (5,), "running the chapters"),
    "jupyter-book": ((1,), (2,), "rendering the book"),
    "nbval": ((0, 11), (1,), "testing the chapters"),
}


def examine(
    installed: Callable[[str], str | None], python: Sequence[int] = sys.version_info[:3]
) -> tuple[list[str], list[str]]:
    """Return (lines, problems): what is installed, and in plain words what does not fit and how to mend it.

    `installed(name)` returns a distribution's version or None; `python` is a version as a tuple.
    """
    lines, problems = ["python " + ".".join(map(str, python[:3]))], []
    if tuple(python[:2]) < (3, 10):
        problems.append(f"{lines[0]} is too old: install 3.10 or newer, remove the folder .venv, and start again.")
    for name, (lowest, too_new, use) in NEEDS.items():
        found = installed(name)
        lines.append(f"{name} {found or 'missing'}")
        numbers = numbers_of(found or "")
        if found is None:
            problems.append(f"{name} is missing ({use}): {MEND}")
        elif numbers < lowest:
            problems.append(f"{name} {found} is too old ({use}), {'.'.join(map(str, lowest))} is the oldest: {MEND}")
        elif too_new and numbers >= too_new:
            problems.append(f"{name} {found} is too new ({use}), it must be below {too_new[0]}: {MEND}")
    return lines, problems


def numbers_of(version: str) -> tuple[int, ...]:
    """Return the numbers of a version: "2.13.0+cpu" is (2, 13, 0)."""
    return tuple(map(int, re.findall(r"\d+", version.split("+")[0])))


def installed_version(name: str) -> str | None:
    """Return the version of an installed distribution, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def main() -> int:
    """Print the versions and the problems; return the exit status, 1 where something does not fit."""
    lines, problems = examine(installed_version)
    print("\n".join([*lines, "", *(problems or ["All fits together."])]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
