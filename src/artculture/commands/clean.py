"""`artculture clean`: list the entries of the cache, and delete them."""

import sys
import time
from typing import Annotated, Literal

from pydantic import BeforeValidator, NonNegativeFloat

from artculture.config.composition import run_app
from artculture.config.schema.section import Section
from artculture.config.typed_text import UserPath
from artculture.utils.visible_text import visible

Kind = Literal["pixels", "shards", "hub", "embeddings", "wandb", "features", "compiled", "sample"]
DAY_SECONDS = 86_400


class CleanConfig(Section):
    """Config of `artculture clean`."""

    cache: UserPath
    kinds: Annotated[list[Kind] | None, BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]
    older_than: NonNegativeFloat
    delete: bool


def run(argv: list[str]) -> int:
    return run_app("clean", CleanConfig, clean, argv)


def clean(config: CleanConfig) -> int:
    from artculture.data.cache.folder import cache_folder
    from artculture.data.cache.inventory import KINDS, cache_entries, delete_entry
    from artculture.utils.text import size_text

    now = time.time()
    folder = cache_folder(config.cache)
    found = cache_entries(folder)
    chosen = found if config.kinds is None else [entry for entry in found if entry.kind in config.kinds]
    entries = [entry for entry in chosen if now - entry.changed >= config.older_than * DAY_SECONDS]
    lines, kept = [], 0
    for entry in entries:
        days = int((now - entry.changed) / DAY_SECONDS)
        age = "today" if days == 0 else f"{days} days ago"
        name = entry.path.relative_to(folder)
        note = ""
        if config.delete and not delete_entry(entry):
            note, kept = "  kept: a process is writing it", kept + 1
        lines.append(f"{size_text(entry.size):>9}  {age:>13}  {name} ({KINDS[entry.kind]}){note}")
    total = size_text(sum(entry.size for entry in entries))
    what = f"{len(entries)} of {len(found)} entries of {folder}, {total}"
    if not config.delete:
        lines.append(f"{what}{'; delete them with delete=true' if entries else ''}")
    else:
        lines.append(f"deleted {what}" if not kept else f"deleted all but {kept} of {what}")
    sys.stdout.write(visible("\n".join(lines) + "\n"))
    return 0
