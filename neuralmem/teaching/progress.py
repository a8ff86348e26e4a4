"""A bar for loops that take a while: shown where a person waits, on a terminal or in a notebook, and nowhere else."""

import io
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
BAR = {"neuralmem": "bar"}
"""The metadata of an output that is a bar, by which `book/execute.py` and the page know it and leave it out."""
_running: list[str] = []


class Bar(tqdm):
    """A bar in a notebook: an output of its own beside what the loop prints, and empty when the loop is over."""

    shown: Any = None

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        from IPython.display import display

        text = {"text/plain": str(self) if msg is None else msg}
        if self.shown is not None:
            self.shown.update(text, raw=True, metadata=BAR)
        elif msg is None:
            self.shown = display(text, raw=True, metadata=BAR, display_id=True)


def progress(iterable: Iterable[Item], name: str = "", total: int | None = None) -> Iterator[Item]:
    """Go through the iterable, with a bar called `name` where a person waits (`watched`) for more than a second.

    `total` is the number of items where the iterable does not know. Of loops within loops the outermost has the bar.
    """
    if _running or not watched():
        yield from iterable
        return
    _running.append(name)
    try:
        options: dict[str, Any] = {"desc": name or None, "total": total, "delay": 1, "ncols": 80}
        if _kernel() is None:
            yield from tqdm(iterable, file=sys.stdout, **options)
        else:
            yield from Bar(iterable, file=io.StringIO(), leave=False, ascii=False, **options)
    finally:
        _running.clear()


def watched() -> bool:
    """Whether a person waits: on a terminal, or in a notebook that could ask its reader something.

    Programs that run notebooks (nbclient, nbconvert, nbval) cannot answer and say so to the kernel; what they store
    and compare is free of bars.
    """
    kernel = _kernel()
    if kernel is None:
        return sys.stdout.isatty()
    return bool(kernel.get_parent("shell").get("content", {}).get("allow_stdin"))


def _kernel() -> Any:
    """The kernel in which this process runs a notebook, or None."""
    return getattr(shell(), "kernel", None)


def shell() -> Any:
    """The IPython that runs this process, or None."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None
