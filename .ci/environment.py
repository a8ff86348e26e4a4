"""Make .venv, the environment of the book, unless there is one that works; `make` calls this first.

    python3 .ci/environment.py            keep .venv where it works, mend it or make it anew where not, then install
    python3 .ci/environment.py --asked    the same, and make it anew where it has another version than this Python

Works means: it starts, its Python is 3.10 or newer, it has pip, and it was not moved. What is to be installed is told
by the contents of the files in NEEDS, so nothing is installed twice. Without a network the book is built from what is
installed, with a warning. This file runs under Python 3.6 too, so that it can say that a Python is too old.
"""

import hashlib
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NEEDS = ["requirements.txt", "pyproject.toml", "setup.py"]
OLDEST = (3, 10)
QUESTION = "import sys, pip; print('%d.%d' % sys.version_info[:2])"


def python_in(folder):
    """The path of an environment's Python."""
    return os.path.join(folder, "Scripts", "python.exe") if os.name == "nt" else os.path.join(folder, "bin", "python")


def run(command, **options):
    """Run a command; return its exit status, 127 where it cannot be started, and what it printed."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "universal_newlines": True}
    try:
        done = subprocess.run(command, **pipes, **options)
    except OSError as error:
        return 127, str(error)
    return done.returncode, done.stdout


def version_in(folder):
    """The version of an environment's Python, as (3, 11), or None where it does not start or has no pip."""
    status, printed = run([python_in(folder), "-c", QUESTION])
    try:
        return tuple(int(number) for number in printed.split()[-1].split(".")) if status == 0 else None
    except (ValueError, IndexError):
        return None


def works(folder, wanted=None):
    """True where an environment can be used; `wanted`: the only version that will do, None for any from 3.10."""
    version = version_in(folder)
    return version is not None and version >= OLDEST and wanted in (None, version) and not moved(folder)


def stamp(folder):
    """What an environment says of itself: [where it was made, what was installed], both empty where nothing was."""
    try:
        with open(os.path.join(folder, ".installed")) as file:
            return (file.read().splitlines() + ["", ""])[:2]
    except OSError:
        return ["", ""]


def moved(folder):
    """True where an environment was made elsewhere: its programs name the old place."""
    place = stamp(folder)[0]
    return place != "" and os.path.realpath(place) != os.path.realpath(folder)


def ensure(folder, wanted=None):
    """Keep, mend or make an environment. Exits with a message where that cannot be done."""
    if works(folder, wanted):
        return
    python = python_in(folder)
    if os.path.exists(python) and version_in(folder) is None:
        run([python, "-m", "ensurepip"])  # made without pip, as by `uv venv`
        if works(folder, wanted):
            print(f"{folder} had no pip: it has one now")
            return
    here = sys.version_info[:2]
    numbers = ".".join(map(str, here))
    if here < OLDEST:
        sys.exit(f"Python {numbers} is too old, the book needs 3.10 or newer: make book PYTHON=python3.12")
    if os.path.islink(folder):
        sys.exit(f"{folder} is a link to an environment that does not work: remove the link, then type it again")
    if os.path.lexists(folder):
        if not os.path.isdir(folder) or (not os.path.exists(os.path.join(folder, "pyvenv.cfg")) and os.listdir(folder)):
            sys.exit(f"{folder} exists and is no environment of Python: move it away, then type it again")
        print(f"{folder} does not work here, or has another Python than was asked for: it is made anew")
        shutil.rmtree(folder)
    status, printed = run([sys.executable, "-m", "venv", folder])
    if status != 0 or not works(folder):
        shutil.rmtree(folder, ignore_errors=True)
        hint = f"On Debian and Ubuntu: apt install python{numbers}-venv (or python3-venv)."
        sys.exit(f"{printed.strip()}\nThis Python cannot make an environment. {hint} Then type it again.")


def fingerprint():
    """A number for what is to be installed: it changes with the contents of the files, and not with their dates."""
    digest = hashlib.sha256()
    for name in NEEDS:
        with open(os.path.join(ROOT, name), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def install(folder):
    """Install the requirements where they changed. Exits where that fails and what is installed does not fit either."""
    if stamp(folder)[1] == fingerprint():
        return
    python = python_in(folder)
    print(f"Installing what the book needs into {folder} (the first time: some minutes)", flush=True)
    options = ["--quiet", "--disable-pip-version-check", "--retries", "2", "--timeout", "20"]
    status = subprocess.call([python, "-m", "pip", "install", *options, "-r", "requirements.txt"], cwd=ROOT)
    if status == 0:
        with open(os.path.join(folder, ".installed"), "w") as file:
            file.write(f"{folder}\n{fingerprint()}\n")
        return
    fits, printed = run([python, "-m", "neuralmem.doctor"], cwd=ROOT)
    if fits != 0:
        sys.exit(f"{printed}\nThe requirements could not be installed; pip says why above. Is there a network?")
    print(
        "WARNING: the requirements have changed and could not be installed (no network?). What is installed fits and "
        "is used; the next call tries again.",
        flush=True,
    )


if __name__ == "__main__":
    FOLDER = os.path.join(ROOT, ".venv")
    ensure(FOLDER, sys.version_info[:2] if "--asked" in sys.argv[1:] else None)
    install(FOLDER)
