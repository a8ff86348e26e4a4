"""A dynamic environment: cue-value recall whose coding changes with the season (chapter 6)."""

from typing import Any

import torch
from torch import Generator, Tensor

from .._validate import positive_int, shaped


def season_alphabets(seasons: int, generator: Generator, symbols: int = 8, width: int = 16) -> Tensor:
    """The symbols of each season, as the agent sees them: (seasons, symbols, width) of -1 and 1, no two alike.

    Symbol number s means the same bits in every season; what it looks like is drawn anew. Chapter 6.
    """
    total = positive_int("seasons", seasons) * positive_int("symbols", symbols)
    if total > 2 ** positive_int("width", width):
        raise ValueError(f"width must allow {total} different symbols, got {width}")
    looks = torch.randperm(2**width, generator=generator)[:total].view(seasons, symbols)
    return _signs(looks, width)


def recall_episodes(
    alphabet: Tensor,
    size: int,
    generator: Generator,
    cues: int = 4,
    stores: int = 8,
    asks: int = 6,
    cue_bits: int = 6,
) -> tuple[Tensor, Tensor]:
    """Episodes in which symbols are stored under cues, overwritten, and asked for (chapter 6).

    The first step stores; the others are shuffled; a store picks any of the episode's cues, so it may overwrite; an
    ask picks a cue that holds something. `alphabet` (S, A) is one season's. Returns x (size, T, 2 + cue_bits + A) =
    [store?, ask?, cue, symbol (zeros at an ask)] and y (size, T, log2 S): the bits, -1 or 1, of the symbol stored last
    under the cue at an ask, 0 at a store. T = stores + asks.
    """
    shaped("alphabet", alphabet, "S A")
    steps = positive_int("stores", stores) + positive_int("asks", asks)
    if positive_int("cues", cues) > 2**cue_bits:
        raise ValueError(f"cues must be at most 2**cue_bits = {2**cue_bits}, got {cues}")
    order = torch.rand(positive_int("size", size), steps, generator=generator)
    order[:, 0] = -1
    asking = order.argsort(1).argsort(1) >= stores
    looks = torch.rand(size, 2**cue_bits, generator=generator).argsort(1)[:, :cues]
    rows, held = torch.arange(size), torch.full((size, cues), -1)
    cue, symbol = torch.empty(2, size, steps, dtype=torch.long)
    for t in range(steps):
        new, anywhere = (torch.randint(high, (size,), generator=generator) for high in (len(alphabet), cues))
        known = torch.where(held >= 0, torch.rand(size, cues, generator=generator), -1.0).argmax(1)
        cue[:, t] = torch.where(asking[:, t], known, anywhere)
        held[rows, cue[:, t]] = torch.where(asking[:, t], held[rows, cue[:, t]], new)
        symbol[:, t] = held[rows, cue[:, t]]
    ask = asking.unsqueeze(-1).float()
    x = torch.cat([1 - ask, ask, _signs(looks.gather(1, cue), cue_bits), alphabet[symbol] * (1 - ask)], dim=-1)
    return x, _signs(symbol, (len(alphabet) - 1).bit_length()) * ask


def recall_sessions(
    alphabet: Tensor, sessions: int, episodes: int, generator: Generator, **settings: Any
) -> tuple[Tensor, Tensor]:
    """Sessions of episodes that share a hidden answer code: the bits permuted and some of them flipped (chapter 6).

    Returns x (sessions, episodes, T, D) and y (sessions, episodes, T, bits), otherwise as `recall_episodes`, which
    takes `settings`. Nothing in x tells the code.
    """
    total = positive_int("sessions", sessions) * positive_int("episodes", episodes)
    x, y = recall_episodes(alphabet, total, generator, **settings)
    bits = y.shape[-1]
    x, y = x.unflatten(0, (sessions, episodes)), y.unflatten(0, (sessions, episodes))
    places = torch.rand(sessions, bits, generator=generator).argsort(1)[:, None, None].expand_as(y)
    flips = 2.0 * torch.randint(2, (sessions, 1, 1, bits), generator=generator) - 1
    return x, y.gather(-1, places) * flips


def asked_loss(prediction: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Logistic loss of bits: log(1 + exp(-target·prediction)) where the target is -1 or 1, 0 where it is 0."""
    loss = torch.nn.functional.softplus(-target * prediction) * target.abs()
    return loss if reduction == "none" else loss.mean()


def wrong_bits(prediction: Tensor, target: Tensor) -> float:
    """Share of the asked bits whose sign is wrong, a float: 0.5 is guessing."""
    asked = target != 0
    return float(((prediction > 0) != (target > 0))[asked].float().mean())


def _signs(numbers, bits):
    """The lowest `bits` binary digits of integers (...), as -1 and 1 (..., bits)."""
    return ((numbers.unsqueeze(-1) >> torch.arange(bits)) & 1) * 2.0 - 1
