"""Storage of shards, a local folder or an object store, through fsspec."""

import hashlib
import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from artculture.data.shards.web_storage import BoundedTransfer, session_factory
from artculture.utils.errors import InputError, WorkError, reason_of
from artculture.utils.http.body import LimitExceededError
from artculture.utils.http.network_guard import PrivateAddressError
from artculture.utils.io import create_temporary, file_sha256, replacing

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 4
MAX_TEXT_BYTES = 64 << 20  # of a listing: some 200 bytes for each shard
FIRST_DELAY = 0.5  # seconds; doubled after each failure
# Errors that another attempt cannot solve.
NOT_RETRIED = (FileNotFoundError, PermissionError, NotImplementedError)

Result = TypeVar("Result")


class ShardError(WorkError):
    """A shard cannot be read, or has changed."""

    def __init__(self, message: str) -> None:
        # torch re-raises an error of a loader worker with its whole traceback as text; the last line is the message.
        if "Original Traceback" in message:
            message = message.strip().splitlines()[-1].partition(": ")[2]
        super().__init__(message)


class Storage:
    """Folder at a path or an address.

    Args:
        url: `path/to/folder`, `file://…`, `s3://bucket/prefix`, `https://…`, or any other address that fsspec supports.

    Raises:
        InputError: an unknown protocol, or one whose package is missing.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/") if "://" in url else str(Path(url).expanduser())
        system, path = self._connect()
        # None for a remote folder.
        self.local = Path(path) if isinstance(system, LocalFileSystem) else None

    def __str__(self) -> str:
        return self.url

    def _connect(self) -> tuple[Any, str]:
        # On each call, because connections do not survive a fork; fsspec caches them within a process.
        try:
            web = {"get_client": session_factory(self.url)} if self.url.startswith(("http://", "https://")) else {}
            system, path = url_to_fs(self.url, **web)
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
            except (InputError, *NOT_RETRIED) as error:
                if (refused := _refusal(error)) is not None:
                    raise self._refused(name, refused) from error
                raise
            except Exception as error:  # each store has its own errors
                if (refused := _refusal(error)) is not None:
                    raise self._refused(name, refused) from error
                if attempt == MAX_ATTEMPTS - 1:
                    raise ShardError(
                        f"{name} of {self} could not be reached in {MAX_ATTEMPTS} attempts ({reason_of(error)}): check "
                        "that the store answers, then run the same command again to continue"
                    ) from error
                log.info("%s of %s: %s; trying again", name, self, reason_of(error))
                time.sleep(FIRST_DELAY * 2**attempt)
        raise AssertionError("the last try returns or raises")

    def read_text(self, name: str) -> str:
        """Return the text of a small file.

        Raises:
            FileNotFoundError: no such file.
            ShardError: the store does not answer.
        """
        with tempfile.TemporaryDirectory(prefix="artculture-") as folder:
            copy = Path(folder) / "text"
            self._retried(name, partial(_transfer, copy, MAX_TEXT_BYTES))
            return copy.read_text(encoding="utf-8")

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
            # An object store shows an object only after its upload is complete.
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
        """Check that a stored file has the hash of what was written.

        Raises:
            ShardError: it has not.
        """
        if self.sha256(name) != sha256:
            raise ShardError(f"{self} does not return {name} as it was written: check the store")

    def size(self, name: str) -> int | None:
        """Return the size of a file in bytes, None if it does not exist."""

        def measured(system: Any, path: str) -> int:
            system.invalidate_cache()
            return int(system.size(path))

        try:
            return self._retried(name, measured)
        except FileNotFoundError:
            return None

    def names(self, folder: str) -> list[str]:
        """Return the names of the files in a subfolder; none if it does not exist."""

        def listed(system: Any, path: str) -> list[str]:
            system.invalidate_cache()
            return [str(found).rpartition("/")[2] for found in system.find(path)]

        try:
            return self._retried(folder, listed)
        except FileNotFoundError:  # some stores have no empty folders
            return []

    def remove(self, name: str) -> None:
        """Remove a file, or a folder with its content."""

        def removed(system: Any, path: str) -> None:
            system.invalidate_cache()
            # One by one, because fsspec's recursive removal treats `[` and `*` in names as glob patterns.
            for found in system.find(path):
                system.rm_file(found)

        self._retried(name, removed)
        if self.local is not None:
            shutil.rmtree(self.local / name, ignore_errors=True)

    def read(self, name: str, work: Callable[[Any], Result]) -> Result:
        """Return `work(file)` for a file opened for random access; only the requested parts are transferred."""

        def opened(system: Any, path: str) -> Result:
            with system.open(path, "rb") as file:
                return work(file)

        return self._retried(name, opened)

    @contextmanager
    def fetched(self, name: str, sha256: str, into: Path, max_bytes: int) -> Iterator[Path]:
        """Yield a temporary local copy of a file of at most so many bytes, or the file itself if the folder is local.

        Raises:
            ShardError: the file does not exist, cannot be fetched, or had a wrong hash twice.
        """
        for _ in range(2):
            with self._copy(name, into, max_bytes) as file:
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
    def _copy(self, name: str, into: Path, max_bytes: int) -> Iterator[Path]:
        if self.local is not None:
            if not (self.local / name).is_file():
                raise self._missing(name)
            yield self.local / name
            return
        copy = create_temporary(into / name)
        try:
            try:
                self._retried(name, partial(_transfer, copy, max_bytes))
            except FileNotFoundError as error:
                raise self._missing(name) from error
            yield copy
        finally:
            copy.unlink(missing_ok=True)

    def _refused(self, name: str, reason: Exception) -> ShardError:
        return ShardError(f"{name} of {self} was not read: {reason}; give another address")

    def _missing(self, name: str) -> ShardError:
        return ShardError(f"{name} is not in {self}; the `artculture shard` command that wrote it repairs it")


def _transfer(copy: Path, max_bytes: int, system: Any, path: str) -> None:
    system.get_file(path, str(copy), callback=BoundedTransfer(max_bytes))


def _refusal(error: BaseException | None) -> Exception | None:
    """Return the refusal by a limit or by the guard that an error comes from, None if it comes from none."""
    while error is not None:
        if isinstance(error, (LimitExceededError, PrivateAddressError)):
            return error
        error = error.__cause__ or error.__context__
    return None
