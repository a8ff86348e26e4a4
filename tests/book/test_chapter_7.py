"""What chapter 7 adds: its checks and its figures."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from exercises import assert_tells_apart

from neuralmem.teaching import figures
from neuralmem.teaching.checks import chapter_7 as checks


def until(share, width):
    return np.log(share) / np.log1p(-1 / width)


def windowed(queries, keys, values, window):
    rows = []
    for t, query in enumerate(queries):
        start = max(0, t + 1 - window)
        weighting = torch.softmax(keys[start : t + 1] @ query / keys.shape[1] ** 0.5, 0)
        rows.append(weighting @ values[start : t + 1])
    return torch.stack(rows)


def causal(queries, keys, values, window, scale=1.0):
    length = len(queries)
    return windowed(scale * queries, keys, values, length)


def unmasked(queries, keys, values, window):
    return F.scaled_dot_product_attention(queries[None], keys[None], values[None])[0]


def scored(mask_after):
    def read(queries, keys, values, window):
        allowed = torch.ones(len(queries), len(keys)).tril().triu(1 - window)
        scores = queries @ keys.T / keys.shape[1] ** 0.5
        weights = torch.softmax(scores, -1) * allowed if mask_after else torch.softmax(scores * allowed, -1)
        return weights @ values

    return read


def safe(matrix, key, value):
    squared = key.square().sum()
    if squared == 0:
        return matrix.clone()
    return matrix + key[:, None] * (value - key @ matrix)[None] / squared


def best_keys(query, first, second, best):
    half = len(query) // 2
    scores = (first @ query[:half])[:, None] + (second @ query[half:])[None]
    return scores.flatten().topk(best).indices


def halves(query, first, second):
    half = len(query) // 2
    return first @ query[:half], second @ query[half:]


def swapped(query, first, second, best):
    ahead, behind = halves(query, first, second)
    return (behind[:, None] + ahead[None]).flatten().topk(best).indices


def of_products(query, first, second, best):
    ahead, behind = halves(query, first, second)
    return (ahead[:, None] * behind[None]).flatten().topk(best).indices


def rank_by_rank(query, first, second, best):
    ahead, behind = halves(query, first, second)
    pairs = min(len(ahead), len(behind))
    return (ahead.argsort(descending=True)[:pairs] * len(second) + behind.argsort(descending=True)[:pairs])[:best]


def predicted(x, y, query, start, rate):
    weights = start.clone().requires_grad_()
    loss = (x @ weights - y).square().mean() / 2
    (slope,) = torch.autograd.grad(loss, weights)
    return query @ (start - rate * slope)


ANSWERS = [
    (checks.check_writes_until, until, [
        (lambda share, width: -width * np.log(share), "close"),
        (lambda share, width: width * (1 - share), "what is left"),
        (lambda share, width: np.log(1 - share) / np.log(1 - 1 / width), "is lost"),
        (lambda share, width: np.log(share) / -np.log(width), "what is taken"),
        (lambda share, width: (1 - 1 / width) ** share, "solve"),
        (lambda share, width: -0.69 * width, "`share`"),
    ]),
    (checks.check_windowed, windowed, [
        (causal, "last `window`"),
        (lambda q, k, v, w: windowed(q, k, v, w + 1), "one pair too many"),
        (lambda q, k, v, w: windowed(q * k.shape[1] ** 0.5, k, v, w), "root of W"),
        (lambda q, k, v, w: windowed(q / k.shape[1] ** 0.5, k, v, w), "not by W"),
        (scored(mask_after=True), "before the softmax"),
        (scored(mask_after=False), "e^0"),
        (lambda q, k, v, w: windowed(q.detach(), k, v, w), "gradient"),
        (unmasked, "`window`"),
    ]),
    (checks.check_safe_delta, safe, [
        (lambda m, k, v: m + torch.outer(k, v - k @ m), "explodes"),
        (lambda m, k, v: m + torch.outer(k, v - k @ m) / (k @ k), "0 / 0"),
        (lambda m, k, v: m + torch.outer(k, v - k @ m) / k.norm().clamp_min(1e-9), "SQUARED"),
        (lambda m, k, v: m + torch.outer(k, v) / (k @ k).clamp_min(1e-20), "taken away"),
        (lambda m, k, v: m + 0.01 * torch.outer(k, v - k @ m), "nothing is read back"),
        (lambda m, k, v: m.add_(torch.outer(k, v - k @ m) / (k @ k)), "has changed"),
    ]),
    (checks.check_best_keys, best_keys, [
        (of_products, "SUM"),
        (rank_by_rank, "all pairs"),
        (lambda *given: best_keys(*given).flip(0), "highest score comes first"),
        (lambda q, a, b, n: best_keys(q, a, b, n) // len(b) * len(a) + best_keys(q, a, b, n) % len(b), "second list"),
        (lambda q, a, b, n: best_keys(q, a, b, n) // len(b) + best_keys(q, a, b, n) % len(b) * len(a), "FIRST"),
        (swapped, "FIRST"),
        (lambda q, a, b, n: best_keys(q, a, b, 1), "wrong shape"),
    ]),
    (checks.check_stepped_prediction, predicted, [
        (lambda x, y, q, s, r: predicted(x, y, q, 0 * s, r), "need not be zero"),
        (lambda x, y, q, s, r: predicted(x, y, q, s, r * len(x)), "divide by n"),
        (lambda x, y, q, s, r: predicted(x, y, q, s, -r), "wrong way"),
        (lambda x, y, q, s, r: predicted(x, y, q, s, 2 * r), "takes the 2 away"),
        (lambda x, y, q, s, r: predicted(x, y, q, s, r) - q @ s, "add what"),
        (lambda x, y, q, s, r: q @ s + r / len(x) * (x @ q) @ y, "leaves over"),
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("check", "right", "wrong"), ANSWERS, ids=[case[0].__name__ for case in ANSWERS])
def test_checks_tell_a_right_answer_from_plausible_wrong_ones(check, right, wrong, capsys):
    assert_tells_apart(check, right, wrong, capsys)


# The figures


def test_stores_carry_their_numbers_and_the_names_of_their_rows():
    axes = figures.stores({"keys": [[0.5, -0.25]], "sum": [[1.0], [2.0]]}, {"keys": ["A"]}).axes
    assert [text.get_text() for text in axes[0].texts] == ["0.5", "−0.25"]
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["A"] and len(axes[1].get_yticks()) == 0


def test_the_line_of_time_has_a_row_for_each_year_and_its_entries_in_lanes():
    ax = figures.time_line().axes[0]
    years = [label.get_text() for label in ax.get_yticklabels()]
    assert years == sorted(years) and years[0] == "1989"
    said = {text.get_text(): text.get_position() for text in ax.texts}
    assert said["fast weights"][1] == years.index("1992")
    assert said["DNC"][0] == said["LSTM"][0] != said["fast weights"][0]


def test_errors_by_age_draws_the_newest_pair_at_age_0_and_counts_the_good_ones():
    figure = figures.errors_by_age([1.5, 1.2, 0.5, 0.0], "delta rule", 32)
    line = figure.axes[0].lines[0]
    assert line.get_xdata().tolist() == [3, 2, 1, 0] and line.get_ydata().tolist() == [1.5, 1.2, 0.5, 0.0]
    assert figure.seen.startswith("2 of 4 pairs") and "0.00" in figure.seen


def test_recalled_shows_the_query_the_read_and_the_heaviest_patterns():
    patterns = np.arange(12.0).reshape(3, 4)
    figure = figures.recalled(np.zeros(4), np.ones(4), patterns, [0.2, 0.7, 0.1], "said", most=2)
    assert [ax.get_title() for ax in figure.axes] == ["asked", "read", "70%", "20%"]
    assert figure.axes[2].images[0].get_array().tolist() == [[4.0, 5.0], [6.0, 7.0]]
    assert figure.seen == "said"
