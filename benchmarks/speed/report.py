"""What was measured, as lines of a table; and the Markdown file that keeps one section a part."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.speed.timing import Spread

HEADINGS = ("what", "ours", "compared with", "theirs", "ratio", "to reach", "reached")


@dataclass(frozen=True)
class Line:
    """One line of the table; texts that are empty where they have no meaning."""

    what: str
    ours: str
    other: str = ""
    theirs: str = ""
    ratio: str = ""
    target: str = ""
    reached: bool | None = None
    found: Spread | None = None  # the ratio in numbers

    def cells(self) -> tuple[str, ...]:
        answer = "" if self.reached is None else ("yes" if self.reached else "**NO**")
        return self.what, self.ours, self.other, self.theirs, self.ratio, self.target, answer


def compared(
    what: str,
    unit: str,
    ours: Sequence[float],
    other: str,
    theirs: Sequence[float],
    *,
    faster_is_less: bool = False,
    target: float | None = None,
    sign: str = "×",
) -> Line:
    """A line that sets two sides against each other, turn by turn.

    Args:
        what, unit, other: words of the line.
        ours, theirs: one value a turn.
        faster_is_less: seconds, so the ratio is theirs through ours.
        target: the ratio's median to reach.
        sign: after the ratio.
    """
    pairs = zip(ours, theirs, strict=True)
    ratio = Spread.of([their / our if faster_is_less else our / their for our, their in pairs])
    return Line(
        what,
        f"{Spread.of(ours)} {unit}",
        other,
        f"{Spread.of(theirs)} {unit}",
        f"{ratio}{sign}",
        "" if target is None else f"≥ {target:g}{sign}",
        None if target is None else ratio.median >= target,
        ratio,
    )


def limited(what: str, unit: str, values: Sequence[float], limit: float | None = None) -> Line:
    """A line of one side, with the most that its median may be."""
    found = Spread.of(values)
    within = None if limit is None else found.median <= limit
    return Line(what, f"{found} {unit}", target="" if limit is None else f"≤ {limit:g} {unit}", reached=within)


def table(lines: Iterable[Line]) -> str:
    rows = [HEADINGS, ("---",) * len(HEADINGS), *(line.cells() for line in lines)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def with_section(text: str, title: str, name: str, body: str) -> str:
    """A Markdown text with one `## name` section replaced, or added at its end; the others stay."""
    sections = dict(_sections(text))
    sections[name] = body.strip()
    parts = [f"# {title}", *(f"## {key}\n\n{value}" for key, value in sections.items())]
    return "\n\n".join(parts) + "\n"


def _sections(text: str) -> Iterator[tuple[str, str]]:
    for part in text.split("\n## ")[1:]:
        name, _, body = part.partition("\n")
        yield name.strip(), body.strip()


def keep(path: Path, title: str, name: str, body: str) -> None:
    """Write a section into the file of results."""
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    path.write_text(with_section(before, title, name, body), encoding="utf-8")
