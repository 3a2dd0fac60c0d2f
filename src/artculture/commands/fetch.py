"""`artculture fetch`: download paintings and their labels from museums."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from artculture.collection.fetching.config import FetchConfig
from artculture.config.composition import run_app
from artculture.config.schema.train import plain
from artculture.utils.secrets import without_secrets

if TYPE_CHECKING:
    from artculture.collection.fetching.refetch import RefetchSummary
    from artculture.collection.fetching.results import FetchSummary


def run(argv: list[str]) -> int:
    """Run the command with its arguments."""
    return run_app("fetch", FetchConfig, fetch, argv)


def fetch(config: FetchConfig) -> int:
    """Fetch from the chosen museums, or the images of an existing manifest; return the exit code."""
    # pandas is imported after the config is validated, so that help and errors appear at once.
    from artculture.collection.fetching.fetch import collect_all, open_ledger
    from artculture.collection.fetching.progress import FetchProgress
    from artculture.collection.fetching.refetch import refetch
    from artculture.collection.fetching.results import write_results

    root = Path(config.root)
    with open_ledger(root) as ledger, FetchProgress() as progress:
        if config.manifest is not None:
            inventory = refetch(config, root, ledger, progress)
        else:
            results = collect_all(config, root, ledger, progress)
            summary = write_results(root, ledger, results, config.limit_per_culture, _parameters(config))
    if config.manifest is not None:
        sys.stdout.write(_inventory_text(inventory, root))
    else:
        _show(summary, root, list(config.cultures))
    return 0


def _parameters(config: FetchConfig) -> dict[str, Any]:
    """Return the config without secrets and the user's e-mail address: fetch.json is meant to be shared."""
    parameters = plain(config)
    for options in (parameters["source"], *parameters["museums"].values()):
        options.pop("contact", None)
    shareable: dict[str, Any] = without_secrets(parameters)
    return shareable


def _inventory_text(inventory: "RefetchSummary", root: Path) -> str:
    lines = [f"{inventory.available} of {inventory.total} still available: {root / 'manifest.csv'}"]
    if inventory.changed:
        lines.append(f"{len(inventory.changed)} of them have changed: {root / 'changed.csv'}")
    if inventory.gone:
        lines.append(f"{len(inventory.gone)} not available (run the same command to retry): {root / 'failures.csv'}")
    return "\n".join(lines) + "\n"


def _show(summary: "FetchSummary", root: Path, cultures: list[str]) -> None:
    from rich.table import Table

    from artculture.utils.console import PlainConsole

    table = Table("culture", *summary.claimed, title="paintings")
    for number in range(1, 1 + len(summary.claimed)):
        table.columns[number].justify = "right"
    for culture in cultures:
        table.add_row(culture, *(str(summary.kept[route][culture]) for route in summary.claimed))
    table.add_section()
    for name, counter in (
        ("found", summary.claimed),
        ("not in the public domain", summary.not_public_domain),
        ("without an image", summary.no_picture),
        ("failed", summary.failed),
    ):
        table.add_row(name, *(str(counter[route]) for route in summary.claimed))
    console = PlainConsole()
    console.print(table)
    lines = [f"{summary.paintings} paintings: {root / 'manifest.csv'}"]
    if summary.conflicts:
        lines.append(f"{summary.conflicts} matched several cultures: {root / 'conflicts.csv'}")
    if summary.failed.total():
        lines.append(f"{summary.failed.total()} failed (run the same command to retry): {root / 'failures.csv'}")
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
