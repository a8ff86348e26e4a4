"""Build the package's wheel, install it in an environment of its own, and run the package's tests there.

    python tests/alone.py            every test
    python tests/alone.py --short    those of NUMBERS are imported only, and do not run

The environment has what the package needs and none of its extras; tests that need those are skipped and say so. The
tests are copied away from the repository, so that nothing but the wheel can be imported. Takes some minutes and 1 GB,
which are given back.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ["neuralmem", "book/results", "setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"]
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
TOOLS = ["pytest>=8", "hypothesis>=6.100"]
NOT_OF_THE_PACKAGE = [
    "__pycache__",
    "book",
    "benchmarks",
    "setup",
    "portable",
    "test_architecture.py",
    "test_doctor.py",
]
NUMBERS = ["controller", "gradients", "tape", "descent", "together", "meta", "agent", "replay", "training", "bank"]
"""Long tests of numbers, which are the same in any environment: `make test` has just run them in this one."""
EXTRAS = ["IPython", "ipywidgets", "pandas", "jinja2", "dask", "river", "vega_datasets"]


def build(folder):
    """Build a wheel from a copy of the sources, since building leaves traces; return its path."""
    for name in SOURCES:
        target = folder / "sources" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"))
        else:
            shutil.copy(ROOT / name, target)
    subprocess.run([*PIP, "wheel", "--no-deps", "--wheel-dir", folder / "wheels", folder / "sources"], check=True)
    return next((folder / "wheels").glob("*.whl"))


def missing(wheel):
    """Return the files of the package, and the stored results, that a wheel lacks."""
    held = set(zipfile.ZipFile(wheel).namelist())
    package = [path for path in (ROOT / "neuralmem").rglob("*") if path.suffix in (".py", ".html", ".json")]
    wanted = {path.relative_to(ROOT).as_posix() for path in package if "__pycache__" not in path.parts}
    wanted |= {f"neuralmem/teaching/data/{path.name}" for path in (ROOT / "book" / "results").glob("*.json")}
    return sorted(wanted - held)


def main(short):
    """Build, install, test; return the exit status."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        wheel = build(folder)
        if missing(wheel):
            print("the wheel lacks:", *missing(wheel))
            return 1
        subprocess.run([sys.executable, "-m", "venv", folder / "alone"], check=True)
        python = folder / "alone" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        # the version of torch that is here: where it is the small one without CUDA, it is so there
        torch = subprocess.run(
            [sys.executable, "-c", "import torch; print(torch.__version__.split('+')[0])"],
            check=True, capture_output=True, text=True,
        ).stdout.strip()  # fmt: skip
        pip = [python, *PIP[1:]]
        subprocess.run([*pip, "install", f"torch=={torch}", wheel, *TOOLS], check=True)
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        found = f"import importlib.util as u; print(*[n for n in {EXTRAS} if u.find_spec(n)])"
        there = subprocess.run([python, "-c", found], check=True, capture_output=True, text=True, env=environment)
        print("extras that are installed all the same:", there.stdout.strip() or "none", flush=True)
        ignore = shutil.ignore_patterns(*NOT_OF_THE_PACKAGE)
        shutil.copytree(ROOT / "tests", folder / "tests", ignore=ignore)
        command = [python, "-m", "pytest", "-q", "-rfEs", "-p", "no:cacheprovider", "tests"]
        if short:
            files = [f"tests/test_{name}.py" for name in NUMBERS]
            imports = [*command[:-1], "--collect-only", *files]
            done = subprocess.run(imports, cwd=folder, env=environment, capture_output=True, text=True)
            if done.returncode:
                print(done.stdout + done.stderr)
                return done.returncode
            command += [f"--ignore={file}" for file in files]
        return subprocess.run(command, cwd=folder, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main("--short" in sys.argv[1:]))
