"""Checks of the outputs that a user names, before the work: nothing is replaced without `overwrite=true`."""

import os
from collections.abc import Collection
from pathlib import Path

from artculture.utils.errors import InputError, reason_of


def output_file(name: str, *, overwrite: bool, key: str = "output") -> Path:
    """Return the path of a file to write, the target of a link to a file; its folder is made.

    Raises:
        InputError: it exists and `overwrite` is false, it is no regular file, or its folder can't be written.
    """
    path = _real(Path(name).expanduser(), key)
    if path.is_dir():
        raise InputError(f"{key}={name} is a folder; give a file in it, as in {key}={path / 'predictions.csv'}")
    if path.exists() and not path.is_file():
        raise InputError(f"{key}={name} is a device, a pipe or a socket; leave {key} out and redirect stdout to it")
    if path.exists() and not overwrite:
        raise InputError(f"{key}={name} exists: give another name, or replace it with overwrite=true")
    _make_writable(path.parent, key)
    return path


def output_folder(name: str, *, overwrite: bool, replaces: Collection[str] | None = None, key: str = "output") -> Path:
    """Return the path of a folder to write into; it is made.

    Args:
        name: path as typed.
        overwrite: whether files in it may be replaced.
        replaces: names of the files that are written; None for any.
        key: config key, for messages.

    Raises:
        InputError: it is no folder or can't be written, it holds a run, or it holds files that would be replaced
            and `overwrite` is false.
    """
    path = _real(Path(name).expanduser(), key)
    if path.exists() and not path.is_dir():
        raise InputError(f"{key}={name} is not a folder; give the folder to write into")
    _make_writable(path, key)
    inside = {entry.name for entry in path.iterdir()}
    if {"config.yaml", "status.json"} <= inside:
        raise InputError(f"{key}={name} is a run directory, whose files would be mixed with these; give another folder")
    known = sorted(inside if replaces is None else inside & set(replaces))
    if known and not overwrite:
        raise InputError(f"{key}={name} holds {known[0]}: give an empty folder, or replace files with overwrite=true")
    return path


def _real(path: Path, key: str) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:  # a link to itself
        raise InputError(f"{key}={path} can't be resolved: {reason_of(error)}") from error


def _make_writable(folder: Path, key: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{key}: the folder {folder} can't be made: {reason_of(error)}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"{key}: nothing can be written in {folder}: give another place")
