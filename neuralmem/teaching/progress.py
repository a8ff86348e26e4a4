"""A bar for loops that take a while: shown where a person waits, on a terminal or in a notebook, and nowhere else."""

import io
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any, TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
BAR = {"neuralmem": "bar"}
"""The metadata of an output that is a bar, by which `book/execute.py` and the page know it and leave it out."""
_running: list[int | None] = []
"""The cell in which a loop has a bar at present, None on a terminal; empty where no loop has one."""
_shown: dict[str, Any] = {}
"""The output for bars of the cell that runs, by the message that started it: its loops show their bars in one place."""


class Line(tqdm):
    """A bar on a terminal. What interrupts the drawing does not leave it locked, since its clock draws it, too."""

    def refresh(self, nolock: bool = False, lock_args: tuple | None = None) -> None:
        if nolock:
            self.display()
            return
        with self.get_lock():
            self.display()


class Bar(Line):
    """A bar in a notebook: an output of its own beside what the loop prints, and empty when the loop is over."""

    last_print_t: float

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        from IPython.display import display

        text = {"text/plain": str(self) if msg is None else msg}
        cell = _kernel().get_parent("shell").get("header", {}).get("msg_id", "")
        if cell in _shown:
            _shown[cell].update(text, raw=True, metadata=BAR)
        elif msg is None:
            _shown.clear()
            _shown[cell] = display(text, raw=True, metadata=BAR, display_id=True)

    def close(self) -> None:
        self.last_print_t = max(self.last_print_t, self.start_t + self.delay)  # it may have been drawn by its clock
        super().close()


@contextmanager
def ticking(bar: tqdm, seconds: float = 1.0) -> Iterator[None]:
    """Draw the bar each second, so that its clock goes and that the first item, too, is waited for with a bar."""
    over, here = threading.Event(), _cell()

    def tick() -> None:
        while not over.wait(seconds) and _cell() == here:
            with bar.get_lock():
                if not bar.disable:
                    bar.refresh(nolock=True)

    clock = threading.Thread(target=copy_context().run, args=(tick,), name="clock of a bar", daemon=True)
    clock.start()
    try:
        yield
    finally:
        over.set()
        clock.join(1)  # a reader who interrupts never waits longer for it


def progress(iterable: Iterable[Item], name: str = "", total: int | None = None) -> Iterator[Item]:
    """Go through the iterable, with a bar called `name` where a person waits (`watched`) for more than a second.

    `total` is the number of items where the iterable does not know. Of loops within loops the outermost has the bar.
    """
    here = _cell()
    if here in _running or not watched():
        yield from iterable
        return
    _running[:] = [here]  # what an interrupted cell has left behind does not count
    try:
        options: dict[str, Any] = {"desc": name or None, "total": total, "delay": 1, "ncols": 80}
        if _kernel() is None:
            bar = Line(iterable, file=sys.stdout, **options)
        else:
            bar = Bar(iterable, file=io.StringIO(), leave=False, ascii=False, **options)
        with ticking(bar):
            yield from bar
    finally:
        if here in _running:
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


def _cell() -> int | None:
    """The number of the cell that runs, or None outside a notebook."""
    return getattr(shell(), "execution_count", None)


def _kernel() -> Any:
    """The kernel in which this process runs a notebook, or None."""
    return getattr(shell(), "kernel", None)


def shell() -> Any:
    """The IPython that runs this process, or None."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None
