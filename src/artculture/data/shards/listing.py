"""Format of a folder of shards: `shards.json` lists the shards, `index.arrow` their paintings.

A shard is a Parquet file with one row per painting: the manifest's columns, and `image` as `{bytes, path}`, as in
Hugging Face `datasets`, so that other tools can read it.
"""

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from artculture.data.manifest import SIZE_COLUMNS, TEXT_COLUMNS
from artculture.utils.errors import InputError, reason_of
from artculture.utils.io import json_text

FORMAT = 1
LISTING, INDEX = "shards.json", "index.arrow"

TEXTS = (*(column for column in TEXT_COLUMNS if column != "image"), "split")
# large_string has 64-bit offsets, as in pandas, so that the mapped index is not copied.
INDEX_SCHEMA = pa.schema(
    [(name, pa.large_string()) for name in (*TEXTS, "image")] + [(name, pa.int64()) for name in SIZE_COLUMNS]
)


class Shard(BaseModel):
    """One shard file.

    Attributes:
        name: file name.
        sha256: hash of its bytes.
        size: bytes.
        rows: number of paintings.
        key: hash of the images and options that it was made from.
        bad: reason per unreadable image that was left out.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    name: str = Field(pattern=r"^\w[\w-]*\.parquet$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(gt=0)
    rows: int = Field(ge=0)
    key: str
    bad: dict[str, str]


class Listing(BaseModel):
    """All shards, in the order of the index."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    format: int
    index_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    shards: list[Shard] = Field(min_length=1)


def parse_listing(text: str, where: str) -> Listing:
    """Parse a `shards.json`.

    Raises:
        InputError: invalid content, or an unknown format.
    """
    try:
        listing = Listing.model_validate_json(text)
    except ValidationError as error:
        raise InputError(
            f"{where} is not a complete listing of shards ({reason_of(error)}): write the shards again"
        ) from (error)
    if listing.format != FORMAT:
        raise InputError(f"{where} has format {listing.format}, this version reads {FORMAT}: write the shards again")
    return listing


def shard_schema() -> pa.Schema:
    """Return the schema of a shard, with the metadata by which `datasets` decodes `image`."""
    fields = [pa.field("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())]))]
    fields += [pa.field(name, pa.string()) for name in TEXTS]
    fields += [pa.field(name, pa.int64()) for name in SIZE_COLUMNS]
    features = {field.name: {"dtype": str(field.type), "_type": "Value"} for field in fields[1:]}
    note = {"info": {"features": {"image": {"_type": "Image"}, **features}}}
    return pa.schema(fields, metadata={"huggingface": json_text(note, ensure_ascii=True)})
