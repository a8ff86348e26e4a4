"""What chapter 7 shows of the four drawers: the stored runs as tables, figures, a map, and the map's explorer."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ..metrics import paired_difference
from .figures.drawers import errors_as_bars, errors_by_card_age, winners_map
from .tables import ResultTable, difference_text, results_table

Stored = Mapping[str, Any]  # what results.load("drawers") returns
ADAPTING = ("ridge", "in context", "Meta-SGD", "centroid")
STATIC, PIXELS = "no adaptation", "pixels"
RIVALS = (*ADAPTING, STATIC, PIXELS)
"""Who competes on the map: attention as memory and replay, but for the pixels, which are kept in an exact table."""
REVEALED = ("0", "1-2", "3-5", "6-9", "30-39")
SEASONS = {"current": "now", "earlier": "old", "never lived in": "new"}
AGES = ("1", "2-3", "4-7", "8-15", "16-39")
MEMORIES: dict[str, dict[str, Any]] = {
    "exact table": {"memory": "table"},
    "attention": {"memory": "attention"},
    "DNC": {"memory": "DNC"},
    "LSTM, longer schooling": {"memory": "LSTM", "schooling": "long"},
    "LSTM": {"memory": "LSTM"},
    "no memory": {"memory": "no memory"},
}
USUAL = {"memory": "attention", "head": "ridge", "code": "free", "schooling": "mixed", "replay": "replay"}
UNTRAINED: dict[str, Any] = {"memory": "table", "schooling": "untrained", "replay": "none"}


def runs(stored: Stored, **facts: Any) -> list[dict]:
    """The runs of which the facts hold, by seed; what is not said is as in USUAL. Raises ValueError where none is."""
    found = _matching(stored, facts)
    if not found:
        raise ValueError(f"facts must be those of a stored run, got {USUAL | facts}")
    return found


def samples(
    stored: Stored, where: str, dealt: int, revealed: str, known: bool = False, **facts: Any
) -> np.ndarray:
    """Errors (seeds,) in a season ("now", "old" or "new"), with so many classes dealt anew and answers revealed.

    `known`: only where the class of the card has been revealed. `facts` name the agent, as in `runs`.
    """
    return np.array([run[where][str(dealt)][revealed][int(known)] for run in runs(stored, **facts)], dtype=float)


def of_rival(name: str) -> dict[str, Any]:
    """The facts of one of RIVALS."""
    return UNTRAINED | {"head": "pixels"} if name == PIXELS else {"head": name}


def has(stored: Stored, **facts: Any) -> bool:
    """Whether such runs are stored; facts as in `runs`."""
    return bool(_matching(stored, facts))


def _matching(stored, facts):
    """The runs of which the facts hold, by seed, maybe none."""
    wanted = USUAL | facts
    found = [run for run in stored["runs"] if all(run[name] == value for name, value in wanted.items())]
    return sorted(found, key=lambda run: run["seed"])


def present(stored: Stored) -> dict[str, dict[str, Any]]:
    """Those of MEMORIES that are stored."""
    return {name: facts for name, facts in MEMORIES.items() if has(stored, **facts)}


def codes(stored: Stored) -> list[str]:
    """The kinds of code for which all RIVALS are stored."""
    return [code for code in ("free", "one-to-one") if all(has(stored, code=code, **of_rival(name)) for name in RIVALS)]


def percent(values: np.ndarray) -> np.ndarray:
    """Shares as numbers of a hundred."""
    return 100 * values


# Tables


def _columns(stored, **facts):
    """The columns that all tables of agents share."""
    return {
        "current season": percent(samples(stored, "now", 5, "6-9", True, **facts)),
        "earlier seasons": percent(samples(stored, "old", 5, "6-9", True, **facts)),
        "season never lived in": percent(samples(stored, "new", 5, "6-9", True, **facts)),
        "all answers, current": percent(samples(stored, "now", 5, "6-9", **facts)),
        "earlier seasons, usual code, nothing revealed": percent(samples(stored, "old", 0, "0", **facts)),
        "seconds per life": float(np.mean([run["seconds"] for run in runs(stored, **facts)])),
    }


def adapting_table(stored: Stored, code: str = "free") -> ResultTable:
    """Errors of each way to adapt, with replay, without, and trained on all seasons together."""
    rows, ways = {}, {"replay": "", "none": ", no replay", "joint": ", joint"}
    for replay, suffix in ways.items():
        for name in (*ADAPTING, STATIC):
            if has(stored, head=name, replay=replay, code=code):
                rows[name + suffix] = _columns(stored, head=name, replay=replay, code=code)
    for name, head in {PIXELS: "pixels", "most frequent button": "most frequent button"}.items():
        rows[name] = _columns(stored, **UNTRAINED, head=head, code=code)
    ideal = UNTRAINED | {"head": "ideal", "code": code}
    rows["ideal"] = {"all answers, current": percent(samples(stored, "now", 5, "6-9", **ideal))}
    caption = f"Wrong answers in a hundred, {code} code dealt wholly anew, after 6 to 9 revealed; five seeds"
    return results_table(rows, caption, digits=1, corner="attention as memory")


def memories_table(stored: Stored) -> ResultTable:
    """Errors of each memory, all with ridge."""
    rows = {}
    alone = {"memory": "DNC", "replay": "none"}
    shown = present(stored) | ({"DNC, no replay": alone} if has(stored, **alone) else {})
    for name, facts in shown.items():
        found = runs(stored, **facts)
        rows[name if len(found) == 5 else f"{name} ({len(found)} seeds)"] = {
            "current season": percent(samples(stored, "now", 5, "6-9", True, **facts)),
            "the same, after 30 to 39": percent(samples(stored, "now", 5, "30-39", True, **facts)),
            "earlier seasons": percent(samples(stored, "old", 5, "6-9", True, **facts)),
            "card 16 to 39 stores old": percent(by_age(stored, **facts)[:, 4]),
            "parameters": f"{found[0]['parameters']:,}",
            "seconds per life": float(np.mean([run["seconds"] for run in found])),
        }
    caption = "Wrong answers in a hundred where the class was revealed; new code, after 6 to 9; five seeds unless said"
    return results_table(rows, caption, digits=1, corner="memory")


def features_table(stored: Stored) -> ResultTable:
    """One rule at the test for all, on features that were trained in four ways."""
    trained: dict[str, dict[str, Any]] = {
        "episodes, ridge": {},
        "episodes, in context": {"head": "in context"},
        "a plain layer, the same sessions": {"head": STATIC},
        "a plain layer, usual code only": {"head": STATIC, "schooling": "usual"},
    }
    rows = {}
    for name, facts in trained.items():
        if not has(stored, **facts):
            continue
        found = [run["rules"] for run in runs(stored, **facts)]
        rows[name] = {
            f"{rule}, {season}": percent(np.array([run[rule][where] for run in found]))
            for rule in ("ridge", "nearest mean")
            for season, where in (("current", "now"), ("never lived in", "new"))
        }
    caption = "Wrong answers in a hundred where the class has been revealed, after 6 to 9; new code; five seeds"
    return results_table(rows, caption, digits=1, corner="features trained by")


def differences_table(stored: Stored, code: str = "free") -> ResultTable:
    """Differences between ways to adapt, paired by seed, in points, wholly new code, after 6 to 9."""
    pairs = [("in context", "Meta-SGD"), ("Meta-SGD", "ridge"), ("in context", "ridge"), ("centroid", "Meta-SGD"),
             ("centroid", "ridge"), ("ridge", PIXELS)]  # fmt: skip
    places = {"current, class revealed": ("now", True), "earlier, class revealed": ("old", True),
              "never lived in, class revealed": ("new", True), "current, all answers": ("now", False)}  # fmt: skip
    rows: dict[str, dict[str, str]] = {}
    for first, second in pairs:
        row = rows.setdefault(f"{first} minus {second}", {})
        for column, (where, known) in places.items():
            one, other = (
                percent(samples(stored, where, 5, "6-9", known, code=code, **of_rival(name)))
                for name in (first, second)
            )
            row[column] = difference_text(one, other, 1)
    caption = f"Differences by seed in points, with 95 % intervals; {code} code dealt wholly anew, after 6 to 9"
    return results_table(rows, caption, corner="")


# The targets


def targets(stored: Stored) -> dict[str, tuple[str, float, float, bool]]:
    """{claim: (what is compared, bar, measured, met)} for the targets at the head of the experiment, means of seeds."""

    def mean(where, dealt, revealed, known=False, **facts):
        return float(samples(stored, where, dealt, revealed, known, **facts).mean())

    def rule(**facts):
        return float(np.mean([run["rules"]["ridge"]["now"] for run in runs(stored, **facts)]))

    now, old, new = (("now", 5, "6-9", True), ("old", 5, "6-9", True), ("new", 5, "6-9", True))
    everywhere = min(
        mean(where, dealt, revealed, memory="no memory")
        for where in ("now", "old", "new") for dealt in (0, 2, 5) for revealed in REVEALED
    )  # fmt: skip
    forgotten = mean("old", 0, "0", replay="none") / mean("old", 0, "0")
    above = mean(*now, head="centroid") - mean(*now, head="Meta-SGD")
    behind = min(mean(*new, head=head) for head in (*ADAPTING, STATIC)) - mean(*new, **of_rival(PIXELS))
    measured = {
        "1 no adaptation": ("times ridge, at least", 5, mean(*now, head=STATIC) / mean(*now)),
        "2 no replay, usual code": ("times replay, at least", 2.5, forgotten),
        "3 no replay, new code": ("times replay, at least", 1.8, mean(*old, replay="none") / mean(*old)),
        "4 no memory": ("lowest error, at least", 0.7, everywhere),
        "5 features without episodes": ("times episodes, at least", 1.5, rule(head=STATIC) / rule()),
        "6 centroid": ("points above Meta-SGD, at least", 1, 100 * above),
        "7 Meta-SGD": ("error, at most", 0.1, mean(*now, head="Meta-SGD")),
        "8 replay": ("times joint, at most", 2, mean("old", 5, "6-9") / mean("old", 5, "6-9", replay="joint")),
        "9 pixels in a season never lived in": ("points below all trained, at least", 5, 100 * behind),
    }
    if "DNC" in present(stored):
        oldest = [by_age(stored, memory=memory)[:, -1].mean() for memory in ("attention", "DNC")]
        measured["10 attention, card 16 to 39 stores old"] = ("times the DNC, at least", 3, oldest[0] / oldest[1])
        measured["11 DNC, usual code"] = ("error, at most", 0.12, mean("now", 0, "6-9", memory="DNC"))
        measured["11 DNC, new code"] = ("error, at most", 0.15, mean(*now, memory="DNC"))
    found = {}
    for claim, (what, bar, value) in measured.items():
        found[claim] = (what, bar, value, value <= bar if "at most" in what else value >= bar)
    return found


def targets_table(stored: Stored) -> ResultTable:
    """The targets, what was measured, and whether each was met."""
    rows = {}
    for claim, (what, bar, value, met) in targets(stored).items():
        said = "yes" if met else "no"
        rows[claim] = {"compared": what, "target": f"{bar:g}", "measured": f"{value:.2f}", "met": said}
    if "DNC" not in present(stored):
        rows["10 and 11: DNC"] = {"compared": "age of the card, errors", "met": "not run"}
    return results_table(rows, "Targets, written down before the run", corner="claim")


# Age of the card


def by_age(stored: Stored, **facts: Any) -> np.ndarray:
    """Errors (seeds, ages) by age of the card, where the class has been revealed; wholly new code."""
    return np.array([[run["ages"][age] for age in AGES] for run in runs(stored, **facts)])


def ages_figure(stored: Stored) -> Figure:
    """Error by age of the card, a curve a memory."""
    return errors_by_card_age({name: percent(by_age(stored, **facts)) for name, facts in present(stored).items()}, AGES)


# The map


def rivals(stored: Stored, revealed: str, season: str, dealt: int, code: str) -> dict[str, np.ndarray]:
    """Errors (seeds,) of all RIVALS at one position of the map."""
    where = SEASONS[season]
    return {name: samples(stored, where, dealt, revealed, code=code, **of_rival(name)) for name in RIVALS}


def winners(found: Mapping[str, np.ndarray]) -> list[str]:
    """Who has the lowest mean, and who cannot be told from it: whose paired 95 % interval holds 0. The best first."""
    order = sorted(found, key=lambda name: found[name].mean())
    tied = [order[0]]
    for name in order[1:]:
        mean, half = paired_difference(found[name], found[order[0]])
        if mean - half <= 0:
            tied.append(name)
    return tied


def verdict(found: Mapping[str, np.ndarray]) -> str:
    """One phrase: who wins, who ties, or that nobody can know."""
    if min(values.mean() for values in found.values()) > 0.75:
        return "nobody can know"
    tied = winners(found)
    if len(tied) == len(found):
        return "all tie"
    trained = [name for name in found if name != PIXELS]
    if set(tied) == set(trained):
        return "all that are trained tie"
    if set(tied) == set(ADAPTING):
        return "all that adapt tie"
    return tied[0] if len(tied) == 1 else f"{tied[0]}; tie: {', '.join(tied[1:])}"


def map_figure(stored: Stored) -> Figure:
    """Who wins where: season by answers revealed, for both kinds of code, usual and wholly new."""
    panels = {}
    for code in codes(stored):
        for dealt, words in ((5, "all five dealt anew"), (0, "usual")):
            cells = {}
            for season in SEASONS:
                for revealed in REVEALED:
                    found = rivals(stored, revealed, season, dealt, code)
                    best = 100 * min(values.mean() for values in found.values())
                    cells[season, revealed] = (_families(found), best)
            panels[f"{code} code, {words}"] = cells
    return winners_map(panels, list(SEASONS), list(REVEALED))


def _families(found):
    """The winners of a cell in as few words as they can be said with."""
    words = verdict(found)
    short = {"nobody can know": "nobody", "all tie": "all", "all that adapt tie": "any adapter"}
    short["all that are trained tie"] = "any trained"
    if words in short:
        return short[words]
    tied = winners(found)
    names = [name.split(",")[0].replace(STATIC, "unadapted") for name in tied]
    return "\n".join(names[:3]) + ("\n…" if len(names) > 3 else "")


def bars(stored: Stored, season: str, dealt: int, code: str) -> Figure:
    """Wrong answers in a hundred of six rivals after so many revealed answers, with 95 % intervals over five seeds.

    Dashed, where the code was dealt wholly anew: the least error that anybody could have.
    """
    groups, ideal, said = {}, {}, []
    for revealed in REVEALED:
        found = rivals(stored, revealed, season, dealt, code)
        groups[revealed] = {name: percent(values) for name, values in found.items()}
        if dealt == 5:
            facts = UNTRAINED | {"head": "ideal", "code": code}
            ideal[revealed] = 100 * samples(stored, SEASONS[season], 5, revealed, **facts).mean()
        said.append(f"{revealed}: {verdict(found)}")
    figure = errors_as_bars(groups, ideal)
    figure.seen = "Lowest after so many revealed answers, " + "; ".join(said).replace("; tie", ", tie") + "."
    return figure
