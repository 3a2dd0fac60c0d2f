"""The folder of caches (`data.cache`), and what its file system may refuse."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from artculture.utils.errors import InputError, WorkError

FIX = "choose another folder with data.cache=… or the environment variable ARTCULTURE_CACHE"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def default_cache() -> str:
    """Return the cache folder as typed: ARTCULTURE_CACHE, or `~/.cache/artculture`."""
    return os.environ.get("ARTCULTURE_CACHE") or "~/.cache/artculture"


def cache_folder(choice: str) -> Path:
    """Return the folder that `data.cache` names, which need not exist.

    Raises:
        InputError: it is in the home folder of a user who has none.
    """
    try:
        return Path(choice).expanduser()
    except RuntimeError as error:
        raise InputError(f"data.cache={choice}: this user has no home folder; {FIX}") from error


def make_private(folder: Path) -> None:
    """Make a folder, and those above it, closed to other users.

    A folder that exists keeps its permissions: a cache is shared by making its folder for a group beforehand, and what
    is made inside it is shared too.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        above = stat.S_IMODE(path.parent.stat().st_mode)
        # A folder such as /tmp, in which all users have files of their own, is not made for sharing them.
        shared = above & stat.S_IWGRP and not above & stat.S_ISVTX
        path.mkdir(mode=0o777 if shared else 0o700, exist_ok=True)


@contextmanager
def cache_errors(folder: Path) -> Iterator[None]:
    """Map errors of the file system while caches are written, which say nothing of `data.cache`, to ones that do.

    Args:
        folder: the folder of caches. Errors at other places pass through.

    Raises:
        WorkError: the disk is full.
        InputError: the folder can't be made or written, or is a file.
    """
    try:
        yield
    except OSError as error:
        # A write to an open file names none; making the folder may fail at one that it would lie in.
        place = folder if error.filename is None else Path(str(error.filename))
        if not place.is_relative_to(folder) and not folder.is_relative_to(place):
            raise
        if error.errno in FULL:
            raise WorkError(f"the cache {folder} is full ({error.strerror}): free disk space, or {FIX}") from error
        if error.filename is None or error.errno is None:
            raise
        raise InputError(f"can't write to the cache {folder} ({error.strerror}{_owner(error)}): {FIX}") from error


def _owner(error: OSError) -> str:
    """Return whose file was refused, if it is another user's."""
    if not hasattr(os, "geteuid"):
        return ""
    path = Path(str(error.filename))
    try:
        path = path if path.exists() else path.parent
        return "" if path.stat().st_uid == os.geteuid() else f"; {path} belongs to {path.owner()}"
    except (OSError, KeyError):  # not readable, or of a user without a name
        return "; it belongs to another user"
