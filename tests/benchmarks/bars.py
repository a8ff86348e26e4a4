"""The bars of all benchmarks, in one place: what the package set out to reach, row by row, and what a run must keep.

`keep` is what a test asserts. Where the bar is reached with room to spare, it is the bar; where it is not, it is a
floor below what was seen, and the table says that the bar is missed. With NEURALMEM_STORE=1, as `make bench` sets it,
each row is written to book/results/benchmarks.json, which the page on run times shows.
"""

import datetime
import json
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

PATH = Path(__file__).parents[2] / "book" / "results" / "benchmarks.json"
PEERS = ("torch", "numpy", "cpprb", "dnc", "higher", "torchopt")


class Bar(NamedTuple):
    """Times as fast as the peer; with `part`, the part of the peer's time or memory, of which less is better."""

    ratio: float
    keep: float
    part: bool = False

    def allows(self, ratio, bound):
        """Whether a measured ratio is as good as `bound`, one of the two above."""
        return ratio <= bound if self.part else ratio >= bound


BARS = {
    ("DNC step, B=1", "dnc"): Bar(1.6, keep=1.6),
    ("DNC step, B=16", "dnc"): Bar(2.0, keep=2.0),
    ("DNC step, B=64", "dnc"): Bar(2.0, keep=2.0),
    ("NTM step, B=1", "dnc"): Bar(0.74, keep=0.74, part=True),
    ("NTM step, B=16", "dnc"): Bar(0.52, keep=0.52, part=True),
    ("NTM step, B=64", "dnc"): Bar(0.29, keep=0.29, part=True),
    ("DNC, peak memory, B=64", "dnc"): Bar(0.5, keep=0.5, part=True),
    ("NTM step of chapter 3, B=32", "the package before its tape"): Bar(1.5, keep=1.3),
    # 1.17 before slopes were added in place; that made the bank faster which is not compiled, and the two are level
    ("DNC step, B=16, bank compiled", "bank not compiled"): Bar(1.0, keep=0.93),
    ("replay, 10,000 items", "cpprb"): Bar(1.0, keep=1.0),
    ("replay, 100,000 items", "cpprb"): Bar(1.2, keep=1.2),
    ("replay, 1,000,000 items", "cpprb"): Bar(1.2, keep=1.2),
    ("replay, 10,000 items", "numpy choice(p=)"): Bar(1.0, keep=1.0),
    ("replay, 100,000 items", "numpy choice(p=)"): Bar(5.0, keep=5.0),
    ("replay, 1,000,000 items", "numpy choice(p=)"): Bar(50.0, keep=50.0),
    ("uniform draw, 10,000 items", "an index"): Bar(3.0, keep=3.0, part=True),
    ("uniform draw, 100,000 items", "an index"): Bar(3.0, keep=3.0, part=True),
    ("uniform draw, 1,000,000 items", "an index"): Bar(3.0, keep=3.0, part=True),
    ("reservoir draw, 10,000 items", "an index"): Bar(3.0, keep=3.0, part=True),
    ("reservoir draw, 100,000 items", "an index"): Bar(3.0, keep=3.0, part=True),
    ("reservoir draw, 1,000,000 items", "an index"): Bar(3.0, keep=3.0, part=True),
    ("MAML, 1 inner step", "torchopt"): Bar(12.0, keep=11.5),
    ("MAML, 5 inner steps", "torchopt"): Bar(12.0, keep=12.0),
    ("MAML, 1 inner step", "higher"): Bar(25.0, keep=24.0),
    ("MAML, 5 inner steps", "higher"): Bar(25.0, keep=23.5),
    ("agent", "chapter 0's miniature"): Bar(20.0, keep=11.0),
    ("agent, bank compiled", "chapter 0's miniature"): Bar(20.0, keep=9.0),
}
"""By what is measured, and the peer."""


def judge(what, peer, ours, theirs, ratios, unit):
    """Print the row `what` against `peer`, keep it where that is asked for, and assert what a run must keep.

    `ratios` holds one number a round, in which both had their turn; `ours` and `theirs` are in `unit`.
    """
    bar, ratio = BARS[what, peer], median(ratios)
    low, _, high = quantiles(ratios, n=4) if len(ratios) > 1 else (ratio, ratio, ratio)
    reached, said = bar.allows(ratio, bar.ratio), "of it" if bar.part else "times as fast"
    print(f"\n{what}: {ours:,.4g} {unit}, {peer} {theirs:,.4g}: {ratio:.2f} {said} (quartiles {low:.2f}, {high:.2f})")
    print(f"    {'reaches' if reached else 'MISSES'} the bar of {bar.ratio:g}")
    if os.environ.get("NEURALMEM_STORE") == "1":
        store(
            {
                "what": what, "peer": peer, "unit": unit, "ours": ours, "theirs": theirs, "ratio": ratio,
                "quartiles": [low, high], "rounds": len(ratios), "bar": bar.ratio, "part": bar.part,
                "reached": reached, "date": datetime.date.today().isoformat(), "load": round(os.getloadavg()[0], 2),
            }  # fmt: skip
        )
    assert bar.allows(ratio, bar.keep), f"{what} against {peer}: {ratio:.2f}, a run must keep {bar.keep:g}"


def store(row, path=PATH):
    """Write a row beside those that were taken on the same machine with the same versions; others are dropped."""
    about = {"machine": processor(), "versions": versions()}
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    same = all(known.get(name) == value for name, value in about.items())
    rows = {(old["what"], old["peer"]): old for old in known["rows"]} if same else {}
    rows[row["what"], row["peer"]] = row
    about["rows"] = [rows[key] for key in BARS if key in rows]
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(about, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    os.replace(beside, path)


def processor():
    """The processor's name where Linux tells it, its cores and the system."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores, {platform.system()}"


def versions():
    """Versions of Python and of the packages that are compared, those that are installed."""
    found = {"python": platform.python_version()}
    for name in PEERS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
