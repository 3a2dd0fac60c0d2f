"""Tables that stay readable in narrow terminals."""

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

# A measurement within the console's width would be cut to it.
UNLIMITED = 10_000


def print_table(console: Console, table: Table) -> None:
    """Print a table; where its longest words do not fit the width, print each row as a block of `header: cell` lines.

    Args:
        console: where to print.
        table: its cells are text.
    """
    unlimited = console.options.update(max_width=UNLIMITED)
    if Measurement.get(console, unlimited, table).minimum <= console.width:
        console.print(table)
        return
    if table.title:
        console.print(table.title, style=table.title_style or "", soft_wrap=True)
    for cells in zip(*(column.cells for column in table.columns), strict=True):
        for column, cell in zip(table.columns, cells, strict=True):
            text = Text(cell) if isinstance(cell, str) else cell
            if isinstance(text, Text) and text.plain:
                shown = Text(" ").join(text.split("\n"))
                console.print(Text.assemble(f"{column.header}: " if column.header else "", shown), soft_wrap=True)
        console.print()
