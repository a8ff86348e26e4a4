"""`make` keeps an environment that works, mends or remakes one that does not, and touches nothing else."""

import os
import runpy
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest
from conftest import ROOT

SCRIPT = ROOT / ".ci" / "environment.py"
environment = SimpleNamespace(**runpy.run_path(str(SCRIPT)))
pytestmark = pytest.mark.skipif(os.name == "nt", reason="make, and these stand-ins for Python, are not for Windows")
HERE = sys.version_info[:2]


def stand_in(path, version, status=0):
    """A program that answers as a Python of some version would."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {version}\nexit {status}\n")
    path.chmod(0o755)


def make(folder, **options):
    subprocess.run([sys.executable, "-m", "venv", str(folder), *options.get("with_", [])], check=True)
    return folder


def test_an_environment_that_works_is_kept(tmp_path):
    folder = make(tmp_path / "env")
    (folder / "mine").write_text("kept")
    environment.ensure(str(folder))
    environment.ensure(str(folder), HERE)
    assert (folder / "mine").read_text() == "kept"


def test_one_without_pip_gets_it(tmp_path, capsys):
    folder = make(tmp_path / "env", with_=["--without-pip"])
    (folder / "mine").write_text("kept")
    assert not environment.works(str(folder))
    environment.ensure(str(folder))
    assert environment.works(str(folder)) and (folder / "mine").exists()
    assert "has one now" in capsys.readouterr().out


BROKEN = {
    "left half made by a Debian without python3-venv": lambda folder: None,
    "its Python is gone": lambda folder: (folder / "bin" / "python").symlink_to("/nowhere/python3"),
    "it does not start": lambda folder: stand_in(folder / "bin" / "python", "Segmentation fault", 139),
    "an old Python, from a first try": lambda folder: stand_in(folder / "bin" / "python", "3.9"),
    "it says nothing": lambda folder: stand_in(folder / "bin" / "python", ""),
}


@pytest.mark.parametrize("how", BROKEN)
def test_one_that_does_not_work_is_made_anew(how, tmp_path, capsys):
    folder = tmp_path / ".venv"
    (folder / "bin").mkdir(parents=True)
    (folder / "pyvenv.cfg").write_text("home = /usr/bin\n")
    BROKEN[how](folder)
    assert not environment.works(str(folder))
    environment.ensure(str(folder))
    assert environment.works(str(folder))
    assert "made anew" in capsys.readouterr().out


def test_the_python_that_was_asked_for_is_taken(tmp_path):
    folder = tmp_path / ".venv"
    stand_in(folder / "bin" / "python", "3.99")
    (folder / "pyvenv.cfg").write_text("home = /usr/bin\n")
    environment.ensure(str(folder))
    assert environment.version_in(str(folder)) == (3, 99), "what works is kept unless another was asked for"
    environment.ensure(str(folder), HERE)
    assert environment.version_in(str(folder)) == HERE


def test_one_that_was_moved_is_made_anew(tmp_path):
    folder = make(tmp_path / "env")
    (folder / ".installed").write_text(f"{folder}\nabc\n")
    assert environment.works(str(folder))
    moved = folder.rename(tmp_path / "elsewhere")
    assert not environment.works(str(moved))


@pytest.mark.parametrize("content", ["folder", "file"])
def test_what_is_no_environment_is_left_alone(content, tmp_path):
    folder = tmp_path / ".venv"
    if content == "folder":
        (folder / "thesis").mkdir(parents=True)
    else:
        folder.write_text("thesis")
    with pytest.raises(SystemExit) as caught:
        environment.ensure(str(folder))
    assert "no environment of Python: move it away" in str(caught.value)
    assert folder.exists()


def test_a_python_that_cannot_make_environments_leaves_nothing_and_says_what_to_install(tmp_path, monkeypatch):
    broken = tmp_path / "python3"
    stand_in(broken, "The virtual environment was not created: ensurepip is not available", 1)
    monkeypatch.setattr(sys, "executable", str(broken))
    for _ in range(2):  # the second try is no worse than the first
        with pytest.raises(SystemExit, match="apt install python3.*-venv"):
            environment.ensure(str(tmp_path / ".venv"))
        assert not (tmp_path / ".venv").exists()


@pytest.fixture
def checkout(tmp_path):
    """A folder with the script, requirements that nobody can install, and an environment that works."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(SCRIPT, tmp_path / ".ci")
    for name, text in {"requirements.txt": "", "pyproject.toml": "[project]\n", "setup.py": ""}.items():
        (tmp_path / name).write_text(text)
    make(tmp_path / ".venv")
    packages = next((tmp_path / ".venv" / "lib").glob("python*/site-packages"))
    (packages / "neuralmem").mkdir()
    (packages / "neuralmem" / "__init__.py").write_text("")
    (packages / "neuralmem" / "doctor.py").write_text("print('All fits together.')\n")
    return tmp_path


def call(checkout):
    command = [sys.executable, str(checkout / ".ci" / "environment.py")]
    offline = {
        **os.environ,
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_RETRIES": "0",
        "PIP_CONFIG_FILE": os.devnull,
    }
    return subprocess.run(command, env=offline, capture_output=True, text=True)


def test_what_is_installed_is_told_by_contents_and_not_by_dates(checkout):
    first = call(checkout)
    assert first.returncode == 0 and "Installing" in first.stdout, first.stderr
    for name in ("requirements.txt", "pyproject.toml"):
        os.utime(checkout / name)
    again = call(checkout)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_without_a_network_the_book_is_built_from_what_is_installed_with_a_warning(checkout):
    call(checkout)
    (checkout / "requirements.txt").write_text("no-such-distribution==1\n")
    for _ in range(2):
        done = call(checkout)
        assert done.returncode == 0 and "WARNING" in done.stdout, done.stdout + done.stderr


def test_without_a_network_what_does_not_fit_is_said(checkout):
    call(checkout)
    (checkout / "requirements.txt").write_text("no-such-distribution==1\n")
    doctor = next((checkout / ".venv" / "lib").glob("python*/site-packages/neuralmem/doctor.py"))
    doctor.write_text("import sys\nsys.exit('torch is missing')\n")
    done = call(checkout)
    assert done.returncode == 1 and "torch is missing" in done.stderr and "network" in done.stderr


@pytest.mark.parametrize("old", ["3.6", "3.9"])
def test_an_old_python_says_so_in_one_line(old, tmp_path):
    (tmp_path / ".ci").mkdir()
    copy = shutil.copy(SCRIPT, tmp_path / ".ci")
    numbers = tuple(map(int, old.split(".")))
    program = (
        f"import subprocess, sys, runpy; sys.version_info = {numbers}; runpy.run_path({str(copy)!r}, {{}}, '__main__')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith(f"Python {old} is too old") and done.stderr.count("\n") == 1
    assert not (tmp_path / ".venv").exists()
