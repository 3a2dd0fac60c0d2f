"""The selected paintings with their pixels, and the images that are left out because they can't be read."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from artculture.data.cache.folder import cache_errors
from artculture.data.cache.pixel_cache import PixelCache, Pixels, open_cache
from artculture.data.data_choice import DataChoice
from artculture.data.decoding import Decoding
from artculture.data.embeddings.manifest import EmbeddingManifest
from artculture.data.manifest import Manifest
from artculture.data.selection import Selection, Selector, fresh_selection, whole_manifest
from artculture.data.similar_pictures import (
    COLUMN,
    SimilarPictures,
    are_wanted,
    log_similar_pictures,
    similar_in_cache,
)
from artculture.utils.errors import InputError
from artculture.utils.progress import Progress
from artculture.utils.spreadsheets import write_csv

log = logging.getLogger(__name__)

QUARANTINE = "quarantine.csv"


@dataclass(frozen=True)
class Paintings:
    """Selection with its pixels and the images that were left out."""

    selection: Selection
    cache: Pixels
    quarantine: pd.DataFrame


def load_paintings(
    choice: DataChoice,
    shorter_side: int,
    interpolation: str,
    on_progress: Progress | None = None,
    choose: Selector = fresh_selection,
    fit: Decoding = "crop",
) -> Paintings:
    """Select the paintings and decode images that are not cached yet.

    The selection's column `sha256` is computed from the files; the manifest's own values are not used.

    Args:
        choice: choices of the `data` group.
        shorter_side: pixels.
        interpolation: `bilinear` or `bicubic`.
        on_progress: called with (done, all) while decoding.
        choose: selector: for training, for a classifier (`selection_for`) or for a run (`selection_of_run`).
        fit: as of `read_pixels`.

    Raises:
        InputError: as `choose`; also unreadable images if `on_bad_image` is `error` or if they are more than
            `bad_image_share`.
    """
    whole = whole_manifest(choice)
    # A first pass reports mistakes before hours of decoding; the second knows file hashes and bad images.
    first = choose(choice, whole, whole.table.assign(sha256="") if choice.name != "shards" else whole.table, False)
    cache = _open_pixels(whole, choice, shorter_side, interpolation, on_progress, fit)
    bad = {row: cache.bad[row] for row in np.intersect1d(list(cache.bad), first.rows).astype(int).tolist()}
    images = whole.table["image"]
    quarantine = pd.DataFrame(
        [{"image": images[row], "reason": why} for row, why in bad.items()], columns=["image", "reason"]
    )
    if bad:
        named = "; ".join(f"{whole.root / images[row]} ({why})" for row, why in list(bad.items())[:5])
        shown = f"{named} and {len(bad) - 5} more" if len(bad) > 5 else named
        _refuse_bad(choice, quarantine, len(first.rows), shown, cache.key)
        log.warning("left out %d picture(s) that can't be read: %s", len(bad), shown)
    table = whole.table.assign(sha256=list(cache.sha256)) if isinstance(cache, PixelCache) else whole.table
    similar = None
    if isinstance(cache, PixelCache) and are_wanted(choice.near_duplicates, len(whole)) and choose is fresh_selection:
        similar = similar_in_cache(cache, _cache_files(choice, cache))
        table = table.assign(**{COLUMN: similar.column(len(whole))})
        similar = _without_copies(similar, cache)
    selection = choose(choice, whole, table.drop(index=list(bad)) if bad else table, True)
    if similar is not None:
        log_similar_pictures(similar, whole, selection.rows, selection.split, _cache_files(choice, cache))
    return Paintings(selection, cache, quarantine)


def _cache_files(choice: DataChoice, cache: Pixels) -> Path:
    return choice.cache_folder / "pixels" / cache.key


def _without_copies(similar: SimilarPictures, cache: PixelCache) -> SimilarPictures:
    """Return the pairs that are no exact copies, which are logged on their own."""
    sha256 = cache.sha256
    return SimilarPictures([pair for pair in similar.pairs if sha256[pair.first] != sha256[pair.second]])


def _refuse_bad(choice: DataChoice, quarantine: pd.DataFrame, pictures: int, shown: str, key: str) -> None:
    share = len(quarantine) / pictures
    if choice.on_bad_image == "skip" and share <= choice.bad_image_share:
        return
    # There is no run directory yet that could hold the list.
    file = choice.cache_folder / "pixels" / key / QUARANTINE
    write_quarantine(quarantine, file)
    fix = "Repair or remove them, or leave them out with data.on_bad_image=skip"
    if choice.on_bad_image == "skip":
        fix = too_many_bad_message(len(quarantine), pictures, choice.bad_image_share)
    raise InputError(f"{len(quarantine)} picture(s) can't be read: {shown}. {fix}. The whole list: {file}")


def too_many_bad_message(bad: int, pictures: int, allowed: float) -> str:
    """Return the message for more bad images than `data.bad_image_share` allows."""
    return (
        f"That is {100 * bad / pictures:.1f} % of {pictures}, more than data.bad_image_share={allowed:g} allows: "
        "repair or remove them, or allow more"
    )


def write_quarantine(quarantine: pd.DataFrame, path: Path) -> None:
    """Write which images were left out and why: `image, reason`."""
    write_csv(quarantine, path)


def _open_pixels(
    whole: Manifest,
    choice: DataChoice,
    shorter_side: int,
    interpolation: str,
    on_progress: Progress | None,
    fit: Decoding,
) -> Pixels:
    if isinstance(whole, EmbeddingManifest):
        return whole.vectors()
    if choice.name != "shards":
        with cache_errors(choice.cache_folder):
            return open_cache(whole, choice.cache_folder, shorter_side, interpolation, on_progress, fit)
    from artculture.data.shards.pixels import open_shards

    assert choice.cache_gb is not None
    assert choice.shuffle_shards is not None
    limit = int(choice.cache_gb * 1e9)
    return open_shards(whole, choice.cache_folder, limit, shorter_side, interpolation, choice.shuffle_shards, fit)
