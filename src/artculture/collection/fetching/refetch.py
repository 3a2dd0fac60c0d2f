"""Download the images of an existing manifest again and report which have changed or disappeared."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from artculture.collection.fetching.client import Client
from artculture.collection.fetching.config import FetchConfig
from artculture.collection.fetching.fetch import find_error
from artculture.collection.fetching.ledger import Ledger
from artculture.collection.fetching.museum import FetchContext, LocalMuseum, structure_reason
from artculture.collection.fetching.pictures import BrokenPictureError, PictureStore, checked_picture
from artculture.collection.fetching.progress import FetchProgress, ProgressTask
from artculture.collection.fetching.records import BAD_RECORD_ERRORS, Record, Variant
from artculture.collection.fetching.responses import PermanentHTTPError, RetriesExhaustedError
from artculture.collection.fetching.results import FAILURE_COLUMNS, write_table
from artculture.data.manifest import Manifest, read_manifest, write_manifest
from artculture.utils.errors import InputError, WorkError
from artculture.utils.http.network_guard import AddressGuard

CHANGED_COLUMNS = ("source", "object_id", "title", "sha256_before", "sha256_now", "image_url")


@dataclass(frozen=True)
class RefetchSummary:
    """Number of unchanged images, and rows of the changed and the unavailable ones."""

    same: int
    changed: list[dict[str, Any]]
    gone: list[dict[str, Any]]

    @property
    def available(self) -> int:
        return self.same + len(self.changed)

    @property
    def total(self) -> int:
        return self.available + len(self.gone)


def refetch(config: FetchConfig, root: Path, ledger: Ledger, progress: FetchProgress) -> RefetchSummary:
    """Download every image of `config.manifest` to `root` and write the manifest of those that are available.

    Raises:
        InputError: no such manifest, or one without picture addresses.
        WorkError: no image is available, or the museum refuses our requests.
    """
    assert config.manifest is not None
    manifest = read_manifest(Path(config.manifest))
    if manifest.root.resolve() == root.resolve():
        raise InputError(f"{root} is the folder of the manifest itself: give another root=…")
    without = manifest.table["object_id"][manifest.table["image_url"] == ""]
    if len(without):
        raise InputError(
            f"{config.manifest} has no image_url for {len(without)} paintings ({', '.join(without[:5])} …): "
            "only manifests written by `artculture fetch` can be fetched again"
        )
    again = _Refetch(config, manifest.table, root, ledger, progress.add_task("images"))
    try:
        asyncio.run(again.run())
    except Exception as error:
        if found := find_error(error, WorkError):
            raise WorkError(str(found)) from error
        raise
    return again.write()


class _Refetch:
    """One run over the rows of a manifest."""

    def __init__(
        self, config: FetchConfig, table: pd.DataFrame, root: Path, ledger: Ledger, task: ProgressTask
    ) -> None:
        self.rows: list[dict[Any, Any]] = table.to_dict("records")
        self.root = root
        self.ledger = ledger
        self.task = task
        # The first chosen source gives the request limits; the chosen museums look up images whose address has changed.
        self.options = config.options(next(iter(config.museums)))
        self.variant: Variant = self.options.image
        self.store = PictureStore(root, ledger, self.variant)
        context = FetchContext(ledger, config.culture_matcher(), self.store, task, config.limits, config.allow_private)
        typed = [address for name in config.museums for address in config.options(name).addresses()]
        # The manifest's addresses come from whoever wrote it.
        self.guard = AddressGuard(typed, allow_private=config.allow_private)
        self.limits = config.limits
        museums = [config.museum_class(name)(name, config.options(name), context) for name in config.museums]
        self.museums = [museum for museum in museums if not isinstance(museum, LocalMuseum)]

    async def run(self) -> None:
        """Download what is missing; failures are entered into the ledger."""
        self.task.expect(len(self.rows))
        queue = iter(self.rows)
        async with Client(self.options.title, self.options.policy(), self.limits, self.guard) as client:
            for museum in self.museums:
                museum.client = client

            async def worker() -> None:
                for row in queue:
                    await self._download_one(client, row)
                    self.task.advance()

            async with asyncio.TaskGroup() as group:
                for _ in range(self.options.concurrency):
                    group.create_task(worker())

    async def _download_one(self, client: Client, row: dict[Any, Any]) -> None:
        source, object_id, url = row["source"], row["object_id"], row["image_url"]
        if self.store.has(source, object_id) or self._register_existing(row):
            return
        try:
            try:
                picture = await client.picture(url)
            # Image addresses change more often than object ids.
            except PermanentHTTPError:
                url = await self._current_url(row)
                picture = await client.picture(url)
            record = Record(source, object_id, is_public_domain=True)
            await self.store.keep(record, picture, url)
            self.ledger.clear_failure(source, object_id)
        except (PermanentHTTPError, RetriesExhaustedError) as error:
            self.ledger.add_failure(source, object_id, row["title"], url, f"image: {error}")
        except BAD_RECORD_ERRORS as error:
            self.ledger.add_failure(source, object_id, row["title"], url, f"record: {structure_reason(error)}")

    def _register_existing(self, row: dict[Any, Any]) -> bool:
        """Register an image that is already in place with the manifest's hash, for example in a copied folder."""
        file = self.root / row["image"]
        if not row["sha256"] or not file.is_file():
            return False
        try:
            picture = checked_picture(file.read_bytes(), self.limits.picture_pixels)
        except BrokenPictureError:
            return False
        if picture.sha256 != row["sha256"]:
            return False
        self.ledger.add_picture(
            row["source"], row["object_id"], self.variant, row["image"], row["image_url"],
            sha256=picture.sha256, width=picture.width, height=picture.height, size=len(picture.data),
        )  # fmt: skip
        return True

    async def _current_url(self, row: dict[Any, Any]) -> str:
        """Return the image's present address by its object id, which is more stable than the address."""
        for museum in self.museums:
            if museum.source == row["source"]:
                url = (await museum.fetch_checked_record(row["object_id"])).image(self.variant)
                if url and url != row["image_url"]:
                    return url
        raise PermanentHTTPError("HTTP 404: not found")

    def write(self) -> RefetchSummary:
        """Write manifest.csv, failures.csv and changed.csv."""
        kept, changed, gone = [], [], []
        failures = {(failure["source"], failure["object_id"]): failure for failure in self.ledger.failures()}
        for row in self.rows:
            key = (row["source"], row["object_id"])
            picture = self.ledger.picture(*key, self.variant)
            if picture is None or not self.store.has(*key):
                gone.append(_gone_row(row, failures.get(key)))
                continue
            if row["sha256"] and row["sha256"] != picture["sha256"]:
                changed.append(_changed_row(row, picture["sha256"]))
            now = {column: picture[column] for column in ("image", "sha256", "width", "height")}
            kept.append({**row, **now, "image_url": picture["url"]})
        write_table(self.root / "failures.csv", FAILURE_COLUMNS, gone)
        write_table(self.root / "changed.csv", CHANGED_COLUMNS, changed)
        if not kept:
            raise WorkError(f"none of the {len(gone)} images is available; see failures.csv in {self.root}")
        write_manifest(Manifest(self.root, pd.DataFrame(kept)))
        return RefetchSummary(len(kept) - len(changed), changed, gone)


def _gone_row(row: dict[Any, Any], failure: Any) -> dict[str, Any]:
    reason, tries, at = (failure[key] for key in ("reason", "tries", "at")) if failure else ("not attempted", 0, "")
    named = {key: row[key] for key in ("source", "object_id", "title")}
    return {**named, "url": row["image_url"], "reason": reason, "tries": tries, "last_try": at}


def _changed_row(row: dict[Any, Any], sha256_now: str) -> dict[str, Any]:
    named = {key: row[key] for key in ("source", "object_id", "title", "image_url")}
    return {**named, "sha256_before": row["sha256"], "sha256_now": sha256_now}
