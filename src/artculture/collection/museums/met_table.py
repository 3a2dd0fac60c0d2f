"""Columns that the Metropolitan Museum's CSV file and its dataset on the Hub have in common."""

import re
from collections.abc import Mapping, Sequence

from artculture.collection.fetching.records import Record, clean_text

# Column of the table → attribute of `Record`.
TEXT_COLUMNS = {
    "Title": "title",
    "Artist Display Name": "artist",
    "Object Date": "date",
    "Medium": "medium",
    "Object Number": "accession_number",
    "Link Resource": "object_url",
    "Object Name": "object_name",
    "Classification": "classification",
    "Department": "department",
    "Tags": "tags",
    "Culture": "culture",
    "Country": "country",
    "Artist Nationality": "artist_nationality",
    "Rights and Reproduction": "rights",
}
COLUMNS = ("Object ID", "Is Public Domain", *TEXT_COLUMNS)
REQUIRED = (
    "Object ID",
    "Is Public Domain",
    "Object Name",
    "Classification",
    "Culture",
    "Country",
    "Artist Nationality",
)


def table_record(row: Mapping[str, object], image_url: str = "") -> Record:
    """Convert one row of the table."""
    object_id = clean_text(row["Object ID"])
    public = clean_text(row["Is Public Domain"]).lower() == "true"
    texts = {attribute: clean_text(row.get(column)) for column, attribute in TEXT_COLUMNS.items()}
    page = texts["object_url"] or f"https://www.metmuseum.org/art/collection/search/{object_id}"
    texts["object_url"] = page.replace("http://", "https://", 1)  # as the API writes it
    licence = "CC0" if public else ""
    return Record("met", object_id, public, licence=licence, image_small=image_url, **texts)


def is_painting(record: Record, words: Sequence[str]) -> bool:
    """Return whether classification or object name contains one of the words as a whole word."""
    pattern = rf"(?<!\w)(?:{'|'.join(map(re.escape, words))})(?!\w)"
    return re.search(pattern, f"{record.classification} | {record.object_name}", re.IGNORECASE) is not None
