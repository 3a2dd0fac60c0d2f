"""Atomic file writes: to a temporary file in the same folder, then renamed."""

import errno
import hashlib
import json
import os
import secrets
import socket
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from artculture.utils.errors import InputError

# A temporary file of another host that was not modified for this long has lost its writer.
LEFTOVER_SECONDS = 600.0
NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)


@contextmanager
def replacing(path: Path, keep: Path | None = None) -> Iterator[Path]:
    """Yield a temporary path that replaces `path` atomically if the block succeeds.

    Parallel writers have files of their own; the last one to finish wins. The permissions of a previous file are kept.

    Args:
        path: the file to write.
        keep: path to which the previous file is moved.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = create_temporary(path)
    try:
        yield temporary
        with temporary.open("r+b") as written:  # Windows syncs only what is open for writing
            os.fsync(written.fileno())
        _copy_mode(path, temporary)
        if keep is not None and path.exists():
            path.replace(keep)
        temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def create_temporary(path: Path) -> Path:
    """Create an empty file for writing `path`, with a name that nobody can foresee; see `remove_leftovers`."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.{socket.gethostname()}.{os.getpid()}.tmp")
    # Exclusively, so that a link of that name is never followed.
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_FOLLOW, 0o666))
    return temporary


def open_without_links(path: Path, mode: str, **options: Any) -> IO[Any]:
    """Open a file of a name that others may foresee, as `open` does, but never through a symbolic or hard link.

    Raises:
        InputError: it is a link.
    """

    def opened(name: str, flags: int) -> int:
        descriptor = os.open(name, flags & ~os.O_TRUNC | NO_FOLLOW, 0o666)
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            os.close(descriptor)
            raise OSError(errno.ELOOP, "a link", name)
        if flags & os.O_TRUNC:
            os.ftruncate(descriptor, 0)
        return descriptor

    try:
        return open(path, mode, opener=opened, **options)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise InputError(
            f"{path} is a link, which another user may have placed there: delete it, or choose another folder"
        ) from error


def _copy_mode(path: Path, temporary: Path) -> None:
    """Give the new file the permissions of the file that it replaces, if there is one."""
    with suppress(OSError):
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode):
            temporary.chmod(stat.S_IMODE(mode))


def _sync_folder(folder: Path) -> None:
    # The rename is stored in the folder: without this a power failure may restore the old file.
    with suppress(OSError):  # not all file systems support it
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files of ended processes of this host, and those of other hosts after `LEFTOVER_SECONDS`."""
    for leftover in folder.glob(".*.tmp"):
        host, _, pid = leftover.name.removesuffix(".tmp").rpartition(".")
        ours = host.endswith(f".{socket.gethostname()}") and pid.isdigit()
        ours = ours and sys.platform != "win32"  # there, signal 0 is Ctrl-C instead of a check
        with suppress(FileNotFoundError):
            abandoned = not _is_alive(int(pid)) if ours else time.time() - leftover.stat().st_mtime > LEFTOVER_SECONDS
            if abandoned:
                leftover.unlink()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def allocate(file: Path) -> None:
    """Reserve the disk space of a sparse file: where it lacked later, a write to the memory map would kill the process.

    Raises:
        OSError: the disk is full.
    """
    if hasattr(os, "posix_fallocate"):
        with file.open("r+b") as opened:
            os.posix_fallocate(opened.fileno(), 0, file.stat().st_size)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def json_text(value: Any, *, compact: bool = False, ensure_ascii: bool = False, **layout: Any) -> str:
    """Return strict JSON: NaN and infinity, which other readers refuse, raise ValueError.

    Args:
        value: what to write.
        compact: leave out the spaces after `,` and `:`.
        ensure_ascii: escape all other characters, so that file names that are not UTF-8 can be written.
        layout: `indent` and `sort_keys` of `json.dumps`.
    """
    separators = (",", ":") if compact else None
    return json.dumps(value, allow_nan=False, ensure_ascii=ensure_ascii, separators=separators, **layout)


def write_json(path: Path, value: Any) -> None:
    """Write strict JSON (`json_text`) atomically."""
    write_text(path, json_text(value, indent=2) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read the object in a JSON file.

    Raises:
        InputError: the file is damaged or holds no object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # a number with thousands of digits, unlimited nesting
        raise InputError(f"{path} is not valid JSON ({error}); delete it to have it recreated") from error
    if not isinstance(value, dict):
        raise InputError(f"{path} holds {type(value).__name__} where a JSON object is expected; delete it")
    return value
