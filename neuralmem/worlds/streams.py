"""Streams to practise on: two real ones that ship inside packages, and one whose laws return (chapter 8).

Nothing is downloaded: the files lie in the wheels of `river` and `vega_datasets`, which are found, not imported.
"""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import torch

from .._validate import choice, positive_int


class Source(NamedTuple):
    """Where a stream comes from: the package, its file, what it holds, who gave it, and under which terms."""

    package: str
    file: str
    holds: str
    given_by: str
    licence: str


SOURCES = {
    "water flow": Source(
        "river", "datasets/water-flow.csv",
        "litres per second through a branch of a pipeline, hourly, March to May 2022",
        "Tecnojest s.r.l., Italy, to the package river",
        "BSD 3-Clause, as all of river",
    ),
    "weather": Source(
        "vega_datasets", "_data/seattle-weather.csv",
        "rain (mm), highest and lowest temperature (°C), wind (m/s) and a word, daily, Seattle 2012 to 2015",
        "NOAA, to the package vega_datasets",
        "public domain; the package MIT",
    ),
}  # fmt: skip
"""The real streams by their names."""


def path_of(name: str) -> Path:
    """The CSV file of a real stream, "water flow" or "weather", where its package lies.

    Raises ValueError for another name, ImportError where the package is not installed.
    """
    source = SOURCES[choice("name", name, tuple(SOURCES))]
    found = find_spec(source.package)
    if found is None or not found.submodule_search_locations:
        raise ImportError(f"the stream {name!r} lies in {source.package}: python -m pip install 'neuralmem[book]'")
    return Path(next(iter(found.submodule_search_locations))) / source.file


def returning_laws(
    rows: int, generator: torch.Generator, laws: int = 3, stay: int = 40, noise: float = 0.1
) -> Iterator[dict[str, float]]:
    """A stream that switches among a few laws, each of which comes back; yields `rows` dicts of five columns.

    y_{t+1} = w_law · (a_t, b_t, c_t) + noise · z, with a, b, c, z standard normal and w_law (3,) drawn once for each
    law from a standard normal; the law is drawn anew every `stay` rows and stands in the column "law", as 0, 1, ...
    A row shows the law and the inputs of the answer that comes next, and y, what the row before it asked for. Raises
    ValueError or TypeError naming the argument.
    """
    for name, value in (("rows", rows), ("laws", laws), ("stay", stay)):
        positive_int(name, value)
    weights = torch.randn(laws, 3, generator=generator)
    answer, law = 0.0, 0
    for row in range(rows):
        if row % stay == 0:
            law = int(torch.randint(laws, (), generator=generator))
        inputs = torch.randn(3, generator=generator)
        yield dict(zip("abc", inputs.tolist(), strict=True)) | {"law": float(law), "y": answer}
        answer = float(weights[law] @ inputs) + noise * float(torch.randn((), generator=generator))
