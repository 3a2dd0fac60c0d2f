"""Files of tensors, written whole or not at all."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from artculture.utils.io import replacing
from artculture.utils.uncached import UncachedFile


def save_whole(content: Any, path: Path, keep: Path | None = None) -> None:
    """Write `torch.save`'s format atomically, without a second copy in memory.

    Args:
        content: tensors and plain values.
        path: the file to write.
        keep: where the file that was there before goes.

    Raises:
        OSError: the file can't be written: no space is left, say.
    """
    try:
        with replacing(path, keep=keep) as temporary, UncachedFile(temporary) as file:
            _save(content, Remembering(file))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


@dataclass
class Remembering:
    """A file that remembers why it could not be written: torch reports a full disk as `unexpected pos`."""

    file: UncachedFile
    error: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            return self.file.write(data)
        except OSError as error:
            self.error = self.error or error
            raise

    def flush(self) -> None:
        self.file.flush()


def _save(content: Any, file: Remembering) -> None:
    try:
        torch.save(content, file)  # type: ignore[arg-type]
    except RuntimeError as error:
        raise file.error or error from None
