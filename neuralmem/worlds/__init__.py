"""The worlds of the book, one file each. Every draw takes its generator; train and test draws are separate."""

import torch

from .._validate import choice


def split_generator(split: str, seed: int) -> torch.Generator:
    """The generator of the "train" or the "test" draws of a seed: no two (split, seed) share one (chapter 0)."""
    return torch.Generator().manual_seed(2 * seed + (choice("split", split, ("train", "test")) == "test"))
