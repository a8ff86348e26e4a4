"""Stored results are found wherever a notebook is opened, or one message says what to do."""

import json

import pytest
from conftest import ROOT

from neuralmem.teaching import results

STORED = sorted(path.stem for path in (ROOT / "book" / "results").glob("*.json"))


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """A package with nothing around it, and an empty working directory."""
    monkeypatch.setattr(results, "HERE", tmp_path / "site-packages" / "neuralmem" / "teaching" / "results.py")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    return tmp_path


@pytest.mark.skipif(not STORED, reason="away from the repository: the book is not here")
@pytest.mark.parametrize("place", [".", "book", "book/appendices", "tests/teaching", "/"])
def test_the_repository_is_found_from_any_working_directory(place, monkeypatch):
    monkeypatch.chdir(ROOT / place)
    assert set(STORED) <= set(results.names())
    for name in STORED:
        assert results.load(name) == json.loads((ROOT / "book" / "results" / f"{name}.json").read_text())


def put(folder, **contents):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / f"{name}.json").write_text(content)


def test_what_lies_beside_the_notebook_comes_before_what_is_installed(alone):
    put(alone / "site-packages/neuralmem/teaching/data", copy_task='{"runs": 1}', sinusoids='{"runs": 2}')
    assert results.load("copy_task") == {"runs": 1}
    put(alone / "empty/results", copy_task='{"runs": 3}')
    assert results.load("copy_task") == {"runs": 3}
    assert results.load("sinusoids") == {"runs": 2}, "what the first folder lacks, the next may have"
    assert results.names() == ["copy_task", "sinusoids"]


def test_a_folder_above_counts(alone, monkeypatch):
    put(alone / "course/results", copy_task="{}")
    (alone / "course/week 1/mine").mkdir(parents=True)
    monkeypatch.chdir(alone / "course/week 1/mine")
    assert results.load("copy_task") == {}


def test_one_message_says_what_is_missing_and_how_to_get_it(alone):
    with pytest.raises(FileNotFoundError) as caught:
        results.load("copy_task")
    words = str(caught.value)
    assert all(part in words for part in ("'copy_task'", "none at all", "book/results", "pip install", "empty/results"))
    assert "python -m book.experiments.copy_task" in words and "\n" not in words


def test_a_file_cut_short_is_named(alone):
    put(alone / "empty/results", copy_task='{"runs": [')
    with pytest.raises(ValueError, match=r"copy_task\.json is no JSON"):
        results.load("copy_task")


def test_the_installed_package_brings_the_results_with_it():
    """In the repository they are read where they are; away from it they were installed with the package."""
    assert {"copy_task", "sinusoids", "runtimes"} <= set(results.names())
    assert results.load("copy_task")["runs"]
