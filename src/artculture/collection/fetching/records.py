"""Museum records in one format for all museums."""

import dataclasses
import html
import json
import re
from dataclasses import dataclass
from typing import Any, Literal

from artculture.utils.io import json_text

Variant = Literal["small", "original"]

FIELDS_FOR_CURATION = (
    "source",
    "object_id",
    "object_name",
    "classification",
    "medium",
    "department",
    "tags",
    "culture",
    "country",
    "artist_nationality",
    "accession_number",
    "rights",
    "is_public_domain",
)


@dataclass(frozen=True)
class Record:
    """Metadata of one object; missing text is empty, several values are joined by ` | `."""

    source: str
    object_id: str
    is_public_domain: bool
    title: str = ""
    artist: str = ""
    date: str = ""
    medium: str = ""
    accession_number: str = ""
    object_url: str = ""
    licence: str = ""
    image_small: str = ""
    image_original: str = ""
    object_name: str = ""
    classification: str = ""
    department: str = ""
    tags: str = ""
    culture: str = ""
    country: str = ""
    artist_nationality: str = ""
    rights: str = ""

    def image(self, variant: Variant) -> str:
        """Return the address of the image in the given size."""
        return self.image_small if variant == "small" else self.image_original

    def to_json(self) -> str:
        return json_text(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Record":
        return cls(**json.loads(text))

    def for_curation(self) -> dict[str, str]:
        """Return the row of records.csv."""
        row = {field: str(getattr(self, field)) for field in FIELDS_FOR_CURATION}
        return row | {"is_public_domain": str(self.is_public_domain).lower()}


def clean_text(value: Any) -> str:
    """Return a museum's value as one line of text, without markup and line breaks; None gives an empty string."""
    if value is None:
        return ""
    if isinstance(value, (list, tuple)):
        return " | ".join(text for text in map(clean_text, value) if text)
    # Museums put HTML tags and entities into titles.
    text = html.unescape(re.sub(r"<[^<>]+>", "", str(value)))
    parts = [" ".join(part.split()) for part in text.split("|")]
    return " | ".join(part for part in parts if part)
