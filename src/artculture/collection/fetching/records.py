"""Museum records in one format for all museums."""

import dataclasses
import hashlib
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


# Characters; longer values are no metadata of a painting.
MAX_ID_LENGTH = 200
MAX_TEXT_LENGTH = 50_000
# What the parsers of museums' JSON raise on a record of another structure, or with impossible values.
BAD_RECORD_ERRORS = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)


@dataclass(frozen=True)
class Record:
    """Metadata of one object; missing text is empty, several values are joined by ` | `.

    Raises:
        ValueError: an id that can't name a file, or text that is too long or not valid Unicode.
    """

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

    def __post_init__(self) -> None:
        check_object_id(self.object_id)
        for field, value in vars(self).items():
            if isinstance(value, str):
                _check_text(field, value)

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


def check_object_id(object_id: str) -> None:
    """Raise ValueError unless an id is one line of text of a sensible length."""
    _check_text("object id", object_id, MAX_ID_LENGTH)
    if not object_id.strip() or not object_id.isprintable():
        raise ValueError(f"object id {object_id!r}, which is no id")


def stored_text(text: str, max_length: int = 1000) -> str:
    """Return any text as valid Unicode of at most about `max_length` characters, for the ledger's failures."""
    valid = text.encode("utf-8", "backslashreplace").decode()
    if len(valid) <= max_length:
        return valid
    digest = hashlib.sha256(valid.encode()).hexdigest()[:8]
    return f"{valid[:max_length]}… ({len(valid)} characters, {digest})"


def _check_text(field: str, value: str, max_length: int = MAX_TEXT_LENGTH) -> None:
    if len(value) > max_length:
        raise ValueError(f"{field} of {len(value)} characters, more than {max_length}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{field} is not valid Unicode ({error.reason})") from error


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
