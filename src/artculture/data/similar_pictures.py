"""Near-duplicates among the pictures of a collection: no split parts them, and those with two labels are listed."""

import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from artculture.data.cache.pixel_cache import PixelCache
from artculture.data.decoding import BadImageError, read_pixels
from artculture.data.manifest import Manifest
from artculture.data.near_duplicates import (
    SAMPLED_SIDE,
    DuplicatePair,
    PixelFingerprint,
    fingerprints,
    near_duplicates,
    stored_fingerprints,
)
from artculture.utils.spreadsheets import write_csv

log = logging.getLogger(__name__)

# Pictures up to which near-duplicates are looked for without being asked for.
SMALL_COLLECTION = 20_000
FINGERPRINTS, PAIRS = "fingerprints.bin", "near_duplicates.csv"
COLUMN = "near"
NAMED = 5


@dataclass(frozen=True)
class SimilarPictures:
    """Pairs of near-duplicates, as positions in a manifest."""

    pairs: Sequence[DuplicatePair]

    def column(self, count: int) -> list[str]:
        """Return a text per picture that all of its near-duplicates share, "" for a picture without one."""
        if not self.pairs:
            return [""] * count
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import connected_components

        ends = np.array([(pair.first, pair.second) for pair in self.pairs], dtype=np.int64).reshape(-1, 2)
        graph = coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count, count))
        component = connected_components(graph, directed=False)[1]
        several = set(component[ends.ravel()].tolist())
        return [str(number) if number in several else "" for number in component.tolist()]


def are_wanted(choice: str, pictures: int) -> bool:
    """Return whether near-duplicates are looked for, by `data.near_duplicates`."""
    return choice == "group" or (choice == "auto" and pictures <= SMALL_COLLECTION)


def similar_in_cache(cache: PixelCache, folder: Path) -> SimilarPictures:
    """Find the near-duplicates in a pixel cache; their fingerprints are stored in its folder."""
    count = len(cache.shapes)
    images = (None if row in cache.bad else cache.image(row) for row in range(count))
    return SimilarPictures(near_duplicates(stored_fingerprints(folder / FINGERPRINTS, images, count)))


def similar_in_files(manifest: Manifest) -> SimilarPictures:
    """Find the near-duplicates of a manifest by decoding its files at a small size."""

    def fingerprint(picture: Path | bytes) -> PixelFingerprint | None:
        try:
            return fingerprints([read_pixels(picture, SAMPLED_SIDE, "bilinear")])[0]
        except BadImageError:
            return None

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return SimilarPictures(near_duplicates(list(pool.map(fingerprint, manifest.paths()))))


def log_similar_pictures(
    similar: SimilarPictures, whole: Manifest, rows: NDArray[np.int64], split: NDArray[np.str_], folder: Path
) -> None:
    """Log how many near-duplicates there are, and those with two labels or in two splits; exact copies are left out.

    Args:
        similar: pairs of `whole`.
        whole: manifest with all rows.
        rows: positions in `whole` of the selected rows.
        split: split of each of them.
        folder: receives the list of all pairs.
    """
    pairs = _pair_table(similar, whole, rows, split)
    if pairs.empty:
        return
    write_csv(pairs, folder / PAIRS)
    parted = pairs["split"] != pairs["other_split"]
    stay = "" if parted.any() else ", which stay in one split"
    log.info("%d pair(s) of near-duplicates%s (all: %s)", len(pairs), stay, folder / PAIRS)
    conflicting = pairs[pairs["culture"] != pairs["other_culture"]]
    if len(conflicting):
        named = _named(conflicting, "culture")
        log.warning("%d pair(s) of near-duplicates have two labels: %s", len(conflicting), named)
    if parted.any():
        log.warning(
            "%d pair(s) of near-duplicates are in two splits, as the stored split says: %s",
            parted.sum(),
            _named(pairs[parted], "split"),
        )


def _pair_table(
    similar: SimilarPictures, whole: Manifest, rows: NDArray[np.int64], split: NDArray[np.str_]
) -> pd.DataFrame:
    of_row = dict(zip(rows.tolist(), split.tolist(), strict=True))
    table = whole.table
    found = [
        {
            "image": table["image"].iat[pair.first],
            "other": table["image"].iat[pair.second],
            "distance": pair.distance,
            "correlation": round(pair.correlation, 3),
            "culture": table["culture"].iat[pair.first],
            "other_culture": table["culture"].iat[pair.second],
            "split": of_row[pair.first],
            "other_split": of_row[pair.second],
        }
        for pair in similar.pairs
        if pair.first in of_row and pair.second in of_row
    ]
    return pd.DataFrame(found)


def _named(pairs: pd.DataFrame, column: str) -> str:
    shown = [
        f"{row['image']} ({row[column]}) ~ {row['other']} ({row[f'other_{column}']})"
        for row in pairs.head(NAMED).to_dict("records")
    ]
    return "; ".join(shown) + (f" and {len(pairs) - NAMED} more" if len(pairs) > NAMED else "")
