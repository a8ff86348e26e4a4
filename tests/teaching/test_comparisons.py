"""The comparisons of chapter 4 have the shapes that its page reads."""

import numpy as np
import pytest

from neuralmem.teaching import comparisons, continual, lanes

SCENARIOS = ["task", "domain", "class"]


def test_comparisons_have_the_shapes_that_the_page_reads(monkeypatch):
    learn = lanes.learn
    monkeypatch.setattr(comparisons, "learn", lambda many, remedy: learn(many, remedy, steps=2))
    strengths = continual.tune_ewc([10.0, 1000.0], seeds=(100, 101))
    assert set(strengths) == set(SCENARIOS) and set(strengths.values()) <= {10.0, 1000.0}
    A = continual.compare(strengths, seeds=range(2))
    assert {name: run.shape for name, run in A["domain"].items()} == {m: (2, 6, 5) for m in continual.METHODS}
    rows = continual.comparison_rows(A)
    assert list(rows) == list(continual.METHODS) and rows["reservoir"]["class, minus reservoir"] == ""
    assert np.allclose(rows["none"]["class"], 100 * A["class"]["none"][:, -1].mean(1))
    found = continual.compare_priorities(seeds=range(2), places=100)
    assert len(found) == 8 and found[0, "shrunk"].weight == pytest.approx([0.27, 0.27])
    assert list(continual.priority_rows(found).values())[0]["minus uniform"] == ""
    assert continual.compare_capacities([10, 20], seeds=range(2)).shape == (2, 2)


def test_rows_of_split_mnist_hold_percentages_by_seed_and_pairs():
    def run(scenario, method, *last):
        return {"scenario": scenario, "method": method, "accuracy": [[[0.0, 0.0], [0.5, x]] for x in last]}

    rows = continual.split_mnist_rows([run("class", "replay", 0.7, 0.9), run("class", "none", 0.1, 0.2)])
    assert rows["replay"] == {"class": pytest.approx([60, 70])}
    assert rows["none"] == {"class": pytest.approx([30, 35]), "class, minus replay": pytest.approx([-30, -35])}
    assert rows["joint"] == {}
