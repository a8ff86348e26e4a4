"""Many pictures that differ in places, as one picture of the pieces that are different."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

SIDE = 24
COLUMNS = 64
"""Height and width of a tile in pixels, and how many stand in a row of the picture that holds them."""


def mosaic(pictures: Sequence[ArrayLike]) -> tuple[NDArray[np.uint8], list[list[int]]]:
    """Return the distinct tiles of pictures, as one picture, and what changes from each picture to the next.

    `pictures` are arrays (H, W, 3) of bytes. Tile t lies in row t // COLUMNS and column t % COLUMNS of the first result
    (rows * SIDE, COLUMNS * SIDE, 3). A picture is ceil(H / SIDE) rows of ceil(W / SIDE) places, counted row by row, and
    its changes are a flat list of runs: a place, a tile, a length, for that many places one after another and as many
    tiles one after another; a negative length puts the same tile in all of them. The first picture's changes give each
    place its tile. Nothing is lost. Raises ValueError for no pictures and for
    pictures of different sizes or without three colours.
    """
    drawn = [np.asarray(one, dtype=np.uint8) for one in pictures]
    shapes = {one.shape for one in drawn}
    if len(shapes) != 1 or len(shape := shapes.pop()) != 3 or shape[2] != 3:
        raise ValueError(f"pictures must have one size (H, W, 3), got {sorted({one.shape for one in drawn})}")
    known: dict[bytes, int] = {}
    before = np.full(len(_tiles(drawn[0])), -1)
    changes = []
    for one in drawn:
        after = np.array([known.setdefault(tile.tobytes(), len(known)) for tile in _tiles(one)])
        changes.append(_runs(before, after))
        before = after
    tiles = np.frombuffer(b"".join(known), np.uint8).reshape(-1, SIDE, SIDE, 3)
    blank = np.full((-len(tiles) % COLUMNS, SIDE, SIDE, 3), 255, np.uint8)
    rows = np.concatenate([tiles, blank]).reshape(-1, COLUMNS, SIDE, SIDE, 3)
    return rows.swapaxes(1, 2).reshape(-1, COLUMNS * SIDE, 3), changes


def _tiles(picture):
    """Return the tiles (places, SIDE, SIDE, 3) of a picture (H, W, 3), row by row, white beyond its edges."""
    height, width, _ = picture.shape
    whole = np.pad(picture, ((0, -height % SIDE), (0, -width % SIDE), (0, 0)), constant_values=255)
    rows = whole.reshape(whole.shape[0] // SIDE, SIDE, whole.shape[1] // SIDE, SIDE, 3)
    return rows.swapaxes(1, 2).reshape(-1, SIDE, SIDE, 3)


def _runs(before, after):
    """Return the places where `after` differs from `before`, as the runs that `mosaic` describes."""
    runs: list[int] = []
    for place in np.flatnonzero(after != before).tolist():
        tile = int(after[place])
        begin, first, length = runs[-3:] or (-9, -9, 1)
        follows = place == begin + abs(length)
        if follows and length > 0 and tile == first + length:
            runs[-1] += 1
        elif follows and length <= 1 and tile == first:
            runs[-1] = -abs(length) - 1
        else:
            runs += [place, tile, 1]
    return runs
