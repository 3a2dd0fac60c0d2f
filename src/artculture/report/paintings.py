"""Paintings of a run: counts by culture, and the most confident wrong predictions."""

from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pandas as pd
from PIL import Image

from artculture.data.cache.folder import cache_folder
from artculture.data.decoding import BadImageError, read_pixels
from artculture.data.embeddings import EmbeddingChoice
from artculture.data.hub.dataset import HubDataset
from artculture.data.hub.manifest import read_hub
from artculture.data.manifest import SPLITS, Manifest, read_manifest
from artculture.data.picture_table import ColumnNames
from artculture.data.sample import sample_root
from artculture.data.sources import SAMPLE_SIZE, load_manifest
from artculture.report.study_data import StudyRun, read_table
from artculture.utils.errors import InputError, WorkError
from artculture.utils.thumbnails import encode_thumbnail

TRAIN_AGAIN = "train the run again with resume=never"
THUMBNAIL = 240  # pixels of the shorter side: sharp on high-density screens at about 15 KB per image


@dataclass(frozen=True)
class CultureCount:
    """Number of paintings of one culture in each split, and the culture's recall on the test split."""

    culture: str
    train: int
    val: int
    test: int
    recall: float | None

    @property
    def all(self) -> int:
        return self.train + self.val + self.test


@dataclass(frozen=True)
class CultureProbability:
    culture: str
    probability: float


@dataclass(frozen=True)
class Mistake:
    """A test painting with a wrong predicted culture.

    Attributes:
        guesses: the three most probable cultures, most probable first.
        true: the culture in the manifest, with its predicted probability.
        thumbnail: JPEG bytes; None if the image is not available.
        url: the museum's page; "" if there is none.
    """

    object_id: str
    title: str
    artist: str
    date: str
    url: str
    true: CultureProbability
    guesses: list[CultureProbability]
    thumbnail: bytes | None

    @property
    def data_uri(self) -> str:
        return f"data:image/jpeg;base64,{b64encode(self.thumbnail).decode()}" if self.thumbnail else ""


def culture_counts(run: StudyRun, label: str | None = None) -> list[CultureCount]:
    """Return the run's paintings per culture and split, in label order; [] if its split is not stored.

    Args:
        run: the run.
        label: a further label in place of the cultures.
    """
    if not run.directory.split.is_file():
        return []
    table = read_table(run.directory.split, dtype=str, keep_default_na=False)
    column = "culture" if label is None else f"label_{label}"
    if not {column, "split"} <= set(table):
        raise InputError(f"{run.directory.split} lacks `{column}` or `split`; {TRAIN_AGAIN}")
    table = table[table[column] != ""]  # where one of several labels is missing
    counted = pd.crosstab(table[column], table["split"]).reindex(columns=list(SPLITS), fill_value=0)
    result = run.result or {}
    result = result if label is None else result.get("labels", {}).get(label, {})
    known = [name for name in result.get("classes", []) if name in counted.index]
    # Labels of fewer than three paintings, which count as missing, are no classes.
    others = [] if label is not None and known else [str(name) for name in counted.index if name not in known]
    cultures = [*known, *others]
    recalls = {name: values.get("recall") for name, values in result.get("per_culture", {}).items()}
    numbers = {name: {split: int(counted.loc[name, split]) for split in SPLITS} for name in cultures}
    return [CultureCount(name, **numbers[name], recall=recalls.get(name)) for name in cultures]


def find_manifest(config: dict[str, Any]) -> Manifest | None:
    """Return the manifest that a run's config names, or None if it is not available; nothing is made or fetched."""
    data = config.get("data", {})
    try:
        if data.get("name") == "sample":
            cache = cache_folder(data["cache"])
            folder = sample_root(cache, per_culture=data["per_culture"], seed=0, size=SAMPLE_SIZE)
            return read_manifest(folder)
        columns = ColumnNames.of_config(data)
        if data["name"] == "hub":
            return read_hub(HubDataset.of(data), columns, cache_folder(data["cache"]), stored_only=True)
        kept = cache_folder(data["cache"]) if data["name"] in ("shards", "embeddings") else None
        embeddings = EmbeddingChoice.of(data) if data["name"] == "embeddings" else None
        return load_manifest(data["name"], data["root"], columns=columns, embeddings=embeddings, cache=kept)
    except (InputError, WorkError, KeyError, TypeError, OSError):
        return None


def worst_mistakes(run: StudyRun, manifest: Manifest | None, count: int) -> list[Mistake]:
    """Return the wrongly predicted test paintings with the highest probability, highest first."""
    text = dict.fromkeys(("source", "object_id", "culture"), str)
    table = read_table(run.directory.predictions, dtype=text, keep_default_na=False)
    columns = [column for column in table if str(column).startswith("p_")]
    if not columns or not {"source", "object_id", "split", "culture"} <= set(table):
        raise InputError(f"{run.directory.predictions} is not a table of predictions; {TRAIN_AGAIN}")
    test = table[table["split"] == "test"]
    expected = (run.result or {}).get("counts", {}).get("test", len(test))
    if len(test) != expected:
        raise InputError(
            f"{run.directory.predictions} has {len(test)} test paintings, its result {expected}; {TRAIN_AGAIN}"
        )
    probabilities = test[columns].apply(pd.to_numeric, errors="coerce")
    if not probabilities.stack().between(0, 1).all():
        raise InputError(f"{run.directory.predictions} has values that are no probabilities; {TRAIN_AGAIN}")
    wrong = probabilities.idxmax(axis=1) != "p_" + test["culture"]
    worst = probabilities[wrong].max(axis=1).sort_values(ascending=False, kind="stable").index[:count]
    records = _records(manifest, set(test.loc[worst, "object_id"]))
    return [_mistake(test.loc[row], probabilities.loc[row], records, manifest) for row in worst]


def _records(manifest: Manifest | None, wanted: set[str]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the manifest's records of some paintings, with the number of their `row`, by source and id."""
    if manifest is None:
        return {}
    found = manifest.table[manifest.table["object_id"].isin(wanted)]
    rows = found.assign(row=found.index).to_dict("records")
    return {(str(row["source"]), str(row["object_id"])): {str(k): v for k, v in row.items()} for row in rows}


def _mistake(
    row: "pd.Series[Any]",
    probabilities: "pd.Series[float]",
    records: dict[tuple[str, str], dict[str, Any]],
    manifest: Manifest | None,
) -> Mistake:
    object_id, culture = str(row["object_id"]), str(row["culture"])
    record = records.get((str(row["source"]), object_id), {})
    ranked = probabilities.sort_values(ascending=False, kind="stable")[:3]
    return Mistake(
        object_id,
        str(record.get("title", "")),
        str(record.get("artist", "")),
        str(record.get("date", "")),
        web_address(str(record.get("object_url", ""))),
        CultureProbability(culture, float(probabilities.get(f"p_{culture}", 0.0))),
        [CultureProbability(str(name).removeprefix("p_"), float(value)) for name, value in ranked.items()],
        _thumbnail_of(manifest, record["row"]) if manifest is not None and record else None,
    )


def web_address(text: str) -> str:
    """Return the text if it is an http(s) URL, else ""; a manifest may contain anything, also `javascript:`."""
    try:
        return text if urlsplit(text).scheme in ("http", "https") else ""
    except ValueError:
        return ""


def _thumbnail_of(manifest: Manifest, row: int) -> bytes | None:
    try:
        return thumbnail(manifest.picture(row))
    except (WorkError, BadImageError):  # storage that does not respond, or no picture: the report is made without it
        return None


def thumbnail(picture: Path | bytes) -> bytes | None:
    """Return a small JPEG of an image, or None if it can't be read."""
    try:
        pixels = read_pixels(picture, THUMBNAIL, "bicubic")
    except (BadImageError, OSError):
        return None
    image = Image.fromarray(pixels)
    return encode_thumbnail(image, 2 * THUMBNAIL, "JPEG", quality=80, optimize=True, progressive=True)
