"""The typed schema of `conf/curate.yaml`."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from artculture.collection.grouping.config import GroupingConfig, Words
from artculture.config import Section, Share


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class KeywordRule(Section):
    """One flag by words: it is raised by any of the words in the field that lists them.

    Attributes:
        unless: words that, found in the same field, say that the match means nothing.
    """

    object_name: Words = Field(default=[])
    classification: Words = Field(default=[])
    medium: Words = Field(default=[])
    title: Words = Field(default=[])
    unless: Words = Field(default=[])


class ImageThresholds(Section):
    """Thresholds of the flags by pixels.

    Attributes:
        greyscale_chroma: at most this much colour is left in a record photograph (see `ImageStats.chroma`).
        text_score: at least this much like a page of writing, 0..1.
        aspect_ratio: longer side over shorter side from which on a picture is flagged.
        duplicate_distance: at most this many of 64 hash bits apart …
        duplicate_correlation: … and at least this well correlated in luminance.
    """

    greyscale_chroma: NonNegativeFloat
    text_score: Share
    aspect_ratio: Annotated[float, Field(ge=1)]
    duplicate_distance: Annotated[int, Field(ge=0, le=24)]
    duplicate_correlation: Share


class CurateConfig(Section):
    root: str
    exclusions: Annotated[list[str] | None, BeforeValidator(_as_list)]
    output: str
    workers: PositiveInt | None
    thumbnail: Annotated[int, Field(ge=64, le=512)]
    small_culture: NonNegativeInt
    split_seed: NonNegativeInt
    rules: dict[str, KeywordRule]
    image_stats: ImageThresholds
    grouping: GroupingConfig

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Values that are each well formed but can't be worked with."""
        if Path(self.output).name != self.output or not self.output.endswith(".csv"):
            yield (
                f"output={self.output}",
                "must be a plain file name ending in .csv: it is written into root, beside the images",
            )
        for name in self.rules:
            if not re.fullmatch(r"[a-z][a-z0-9 -]*", name):
                yield f"rules.{name}", "must be lower-case letters, digits, spaces and hyphens"
