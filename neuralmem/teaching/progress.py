"""A bar for loops that take a while: shown where a person waits, on a terminal or in a notebook, and nowhere else."""

import sys
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
_running: list[str] = []


def progress(iterable: Iterable[Item], name: str = "", total: int | None = None) -> Iterator[Item]:
    """Go through the iterable, with a bar called `name` where a person waits (`watched`) for more than a second.

    `total` is the number of items where the iterable does not know. Of loops within loops the outermost has the bar.
    """
    if _running or not watched():
        yield from iterable
        return
    _running.append(name)
    try:
        yield from tqdm(iterable, desc=name or None, total=total, delay=1, file=sys.stdout, ncols=80)
    finally:
        _running.clear()


def watched() -> bool:
    """Whether a person waits: on a terminal, or in a notebook that could ask its reader something.

    Programs that run notebooks (nbclient, nbconvert, nbval) cannot answer and say so to the kernel; what they store
    and compare is free of bars.
    """
    kernel: Any = getattr(shell(), "kernel", None)
    if kernel is None:
        return sys.stdout.isatty()
    return bool(kernel.get_parent("shell").get("content", {}).get("allow_stdin"))


def shell() -> Any:
    """The IPython that runs this process, or None."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None
