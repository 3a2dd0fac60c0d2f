"""Files of tensors, read without running anything that is in them."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from artculture.errors import InputError, reason_of


class UnsafeError(InputError):
    """The file asks for code to be run, as no checkpoint of ours does; nothing of it was run."""


def load_safely(path: Path, what: str) -> Any:
    """What a file of torch's holds: tensors and plain values, never anything that is run to be made.

    Args:
        path: the file.
        what: is wrong with it, for the message.

    Raises:
        InputError: it can't be read; `UnsafeError`: it asks for code to be run.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # bytes that are no checkpoint make the unpickler raise nearly anything
        asked = isinstance(error, pickle.UnpicklingError) and "GLOBAL" in str(error)
        if asked and not _is_damaged(path):
            raise UnsafeError(
                f"{path} {what}: it asks for code to be run, as no file of tensors does. Nothing of it was run; "
                "remove it, and ask where it came from"
            ) from error
        # What torch says of bytes that are no pickle is advice to read them unsafely.
        reason = "it is no file of tensors" if isinstance(error, pickle.UnpicklingError) else reason_of(error)
        raise InputError(f"{path} {what}: {reason}") from error


def _is_damaged(path: Path) -> bool:
    # What a flipped bit asks for means nothing; a file without checksums is not of our making in the first place.
    try:
        check_sums(path)
    except InputError:
        return zipfile.is_zipfile(path)
    return False


def check_sums(path: Path) -> None:
    """Check a file of `torch.save`, a zip archive, against its checksums, which torch itself does not look at.

    Raises:
        InputError: no archive, or damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except Exception as error:  # as above
        raise InputError(f"{path} is damaged: {reason_of(error)}") from error
    if broken is not None:
        raise InputError(f"{path} is damaged: a wrong checksum in {broken}")
