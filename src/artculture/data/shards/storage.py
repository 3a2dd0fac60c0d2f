"""A folder of shards, on a disk or in an object store: one interface to both, through fsspec."""

import hashlib
import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from artculture.utils.errors import InputError, WorkError, reason_of
from artculture.utils.io import file_sha256, replacing, temporary_beside

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 4
FIRST_DELAY = 0.5  # seconds; doubled after each failure
# What another try can't mend.
NOT_RETRIED = (FileNotFoundError, PermissionError, NotImplementedError)

Result = TypeVar("Result")


class ShardError(WorkError):
    """A shard can't be had, or is not what it was."""

    def __init__(self, message: str) -> None:
        # A loader process hands an error on as the text of its traceback: its last line is the message.
        if "Original Traceback" in message:
            message = message.strip().splitlines()[-1].partition(": ")[2]
        super().__init__(message)


class Storage:
    """A folder that a path or an address names.

    Args:
        url: `path/to/folder`, `file://…`, `s3://bucket/prefix`, `https://…`: whatever fsspec knows.

    Raises:
        InputError: an address of a kind that needs a package which is not there, or that no one knows.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/") if "://" in url else str(Path(url).expanduser())
        system, path = self._connect()
        # None for a folder that is not on this machine's disks.
        self.local = Path(path) if isinstance(system, LocalFileSystem) else None

    def __str__(self) -> str:
        return self.url

    def _connect(self) -> tuple[Any, str]:
        # Anew each time: connections do not outlive a fork, and fsspec keeps those of this process by itself.
        try:
            system, path = url_to_fs(self.url)
        except ImportError as error:
            raise InputError(
                f"{self.url}: {error}; `pip install 'artculture[shards]'` brings s3://, other stores need their own "
                "package of fsspec"
            ) from error
        except ValueError as error:
            raise InputError(f"{self.url}: {error}") from error
        return system, str(path)

    def _retried(self, name: str, work: Callable[[Any, str], Result]) -> Result:
        for attempt in range(MAX_ATTEMPTS):
            try:
                system, path = self._connect()
                return work(system, f"{path}/{name}")
            except (InputError, *NOT_RETRIED):
                raise
            except Exception as error:  # each store has its own errors
                if attempt == MAX_ATTEMPTS - 1:
                    raise ShardError(
                        f"{name} of {self} could not be reached in {MAX_ATTEMPTS} attempts ({reason_of(error)}): check "
                        "that the store answers, then run the same command again to continue"
                    ) from error
                log.info("%s of %s: %s; trying again", name, self, reason_of(error))
                time.sleep(FIRST_DELAY * 2**attempt)
        raise AssertionError("the last try returns or raises")

    def read_text(self, name: str) -> str:
        """A small file.

        Raises:
            FileNotFoundError: no such file.
            ShardError: the store does not answer.
        """
        return self._retried(name, lambda system, path: bytes(system.cat_file(path)).decode())

    def write_text(self, name: str, text: str) -> None:
        with self.writing(name) as file:
            file.write_text(text, encoding="utf-8")

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """Yield a local file that is stored under `name`, complete, once the block ends without an error."""
        if self.local is not None:
            with replacing(self.local / name) as temporary:
                yield temporary
            return
        with tempfile.TemporaryDirectory(prefix="artculture-") as folder:
            file = Path(folder) / Path(name).name
            yield file
            # A store shows an object only when all of it has arrived.
            try:
                self._retried(name, lambda system, path: system.put_file(str(file), path))
            except NotImplementedError as error:
                raise InputError(f"{self}: nothing can be written to an address of this kind") from error

    def sha256(self, name: str) -> str | None:
        """Return the SHA-256 of a stored file, None if there is none."""

        def digest(system: Any, path: str) -> str:
            with system.open(path, "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()

        try:
            return self._retried(name, digest)
        except FileNotFoundError:
            return None

    def check(self, name: str, sha256: str) -> None:
        """See that what was written is what lies there.

        Raises:
            ShardError: it is not.
        """
        if self.sha256(name) != sha256:
            raise ShardError(f"{self} does not give back {name} as it was written: is the store sound?")

    def size(self, name: str) -> int | None:
        """Bytes of a file; None where there is none."""

        def measured(system: Any, path: str) -> int:
            system.invalidate_cache()
            return int(system.size(path))

        try:
            return self._retried(name, measured)
        except FileNotFoundError:
            return None

    def names(self, folder: str) -> list[str]:
        """The files in a folder of this one; none where there is no such folder."""

        def listed(system: Any, path: str) -> list[str]:
            system.invalidate_cache()
            return [str(found).rpartition("/")[2] for found in system.find(path)]

        try:
            return self._retried(folder, listed)
        except FileNotFoundError:  # some stores know no empty folders
            return []

    def remove(self, name: str) -> None:
        """Remove a file, or a folder with all that is in it."""

        def removed(system: Any, path: str) -> None:
            system.invalidate_cache()
            # One by one: what removes many at once takes `[` and `*` in a name for a pattern.
            for found in system.find(path):
                system.rm_file(found)

        self._retried(name, removed)
        if self.local is not None:
            shutil.rmtree(self.local / name, ignore_errors=True)

    def read(self, name: str, work: Callable[[Any], Result]) -> Result:
        """What `work` makes of a file opened for reading anywhere in it; only the parts asked for travel."""

        def opened(system: Any, path: str) -> Result:
            with system.open(path, "rb") as file:
                return work(file)

        return self._retried(name, opened)

    @contextmanager
    def fetched(self, name: str, sha256: str, into: Path) -> Iterator[Path]:
        """A file's copy on this machine, gone after the block; of a folder on this machine the file itself.

        Raises:
            ShardError: the file is not there, can't be reached, or twice did not have the hash that it should have.
        """
        for _ in range(2):
            with self._copy(name, into) as file:
                found = file_sha256(file)
                if found == sha256:
                    yield file
                    return
            log.info("%s of %s is corrupt; fetching it once more", name, self)
        raise ShardError(
            f"{name} of {self} is corrupt: its SHA-256 is {found[:16]}…, not {sha256[:16]}…; the `artculture shard` "
            "command that wrote it repairs it"
        )

    @contextmanager
    def _copy(self, name: str, into: Path) -> Iterator[Path]:
        if self.local is not None:
            if not (self.local / name).is_file():
                raise self._missing(name)
            yield self.local / name
            return
        copy = temporary_beside(into / name)
        try:
            try:
                self._retried(name, lambda system, path: system.get_file(path, str(copy)))
            except FileNotFoundError as error:
                raise self._missing(name) from error
            yield copy
        finally:
            copy.unlink(missing_ok=True)

    def _missing(self, name: str) -> ShardError:
        return ShardError(f"{name} is not in {self}; the `artculture shard` command that wrote it repairs it")
