"""Files that are whole or absent: written beside their place, then renamed into it."""

import hashlib
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from artculture.utils.errors import InputError

# A temporary file of another machine that was not written to for so long has lost its writer.
LEFTOVER_SECONDS = 600.0


@contextmanager
def replacing(path: Path, keep: Path | None = None) -> Iterator[Path]:
    """A temporary sibling of `path` that takes its place when the block ends well.

    The sibling's name carries host and process id, so two writers never share one; whoever ends last wins whole.

    Args:
        path: the file to write.
        keep: where the file that was there before goes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    try:
        yield temporary
        with temporary.open("r+b") as written:  # Windows syncs only what is open for writing
            os.fsync(written.fileno())
        if keep is not None and path.exists():
            path.replace(keep)
        temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def temporary_beside(path: Path) -> Path:
    """The name under which this process writes what is to become `path`; `remove_leftovers` knows it."""
    return path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.tmp")


def _sync_folder(folder: Path) -> None:
    # The new name lives in the folder: without this a power cut may bring the old file back.
    with suppress(OSError):  # not every file system lets folders be synced
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of writers that are dead: of this machine, or silent for ten minutes."""
    for leftover in folder.glob(".*.tmp"):
        host, _, pid = leftover.name.removesuffix(".tmp").rpartition(".")
        ours = host.endswith(f".{socket.gethostname()}") and pid.isdigit()
        ours = ours and sys.platform != "win32"  # where signal 0 is Ctrl-C, not a question
        with suppress(FileNotFoundError):
            dead = not _lives(int(pid)) if ours else time.time() - leftover.stat().st_mtime > LEFTOVER_SECONDS
            if dead:
                leftover.unlink()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def write_text(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def json_text(value: Any, *, compact: bool = False, ensure_ascii: bool = False, **layout: Any) -> str:
    """Return strict JSON: NaN and infinity, which other readers refuse, raise ValueError.

    Args:
        value: what to write.
        compact: leave out the spaces after `,` and `:`.
        ensure_ascii: escape all other characters, so that names of files that are not UTF-8 pass too.
        layout: `indent` and `sort_keys` of `json.dumps`.
    """
    separators = (",", ":") if compact else None
    return json.dumps(value, allow_nan=False, ensure_ascii=ensure_ascii, separators=separators, **layout)


def write_json(path: Path, value: Any) -> None:
    """Write strict JSON, as `json_text` makes it."""
    write_text(path, json_text(value, indent=2) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        InputError: the file is not a whole JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets without end
        raise InputError(f"{path} is not whole JSON ({error}); delete it to have it made anew") from error
    if not isinstance(value, dict):
        raise InputError(f"{path} holds {type(value).__name__} where a JSON object is expected; delete it")
    return value
