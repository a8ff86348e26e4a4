"""The agents of the four drawers, each of two exchangeable parts: a memory, and a way to adapt (chapter 7).

A memory answers "what lies in this drawer?" with a code of the card; a way to adapt answers "which button?" from that
code and from the pairs of card and button that the session has revealed. Every agent has the same encoder and draws
the card it expects with the same decoder. Letters: B sessions, N cards stored, R rounds, D numbers of a code.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..bank import MemoryConfig, NeuralMemoryBank
from ..closed_form import ridge
from ..controller import MemoryController
from ..worlds.drawers import BUTTONS, DRAWERS, STORED_FIRST, Sessions

CODE = 32  # D


class Agent(nn.Module):
    """Encode the cards, remember them, adapt to what the session has revealed, answer (chapter 7)."""

    def __init__(self, memory: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, CODE))
        self.decoder = nn.Sequential(nn.Linear(CODE, 64), nn.ReLU(), nn.Linear(64, 64))
        self.memory, self.head = memory, head

    def codes(self, cards: Tensor, sessions: Sessions) -> tuple[Tensor, Tensor]:
        """What memory finds, and what is seen when the drawer is opened: (B, R, D) each, of cards (B, N, 64)."""
        codes = self.encoder(cards)
        opened = codes.gather(1, sessions.holds.unsqueeze(-1).expand(-1, -1, CODE))
        return self.memory(codes, sessions), opened

    def forward(self, cards: Tensor, sessions: Sessions) -> tuple[Tensor, Tensor]:
        """Logits of the buttons (B, R, 5) and the expected cards (B, R, 64), before each drawer is opened."""
        found, opened = self.codes(cards, sessions)
        return self.head(found, opened, sessions.button), self.decoder(found)


# Memories: (codes (B, N, D), sessions) -> what is found in the drawer asked for (B, R, D)


class Table(nn.Module):
    """The last card of each drawer, kept exactly: a reference that a program could keep, learned by nobody."""

    def forward(self, codes: Tensor, sessions: Sessions) -> Tensor:
        return codes.gather(1, sessions.holds.unsqueeze(-1).expand(-1, -1, CODE))


class Attention(nn.Module):
    """Every card is kept; the drawer's number asks, and the older a card, the less it counts."""

    def __init__(self, size: int = 16) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(DRAWERS, size, bias=False), nn.Linear(DRAWERS, size, bias=False)
        self.log_decay = nn.Parameter(torch.tensor(-1.0))

    def weightings(self, sessions: Sessions) -> Tensor:
        """How much each card stored so far counts at each round: (B, R, N), each row a distribution."""
        scores = self.query(_one_hot(sessions.asked, DRAWERS)) @ self.key(_one_hot(sessions.drawer, DRAWERS)).mT
        rounds, cards = scores.shape[-2:]
        age = STORED_FIRST + torch.arange(rounds).unsqueeze(1) - torch.arange(cards)  # (R, N), at least 1 if stored
        scores = scores - self.log_decay.exp() * age
        return scores.masked_fill(age < 1, -torch.inf).softmax(-1)

    def forward(self, codes: Tensor, sessions: Sessions) -> Tensor:
        return self.weightings(sessions) @ codes


class Recurrent(nn.Module):
    """Chapter 3's controller with or without a bank: it is shown each card and drawer, and asked for a drawer."""

    def __init__(self, hidden: int, bank: NeuralMemoryBank | None = None) -> None:
        super().__init__()
        self.controller = MemoryController(DRAWERS + CODE + 1, hidden, CODE, bank, input_to_interface=bank is not None)

    def forward(self, codes: Tensor, sessions: Sessions) -> Tensor:
        shown = torch.cat([_one_hot(sessions.drawer, DRAWERS), codes, torch.ones_like(codes[..., :1])], -1)
        asked = F.pad(_one_hot(sessions.asked, DRAWERS), (0, CODE + 1))
        first, refills = shown[:, : STORED_FIRST - 1], shown[:, STORED_FIRST - 1 :]
        rounds = torch.stack([refills, asked], 2).flatten(1, 2)  # the eighth card, a question, a card, a question ...
        outputs, _ = self.controller(torch.cat([first, rounds], 1).transpose(0, 1))
        return outputs[STORED_FIRST::2].transpose(0, 1)


class Nothing(nn.Module):
    """No memory: the same code whatever is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.code = nn.Parameter(torch.full((CODE,), 0.1))

    def forward(self, codes: Tensor, sessions: Sessions) -> Tensor:
        return self.code.expand(*sessions.asked.shape, CODE)


def dnc() -> Recurrent:
    """The bank of chapter 2 with allocation and without links: 16 slots of 32 numbers."""
    config = MemoryConfig(16, 32, 1, temporal_links=False, associative_start=True)
    return Recurrent(64, NeuralMemoryBank(config))


MEMORIES: dict[str, Callable[[], nn.Module]] = {
    "table": Table,
    "attention": Attention,
    "DNC": dnc,
    "LSTM": lambda: Recurrent(72),
    "no memory": Nothing,
}


# Ways to adapt: (found (B, R, D), opened (B, R, D), button (B, R)) -> logits (B, R, 5); round i knows the pairs before


class Static(nn.Module):
    """No adaptation: one linear layer for all sessions."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(CODE, BUTTONS)

    def forward(self, found: Tensor, opened: Tensor, button: Tensor) -> Tensor:
        return self.layer(found)


class MetaSGD(nn.Module):
    """Five steps of gradient descent on the last layer, from a learned start and with learned rates (chapter 5)."""

    def __init__(self, steps: int = 5, rate: float = 1.0) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.randn(CODE + 1, BUTTONS) * CODE**-0.5)
        self.rates = nn.Parameter(torch.full((CODE + 1, BUTTONS), rate))
        self.steps = steps

    def forward(self, found: Tensor, opened: Tensor, button: Tensor) -> Tensor:
        x, y = _with_one(opened), _one_hot(button, BUTTONS).unsqueeze(2)  # (B, R, D + 1), (B, R, 1, 5)
        known = _known(button.shape[-1]).mT.unsqueeze(-1)  # (R, R, 1): pair, round
        share = known / known.sum(0).clamp(min=1)  # a mean over the pairs that a round knows
        start, rates = self.start.unsqueeze(1), self.rates.unsqueeze(1)  # (D + 1, 1, 5)
        weights = start.expand(len(x), -1, len(known), -1)  # (B, D + 1, R, 5): each round has a layer of its own
        for _ in range(self.steps):
            pressed = (x @ weights.flatten(2)).unflatten(2, weights.shape[2:]).softmax(-1)  # (B, R, R, 5)
            surprise = share * (pressed - y)  # the gradient of the cross-entropy at its logits
            weights = weights - rates * (x.mT @ surprise.flatten(2)).unflatten(2, weights.shape[2:])
        return (_with_one(found).mT.unsqueeze(-1) * weights).sum(1)


class Ridge(nn.Module):
    """The last layer solved in closed form around a learned one (chapter 5): no step, no rate."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(CODE, BUTTONS)
        self.log_scale, self.log_gain = nn.Parameter(torch.tensor(-1.0)), nn.Parameter(torch.tensor(1.0))

    def forward(self, found: Tensor, opened: Tensor, button: Tensor) -> Tensor:
        known = _known(button.shape[-1]).unsqueeze(-1)  # rows that are not known are zeros: they change nothing
        scale = self.log_scale.exp()  # the larger, the smaller the penalty in comparison
        missing = _one_hot(button, BUTTONS) - self.layer(opened)
        moved = ridge(known * scale * _with_one(opened).unsqueeze(1), known * missing.unsqueeze(1), 1.0)
        answer = self.layer(found) + (scale * _with_one(found).unsqueeze(2) @ moved).squeeze(2)
        return self.log_gain.exp() * answer


class Centroid(nn.Module):
    """The nearest mean of the codes that were revealed with each button (chapter 5), beside a learned layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(CODE, BUTTONS)
        self.log_strength, self.nearness = nn.Parameter(torch.tensor(-1.0)), nn.Parameter(torch.tensor(8.0))

    def forward(self, found: Tensor, opened: Tensor, button: Tensor) -> Tensor:
        member = _known(button.shape[-1]).unsqueeze(-1) * _one_hot(button, BUTTONS).unsqueeze(1)  # (B, R, R, 5)
        count = member.sum(2)  # (B, R, 5)
        centres = member.mT @ opened.unsqueeze(1) / count.clamp(min=1).unsqueeze(-1)  # (B, R, 5, D)
        distance = (found.unsqueeze(2) - centres).square().sum(-1)
        score = self.nearness - self.log_strength.exp() * distance  # 0 for a button not revealed yet
        return self.layer(found) + torch.where(count > 0, score, 0.0)


class InContext(nn.Module):
    """Attention over the revealed pairs, and a network that reads what it found: no rule of adaptation is given."""

    def __init__(self, heads: int = 2, size: int = 16, width: int = 32) -> None:
        super().__init__()
        self.heads, self.project = heads, nn.Linear(CODE, heads * size, bias=False)
        self.log_strength, self.nothing = nn.Parameter(torch.zeros(heads)), nn.Parameter(torch.full((heads,), -4.0))
        inputs = CODE + heads * (BUTTONS + 1)
        self.network = nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, BUTTONS))
        self.copy = nn.Parameter(torch.tensor(1.0))

    def forward(self, found: Tensor, opened: Tensor, button: Tensor) -> Tensor:
        asks, keys = (self.project(codes).unflatten(-1, (self.heads, -1)).transpose(1, 2) for codes in (found, opened))
        distance = (asks.unsqueeze(3) - keys.unsqueeze(2)).square().sum(-1)  # (B, heads, R, R)
        scores = -distance * self.log_strength.exp().view(-1, 1, 1)
        scores = scores.masked_fill(_known(button.shape[-1]) == 0, -torch.inf)
        nothing = self.nothing.view(-1, 1, 1).expand(*scores.shape[:3], 1)  # to attend to where nothing fits
        weights = torch.cat([nothing, scores], -1).softmax(-1)
        pressed = weights[..., 1:] @ _one_hot(button, BUTTONS).unsqueeze(1)  # (B, heads, R, 5)
        told = torch.cat([weights[..., :1], pressed], -1).transpose(1, 2).flatten(2)
        return self.network(torch.cat([found, told], -1)) + self.copy * pressed.sum(1)


HEADS: dict[str, Callable[[], nn.Module]] = {
    "no adaptation": Static,
    "Meta-SGD": MetaSGD,
    "in context": InContext,
    "centroid": Centroid,
    "ridge": Ridge,
}


def build(memory: str, head: str, seed: int) -> Agent:
    """An agent of named parts, its weights drawn from `seed`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Agent(MEMORIES[memory](), HEADS[head]())


def _one_hot(numbers: Tensor, count: int) -> Tensor:
    return (numbers.unsqueeze(-1) == torch.arange(count)).float()


def _with_one(features: Tensor) -> Tensor:
    """A last column of ones, for an intercept."""
    return F.pad(features, (0, 1), value=1.0)


def _known(rounds: int) -> Tensor:
    """(R, R) of 0 and 1: whether round i knows the pair of round j, that is, j < i."""
    return torch.ones(rounds, rounds).tril(-1)
