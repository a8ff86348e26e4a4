"""The figures of the appendix on run times, and what its text says of the stored costs."""

import numpy as np
import pytest

from neuralmem.teaching import results
from neuralmem.teaching.figures import exponent, growth


@pytest.mark.parametrize("power", [0, 1, 2.5])
def test_a_power_is_found_whatever_its_factor(power):
    sizes = [2**place for place in range(9)]
    assert exponent(sizes, [7 * size**power for size in sizes]) == pytest.approx(power, abs=1e-9)


def test_a_constant_at_small_sizes_hides_a_power_there_only():
    sizes = 2.0 ** np.arange(12)
    values = 20 + sizes
    assert exponent(sizes[:4], values[:4]) < 0.3 < 0.9 < exponent(sizes, values) < 1


def test_both_rows_of_a_figure_show_every_model_in_its_unit():
    measured = {"sizes": [1, 10], "step_seconds": [0.5, 2.0], "peak_bytes": [2**20, 2**23]}
    figure = growth({"slots N": {"LSTM": measured, "NTM": measured}, "batch B": {"NTM": measured}})
    time, memory = figure.axes[0], figure.axes[2]
    assert [len(ax.lines) for ax in figure.axes] == [2, 1, 2, 1]
    assert list(time.lines[0].get_ydata()) == [500, 2000] and list(memory.lines[0].get_ydata()) == [1, 8]
    assert figure.axes[2].get_xlabel() == "slots N" and time.get_xscale() == time.get_yscale() == "log"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["LSTM", "NTM"]


@pytest.fixture(scope="module")
def grown():
    return {run["axis"]: run["models"] for run in results.load("costs")["runs"]}


def fit(found, what):
    return exponent(found["sizes"], found[what])


def test_memory_grows_as_the_equations_promise(grown):
    for model in ("content", "NTM", "DNC without links", "DNC with links"):
        powers = {"N": 2 if model == "DNC with links" else 1, "W": 1, "B": 1, "T": 1}
        for axis, power in powers.items():
            assert fit(grown[axis][model], "peak_bytes") == pytest.approx(power, abs=0.15), (model, axis)
    assert fit(grown["N"]["LSTM"], "peak_bytes") == pytest.approx(0, abs=0.05)
    assert fit(grown["items"]["replay"], "peak_bytes") == pytest.approx(1, abs=0.05)


def test_time_shows_the_links_at_many_slots_and_calls_at_few(grown):
    links, without = grown["N"]["DNC with links"], grown["N"]["DNC without links"]
    assert 1.7 < fit(links, "step_seconds") < 2.6 and fit(without, "step_seconds") < 1.2
    ratio = np.divide(links["step_seconds"], without["step_seconds"][: len(links["sizes"])])
    assert ratio[links["sizes"].index(64)] < 2 and ratio[links["sizes"].index(2048)] > 20
    for model in ("content", "NTM", "DNC without links"):
        seconds = dict(zip(grown["N"][model]["sizes"], grown["N"][model]["step_seconds"], strict=True))
        assert seconds[128] < 2 * seconds[16] and seconds[32768] > 1.5 * seconds[16384]
        batch = dict(zip(grown["B"][model]["sizes"], grown["B"][model]["step_seconds"], strict=True))
        assert batch[32] < 8 * batch[1]
        assert fit(grown["T"][model], "step_seconds") == pytest.approx(1, abs=0.2)
    replay = grown["items"]["replay"]["step_seconds"]
    assert replay[-1] < 3 * replay[0]
    tasks = dict(zip(grown["tasks"]["MAML"]["sizes"], grown["tasks"]["MAML"]["step_seconds"], strict=True))
    assert tasks[32] < 3 * tasks[4]
