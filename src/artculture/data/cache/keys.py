"""Keys of pixel caches: equal keys have equal pixels."""

import errno
import hashlib
import os

from artculture.data.cache.builder import CACHE_VERSION
from artculture.data.decoding import Decoding
from artculture.data.manifest import Manifest
from artculture.utils.errors import InputError


def cache_key(manifest: Manifest, shorter_side: int, interpolation: str, fit: Decoding = "crop") -> str:
    """Return the name of a pixel cache; arguments as of `open_cache`."""
    return f"{manifest_stamp(manifest)}-{format_of(shorter_side, interpolation, fit)}"


def format_of(side: int, interpolation: str, fit: Decoding) -> str:
    """Return the part of a cache's name that says how its images were decoded."""
    return f"{side}-{interpolation}{'' if fit == 'crop' else f'-{fit}'}-v{CACHE_VERSION}"


def manifest_stamp(manifest: Manifest) -> str:
    """Return a hash of a manifest and of its files' sizes and modification times; no file is read for it."""
    # Size and time of each file, so that an image replaced under the same name is decoded again.
    where = [str(manifest.root.resolve()), *file_states(manifest)] if manifest.has_files else [manifest.version]
    facts = [manifest.fingerprint(), *where]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


def file_states(manifest: Manifest) -> list[str]:
    """Return size, modification time and readability of each file of a manifest; no file is read.

    Raises:
        InputError: a file is missing.
    """
    facts, missing = [], []
    for row, path in enumerate(manifest.paths()):
        try:
            stat = path.stat()
            # An unreadable file must be decoded again once its permissions change.
            facts.append(f"{stat.st_size} {stat.st_mtime_ns}{'' if os.access(path, os.R_OK) else ' closed'}")
        except (OSError, ValueError) as error:
            leads_nowhere = isinstance(error, OSError) and error.errno in (errno.ENOENT, errno.ELOOP)
            if leads_nowhere and path.is_symlink():  # it exists, as a bad image
                facts.append("link")
            else:
                missing.append((row, path))
    if missing:
        row, path = missing[0]
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        file = manifest.lines.path
        where = f"the manifest of {manifest.root}" if file is None else f"{manifest.lines(row)} of {file}"
        raise InputError(
            f"{where} lists {path}{more}, but there is no such file: put it back or take its row out of the table"
        )
    return facts
