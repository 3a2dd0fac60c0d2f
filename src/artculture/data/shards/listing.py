"""What a folder of shards holds: `shards.json` names them, `index.arrow` lists their paintings.

A shard is a Parquet file with a row a painting: the manifest's columns, and `image` as Hugging Face `datasets` keep
it, `{bytes, path}`. So the shards can be read by anything that reads such datasets.
"""

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from artculture.data.manifest import SIZE_COLUMNS, TEXT_COLUMNS
from artculture.utils.errors import InputError, reason_of
from artculture.utils.io import json_text

FORMAT = 1
LISTING, INDEX = "shards.json", "index.arrow"

TEXTS = (*(column for column in TEXT_COLUMNS if column != "image"), "split")
# The index as it is mapped into memory: 64-bit offsets are what pandas keeps, so that nothing is copied.
INDEX_SCHEMA = pa.schema(
    [(name, pa.large_string()) for name in (*TEXTS, "image")] + [(name, pa.int64()) for name in SIZE_COLUMNS]
)


class Shard(BaseModel):
    """One file.

    Attributes:
        name: of the file.
        sha256: of its bytes.
        size: bytes.
        rows: paintings in it.
        key: of the pictures and choices it was made from.
        bad: pictures that could not be read and were left out, with the reason.
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
    """The listing in a `shards.json`.

    Raises:
        InputError: it is not one, or of a format that this version does not know.
    """
    try:
        listing = Listing.model_validate_json(text)
    except ValidationError as error:
        raise InputError(
            f"{where} is not a whole listing of shards ({reason_of(error)}): write the shards again"
        ) from (error)
    if listing.format != FORMAT:
        raise InputError(f"{where} has format {listing.format}, this version reads {FORMAT}: write the shards again")
    return listing


def shard_schema() -> pa.Schema:
    """Columns of a shard, with the note by which `datasets` knows that `image` is a picture."""
    fields = [pa.field("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())]))]
    fields += [pa.field(name, pa.string()) for name in TEXTS]
    fields += [pa.field(name, pa.int64()) for name in SIZE_COLUMNS]
    features = {field.name: {"dtype": str(field.type), "_type": "Value"} for field in fields[1:]}
    note = {"info": {"features": {"image": {"_type": "Image"}, **features}}}
    return pa.schema(fields, metadata={"huggingface": json_text(note, ensure_ascii=True)})
