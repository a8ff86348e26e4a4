"""The runner of the tests finds what failed, and the runner of cells finds what does not work twice or elsewhere."""

import re
import sys

import nbformat
import pytest
from conftest import ROOT, needed
from nbformat.v4 import new_code_cell, new_notebook

sys.path.insert(0, str(ROOT / "tests"))
import run
import twice


@pytest.fixture(autouse=True)
def logs(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "LOGS", tmp_path)
    return tmp_path


@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_what_a_browser_test_needs_is_never_missing_where_changes_are_checked(ci, outcome, monkeypatch):
    monkeypatch.setenv("CI", ci)
    assert needed("json").loads("[1]") == [1]
    with pytest.raises(outcome, match="not installed"):
        needed("no_module_has_this_name")


CLOSINGS = [
    ("...\n12 passed, 3 skipped in 2.31s\n", 0, (12, 0, 3)),
    ("...\n===== 2 failed, 10 passed in 75.10s (0:01:15) =====\n", 1, (10, 2, 0)),
    ("...\n1 failed, 4 passed, 2 errors in 9.02s\n", 1, (4, 3, 0)),
    ("...\n1 error in 0.50s\n", 2, (0, 1, 0)),
    ("...\n7 passed, 1 warning in 0.50s\n", 0, (7, 0, 0)),
    ("...\n7 passed in 0.50s\nFAIL Required test coverage of 95% not reached.\n", 1, (7, 1, 0)),
    ("All checks passed!\n", 0, (1, 0, 0)),
    ("E501 Line too long\n", 1, (0, 1, 0)),
    ("", -9, (0, 1, 0)),
    ("no tests ran in 0.01s\n", 5, (0, 1, 0)),
]


@pytest.mark.parametrize(("text", "status", "expected"), CLOSINGS)
def test_the_counts_are_those_of_the_closing_line(text, status, expected, logs):
    job = run.Job("a job: of/tests", [])
    job.status = status
    job.log.write_text(text)
    assert job.counts() == expected


def test_tests_on_other_processors_need_no_built_page_and_no_browser():
    asks = re.compile(r"^def \w+\([^)]*\b(html_root|browser|chromium)\b", flags=re.M)
    paths = [path for path in (ROOT / "tests").rglob("test_*.py") if asks.search(path.read_text(encoding="utf-8"))]
    left = {path.relative_to(ROOT).as_posix() for path in paths} - set(run.NO_NUMBERS)
    assert len(paths) >= 6 and not left


def job(name, program, **options):
    return run.Job(name, [sys.executable, "-c", program], **options)


def test_a_job_that_fails_is_found_and_its_output_is_printed(capsys):
    jobs = run.run([job("good", "print('fine')"), job("bad", "import sys; print('the reason'); sys.exit(3)")], 2)
    assert run.close(jobs) == 1
    printed = capsys.readouterr().out
    assert "bad failed" in printed and "the reason" in printed and "fine" not in printed
    assert "\n1 passed, 1 failed, 0 skipped\n" in printed
    assert run.close(jobs[:1]) == 0
    assert run.close(jobs[:1], also=False) == 1, "too few lines covered"


def test_a_job_waits_for_the_one_it_needs_and_variables_reach_it(logs):
    second = job("second", f"import os; assert os.path.exists({str(logs / 'made')!r})", after="first")
    first = job("first", f"import os, time; time.sleep(1); open({str(logs / 'made')!r}, 'w')")
    third = job("third", "import os; assert os.environ['WHERE'] == 'elsewhere'", variables={"WHERE": "elsewhere"})
    assert [done.status for done in run.run([second, first, third], 3)] == [0, 0, 0]


def test_all_notebooks_are_run_and_portable_has_a_cell_for_each_seed():
    names = {path.relative_to(ROOT).as_posix() for path in (ROOT / "book").rglob("*.ipynb")}
    names = {name for name in names if ".ipynb_checkpoints" not in name}
    assert set(run.notebooks()) == names
    assert names <= {one.name for one in run.all_tests()}
    jobs = run.portable([1, 4], True)
    assert set(jobs) == {(row, seed) for row in [*names, "tests"] for seed in (1, 4)}
    assert all(one.variables["NEURALMEM_ELSEWHERE_SEED"] == str(seed) for (_, seed), one in jobs.items())


def notebook(folder, *sources):
    path = folder / "chapter.ipynb"
    cells = new_notebook(cells=[new_code_cell(source) for source in sources])
    cells.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    nbformat.write(cells, path)
    return path


def test_cells_that_work_twice_from_anywhere_pass(tmp_path):
    assert twice.trouble(notebook(tmp_path, "x = [1]", "x = [*x[:1], 2]\nassert x == [1, 2]")) is None


TROUBLES = {
    "changes what another cell made": (["x = [1]", "x.append(2)\nassert x == [1, 2]"], "cell 2, when run the second"),
    "fails at once": (["x = 1", "x / 0"], "cell 2, when run the first"),
    "needs a file beside it": (["open('results/copy_task.json')"], "cell 1, when run the first"),
    "leaves a file": (["open('left.txt', 'w').close()"], "wrote into the folder.*left.txt"),
    "writes a file and removes it": (["import os\nopen('x', 'w').close()\nos.unlink('x')"], "wrote.*removed again"),
}


@pytest.mark.parametrize("what", TROUBLES)
def test_a_cell_that_does_not_is_named(what, tmp_path):
    sources, words = TROUBLES[what]
    said = twice.trouble(notebook(tmp_path, *sources))
    assert said is not None
    assert re.search(words, said), said
