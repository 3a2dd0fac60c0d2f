"""The manifest as fetched, which stays available after exclusions are applied.

Applying exclusions copies the fetched manifest to `manifest.fetched.csv` and writes the curated one as
`manifest.csv`, so that all later commands read `root/manifest.csv` and image paths do not change. `curation.json` has
the hashes of both.
Applying again starts from the fetched manifest, which makes it repeatable; if `fetch` has written a new `manifest.csv`
in the meantime, that one is used.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from artculture.collection.curation.config import MANIFEST
from artculture.data.manifest import Manifest, read_manifest, write_manifest
from artculture.data.sources import is_collection, log_left_out, read_folder, unlisted
from artculture.utils.errors import InputError
from artculture.utils.io import file_sha256, read_json, replacing, write_json

FETCHED = "manifest.fetched.csv"
CURATION = "curation.json"


@dataclass(frozen=True)
class FetchedManifest:
    """The fetched manifest, the file that it was read from (or would be), and the file's SHA-256."""

    manifest: Manifest
    path: Path
    sha256: str


def read_fetched_manifest(root: Path) -> FetchedManifest:
    """Read the manifest as fetched; what is left out of its folder is logged.

    A folder of class folders, or with another table, has no manifest yet: it is made from them.

    Raises:
        InputError: the manifest is missing, damaged, or was edited after curation.
    """
    current, kept = root / MANIFEST, root / FETCHED
    if not current.is_file() and not kept.is_file() and is_collection(root):
        manifest = read_folder(root)
        return FetchedManifest(manifest, current, manifest.fingerprint())
    path = kept if kept.is_file() and _was_curated(current, kept) else current
    manifest = read_manifest(path)
    log_left_out(root, unlisted(manifest, path.name))
    return FetchedManifest(manifest, path, file_sha256(path))


def _was_curated(current: Path, kept: Path) -> bool:
    if not current.is_file():
        return True
    sha256, record = file_sha256(current), current.with_name(CURATION)
    known = read_json(record) if record.is_file() else {}
    if sha256 == known.get("curated_sha256"):
        return True
    if sha256 in (known.get("fetched_sha256"), file_sha256(kept)):
        return False  # interrupted before the curated one was written, or restored by hand
    before, now = _ids(kept), _ids(current)
    if before <= now:
        return False  # fetched again since
    raise InputError(
        f"{current} was edited after curation and lacks {len(before - now)} of the paintings in "
        f"{kept.name}: delete {kept.name} to start from {current.name} as it is, or copy {kept.name} over it "
        "to start again from the fetched one"
    )


def _ids(path: Path) -> set[tuple[str, str]]:
    table = read_manifest(path).table
    return set(zip(table["source"], table["object_id"], strict=True))


def keep_fetched(base: FetchedManifest, root: Path) -> Path:
    """Copy the fetched manifest byte for byte; call it before the manifest is replaced."""
    kept = root / FETCHED
    if not base.path.is_file():
        return write_manifest(base.manifest, kept)
    if base.path != kept:
        content = base.path.read_bytes()
        with replacing(kept) as temporary:
            temporary.write_bytes(content)
    return kept


def record_curation(root: Path, base: FetchedManifest, curated: bytes, facts: dict[str, object]) -> None:
    """Write both hashes; call it after `keep_fetched` and before the curated manifest is written."""
    hashes = {"fetched_sha256": base.sha256, "curated_sha256": hashlib.sha256(curated).hexdigest()}
    write_json(root / CURATION, {**hashes, **facts})
