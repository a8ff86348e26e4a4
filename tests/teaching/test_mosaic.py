"""Pictures laid of tiles: exactly those that went in, and each distinct tile once."""

import numpy as np
import pytest

from neuralmem.teaching.mosaic import COLUMNS, SIDE, mosaic


def lay(tiles, changes, shape):
    """Lay the pictures by the changes, place by place, as the player does."""
    across = -(-shape[1] // SIDE)
    laid, pictures = {}, []
    for runs in changes:
        for place, tile, length in zip(runs[::3], runs[1::3], runs[2::3], strict=True):
            for step in range(abs(length)):
                laid[place + step] = tile + step if length > 0 else tile
        drawn = np.zeros((-(-shape[0] // SIDE) * SIDE, across * SIDE, 3), np.uint8)
        for place, tile in laid.items():
            (y, x), (row, column) = divmod(tile, COLUMNS), divmod(place, across)
            piece = tiles[y * SIDE : (y + 1) * SIDE, x * SIDE : (x + 1) * SIDE]
            drawn[row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE] = piece
        pictures.append(drawn[: shape[0], : shape[1]])
    return pictures


@pytest.mark.parametrize("shape", [(SIDE, SIDE, 3), (2 * SIDE + 1, 3 * SIDE - 1, 3), (5, 70 * SIDE, 3)])
def test_the_pictures_laid_are_those_that_went_in(shape):
    generator = np.random.default_rng(0)
    pictures = [generator.integers(0, 256, shape, dtype=np.uint8) for _ in range(3)]
    pictures.append(pictures[0].copy())
    pictures[3][-1, -1] = 7
    tiles, changes = mosaic(pictures)
    assert all((laid == one).all() for laid, one in zip(lay(tiles, changes, shape), pictures, strict=True))


def test_what_stays_and_what_returns_is_held_once():
    still, moved = np.zeros((2 * SIDE, 2 * SIDE, 3), np.uint8), np.zeros((2 * SIDE, 2 * SIDE, 3), np.uint8)
    moved[0, 0] = 255
    tiles, changes = mosaic([still, moved, still, still])
    assert (
        tiles.shape == (SIDE, COLUMNS * SIDE, 3) and tiles[:, : 2 * SIDE].any() and (tiles[:, 2 * SIDE :] == 255).all()
    )
    assert changes == [[0, 0, -4], [0, 1, 1], [0, 0, 1], []]


@pytest.mark.parametrize(
    "pictures", [[], [np.zeros((4, 4, 3)), np.zeros((4, 5, 3))], [np.zeros((4, 4))], [np.zeros((4, 4, 4))]]
)
def test_errors_name_what_came(pictures):
    with pytest.raises(ValueError, match=r"pictures must have one size \(H, W, 3\), got"):
        mosaic(pictures)
