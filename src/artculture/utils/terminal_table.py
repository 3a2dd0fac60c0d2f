"""Tables and notes that stay readable in narrow terminals."""

import re

from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement, measure_renderables
from rich.table import Table
from rich.text import Text

# A measurement within the console's width would be cut to it.
UNLIMITED = 10_000
WORD = re.compile(r"\S+\s*")


def print_table(console: Console, table: Table) -> None:
    """Print a table; where its longest words do not fit the width, print each row as a block of `header: cell` lines.

    Args:
        console: where to print.
        table: its cells are text. Its columns get widths in which no word is broken.
    """
    if _fit(console, table):
        console.print(table)
        return
    if table.title:
        console.print(table.title, style=table.title_style or "", soft_wrap=True)
    for cells in zip(*(column.cells for column in table.columns), strict=True):
        for column, cell in zip(table.columns, cells, strict=True):
            text = Text(cell) if isinstance(cell, str) else cell
            if isinstance(text, Text) and text.plain:
                shown = Text(" ").join(text.split("\n"))
                _print_wrapped(console, Text.assemble(f"{column.header}: " if column.header else "", shown))
        console.print()


def print_note(console: Console, note: str) -> None:
    """Print a paragraph below a table, indented, its lines broken between words."""
    _print_wrapped(console, Text(note), indent="  ")


def _print_wrapped(console: Console, text: Text, indent: str = "") -> None:
    starts, used = [], 0
    for word in WORD.finditer(text.plain):
        # A word that is longer than the line, such as a path, stays whole, so that it can be copied.
        if used and used + cell_len(word.group().rstrip()) > console.width - len(indent):
            starts.append(word.start())
            used = 0
        used += cell_len(word.group())
    for line in text.divide(starts):
        line.rstrip()
        console.print(Text.assemble(indent, line), soft_wrap=True, highlight=False)


def _fit(console: Console, table: Table) -> bool:
    """Set the widths of the columns where the table is wider than the console; return whether all words fit.

    Rich itself shortens the widest columns first, in the middle of their words.
    """
    unlimited = console.options.update(max_width=UNLIMITED)
    whole = Measurement.get(console, unlimited, table)
    spare = console.width - whole.minimum
    if spare < 0 or whole.maximum <= console.width:
        return spare >= 0
    needs = [measure_renderables(console, unlimited, [column.header, *column.cells]) for column in table.columns]
    by_wish = sorted(zip(table.columns, needs, strict=True), key=lambda pair: pair[1].span)
    for left, (column, need) in zip(range(len(by_wish), 0, -1), by_wish, strict=True):
        given = min(need.span, spare // left)
        column.width = need.minimum + given
        spare -= given
    return True
