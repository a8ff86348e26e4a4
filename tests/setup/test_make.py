"""What the Makefile's commands do, and what they leave alone."""

import os
import re
import shutil
import subprocess

import pytest
from conftest import ROOT

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
TEXT = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = re.search(r"^\.PHONY: (.*)$", TEXT, flags=re.M).group(1).split()


def make(*arguments, folder=ROOT, **variables):
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "PYTHON")}
    environment |= variables
    return subprocess.run(["make", *arguments], cwd=folder, env=environment, capture_output=True, text=True)


def test_every_command_is_in_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in set(TARGETS) - {"environment"}:
        assert f"make {target}" in readme, f"the README does not say what `make {target}` does"


@pytest.mark.parametrize("target", TARGETS)
def test_every_command_makes_the_environment_first(target):
    shown = make("-n", target)
    assert shown.returncode == 0, shown.stderr
    assert target == "clean" or ".ci/environment.py" in shown.stdout


def test_clean_spares_what_a_person_may_have_edited(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("_build/html/index.html", "_build/student/01.ipynb", ".venv/thesis.txt", "book/01.ipynb"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    for _ in range(2):
        assert make("clean", folder=tmp_path).returncode == 0
        found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
        assert found == {"Makefile", "_build/student/01.ipynb", ".venv/thesis.txt", "book/01.ipynb"}
    (tmp_path / ".venv" / "pyvenv.cfg").write_text("")
    assert make("clean", folder=tmp_path).returncode == 0
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize("uid", [0, 1000])
def test_flags_reach_jupyter_and_it_opens_on_the_landing_notebook(uid, tmp_path):
    """As root, for whom JupyterLab wants a flag of its own, and as somebody else."""
    (tmp_path / "id").write_text(f"#!/bin/sh\necho {uid}\n")
    (tmp_path / "id").chmod(0o755)
    path = os.pathsep.join([str(tmp_path), os.environ["PATH"]])
    shown = make("-n", "run", "ARGS=--ip=0.0.0.0 --port=9", PATH=path)
    flags = "--allow-root --no-browser " if uid == 0 else ""
    wanted = "jupyter lab --LabApp.default_url=/lab/tree/book/index.ipynb --LabApp.app_settings_dir=book/jupyterlab "
    wanted += f"{flags}--ip=0.0.0.0 --port=9"
    assert wanted in " ".join(shown.stdout.replace("\\\n", " ").split()), shown.stdout
    assert (ROOT / "book" / "jupyterlab" / "overrides.json").exists()
    assert (ROOT / "book" / "index.ipynb").exists()


@pytest.mark.parametrize(
    ("arguments", "variables", "asked"),
    [([], {}, False), (["PYTHON=python3.12"], {}, True), ([], {"PYTHON": "python3.12"}, True)],
)
def test_a_python_that_was_named_counts(arguments, variables, asked):
    shown = make("-n", "environment", *arguments, **variables)
    assert ("--asked" in shown.stdout) == asked, shown.stdout
    assert ("python3.12" in shown.stdout) == asked


def test_the_folder_of_the_student_edition_can_be_named():
    assert 'book/student.py "my course"' in make("-n", "student", "FOLDER=my course").stdout
