"""Result tables: what a cell says, what is marked, and what is refused."""

import re

import pytest

pytest.importorskip("pandas", reason="tables need the extra neuralmem[book]")
pytest.importorskip("jinja2", reason="tables need the extra neuralmem[book]")
from neuralmem.teaching.tables import results_table

ROWS = {
    "agent": {"error, bits": [1.0, 2.0, 3.0], "seconds": 4, "note": "trained"},
    "constant": {"error, bits": [0.5, 0.5, 0.5], "seconds": -0.25},
}


def test_cells_hold_means_intervals_numbers_and_texts():
    frame = results_table(ROWS, digits={"error, bits": 2, "seconds": 1}).frame
    assert frame.loc["agent"].tolist() == ["2.00 ± 2.48", "4.0", "trained"]  # 4.3027 / sqrt(3)
    assert frame.loc["constant"].tolist() == ["0.50 ± 0.00", "−0.2", ""]


def test_the_best_of_a_column_is_bold_and_the_page_is_the_same_each_time():
    table = results_table(ROWS, "Table 1.1. Errors.", best={"error, bits": "min"}, corner="method")
    page = table._repr_html_()
    assert page == results_table(ROWS, "Table 1.1. Errors.", {"error, bits": "min"}, corner="method")._repr_html_()
    assert table.marked["error, bits"].tolist() == [False, True] and not table.marked["seconds"].any()
    assert page.count("font-weight: bold") == 1 and "<caption>Table 1.1. Errors.</caption>" in page
    assert 'class="results dataframe"' in page and "Errors." in repr(table)


def test_no_line_ends_between_a_mean_and_its_half_width():
    page = results_table(ROWS)._repr_html_()
    assert "2.000\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}2.484" in page and " ±" not in page and "± " not in page


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: results_table({}), ["rows", "none"]),
        (lambda: results_table(ROWS, best={"errors": "min"}), ["best", "'errors'"]),
        (lambda: results_table(ROWS, best="least"), ["best", "'least'"]),
        (lambda: results_table({"a": {"b": [[1.0]]}}), ["(seeds,)", "(1, 1)"]),
    ],
)
def test_wrong_input_is_named(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_what_is_marked_in_one_table_of_a_page_is_not_marked_in_another():
    rows = {"a": {"x": 1.0, "y": 4.0}, "b": {"x": 2.0, "y": 3.0}}
    marked, others = results_table(rows, best="min"), [results_table(rows), results_table(rows, "another", best="max")]
    for other in others:
        ids = set(re.findall(r'id="(T_[^"]+)"', other._repr_html_()))
        (bold,) = re.findall(r"([^{}>]+){\s*font-weight: bold", marked._repr_html_())
        assert not {name.strip().removeprefix("#") for name in bold.split(",")} & ids
    assert marked._repr_html_() == results_table(rows, best="min")._repr_html_()
