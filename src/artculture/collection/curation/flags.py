"""Flags of a collection, and `flags.csv`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from artculture.collection.curation.config import ImageThresholds, KeywordRule
from artculture.collection.curation.image_stats import ImageStats
from artculture.collection.curation.keyword_rules import Flag, keyword_flags
from artculture.data.manifest import Manifest
from artculture.data.near_duplicates import DuplicatePair, near_duplicates
from artculture.utils.errors import InputError
from artculture.utils.spreadsheets import write_csv
from artculture.utils.tables import read_text_csv

RECORD_KEYS = ("source", "object_id")
RECORD_FIELDS = ("object_name", "classification", "medium")
COLUMNS = ("object_id", "source", "culture", "title", "flag", "reason")


def read_records(path: Path) -> pd.DataFrame | None:
    """Return `records.csv`, which `fetch` writes next to the manifest; None without the file.

    Raises:
        InputError: the file is not such a table.
    """
    if not path.is_file():
        return None
    table = read_text_csv(path, "run fetch again to write it")
    missing = [key for key in RECORD_KEYS if key not in table]
    if missing:
        raise InputError(f"{path} lacks the column {', '.join(missing)}; run fetch again to write it")
    return table.drop_duplicates(list(RECORD_KEYS), keep="last")


def describe_paintings(manifest: Manifest, records: pd.DataFrame | None) -> list[dict[str, str]]:
    """Return each painting's title, medium and, where records have them, object name and classification."""
    own = manifest.table[[*RECORD_KEYS, "title", "medium"]].copy()
    if records is None:
        return [{str(k): str(v) for k, v in row.items()} for row in own.to_dict("records")]
    known = records[[*RECORD_KEYS, *(f for f in RECORD_FIELDS if f in records)]]
    both = own.merge(known, on=list(RECORD_KEYS), how="left", suffixes=("", "_recorded")).fillna("")
    # The museum's record is more complete than the manifest's column.
    if "medium_recorded" in both:
        both["medium"] = both["medium_recorded"].where(both["medium_recorded"] != "", both["medium"])
    return [{str(k): str(v) for k, v in row.items()} for row in both.to_dict("records")]


def flag_paintings(
    manifest: Manifest,
    records: pd.DataFrame | None,
    image_stats: Sequence[ImageStats | str],
    rules: Mapping[str, KeywordRule],
    thresholds: ImageThresholds,
) -> tuple[list[list[Flag]], list[DuplicatePair]]:
    """Return every painting's flags, in the manifest's order, and the pairs of near-duplicates."""
    flags = [list(keyword_flags(record, rules)) for record in describe_paintings(manifest, records)]
    for own, stats, sha256 in zip(flags, image_stats, manifest.table["sha256"], strict=True):
        own += _image_flags(stats, sha256, thresholds)
    duplicates = near_duplicates(
        [stats if isinstance(stats, ImageStats) else None for stats in image_stats],
        thresholds.duplicate_distance,
        thresholds.duplicate_correlation,
    )
    ids = manifest.table["object_id"]
    for pair in duplicates:
        flags[pair.first].append(_duplicate_flag(ids[pair.second], pair))
        flags[pair.second].append(_duplicate_flag(ids[pair.first], pair))
    return flags, duplicates


def _image_flags(stats: ImageStats | str, sha256: str, thresholds: ImageThresholds) -> list[Flag]:
    if isinstance(stats, str):
        return [Flag("unreadable", stats)]
    found = []
    if sha256 and stats.sha256 != sha256.lower():
        found.append(Flag("changed file", "the image's SHA-256 is not the manifest's"))
    if stats.chroma <= thresholds.greyscale_chroma:
        found.append(Flag("greyscale", f"no colour (chroma {stats.chroma:.2f}): possibly a black-and-white photograph"))
    if stats.text >= thresholds.text_score:
        found.append(Flag("text page", f"evenly spaced lines of small marks (score {stats.text:.2f})"))
    if stats.aspect >= thresholds.aspect_ratio:
        found.append(Flag("aspect ratio", f"{stats.width} by {stats.height} pixels, {stats.aspect:.1f} to 1"))
    return found


def _duplicate_flag(other: str, pair: DuplicatePair) -> Flag:
    apart = f"{pair.distance} of 64 bits apart, correlation {pair.correlation:.2f}"
    return Flag("near-duplicate", f"similar to {other} ({apart})")


def write_flags(manifest: Manifest, flags: Sequence[Sequence[Flag]], path: Path) -> int:
    """Write `flags.csv`, one row per flag; return the number of flagged paintings."""
    table = manifest.table
    rows = [
        (*table.loc[i, ["object_id", "source", "culture", "title"]], flag.rule, flag.reason)
        for i, own in enumerate(flags)
        for flag in own
    ]
    write_csv(pd.DataFrame(rows, columns=list(COLUMNS)), path)
    return sum(bool(own) for own in flags)
