"""Which file is the manifest as fetched, before and after exclusions were applied to it.

Applying keeps the fetched manifest as `manifest.fetched.csv` and puts the curated one in its place, so every
later stage reads `root/manifest.csv` and image paths stay as they are. `curation.json` holds the hashes of
both. Applying again always starts from the fetched one, which makes it repeatable; when `fetch` has written a
new `manifest.csv` since, that is the start.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from artculture.data.manifest import Manifest, read_manifest
from artculture.errors import InputError
from artculture.files import file_sha256, read_json, replacing, write_json

MANIFEST = "manifest.csv"
FETCHED = "manifest.fetched.csv"
CURATION = "curation.json"


@dataclass(frozen=True)
class FetchedManifest:
    """The fetched manifest, the file that it was read from, and that file's hash."""

    manifest: Manifest
    path: Path
    sha256: str


def read_fetched_manifest(root: Path) -> FetchedManifest:
    """The manifest as fetched.

    Raises:
        InputError: no manifest, a broken one, or one of which it can't be told whether it was curated.
    """
    current, kept = root / MANIFEST, root / FETCHED
    path = kept if kept.is_file() and _was_curated(current, kept) else current
    manifest = read_manifest(path)
    return FetchedManifest(manifest, path, file_sha256(path))


def _was_curated(current: Path, kept: Path) -> bool:
    if not current.is_file():
        return True
    sha256, record = file_sha256(current), current.with_name(CURATION)
    known = read_json(record) if record.is_file() else {}
    if sha256 == known.get("curated_sha256"):
        return True
    if sha256 in (known.get("fetched_sha256"), file_sha256(kept)):
        return False  # stopped before the curated one took its place, or put back by hand
    before, now = _ids(kept), _ids(current)
    if before <= now:
        return False  # fetched again since
    raise InputError(
        f"{current} was changed since it was curated and lacks {len(before - now)} of the paintings in "
        f"{kept.name}: delete {kept.name} to start from {current.name} as it is, or copy {kept.name} over it "
        "to start afresh"
    )


def _ids(path: Path) -> set[tuple[str, str]]:
    table = read_manifest(path).table
    return set(zip(table["source"], table["object_id"], strict=True))


def keep_fetched(base: FetchedManifest, root: Path) -> Path:
    """Make sure that the fetched manifest is kept, byte for byte; to be done before it is replaced."""
    kept = root / FETCHED
    if base.path != kept:
        content = base.path.read_bytes()
        with replacing(kept) as temporary:
            temporary.write_bytes(content)
    return kept


def record_curation(root: Path, base: FetchedManifest, curated: bytes, facts: dict[str, object]) -> None:
    """Note both hashes; to be done once the fetched one is kept, before the curated one takes its place."""
    hashes = {"fetched_sha256": base.sha256, "curated_sha256": hashlib.sha256(curated).hexdigest()}
    write_json(root / CURATION, {**hashes, **facts})
