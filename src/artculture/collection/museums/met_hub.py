"""Metropolitan Museum by its dataset on the Hugging Face Hub: parquet shards that contain the images.

The metadata columns of a shard are read first, its image column only in the row groups that contain a wanted painting.
Both are read with range requests, so that most of a shard is never downloaded.
"""

import asyncio
import fnmatch
import importlib
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from artculture.collection.fetching import museum
from artculture.collection.fetching.museum import Claims, LocalMuseum, claims_of
from artculture.collection.fetching.pictures import BrokenPictureError, checked_picture
from artculture.collection.fetching.records import Record, clean_text
from artculture.collection.fetching.responses import ALLOW_PRIVATE
from artculture.collection.fetching.retry import retrying
from artculture.collection.museums.hub_client import guarded_hub
from artculture.collection.museums.met_table import COLUMNS, REQUIRED, is_painting, table_record
from artculture.data.arrow_limits import MAX_PAGE_BYTES, MAX_TEXT_PAGE_BYTES, check_pages
from artculture.utils.errors import InputError, WorkError
from artculture.utils.http.body import LimitExceededError
from artculture.utils.http.network_guard import PrivateAddressError

T = TypeVar("T")
METADATA_ROWS = 256  # rows of metadata in memory at once
PICTURE_ROWS = 16  # pictures in memory at once
BUFFER = 4 << 20  # bytes of a column read ahead
FINAL_ERRORS = (LimitExceededError, PrivateAddressError)
NEEDS = "source=met_hub needs the extra `hub`: pip install 'artculture[hub]'"


class Options(museum.Options):
    """Options of the dataset.

    Attributes:
        path: local folder of shards; None reads `repo` at `revision` from the Hub.
        shards: glob of the shards in the repository.
        words: an object is a painting if its classification or name contains one of them.
    """

    path: str | None
    repo: str
    revision: str
    shards: str
    words: list[str]


@dataclass(frozen=True)
class Shard:
    """One parquet file.

    Attributes:
        stamp: changes when the content changes.
        opener: returns a path, or a file opened for range requests.
    """

    name: str
    stamp: str
    opener: Callable[[], Any]


class Museum(LocalMuseum):
    """The Metropolitan Museum's dataset."""

    source: ClassVar[str] = "met"
    options_class = Options
    options: Options

    def __init__(self, name: str, options: Options, context: museum.FetchContext) -> None:
        super().__init__(name, options, context)
        if options.image != "small":
            raise InputError("source.image=original: the dataset on the Hub has small images only; use source=met")
        self._places: dict[str, tuple[Shard, int, int]] = {}

    def connect(self) -> AbstractAsyncContextManager[Any]:
        if self.options.path:
            return super().connect()
        guard = self.context.guard(self.options)
        return guarded_hub(_import("huggingface_hub"), guard, self.context.limits, self.options.timeout)

    async def list_claims(self) -> Claims:
        shards = await asyncio.to_thread(self._shards)
        self.context.task.expect(len(shards))
        for shard in shards:
            key = f"{shard.name} {shard.stamp} {self.options.words}"
            known: dict[str, Any] | None = self.ledger.page(self.name, key)
            read = known if known is not None else await self._in_thread(self._read_metadata, shard)
            if known is None:
                self.ledger.add_page(self.name, key, read)
            self.rejected |= read["rejected"]
            for object_id, group, row in read["places"]:
                # An object may be in two shards; the first one is used.
                self._places.setdefault(object_id, (shard, group, row))
            self.context.task.advance()
        records = (self.ledger.record(self.name, object_id) for object_id in self._places)
        return claims_of((record for record in records if record), self.context.cultures)

    async def fetch_record(self, object_id: str) -> Record:
        raise AssertionError(f"`list_claims` has read every record, also that of {object_id}")

    async def collect(self, object_ids: Collection[str]) -> None:
        missing: dict[Shard, dict[int, dict[int, str]]] = defaultdict(lambda: defaultdict(dict))
        for object_id in object_ids:
            shard, group, row = self._places[object_id]
            missing[shard][group][row] = object_id
        for shard, groups in missing.items():
            await self._in_thread(self._read_pictures, shard, groups)

    async def _in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run blocking work on a shard in a thread, again where it fails; it ends soon after a cancellation."""
        stopped = threading.Event()

        async def attempt() -> T:
            return await asyncio.to_thread(work, *arguments, stopped)

        try:
            return await retrying(_is_transient, self.options.retries + 1, self.options.backoff)(attempt)
        except Exception as error:
            if isinstance(error, (InputError, WorkError)):
                raise
            raise WorkError(
                f"{self.options.title}: {_reason(error)}. Everything fetched so far is kept: run the same command "
                "again later"
            ) from error
        finally:
            stopped.set()

    def _shards(self) -> list[Shard]:
        shards = list(_local_shards(self.options) if self.options.path else _hub_shards(self.options))
        if not shards:
            where = self.options.path or f"{self.options.repo} ({self.options.shards})"
            raise InputError(f"no parquet files in {where}; source.path=… names the folder that holds them")
        return sorted(shards, key=lambda shard: shard.name)

    def _read_metadata(self, shard: Shard, stopped: threading.Event) -> dict[str, Any]:
        """Add the shard's paintings to the ledger.

        Returns:
            `places`: [object id, row group, row in it] of each painting; `rejected`: rows that can't be used.
        """
        places: list[list[Any]] = []
        known = set(self.rejected)
        with _parquet(shard, whole_columns=True) as file:
            have = set(file.schema_arrow.names)
            missing = [column for column in (*REQUIRED, "jpg", "url") if column not in have]
            if missing:
                raise InputError(f"{shard.name} lacks the columns {', '.join(f'`{name}`' for name in missing)}")
            columns = [column for column in (*COLUMNS, "url") if column in have]
            _check_pages(shard, file, range(file.num_row_groups), columns, MAX_TEXT_PAGE_BYTES)
            for group in range(file.num_row_groups):
                _raise_if(stopped)
                kept = []
                for row, values in _rows(file, group, columns):
                    place = f"row {row} of row group {group} of {shard.name}"
                    record = self.parsed(values, place, _record)
                    if record and is_painting(record, self.options.words):
                        kept.append(record)
                        places.append([record.object_id, group, row])
                self.ledger.add_records(self.name, kept)
        return {"places": places, "rejected": {k: v for k, v in self.rejected.items() if k not in known}}

    def _read_pictures(self, shard: Shard, groups: dict[int, dict[int, str]], stopped: threading.Event) -> None:
        with _parquet(shard) as file:
            _check_pages(shard, file, groups, ["jpg"], MAX_PAGE_BYTES)
            for group, wanted in sorted(groups.items()):
                left = set(wanted)
                first = 0
                for batch in file.iter_batches(batch_size=PICTURE_ROWS, row_groups=[group], columns=["jpg"]):
                    _raise_if(stopped)
                    for row in sorted(left.intersection(range(first, first + len(batch)))):
                        self._keep(wanted[row], batch.column(0)[row - first].as_py())
                        left.discard(row)
                    first += len(batch)
                    # The rest of the row group has no wanted image.
                    if not left:
                        break

    def _keep(self, object_id: str, cell: Any) -> None:
        # The Hub's image type is a struct of bytes and path; other writers store the bytes alone.
        data = cell.get("bytes") if isinstance(cell, dict) else cell
        record = self.known_record(object_id)
        assert record is not None
        if not self.context.store.has(self.source, object_id):
            try:
                picture = checked_picture(data if isinstance(data, bytes) else b"", self.context.limits.picture_pixels)
                self.context.store.write(self.source, object_id, picture, record.image_small)
                self.ledger.clear_failure(self.source, object_id)
            except BrokenPictureError as error:
                self.add_failure(object_id, record, str(error))
        self.context.task.advance()


def _record(values: dict[str, Any]) -> Record:
    return table_record(values, image_url=clean_text(values["url"]))


def _is_transient(error: BaseException) -> bool:
    # The Hub's client raises the errors of its HTTP library, which changes between versions.
    return isinstance(error, Exception) and not isinstance(error, (InputError, WorkError, *FINAL_ERRORS))


def _reason(error: Exception) -> str:
    if isinstance(error, PrivateAddressError):
        return f"{error}; {ALLOW_PRIVATE}"
    return f"an answer is {error}" if isinstance(error, LimitExceededError) else f"{type(error).__name__}: {error}"


def _raise_if(stopped: threading.Event) -> None:
    if stopped.is_set():
        raise WorkError("interrupted")


def _parquet(shard: Shard, whole_columns: bool = False) -> Any:
    """Open a shard: `whole_columns` reads metadata in few requests, otherwise images are read in small buffers."""
    parquet = _import("pyarrow.parquet")
    if whole_columns:
        return parquet.ParquetFile(shard.opener(), pre_buffer=True)
    return parquet.ParquetFile(shard.opener(), pre_buffer=False, buffer_size=BUFFER)


def _check_pages(shard: Shard, parquet: Any, groups: Collection[int], columns: Collection[str], limit: int) -> None:
    opened = shard.opener()
    with Path(opened).open("rb") if isinstance(opened, str) else opened as file:
        try:
            check_pages(file, parquet, groups, columns, limit)
        except InputError as error:
            raise InputError(f"{shard.name} can't be read safely: {error}") from error


def _rows(file: Any, group: int, columns: list[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    row = 0
    for batch in file.iter_batches(batch_size=METADATA_ROWS, row_groups=[group], columns=columns):
        for values in batch.to_pylist():
            yield row, values
            row += 1


def _local_shards(options: Options) -> Iterator[Shard]:
    assert options.path is not None
    folder = Path(options.path)
    if not folder.exists():
        raise InputError(f"no folder {folder}; source.path=… names the folder of the parquet files")
    for file in sorted(folder.rglob("*.parquet")) if folder.is_dir() else [folder]:
        stamp = file.stat()
        name = file.relative_to(folder).as_posix() if folder.is_dir() else file.name
        yield Shard(name, f"{stamp.st_size} {stamp.st_mtime_ns}", partial(str, file))


def _hub_shards(options: Options) -> Iterator[Shard]:
    hub = _import("huggingface_hub")
    api = hub.HfApi(endpoint=options.base_url)
    try:
        # The commit is resolved once, so that a change on the Hub cannot mix two versions.
        commit = api.dataset_info(options.repo, revision=options.revision).sha
        tree = list(api.list_repo_tree(options.repo, revision=commit, recursive=True, repo_type="dataset"))
    except Exception as error:  # as in `_is_transient`: errors of the Hub's HTTP library
        raise WorkError(f"{options.title} can't be reached at {options.base_url}: {_reason(error)}") from error
    files = hub.HfFileSystem(endpoint=options.base_url)
    for entry in tree:
        if fnmatch.fnmatch(entry.path, options.shards):
            address = f"datasets/{options.repo}@{commit}/{entry.path}"
            # Without fsspec's read-ahead cache only the requested ranges are downloaded.
            yield Shard(entry.path, commit, partial(files.open, address, "rb", cache_type="none"))


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(NEEDS) from error
