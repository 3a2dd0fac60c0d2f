"""Table 1 of the paper: paintings per culture before and after curation, compared with the paper's numbers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from artculture.data.labels import label_words
from artculture.data.manifest import Manifest
from artculture.utils.io import write_text
from artculture.utils.label_words import CULTURE_WORDS, LabelWords
from artculture.utils.spreadsheets import write_csv
from artculture.utils.visible_text import markdown_text

# Chen & Chen, Table 1, in its order: culture → (initial images, final images).
PAPER = {
    "American": (1592, 1585),
    "Japanese": (1149, 1084),
    "Chinese": (1097, 1034),
    "French": (940, 815),
    "Italian": (759, 688),
    "Dutch": (429, 412),
    "Indian": (559, 372),
    "British": (300, 280),
    "German": (259, 172),
    "Spanish": (125, 115),
    "Flemish": (109, 106),
}
TOTAL = "All"
# The source of the paper's paintings, as `fetch` writes it.
MUSEUM = "met"


@dataclass(frozen=True)
class Row:
    """One culture's counts; None where the paper has no such culture."""

    culture: str
    initial: int
    final: int
    paper_initial: int | None
    paper_final: int | None

    @property
    def cells(self) -> tuple[str, ...]:
        return (
            self.culture,
            f"{self.initial}",
            f"{self.final}",
            _count(self.paper_initial),
            _count(self.paper_final),
            _difference(self.initial, self.paper_initial),
            _difference(self.final, self.paper_final),
        )


HEADINGS = ("Culture", "Initial", "Final", "Paper: initial", "Paper: final", "Δ initial", "Δ final")
# Columns without the paper.
OWN_COLUMNS = 3
NUMBERS = ("initial", "final", "paper_initial", "paper_final", "initial_difference", "final_difference")


def table1(initial: Sequence[str], final: Sequence[str], *, paper: bool = True) -> list[Row]:
    """Return the rows in the paper's order, then other cultures by name, then the total.

    Args:
        initial: the culture of each fetched painting.
        final: the culture of each painting that is kept.
        paper: compare with the paper; False for a collection that is not the Met's.
    """
    before, after = pd.Series(initial).value_counts(), pd.Series(final, dtype=object).value_counts()
    known = PAPER if paper else {}
    # The paper's cultures are listed even if they have no painting, so that a gap is visible.
    cultures = [*known, *sorted(set(initial) - set(known))]
    rows = [Row(c, int(before.get(c, 0)), int(after.get(c, 0)), *known.get(c, (None, None))) for c in cultures]
    sums = [sum(counts) for counts in zip(*known.values(), strict=True)] or [None, None]
    return [*rows, Row(TOTAL, len(initial), len(final), *sums)]


def words_of(manifest: Manifest) -> LabelWords:
    """Return what a class of a collection is called."""
    return label_words(None, None, manifest.label, manifest.table["culture"])


def small_cultures(rows: Sequence[Row], fewest: int) -> list[str]:
    """Return the cultures with fewer than `fewest` kept paintings, each with its number; 0 is included."""
    return [f"{row.culture} ({row.final})" for row in rows if row.culture != TOTAL and row.final < fewest]


def is_of_the_museum(sources: Iterable[str]) -> bool:
    """Return whether all paintings are of the museum of the paper, so that their counts can be compared."""
    return set(sources) == {MUSEUM}


def columns(rows: Sequence[Row]) -> int:
    """Return the number of columns to show: without those of the paper where the rows have none."""
    return len(HEADINGS) if any(row.paper_initial is not None for row in rows) else OWN_COLUMNS


def headings(rows: Sequence[Row], words: LabelWords) -> tuple[str, ...]:
    """Return the headings of the columns to show."""
    return (words.title, *HEADINGS[1 : columns(rows)])


def title(rows: Sequence[Row], words: LabelWords = CULTURE_WORDS) -> str:
    """Return the table's title, which names the paper's table only where the rows are compared with it."""
    return f"Paintings per {words.one}" if columns(rows) == OWN_COLUMNS else f"Table 1: paintings per {words.one}"


def markdown(rows: Sequence[Row], fewest: int, words: LabelWords = CULTURE_WORDS) -> str:
    """Return the table as Markdown, followed by a line that names the small cultures."""
    shown = columns(rows)
    named = [markdown_text(heading) for heading in headings(rows, words)]
    lines = ["| " + " | ".join(named) + " |", "|---|" + "---:|" * (shown - 1)]
    for row in rows:
        cells = [f"**{cell}**" if cell and row.culture == TOTAL else markdown_text(cell) for cell in row.cells[:shown]]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n\n" + markdown_text(small_note(rows, fewest, words)) + "\n"


def small_note(rows: Sequence[Row], fewest: int, words: LabelWords = CULTURE_WORDS) -> str:
    """Return the sentence that names the small cultures."""
    small = small_cultures(rows, fewest)
    if not small:
        return f"Every {words.one} has at least {fewest} paintings."
    return f"Fewer than {fewest} paintings: {', '.join(small)}."


def write_table1(
    rows: Sequence[Row], fewest: int, folder: Path, words: LabelWords = CULTURE_WORDS
) -> tuple[Path, Path]:
    """Write `table1.csv` and `table1.md`; return both paths."""
    csv_path, md_path = folder / "table1.csv", folder / "table1.md"
    numbers = [
        (
            *(row.culture, row.initial, row.final, row.paper_initial, row.paper_final),
            None if row.paper_initial is None else row.initial - row.paper_initial,
            None if row.paper_final is None else row.final - row.paper_final,
        )
        for row in rows
    ]
    table = pd.DataFrame(numbers, columns=["culture", *NUMBERS]).convert_dtypes().iloc[:, : columns(rows)]
    write_csv(table, csv_path)
    write_text(md_path, markdown(rows, fewest, words))
    return csv_path, md_path


def _count(number: int | None) -> str:
    return "" if number is None else str(number)


def _difference(ours: int, paper: int | None) -> str:
    return "" if paper is None else f"{ours - paper:+d}".replace("-", "\N{MINUS SIGN}").replace("+0", "0")
