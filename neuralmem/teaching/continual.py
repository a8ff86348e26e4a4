"""Learning one task after the other (chapter 4): the parts that the page uses, and its two seasons of a pendulum.

`lanes` holds the loop for many networks at once, `remedies` what is tried against forgetting, `comparisons` what the
chapter measures. Here: the chapter's small step in chapter 6's world, a model that is trained through two seasons.
"""

import torch
from torch import nn

from ..worlds import rooms
from .comparisons import (
    METHODS,
    ROLES,
    Drawn,
    compare,
    compare_capacities,
    compare_priorities,
    comparison_rows,
    last,
    over_seeds,
    priority_rows,
    split_mnist_rows,
    tune_ewc,
)
from .lanes import NEW, OLD, Lanes, Networks, learn, new_network
from .remedies import AGEM, EWC, DERpp, GDumb, Joint, Naive, Replay

__all__ = [
    "AGEM",
    "DERpp",
    "Drawn",
    "EWC",
    "GDumb",
    "Joint",
    "Lanes",
    "METHODS",
    "NEW",
    "Naive",
    "Networks",
    "OLD",
    "ROLES",
    "Replay",
    "compare",
    "compare_capacities",
    "compare_priorities",
    "comparison_rows",
    "last",
    "learn",
    "new_network",
    "new_predictor",
    "over_seeds",
    "priority_rows",
    "season_error",
    "season_rows",
    "split_mnist_rows",
    "tune_ewc",
]

WINDOW = 8  # transitions of this stay that the model sees before the one it predicts


def season_rows(
    season: str, split: str, seed: int, lives: int = 400
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What is lived in a season, as rows for a regression: x (n, 44), y (n, 1), clean (n, 1) without the noise.

    season "A" or "B" of rooms.SEASONS, split "train" or "test". A row is one transition of which at least 8 came before
    in the same stay; x is what it is to be predicted from (4 numbers) and those 8 with their targets (8 · 5 numbers).
    """
    lived = rooms.transitions(lives, split, seed, rooms.SEASONS[season], stays=2, steps=3 * WINDOW)
    seen = torch.cat([lived.features, lived.targets], -1)
    before = seen.unfold(1, WINDOW, 1)[:, :-1].mT.flatten(2)  # the window, step after step
    whole = lived.since[:, WINDOW:] >= WINDOW
    x = torch.cat([lived.features[:, WINDOW:], before], -1)
    return x[whole], lived.targets[:, WINDOW:][whole], lived.clean[:, WINDOW:][whole]


def new_predictor(seed: int) -> nn.Sequential:
    """A perceptron 44-64-64-1 with PyTorch's initial weights, the same for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        hidden = [nn.Linear(5 * WINDOW + 4, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh()]
        return nn.Sequential(*hidden, nn.Linear(64, 1))


@torch.no_grad()
def season_error(network: nn.Module, rows: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> float:
    """Squared error of the change without noise, as a share of its variance: 1 is a constant, 0 is perfect."""
    x, _, clean = rows
    return float((network(x) - clean).square().mean() / clean.var())
