"""`artculture shard`: write paintings as shards to a folder or an object store, for data=shards."""

import sys
from typing import TYPE_CHECKING

from artculture.config.composition import run_app
from artculture.config.schema.shard import ShardConfig
from artculture.utils.shell import command_line
from artculture.utils.visible_text import visible

if TYPE_CHECKING:
    from artculture.data.shards.storage import Storage
    from artculture.data.shards.writing import WriteSummary


def run(argv: list[str]) -> int:
    return run_app("shard", ShardConfig, shard_paintings, argv)


def shard_paintings(config: ShardConfig) -> int:
    # pandas and fsspec are imported after the config is validated, so that help and errors appear at once.
    import os

    from artculture.data.data_choice import DataChoice
    from artculture.data.paintings import QUARANTINE
    from artculture.data.selection import select
    from artculture.data.shards.packing import Packing
    from artculture.data.shards.storage import Storage
    from artculture.data.shards.writing import ShardWriter, plan_shards
    from artculture.utils.logging import configure_logging
    from artculture.utils.progress import shown_progress

    configure_logging()
    storage = Storage(config.shards)
    selection = select(DataChoice.of(config.data), find_copies=True, similar_files=True)
    planned = plan_shards(selection, config.pictures, config.seed)
    packing = Packing(config.shorter_side, config.quality, skip_bad=config.data.on_bad_image == "skip")
    workers = (os.cpu_count() or 1) if config.workers == "auto" else config.workers
    writer = ShardWriter(selection, storage, packing, verify=config.verify, bad_share=config.data.bad_image_share)
    with shown_progress("writing shards") as progress:
        written = writer.write(planned, workers, progress)
    _show(written, storage, QUARANTINE)
    return 0


def _show(written: "WriteSummary", storage: "Storage", quarantine: str) -> None:
    kept = f" ({written.kept} already existed)" if written.kept else ""
    sys.stdout.write(
        f"{written.pictures} paintings in {written.shards} shards{kept}, {written.size / 1e9:.3g} GB: {storage}\n"
    )
    if written.bad:
        sys.stdout.write(visible(f"skipped {len(written.bad)} that can't be read: {storage}/{quarantine}\n"))
    sys.stdout.write(f"train on them: {command_line('artculture', 'train', 'data=shards', f'data.root={storage}')}\n")
