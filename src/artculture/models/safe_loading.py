"""Read files of tensors without running anything that is in them."""

import pickle
import pickletools
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import torch

from artculture.utils.errors import InputError, reason_of

# What a zip archive begins with, and so every file of `torch.save` since torch 1.6.
ARCHIVE_START = b"PK\x03\x04"
# The pickle opcodes that import a name, without which nothing can be called.
IMPORTS = {"GLOBAL", "STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4"}
IS_NO_FILE = "it is no file of tensors"


class UnsafeError(InputError):
    """The file asks for code to be run, as no checkpoint of ours does; nothing of it was run."""


class DamagedError(InputError):
    """The file is an archive of `torch.save` that was cut off or changed: an older copy may take its place."""


def load_safely(path: Path, what: str) -> Any:
    """Return the tensors and plain values in a file of torch's; nothing in it is run.

    Args:
        path: the file.
        what: is wrong with it, for the message.

    Raises:
        InputError: it can't be read: `UnsafeError`, it asks for code to be run; `DamagedError`, an archive that was
            cut off or changed.
    """
    _check_size(path, what)
    try:
        with warnings.catch_warnings():
            # torch advises to read other protocols and programs unsafely.
            warnings.filterwarnings("ignore", message="Detected pickle protocol|.*looks like a TorchScript archive")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # bytes that are no checkpoint make the unpickler raise nearly anything
        # torch's advice to read the file unsafely is not passed on, in a traceback neither.
        raise _refusal(path, what, error) from (None if "weights_only" in str(error) else error)
    if any(_is_larger_than_stored(tensor) for tensor in _tensors(content)):
        raise InputError(f"{path} {what}: a tensor in it is larger than its stored values")
    return content


def _check_size(path: Path, what: str) -> None:
    """Refuse an archive that unpacks to more than its size: `torch.save` never compresses."""
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except Exception:  # no archive, or a damaged one, which torch refuses
        return
    if unpacked > path.stat().st_size:
        raise InputError(
            f"{path} {what}: it unpacks to {unpacked / 1e6:,.0f} MB, and torch.save never compresses; save the tensors "
            "again with torch.save"
        )


def _tensors(content: Any) -> Iterator[torch.Tensor]:
    found, seen = [content], set()
    while found:
        value = found.pop()
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, (dict, list, tuple, set)) and id(value) not in seen:
            seen.add(id(value))
            found.extend(value.values() if isinstance(value, dict) else value)


def _is_larger_than_stored(tensor: torch.Tensor) -> bool:
    """Whether a tensor repeats its values (stride 0, sparse, meta): any copy of it takes far more than the file."""
    if tensor.layout != torch.strided or tensor.device.type != "cpu":
        return True
    return tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes()


def _refusal(path: Path, what: str, error: Exception) -> InputError:
    unpickling = isinstance(error, pickle.UnpicklingError)
    # What torch says of bytes that it does not unpickle is advice to read them unsafely.
    reason = IS_NO_FILE if unpickling or "weights_only" in str(error) else reason_of(error)
    try:
        check_sums(path)
    except DamagedError:  # what changed bytes ask for means nothing
        return DamagedError(f"{path} {what}: {reason}")
    except InputError:  # no archive: torch also reads its older form
        pass
    if "TorchScript" in str(error):
        reason = "it is a TorchScript archive, a program; save the model's state_dict() with torch.save instead"
        return InputError(f"{path} {what}: {reason}")
    if "legacy .tar" in str(error):
        return InputError(f"{path} {what}: it is a tar file; save the tensors again with torch.save")
    if (unpickling and "GLOBAL" in str(error)) or _asks_for_code(path):
        return UnsafeError(
            f"{path} {what}: it asks for code to be run, as no file of tensors does. Nothing of it was run; "
            "remove it, and ask where it came from"
        )
    return InputError(f"{path} {what}: {reason}")


def check_sums(path: Path) -> None:
    """Check a file of `torch.save`, a zip archive, against its checksums, which torch itself does not look at.

    Raises:
        DamagedError: an archive that was cut off or changed.
        InputError: the file was never an archive.
    """
    if not _was_archive(path):
        raise InputError(f"{path} is no archive of torch.save; remove it, and ask where it came from")
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except Exception as error:  # as above
        raise DamagedError(f"{path} is damaged: {reason_of(error)}") from error
    if broken is not None:
        raise DamagedError(f"{path} is damaged: a wrong checksum in {broken}")


def _was_archive(path: Path) -> bool:
    """Whether a file is an archive or what is left of one."""
    with path.open("rb") as file:
        start = file.read(len(ARCHIVE_START))
    # A file cut off may have any length, and a write that never reached the disk leaves zeros.
    if ARCHIVE_START.startswith(start) or not any(start):
        return True
    # The table of contents is at the end, so a changed start leaves it. A pickle in front of one is no damage.
    return zipfile.is_zipfile(path) and not _asks_for_code(path)


def _asks_for_code(path: Path) -> bool:
    """Whether the pickle in a file, or in the archive that it is, imports anything; nothing is unpickled."""
    with path.open("rb") as file:
        archive = file.read(len(ARCHIVE_START)) == ARCHIVE_START
    if not archive:
        with path.open("rb") as file:
            return _imports(file)
    try:
        with zipfile.ZipFile(path) as content:
            for name in content.namelist():
                if name.endswith("data.pkl"):
                    with content.open(name) as file:
                        return _imports(file)
    except Exception:  # as above
        return False
    return False


def _imports(file: IO[bytes]) -> bool:
    try:
        while True:  # torch's older form is several pickles, one behind the other
            if any(opcode.name in IMPORTS for opcode, _, _ in pickletools.genops(file)):
                return True
    except Exception:  # the end of the file, or bytes that are no pickle
        return False
