"""The doctor finds what does not fit and says how to mend it."""

import subprocess
import sys

import pytest

from neuralmem.doctor import NEEDS, examine, installed_version

FITS = {name: ".".join(map(str, lowest)) + ".0" for name, (lowest, _, _) in NEEDS.items()}


def test_a_set_of_versions_that_fits_has_no_problems():
    lines, problems = examine(FITS.get, python=(3, 11, 2))
    assert problems == []
    assert lines[0] == "python 3.11.2" and len(lines) == 1 + len(NEEDS)


@pytest.mark.parametrize(
    ("name", "found", "words"),
    [
        ("torch", None, ["torch is missing", "every chapter", "pip install -r requirements.txt"]),
        ("torch", "1.13.1+cpu", ["torch 1.13.1+cpu is too old", "2.2"]),
        ("jupyter-book", "2.0.1", ["jupyter-book 2.0.1 is too new", "below 2"]),
        ("numpy", "1.9", ["numpy 1.9 is too old", "1.26"]),
    ],
)
def test_what_does_not_fit_is_said_with_what_to_do(name, found, words):
    _, problems = examine((FITS | {name: found}).get, python=(3, 11, 2))
    assert len(problems) == 1
    assert all(word in problems[0] for word in words), problems


def test_an_old_python_is_said():
    _, problems = examine(FITS.get, python=(3, 9, 1))
    assert len(problems) == 1 and "3.10" in problems[0]


def test_versions_come_from_the_environment():
    assert installed_version("pytest") == pytest.__version__
    assert installed_version("no-such-distribution") is None


def test_the_command_prints_versions_and_exits_zero_here():
    run = subprocess.run([sys.executable, "-m", "neuralmem.doctor"], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "torch" in run.stdout and "All fits together." in run.stdout


def test_the_command_runs_where_torch_is_missing():
    program = "import sys; sys.modules['torch'] = None; import neuralmem.doctor as d; sys.exit(d.main())"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "All fits together." in run.stdout and not run.stderr, run.stderr
