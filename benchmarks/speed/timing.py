"""Sides measured in turns, so that whatever else the machine does falls on all of them alike."""

import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Values = list[float]


def interleaved(
    part: str, sides: Mapping[str, Callable[[], float]], repeats: int, *, cold: bool = False
) -> dict[str, Values]:
    """Measure every side `repeats` times, in turns of alternating order; unless cold, after one that does not count.

    Args:
        part: what is measured, for the progress on stderr.
        sides: name to a function that measures once and returns seconds or images/s.
        repeats: turns that count.
        cold: each side makes its own files again every time, so that all turns count (the system's caches stay).
    """
    found: dict[str, Values] = {name: [] for name in sides}
    for turn in range(1 if cold else 0, repeats + 1):
        # No side has the advantage, or the harm, of always following the same one.
        for name, measure in sides.items() if turn % 2 == 0 else reversed(sides.items()):
            value = measure()
            kept = f"{turn}/{repeats}" if turn else "warm-up"
            sys.stderr.write(f"{part}  {kept}  {name}: {value:.4g}\n")
            if turn:
                found[name].append(value)
    return found


@dataclass(frozen=True)
class Spread:
    """Median and range of repeats."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        if self.low == self.high:
            return number(self.median)
        return f"{number(self.median)} ({number(self.low)}–{number(self.high)})"


def number(value: float) -> str:
    """Three significant digits, never in powers of ten."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
