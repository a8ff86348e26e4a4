"""What the experiment of the four drawers asks of its agents, and the rivals that are not trained (chapter 7).

An answer counts twice: among all answers, and among those whose class of cards has been revealed in the session, which
is where a right answer is possible under a code that was dealt anew.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from neuralmem.teaching import drawers_agents as agents
from neuralmem.worlds import drawers, split_generator
from neuralmem.worlds.drawers import Life, Sessions

DEALT = (0, 2, 5)
BINS = {"0": (0, 0), "1-2": (1, 2), "3-5": (3, 5), "6-9": (6, 9)}  # answers revealed
LONG = {"30-39": (30, 39)}  # in sessions of 40 rounds
AGES = {"1": (1, 1), "2-3": (2, 3), "4-7": (4, 7), "8-15": (8, 15), "16-39": (16, 39)}  # of the card, in cards stored
TESTED, TESTED_LONG = 150, 40  # sessions a season and number dealt anew
RULE_SCALES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)


def life_of(seed: int) -> Life:
    """Five seasons to live in and one that is never lived in; the design seeds have classes of their own, and less."""
    if seed < 100:
        return drawers.draw_life(split_generator("train", seed))
    return drawers.draw_life(split_generator("train", seed), 4, (6, 7))


def visits_of(life: Life) -> list[int]:
    """The seasons one after the other, then the second again; the last one of the life is never visited."""
    lived = len(life.usual) - 1
    return [*range(lived), 1]


def stacked(many: list[Sessions]) -> Sessions:
    """Sessions of K lives as one, each field with a leading axis of K."""
    return Sessions(*map(torch.stack, zip(*many, strict=True)))


def test_sessions(runs, lives, season, dealt, count=None, rounds=10, uneven=False, split="test") -> Sessions:
    """The sessions on which the agents of a seed are judged, the same for all of them: fields (K, B, ...)."""
    many = {}
    for run, life in zip(runs, lives, strict=True):
        key, place = (run["seed"], run["code"]), season % len(life.usual)
        if key not in many:
            generator = split_generator("test", 10_000 * run["seed"] + 1000 * place + 100 * dealt + rounds + uneven)
            many[key] = drawers.draw_sessions(
                life, [place], count or TESTED, generator, split, [dealt], run["code"] == "one-to-one", rounds, uneven
            )
    return stacked([many[run["seed"], run["code"]] for run in runs])


def by_revealed(wrong: Tensor, known: Tensor, bins: dict = BINS) -> dict:
    """{answers revealed: [error, error where the class has been revealed]} of the answers (B, R) of one life."""
    found = {}
    for name, (low, high) in bins.items():
        part, where = wrong[:, low : high + 1].float(), known[:, low : high + 1]
        found[name] = [round(float(part.mean()), 4), round(float(part[where].mean()), 4) if low else None]
    return found


def mean_of(rows: list[dict]) -> dict:
    """The mean of several results of `by_revealed`."""
    means = {}
    for name in rows[0]:
        columns = zip(*(row[name] for row in rows), strict=True)
        means[name] = [None if column[0] is None else round(sum(column) / len(column), 4) for column in columns]
    return means


class Judge:
    """Asks K lives the same questions, season by season; `wrong(sessions)` says which answers are wrong (K, B, R)."""

    def __init__(self, wrong, runs: list[dict], lives: list[Life], dealt=DEALT):
        self.wrong, self.runs, self.lives, self.dealt = wrong, runs, lives, dealt
        self.seasons: dict = {}

    def season(self, where: str, season: int, long: bool) -> None:
        """Errors in one season, added to those of `where` ("now", "old" or "new")."""
        for dealt in self.dealt:
            for bins, rounds, count in ((BINS, 10, TESTED), (LONG, 40, TESTED_LONG))[: 1 + long]:
                sessions = test_sessions(self.runs, self.lives, season, dealt, count, rounds)
                wrong, known = self.wrong(sessions), drawers.seen(sessions)
                for life in range(len(self.runs)):
                    rows = self.seasons.setdefault((life, where, dealt, rounds), [])
                    rows.append(by_revealed(wrong[life], known[life], bins))

    def all_seasons(self, season: int) -> None:
        """The season just lived in, those before it, and the one that is never lived in."""
        self.season("now", season, long=True)
        for old in range(season):
            self.season("old", old, long=True)
        self.season("new", -1, long=True)

    def by_age(self, season: int) -> list[dict]:
        """Errors where the class has been revealed, by age of the card, from the ninth answer on; code wholly new."""
        sessions = test_sessions(self.runs, self.lives, season, 5, rounds=40, uneven=True)
        wrong, known, ages = self.wrong(sessions), drawers.seen(sessions), drawers.ages(sessions)
        known[..., :8] = False
        found: list[dict] = [{} for _ in self.runs]
        for name, (low, high) in AGES.items():
            chosen = known & (ages >= low) & (ages <= high)
            for life, row in enumerate(found):
                row[name] = round(float(wrong[life][chosen[life]].float().mean()), 4)
        return found

    def results(self) -> list[dict]:
        """A dict a life: {where: {number dealt anew: {answers revealed: [error, where revealed]}}}."""
        found: list[dict] = [{} for _ in self.runs]
        for (life, where, dealt, _), rows in self.seasons.items():
            found[life].setdefault(where, {}).setdefault(str(dealt), {}).update(mean_of(rows))
        return found


# Features alone: the same rule for all, whatever trained the features


def judged_by_rules(codes_of, runs: list[dict], lives: list[Life], season: int) -> list[dict]:
    """Errors after 6 to 9 answers where the class has been revealed, by rules that know the features only; a new code.

    `codes_of(sessions, split)` gives what memory finds and what is opened, (K, B, R, D) each. The rules are the nearest
    mean, and ridge regression without a learned layer, its penalty chosen on images for validation.
    """

    def asked(season, split="test"):
        sessions = test_sessions(runs, lives, season, 5, split=split)
        return sessions, *codes_of(sessions, split)

    def error(rule, life, question):
        sessions, found, seen = question
        with torch.no_grad():
            answer = rule(found[life], seen[life], sessions.button[life]).argmax(-1)
        return by_revealed(answer != sessions.button[life], drawers.seen(sessions)[life])["6-9"][1]

    choosing, places = asked(season, "validation"), {"now": [season], "old": list(range(season)), "new": [-1]}
    questions = {where: [asked(place) for place in seasons] for where, seasons in places.items()}
    rows = []
    for life in range(len(runs)):
        scores = {scale: error(bare(agents.Ridge(), log_scale=scale), life, choosing) for scale in RULE_SCALES}
        best = min(scores, key=scores.__getitem__)
        rules = {"nearest mean": bare(agents.Centroid(), nearness=1e6), "ridge": bare(agents.Ridge(), log_scale=best)}
        row: dict = {name: {} for name in rules}
        for name, rule in rules.items():
            for where, several in questions.items():
                errors = [error(rule, life, question) for question in several]
                row[name][where] = round(sum(errors) / len(errors), 4)
        rows.append({"rules": row})
    return rows


def bare(head: nn.Module, **numbers: float) -> nn.Module:
    """A way to adapt without its learned layer, with the numbers given (those called log_... by their exponent)."""
    with torch.no_grad():
        for weight in head.layer.parameters():
            weight.zero_()
        for name, number in numbers.items():
            value = torch.tensor(float(number))
            getattr(head, name).copy_(value.log() if name.startswith("log_") else value)
    return head


# Rivals without training, and the best that anybody could do


def nearest_pixels(sessions: Sessions, threshold: float, split: str = "test") -> Tensor:
    """The button of the nearest card revealed, by its pixels; the least revealed one where none is within reach."""
    cards = drawers.opened(drawers.pictures(split)[sessions.card], sessions)
    rounds = cards.shape[-2]
    later = torch.ones(rounds, rounds).triu().bool()
    nearest, place = torch.cdist(cards, cards).masked_fill(later, torch.inf).min(-1)
    return torch.where(nearest <= threshold, sessions.button.gather(-1, place), _revealed(sessions).argmin(-1))


def most_frequent(sessions: Sessions) -> Tensor:
    """The button that has been right most often in this session."""
    return _revealed(sessions).argmax(-1)


def _revealed(sessions):
    """How often each button has been right before each round: (..., R, 5)."""
    counts = F.one_hot(sessions.button, drawers.BUTTONS).cumsum(-2)
    return F.pad(counts, (0, 0, 1, 0))[..., :-1, :]


THRESHOLDS = {"free": 1e9, "one-to-one": 2.5}  # the second chosen on the design seeds, see --tune
UNTRAINED = {
    "pixels": lambda sessions, code: nearest_pixels(sessions, THRESHOLDS[code]) != sessions.button,
    "most frequent button": lambda sessions, code: most_frequent(sessions) != sessions.button,
    "ideal": lambda sessions, code: drawers.ideal_error(sessions, code == "one-to-one"),
}


def judged_untrained(head: str, code: str, seed: int) -> dict:
    """What an untrained rival measured: as for the agents; the ideal is defined for a wholly new code only."""
    runs, lives = [{"seed": seed, "code": code}], [life_of(seed)]
    judge = Judge(lambda sessions: UNTRAINED[head](sessions, code), runs, lives, (5,) if head == "ideal" else DEALT)
    visits = visits_of(lives[0])
    for number, season in enumerate(visits):
        if number == len(visits) - 2:
            judge.all_seasons(season)
        else:
            judge.season("now", season, long=False)
    return {"parameters": 0, "seconds": 0.0} | judge.results()[0]
