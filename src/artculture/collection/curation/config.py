"""Typed schema of `conf/curate.yaml`."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from artculture.collection.grouping.config import GroupingConfig, Words
from artculture.config.schema.section import Section, Share
from artculture.config.typed_text import AsTyped, Text, UserPath

MANIFEST = "manifest.csv"
# Tables that `fetch` and `curate` write or read in root; none of them can be the output.
OWN_TABLES = frozenset(
    {
        "manifest.fetched.csv",
        "records.csv",
        "failures.csv",
        "changed.csv",
        "conflicts.csv",
        "exclusions.csv",
        "exclusions.applied.csv",
        "relabels.csv",
        "relabels.applied.csv",
        "label_errors.csv",
        "outliers.csv",
        "flags.csv",
        "groups.csv",
        "table1.csv",
        "quarantine.csv",
    }
)


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class KeywordRule(Section):
    """Keywords that raise a flag, by the field in which they are searched.

    Attributes:
        unless: words that cancel a match in the same field.
    """

    object_name: Words = Field(default=[])
    classification: Words = Field(default=[])
    medium: Words = Field(default=[])
    title: Words = Field(default=[])
    unless: Words = Field(default=[])


class ImageThresholds(Section):
    """Thresholds of the flags that are computed from pixels.

    Attributes:
        greyscale_chroma: maximum of `ImageStats.chroma` for a greyscale photograph.
        text_score: minimum of `ImageStats.text` for a page of writing, 0..1.
        aspect_ratio: minimum of longer side over shorter side.
        duplicate_distance: maximum Hamming distance of the 64-bit hashes of near-duplicates.
        duplicate_correlation: minimum correlation of their luminances.
    """

    greyscale_chroma: NonNegativeFloat
    text_score: Share
    aspect_ratio: Annotated[float, Field(ge=1)]
    duplicate_distance: Annotated[int, Field(ge=0, le=24)]
    duplicate_correlation: Share


class CurateConfig(Section):
    """Config of `artculture curate`."""

    root: UserPath
    exclusions: Annotated[list[UserPath] | None, BeforeValidator(_as_list), AsTyped()]
    relabels: Annotated[list[UserPath] | None, BeforeValidator(_as_list), AsTyped()]
    audit: Annotated[UserPath | None, AsTyped()]
    output: Text
    overwrite: bool
    workers: PositiveInt | None
    thumbnail: Annotated[int, Field(ge=64, le=512)]
    small_culture: NonNegativeInt
    split_seed: NonNegativeInt
    rules: dict[str, KeywordRule]
    image_stats: ImageThresholds
    grouping: GroupingConfig

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Yield values that are well formed but unusable, as (key, what is wrong)."""
        if Path(self.output).name != self.output or not self.output.endswith(".csv"):
            yield (
                f"output={self.output}",
                "must be a plain file name ending in .csv: it is written into root, next to images/",
            )
        # Some file systems ignore case.
        if self.output.casefold() in OWN_TABLES | ({MANIFEST} - {self.output}):
            yield f"output={self.output}", "is the name of another file of the collection; give a name of your own"
        for name in self.rules:
            if not re.fullmatch(r"[a-z][a-z0-9 -]*", name):
                yield f"rules.{name}", "must be lower-case letters, digits, spaces and hyphens"
