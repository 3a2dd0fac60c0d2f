"""`artculture curate`: write flags, review page, Table 1 and the curated manifest."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from artculture.collection.curation.config import MANIFEST, CurateConfig
from artculture.config.composition import run_app
from artculture.utils.shell import command_line
from artculture.utils.visible_text import visible

if TYPE_CHECKING:
    from artculture.collection.curation.curation import CurationResult


def run(argv: list[str]) -> int:
    """Run the command with its arguments."""
    return run_app("curate", CurateConfig, curate_collection, argv)


def curate_collection(config: CurateConfig) -> int:
    """Curate the collection in `config.root`; return the exit code."""
    # SciPy and pandas are imported after the config is validated, so that help and errors appear at once.
    from artculture.collection.curation.curation import curate, measure_collection
    from artculture.utils.logging import configure_logging
    from artculture.utils.outputs import output_file
    from artculture.utils.progress import shown_progress

    configure_logging()
    applying = config.exclusions is not None or config.relabels is not None
    if applying and config.output != MANIFEST:
        output_file(str(Path(config.root) / config.output), overwrite=config.overwrite)

    with shown_progress("Measuring images") as on_progress:
        found = measure_collection(config, on_progress)
    _show(curate(config, found), config)
    return 0


def _show(curated: "CurationResult", config: CurateConfig) -> None:
    from rich.table import Table

    from artculture.collection.curation.table1 import TOTAL, columns, headings, title
    from artculture.utils.console import PlainConsole

    console = PlainConsole()
    shown = columns(curated.table)
    table = Table(title=title(curated.table, curated.words))
    for number, heading in enumerate(headings(curated.table, curated.words)):
        table.add_column(heading, justify="right" if number else "left")
    for row in curated.table:
        if row.culture == TOTAL:
            table.add_section()
        table.add_row(*row.cells[:shown])
    console.print(table)
    sys.stdout.write(visible("\n".join(_lines(curated, config))) + "\n")


def _lines(curated: "CurationResult", config: CurateConfig) -> list[str]:
    from artculture.collection.curation.table1 import small_note

    matched = curated.matched
    lines = [small_note(curated.table, config.small_culture, curated.words)]
    changed = f", {len(curated.relabels.by_row)} relabelled" if curated.relabels.by_row else ""
    lines.append(f"{curated.flagged} paintings are flagged, {len(matched.by_row)} excluded{changed}.")
    for what, unknown in (("Exclusions", matched.unknown), ("Relabels", curated.relabels.unknown)):
        if unknown:
            names = ", ".join(decision.object_id for decision in unknown[:10])
            more = " …" if len(unknown) > 10 else ""
            lines.append(f"{what} that match no painting of this manifest ({len(unknown)}): {names}{more}")
    split = str(curated.leakage)
    lines.append(split[0].upper() + split[1:] + ".")
    lines += [f"  {path}" for path in curated.files]
    if not curated.applied:
        page = Path(config.root) / "review.html"
        lines.append(
            f"Open {page} in a browser; apply the exported list with: "
            + command_line("artculture", "curate", f"root={config.root}", "exclusions=exclusions.csv")
        )
    return lines
