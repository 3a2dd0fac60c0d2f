"""Accuracy of a run on parts of its test paintings: by artist and by source."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from artculture.evaluation.parts import ARTIST_PARTS


@dataclass(frozen=True)
class PartScore:
    """Top-1 on some test paintings, with its interval, in percent."""

    name: str
    n: int
    top1: float
    low: float
    high: float


def part_tables(result: dict[str, Any]) -> list[tuple[str, list[PartScore]]]:
    """Return the parts of a result.json, as heading and scores; parts without paintings are left out."""
    tables = []
    if by_artist := result.get("by_artist"):
        parts = [(words, by_artist[part]) for part, words in ARTIST_PARTS.items() if by_artist[part]["n"]]
        tables.append(("By artist", [_score(words, part, part["interval"]) for words, part in parts]))
    if by_source := result.get("by_source"):
        sources = [(name or "not given", part) for name, part in by_source.items()]
        tables.append(("By source", [_score(name, part, part["intervals"]["top1"]) for name, part in sources]))
    return tables


def _score(name: str, part: dict[str, Any], interval: Sequence[float]) -> PartScore:
    return PartScore(name, part["n"], 100 * part["top1"], 100 * interval[0], 100 * interval[1])
