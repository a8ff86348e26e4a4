"""Four drawers of picture cards, and five buttons: the world of chapter 7, made of real handwritten digits.

Cards lie in four drawers; a new card replaces the old one. Asked for a drawer, an agent presses one of five buttons
without seeing the card. Then the drawer is opened, card and right button are seen, and a new card is put in. Three
things are hidden, each for its own time. Which card lies where changes at every step. Which button belongs to which
class of cards changes from session to session: so many classes as are `dealt` get a button anew, the others keep the
season's usual one. Which classes there are changes from season to season: five of the ten digits in one of eight
positions, turned and mirrored. Letters: B sessions, N cards stored, R rounds, S seasons of a life.
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .._validate import boolean, choice, integer, positive_int
from .digits import digits, turn

DRAWERS, BUTTONS, POSITIONS, STORED_FIRST = 4, 5, 8, 8
PER_DIGIT = {"train": 104, "validation": 26, "test": 43}
"""Images of each digit in each split; the test images are test images of every chapter."""
PICTURE_WEIGHT = 10.0  # of the squared error of a drawn card, beside the cross-entropy of the button


class Life(NamedTuple):
    """The seasons of a life, no class of cards in two of them."""

    digits: Tensor  # (S, 5) int64, all different within a season
    positions: Tensor  # (S,) int64, 0 to 7: quarters turned, plus 4 where mirrored
    usual: Tensor  # (S, 5) int64, the button that usually belongs to each class; no two classes share it


class Sessions(NamedTuple):
    """B sessions in the order in which they are lived: 8 cards are stored, then R times asked, opened, refilled.

    Before round i = 0, 1, ... the cards 0 to 7 + i have been stored; card 8 + i is put into the drawer of round i.
    All are int64. No agent is told `classes`, `dealt` or `season`, nor `button` before its answer.
    """

    drawer: Tensor  # (B, N) where each card is put, N = 7 + R
    card: Tensor  # (B, N) its row in `pictures(split)`
    asked: Tensor  # (B, R) a drawer each round
    holds: Tensor  # (B, R) which of the N cards lies there
    button: Tensor  # (B, R) the right one
    classes: Tensor  # (B, R) 0 to 4, the class of that card within its season
    dealt: Tensor  # (B,) how many classes got their button anew
    season: Tensor  # (B,)


@cache
def pictures(split: str) -> Tensor:
    """All cards of a split (10 · n · 8, 64) in [0, 1]: row (digit · n + image) · 8 + position, n = PER_DIGIT[split]."""
    choice("split", split, PER_DIGIT)
    x, y = digits()[split == "test"]
    first = PER_DIGIT["train"] if split == "validation" else 0
    chosen = torch.stack([x[y == digit][first : first + PER_DIGIT[split]] for digit in range(10)])
    turned = [turn(chosen, torch.full(chosen.shape[:2], quarters)) for quarters in range(4)]
    mirrored = [images.unflatten(-1, (8, 8)).flip(-1).flatten(-2) for images in turned]
    return torch.stack([*turned, *mirrored], 2).flatten(0, 2)


def draw_life(generator: torch.Generator, seasons: int = 6, positions: Sequence[int] = range(6)) -> Life:
    """A life: in each position the ten digits are parted into two seasons at random, and the seasons shuffled.

    Raises ValueError for more seasons than there are (two a position) and for a position that is none of 0 to 7.
    """
    places = [integer("position", position, 0, POSITIONS - 1) for position in positions]
    if not positive_int("seasons", seasons) <= 2 * len(set(places)):
        raise ValueError(f"seasons must be at most {2 * len(set(places))}, two a position, got {seasons}")
    halves = torch.rand(len(places), 10, generator=generator).argsort(1).view(-1, 5)
    order = torch.randperm(len(halves), generator=generator)[:seasons]
    usual = torch.rand(seasons, BUTTONS, generator=generator).argsort(1)
    return Life(halves[order], torch.tensor(places).repeat_interleave(2)[order], usual)


def draw_sessions(
    life: Life, seasons: Sequence[int], count: int, generator: torch.Generator, split: str = "train",
    dealt: Sequence[int] = (0, 2, 5), one_to_one: bool = False, rounds: int = 10, uneven: bool = False,
) -> Sessions:  # fmt: skip
    """`count` Sessions, each in a season of `seasons` and with a number of classes dealt anew out of `dealt`.

    With the free code a class that is dealt anew gets any of the five buttons; with a `one_to_one` code those classes
    exchange their buttons. With `uneven` drawers are asked with chances of 8, 4, 2 and 1 fifteenth, so that some cards
    grow old. Raises ValueError or TypeError.
    """
    count, rounds = positive_int("count", count), positive_int("rounds", rounds)
    allowed = torch.tensor([integer("dealt", number, 0, BUTTONS) for number in dealt])
    known = torch.tensor([integer("season", number, 0, len(life.usual) - 1) for number in seasons])
    per_digit = PER_DIGIT[choice("split", split, PER_DIGIT)]
    season = known[torch.randint(len(known), (count,), generator=generator)]
    anew = allowed[torch.randint(len(allowed), (count,), generator=generator)]
    code = _draw_code(life.usual[season], anew, boolean("one_to_one", one_to_one), generator)
    first = torch.rand(count, DRAWERS, generator=generator).argsort(1)  # each drawer once
    again = torch.randint(DRAWERS, (count, STORED_FIRST - DRAWERS), generator=generator)
    chances = torch.tensor([8.0, 4.0, 2.0, 1.0] if boolean("uneven", uneven) else [1.0] * DRAWERS)
    ranks = torch.multinomial(chances, count * rounds, True, generator=generator).view(count, rounds)
    asked = torch.rand(count, DRAWERS, generator=generator).argsort(1).gather(1, ranks)
    drawer = torch.cat([first, again, asked[:, :-1]], 1)
    kinds = torch.randint(BUTTONS, drawer.shape, generator=generator)
    image = torch.randint(per_digit, drawer.shape, generator=generator)
    row = life.digits[season].gather(1, kinds) * per_digit + image
    card = row * POSITIONS + life.positions[season].unsqueeze(1)
    numbers, stored = torch.arange(drawer.shape[1]), STORED_FIRST + torch.arange(rounds)
    there = (drawer.unsqueeze(1) == asked.unsqueeze(2)) & (numbers < stored.unsqueeze(1))  # (B, R, N)
    holds = (there * numbers).amax(2)  # the last that was put there
    classes = kinds.gather(1, holds)
    return Sessions(drawer, card, asked, holds, code.gather(1, classes), classes, anew, season)


def _draw_code(usual, dealt, one_to_one, generator):
    """The button of each class (B, 5), of which the first `dealt` (B,) in a random order are dealt anew."""
    order = torch.rand(usual.shape, generator=generator).argsort(1)
    place = torch.arange(BUTTONS).expand_as(usual)
    moves = place < dealt.unsqueeze(1)
    if one_to_one:
        shuffled = torch.where(moves, torch.rand(usual.shape, generator=generator), 1.0 + place).argsort(1)
        return usual.scatter(1, order, usual.gather(1, order.gather(1, shuffled)))
    fresh = torch.randint(BUTTONS, usual.shape, generator=generator)
    return usual.scatter(1, order, torch.where(moves, fresh, usual.gather(1, order)))


def opened(cards: Tensor, sessions: Sessions) -> Tensor:
    """The card that is seen when the drawer is opened, (..., R, 64) of the cards (..., N, 64) of these sessions."""
    return cards.gather(-2, sessions.holds.unsqueeze(-1).expand(*sessions.holds.shape, cards.shape[-1]))


def seen(sessions: Sessions) -> Tensor:
    """Whether a card of this class has been opened before in the session: (B, R) booleans."""
    same = sessions.classes.unsqueeze(-1) == sessions.classes.unsqueeze(-2)  # (..., R, R)
    return same.tril(-1).any(-1)


def ages(sessions: Sessions) -> Tensor:
    """How many cards have been stored since the one that is asked for, itself included: (B, R), at least 1."""
    return STORED_FIRST + torch.arange(sessions.asked.shape[-1]) - sessions.holds


def ideal_error(sessions: Sessions, one_to_one: bool = False) -> Tensor:
    """Chance of a wrong answer (B, R) where all five classes are dealt anew, for who knows cards and classes.

    It is 0 where the class has been revealed; else 4/5 with the free code, and with a one-to-one code (u - 1)/u where u
    buttons have not been revealed.
    """
    known = seen(sessions)
    if not one_to_one:
        return 0.8 * (~known).float()
    kinds = F.one_hot(sessions.classes, BUTTONS).cumsum(-2).clamp(max=1).sum(-1)
    unseen = BUTTONS - F.pad(kinds, (1, 0))[..., :-1]
    return torch.where(known, 0.0, (unseen - 1) / unseen.clamp(min=1))


def loss(logits: Tensor, drawn: Tensor, cards: Tensor, button: Tensor) -> Tensor:
    """What an agent minimises: cross-entropy of the buttons + 10 times the squared error of the cards it drew.

    logits (..., R, 5) before each drawer is opened, drawn (..., R, 64) what it believes lies there, cards (..., R, 64)
    what did, button (..., R) the right one; a number: the mean over all rounds.
    """
    picture = (drawn - cards).square().mean()
    return F.cross_entropy(logits.flatten(0, -2), button.flatten()) + PICTURE_WEIGHT * picture
