"""Run all tests in two lanes side by side, so that a two-core machine is used: `make test` calls this.

Lane 1: the package, the book's anatomy, the built HTML and the browser. Lane 2: every notebook under nbval.
"""

import subprocess
import sys
import tempfile

PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
NBVAL = ["--nbval", "--nbval-current-env", "--nbval-cell-timeout", "600"]
LANES = {
    "package, pages and browser": [
        *PYTEST, "tests", "--ignore=tests/benchmarks", "--cov=neuralmem", "--cov-report=term", "--cov-fail-under=95"
    ],
    "notebooks": [*PYTEST, *NBVAL, "--nbval-sanitize-with", "tests/nbval_sanitize.cfg", "book"],
}  # fmt: skip


def main():
    """Start both lanes, print what each printed when it is done, and exit 1 if one failed."""
    running = []
    for name, command in LANES.items():
        log = tempfile.TemporaryFile("w+")
        running.append((name, log, subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)))
    failed = []
    for name, log, process in running:
        if process.wait() != 0:
            failed.append(name)
        log.seek(0)
        print(f"===== {name}\n{log.read()}", flush=True)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
