"""Writer of a selection as shards: each file is written atomically, the list of them last."""

import hashlib
import logging
import math
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import ValidationError

from artculture.data.manifest import SPLITS
from artculture.data.paintings import QUARANTINE, too_many_bad_message
from artculture.data.selection import Selection
from artculture.data.shards.listing import FORMAT, INDEX, LISTING, Listing, Shard, parse_listing
from artculture.data.shards.packing import Packing, write_index, write_shard
from artculture.data.shards.storage import Storage
from artculture.utils.errors import InputError
from artculture.utils.io import file_sha256, json_text
from artculture.utils.progress import Progress
from artculture.utils.spreadsheets import protected_table

log = logging.getLogger(__name__)

# Folder of notes on finished shards, from which an interrupted start continues.
JOURNAL = "_writing"


@dataclass(frozen=True)
class PlannedShard:
    """Shard to be written: its name and its rows of the selection."""

    name: str
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class WriteSummary:
    """Result of writing: all shards, shards that existed already, images, bytes, reason per unreadable image."""

    shards: int
    kept: int
    pictures: int
    size: int
    bad: dict[str, str]


def plan_shards(selection: Selection, pictures: int, seed: int) -> list[PlannedShard]:
    """Assign paintings to shards: one split per shard, in random order, so that each is a sample of its split.

    Args:
        selection: paintings with their split.
        pictures: largest number of images per shard.
        seed: seed of the order.
    """
    planned = []
    for number, split in enumerate(SPLITS):
        members = np.random.default_rng([seed, number]).permutation(selection.members(split))
        count = math.ceil(len(members) / pictures)
        names = [f"{split}-{part:05d}-of-{count:05d}.parquet" for part in range(count)]
        parts = np.array_split(members, count) if count else []
        planned += [PlannedShard(name, rows) for name, rows in zip(names, parts, strict=True)]
    return planned


class ShardWriter:
    """Writer of the planned shards of a selection to a storage, several at a time.

    Args:
        selection: paintings to write.
        storage: target folder or object store.
        packing: options of storing images.
        verify: read each shard back, also those of an earlier start, and compare its hash.
        bad_share: largest fraction of unreadable images that may be left out.
    """

    def __init__(
        self, selection: Selection, storage: Storage, packing: Packing, *, verify: bool, bad_share: float
    ) -> None:
        self.selection, self.storage, self.packing, self.verify = selection, storage, packing, verify
        self.bad_share = bad_share
        self.stopped = threading.Event()

    def write(self, planned: list[PlannedShard], workers: int, on_progress: Progress) -> WriteSummary:
        """Write missing shards, then the index and the list.

        Raises:
            InputError: the folder holds other shards, an image is missing or (unless left out) unreadable, or more
                than `bad_share` are left out; the list is then not written, so that the shards cannot be trained on.
            ShardError: the store does not answer, or returns something else than was written.
        """
        before = self._listing()
        known = {shard.name: shard for shard in before.shards} if before else self._journal({p.name for p in planned})
        if before is not None:
            self._check_same(planned, known)
        done: dict[str, Shard] = {}
        kept = pictures = 0
        total = sum(len(plan.rows) for plan in planned)
        for plan, shard, was_there in self._in_parallel(planned, known, workers):
            done[plan.name] = shard
            kept += was_there
            pictures += len(plan.rows)
            on_progress(pictures, total)
        shards = [done[plan.name] for plan in planned]
        bad = {image: why for shard in shards for image, why in shard.bad.items()}
        if bad:
            self._quarantine(bad, total)
        self._finish(shards, before)
        return WriteSummary(len(shards), kept, total - len(bad), sum(shard.size for shard in shards), bad)

    def _listing(self) -> Listing | None:
        try:
            return parse_listing(self.storage.read_text(LISTING), f"{self.storage}/{LISTING}")
        except FileNotFoundError:
            return None

    def _journal(self, names: set[str]) -> dict[str, Shard]:
        found = {}
        for name in self.storage.names(JOURNAL):
            # A note that is truncated or belongs to another plan is ignored; its shard is written again.
            with suppress(ValidationError, FileNotFoundError):
                shard = Shard.model_validate_json(self.storage.read_text(f"{JOURNAL}/{name}"))
                found[shard.name] = shard
        for stale in set(found) - names:
            self.storage.remove(stale)
            self.storage.remove(f"{JOURNAL}/{stale}.json")
        return found

    def _check_same(self, planned: list[PlannedShard], known: dict[str, Shard]) -> None:
        others = sum(1 for plan in planned if plan.name not in known or known[plan.name].key != self._key(plan))
        if others or len(planned) != len(known):
            raise InputError(
                f"{self.storage} holds shards of other paintings or choices ({others} of {len(planned)} would differ): "
                "name another folder, or delete that one first"
            )

    def _key(self, plan: PlannedShard) -> str:
        """Return a hash of what a shard is made from: its rows, the files' sizes and times, and the packing."""
        manifest = self.selection.manifest
        rows = manifest.table.iloc[plan.rows].assign(split=self.selection.split[plan.rows])
        facts = [json_text([FORMAT, *self.packing.facts()], ensure_ascii=True), rows.to_csv(index=False)]
        for row in plan.rows.tolist():
            source = manifest.picture(row)
            if isinstance(source, Path):
                try:
                    stat = source.stat()
                except OSError as error:
                    raise InputError(
                        f"the manifest lists {source}, but there is no such file: put it back or take its row out"
                    ) from error
                facts.append(f"{stat.st_size} {stat.st_mtime_ns}")
        return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:32]

    def _in_parallel(
        self, planned: list[PlannedShard], known: dict[str, Shard], workers: int
    ) -> Iterator[tuple[PlannedShard, Shard, bool]]:
        waiting = iter(planned)
        with ThreadPoolExecutor(workers) as pool:
            running: dict[Future[tuple[Shard, bool]], PlannedShard] = {}
            try:
                while True:
                    # Submit at most `workers` shards at a time, because millions of paintings are many shards.
                    for plan in islice(waiting, workers - len(running)):
                        running[pool.submit(self._one, plan, known.get(plan.name))] = plan
                    if not running:
                        return
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        yield running.pop(future), *future.result()
            finally:
                self.stopped.set()

    def _one(self, plan: PlannedShard, known: Shard | None) -> tuple[Shard, bool]:
        key = self._key(plan)
        if known is not None and known.key == key and self._is_stored(known):
            return known, True
        with self.storage.writing(plan.name) as file:
            bad = write_shard(file, self.selection, plan.rows, self.packing, self.stopped)
            sha256 = file_sha256(file)
            shard = Shard(
                name=plan.name,
                sha256=sha256,
                size=file.stat().st_size,
                rows=len(plan.rows) - len(bad),
                key=key,
                bad=bad,
            )
        if self.verify:
            self.storage.check(shard.name, sha256)
        self.storage.write_text(f"{JOURNAL}/{plan.name}.json", shard.model_dump_json())
        return shard, False

    def _is_stored(self, shard: Shard) -> bool:
        if self.verify:
            return self.storage.sha256(shard.name) == shard.sha256
        return self.storage.size(shard.name) == shard.size

    def _quarantine(self, bad: dict[str, str], pictures: int) -> None:
        """Write the list of images that were left out, and raise if they are more than `bad_share`."""
        with self.storage.writing(QUARANTINE) as file:
            table = pd.DataFrame(sorted(bad.items()), columns=["image", "reason"])
            protected_table(table).to_csv(file, index=False, lineterminator="\n")
        if len(bad) / pictures > self.bad_share:
            first = "; ".join(f"{image} ({why})" for image, why in sorted(bad.items())[:5])
            raise InputError(
                f"{len(bad)} picture(s) can't be read: {first}. "
                f"{too_many_bad_message(len(bad), pictures, self.bad_share)}; the same command then continues from the "
                f"shards that are written. The whole list: {self.storage}/{QUARANTINE}"
            )

    def _finish(self, shards: list[Shard], before: Listing | None) -> None:
        if before is None or before.shards != shards or self.storage.sha256(INDEX) != before.index_sha256:
            with self.storage.writing(INDEX) as file:
                write_index(self.storage, shards, file)
                sha256 = file_sha256(file)
            self.storage.check(INDEX, sha256)
            listing = Listing(format=FORMAT, index_sha256=sha256, shards=shards)
            self.storage.write_text(LISTING, listing.model_dump_json(indent=1) + "\n")
        self.storage.remove(JOURNAL)
