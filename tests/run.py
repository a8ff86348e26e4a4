"""Run the tests, as many jobs at once as there are cores, and close with what passed: `make test` calls this.

    python tests/run.py                        the tests of the package and the book, each chapter run anew
    python tests/run.py --portable 0 1 2       tests and chapters as on other processors, one column a seed
    python tests/run.py --portable 0 1 --own-arithmetic    the same, but with this processor's arithmetic
    python tests/run.py --twice                each chapter alone in an empty folder, each of its cells twice

Each job's output is kept in _build/tests; that of a job that failed is printed at the end.
"""

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "portable"))
import elsewhere  # noqa: E402

LOGS = ROOT / "_build" / "tests"
PYTHON = sys.executable
PYTEST = [PYTHON, "-m", "pytest", "-q", "-rfEs", "-p", "no:cacheprovider"]
NBVAL = ["--nbval", "--nbval-current-env", "--nbval-cell-timeout", "600", "--nbval-sanitize-with"]
NBVAL += ["tests/nbval_sanitize.cfg", "--nbval-kernel-startup-timeout", "300"]  # a busy machine starts kernels slowly
COVERED = ["--cov=neuralmem", "--cov-report="]
NO_NUMBERS = ["tests/benchmarks", "tests/portable", "tests/setup", "tests/book/test_html.py"]
NO_NUMBERS += ["tests/book/test_browser.py", "tests/book/test_anatomy.py", "tests/book/test_student.py"]
QUICK = ["tests/test_addressing.py", "tests/test_bank.py", "tests/test_controller.py", "tests/test_metrics.py"]
QUICK += ["tests/test_replay.py", "tests/test_training.py", "tests/worlds"]
LAB = "tests/book/test_jupyterlab.py"
NO_NUMBERS += [LAB, "tests/book/test_plain.py", "tests/book/test_every_page.py", "tests/book/test_pdf.py"]
LEAST_COVERAGE = 95


@dataclass
class Job:
    """One process: what it is called, what it runs, under which variables, after which other job; then its outcome."""

    name: str
    command: list
    variables: dict = field(default_factory=dict)
    after: str = ""
    process: subprocess.Popen | None = None
    seconds: float = 0.0
    status: int | None = None

    @property
    def log(self):
        return LOGS / (re.sub(r"\W+", "-", self.name) + ".txt")

    def start(self):
        self.seconds = -time.monotonic()
        with open(self.log, "w", encoding="utf-8") as file:
            variables = {**os.environ, "PYTHONUNBUFFERED": "1", **self.variables}
            self.process = subprocess.Popen(
                self.command, cwd=ROOT, env=variables, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
            )

    def finish(self):
        """Return True once the process has ended, and note how."""
        self.status = self.process.poll()
        if self.status is None:
            return False
        self.seconds += time.monotonic()
        return True

    def text(self):
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def counts(self):
        """How many passed, failed and were skipped: pytest's closing line, or the job itself counts as one."""
        closing = re.findall(r"^=* ?((?:\d+ [a-z]+, )*\d+ [a-z]+) in [\d.]+s", self.text(), flags=re.M)
        found = {word: int(number) for number, word in re.findall(r"(\d+) (\w+)", closing[-1] if closing else "")}
        failed = found.get("failed", 0) + found.get("error", 0) + found.get("errors", 0)
        if not closing or (self.status != 0 and not failed):
            failed += self.status != 0
        passed = found.get("passed", 0) + found.get("xfailed", 0) if closing else int(self.status == 0)
        return passed, failed, found.get("skipped", 0)


def run(jobs, cores=None):
    """Run the jobs side by side, the first named first; return them."""
    LOGS.mkdir(parents=True, exist_ok=True)
    waiting, running, done = list(jobs), [], {}
    cores = cores or int(os.environ.get("NEURALMEM_TEST_JOBS", os.cpu_count() or 1))
    try:
        while waiting or running:
            free = [job for job in waiting if not job.after or job.after in done]
            while free and len(running) < cores:
                job = free.pop(0)
                waiting.remove(job)
                job.start()
                running.append(job)
            time.sleep(0.2)
            for job in [job for job in running if job.finish()]:
                running.remove(job)
                done[job.name] = job
                print(f"{'passed' if job.status == 0 else 'FAILED'}  {job.seconds:6.0f} s  {job.name}", flush=True)
    finally:
        for job in running:
            job.process.kill()
    return jobs


def notebooks():
    """Return the book's notebooks, as paths from the root: those that took longest come first."""
    seconds = json.loads((ROOT / "book" / "results" / "runtimes.json").read_text(encoding="utf-8"))
    paths = [path for path in (ROOT / "book").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts]
    paths.sort(key=lambda path: (-seconds.get(path.stem, {"seconds": 0})["seconds"], path))
    return [path.relative_to(ROOT).as_posix() for path in paths]


def program(name):
    """Return the path of a program that was installed with this Python."""
    found = list(Path(PYTHON).parent.glob(f"{name}*"))
    return str(found[0]) if found else name


def package_tests(name, paths, variables, ignored=()):
    """Return a job of tests of Python code."""
    return Job(name, [*PYTEST, *paths, *(f"--ignore={path}" for path in ignored)], variables)


def notebook_test(path, name, variables):
    """Return a job that runs a notebook and compares with what is stored."""
    return Job(name, [*PYTEST, *NBVAL, path], variables)


def covered(name):
    return {"COVERAGE_FILE": str(LOGS / f".coverage.{name}")}


def all_tests():
    """Return the jobs of `make test`."""
    paths = notebooks()
    cheapest = [path for path in reversed(paths) if re.match(r"book/\d", path)][:2]
    others = elsewhere.settings(1)
    build = [program("jupyter-book"), "build", ".", "-W", "--keep-going", "--all"]
    apart = [*COVERED, "tests/book", f"--ignore={LAB}"]
    pages = Job("tests of the book", [*PYTEST, *apart], covered("book"), after="the book is built")
    package = [*PYTEST, *COVERED, "tests", "--ignore=tests/benchmarks", "--ignore=tests/book", "--ignore=tests/setup"]
    return [
        Job("the book is built", build),
        Job("style: ruff", [PYTHON, "-m", "ruff", "check", "."]),
        Job("style: 84 columns in chapters", [PYTHON, "-m", "ruff", "check", "--line-length", "84", *paths]),
        Job("types: mypy", [PYTHON, "-m", "mypy"]),
        Job("tests of the package", package, covered("package")),
        *[notebook_test(path, path, {}) for path in paths],
        pages,
        package_tests("the chapters in JupyterLab", [LAB], {}),
        package_tests("tests of the set-up", ["tests/setup"], {}),
        package_tests("as on another processor: quick tests", QUICK, others),
        *[notebook_test(path, f"as on another processor: {path}", others) for path in cheapest],
        *[Job(f"each cell twice: {path}", [PYTHON, "tests/twice.py", path]) for path in cheapest],
        Job("the package alone", [PYTHON, "tests/alone.py", "--short"]),
    ]


def portable(seeds, arithmetic):
    """Return the jobs of `make portable`, by row and seed."""
    jobs = {}
    for seed in seeds:
        variables = elsewhere.settings(seed, arithmetic)
        jobs["tests", seed] = package_tests(f"tests, seed {seed}", ["tests"], variables, NO_NUMBERS)
        jobs |= {(path, seed): notebook_test(path, f"{path}, seed {seed}", variables) for path in notebooks()}
    return jobs


def table(jobs, seeds):
    """Print the outcomes of portable jobs: a row for each part, a column for each seed."""
    rows = list(dict.fromkeys(row for row, _ in jobs))
    width = max(map(len, rows))
    print(f"\n{'':{width}}" + "".join(f"{f'seed {seed}':>16}" for seed in seeds))
    for row in rows:
        cells = [jobs[row, seed] for seed in seeds]
        said = [f"{'passed' if job.status == 0 else f'{job.counts()[1]} FAILED'} {job.seconds:5.0f} s" for job in cells]
        print(f"{row:{width}}" + "".join(f"{cell:>16}" for cell in said))
    for seed in seeds:
        own = {name: value for name, value in jobs[rows[0], seed].variables.items() if "_CPU_" in name or "MKL" in name}
        print(f"seed {seed}: " + (", ".join(f"{name}={value}" for name, value in own.items()) or "this processor"))


def coverage():
    """Print the package's coverage by all tests together; return True where it is high enough."""
    files = [str(path) for path in LOGS.glob(".coverage.*")]
    whole = {**os.environ, "COVERAGE_FILE": str(LOGS / ".coverage")}
    subprocess.run([PYTHON, "-m", "coverage", "combine", "--quiet", *files], cwd=ROOT, env=whole)
    report = [PYTHON, "-m", "coverage", "report", "--skip-covered", f"--fail-under={LEAST_COVERAGE}"]
    done = subprocess.run(report, cwd=ROOT, env=whole, capture_output=True, text=True)
    print("\n".join(["", "lines of the package that tests run:", done.stdout.strip()]), flush=True)
    return done.returncode == 0


def close(jobs, also=True):
    """Print what was skipped, the output of what failed, and the counts; return the exit status."""
    failed = [job for job in jobs if job.status != 0]
    skipped = {line for job in jobs for line in re.findall(r"^SKIPPED .*", job.text(), flags=re.M)}
    print("\n".join(["", *sorted(skipped)]))
    for job in failed:
        print(f"\n===== {job.name} failed (all of it is in {job.log})\n{job.text()[-20000:]}")
    passed, wrong, left_out = (sum(counts) for counts in zip(*(job.counts() for job in jobs), strict=True))
    for job in failed:
        print(f"FAILED: {job.name}")
        print("\n".join(f"    {line}" for line in re.findall(r"^(?:FAILED|ERROR) .*", job.text(), flags=re.M)))
    print(f"\n{passed} passed, {wrong + (not also)} failed, {left_out} skipped", flush=True)
    return 0 if also and not failed else 1


def main(arguments):
    """Run what the arguments say; return the exit status."""
    began = time.monotonic()
    for old in LOGS.glob(".coverage*"):
        old.unlink()
    if "--portable" in arguments:
        seeds = [int(argument) for argument in arguments if argument.isdigit()]
        cells = portable(seeds, arithmetic="--own-arithmetic" not in arguments)
        jobs = run(list(cells.values()))
        table(cells, seeds)
        status = close(jobs)
    elif "--twice" in arguments:
        status = close(run([Job(path, [PYTHON, "tests/twice.py", path]) for path in notebooks()]))
    else:
        jobs = run(all_tests())
        status = close(jobs, coverage())
    print(f"{(time.monotonic() - began) / 60:.1f} minutes")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
