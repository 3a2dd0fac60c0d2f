"""Description of a collection in the Croissant format (mlcommons.org/croissant), for search engines and loaders."""

import mimetypes
from pathlib import Path
from typing import Any

import pandas as pd

from artculture.utils.io import file_sha256, write_json
from artculture.utils.label_words import CULTURE_WORDS, LabelWords

FILE = "croissant.json"
CC0 = "https://creativecommons.org/publicdomain/zero/1.0/"
# What the names of the format mean, as its specification 1.0 lists them.
CROISSANT = (
    "citeAs", "column", "equivalentProperty", "extract", "field", "fileProperty", "fileObject", "fileSet", "format",
    "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex",
    "repeated", "replace", "samplingRate", "separator", "source", "subField", "transform",
)  # fmt: skip
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{name: f"cr:{name}" for name in CROISSANT},
}
INTEGERS = ("width", "height")


def write_croissant(
    manifest: Path, table: pd.DataFrame, date: str | None = None, words: LabelWords = CULTURE_WORDS
) -> Path:
    """Write the description next to a manifest.

    Args:
        manifest: the CSV file.
        table: its content.
        date: on which the pictures were fetched; None if unknown.
        words: what a class is called.

    Returns:
        The path of the description.
    """
    path = manifest.with_name(FILE)
    write_json(path, description(manifest, table, date, words))
    return path


def description(
    manifest: Path, table: pd.DataFrame, date: str | None = None, words: LabelWords = CULTURE_WORDS
) -> dict[str, Any]:
    """Return the description of a manifest, JSON values; arguments as of `write_croissant`."""
    name = manifest.parent.resolve().name
    cultures = sorted(table["culture"].unique())
    kinds = {mimetypes.guess_type(str(image))[0] or "image/*" for image in table["image"]}
    folders = sorted({str(image).partition("/")[0] for image in table["image"]})
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": name,
        "description": (
            f"{len(table):,} paintings in {len(cultures)} {words.many} ({', '.join(cultures)}), from "
            f"{', '.join(sorted(source or 'an unnamed source' for source in table['source'].unique()))}."
        ),
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "license": _one_or_several([_licence(value) for value in table["licence"]]),
        **({"datePublished": date} if date else {}),
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": manifest.name,
                "name": manifest.name,
                "contentUrl": manifest.name,
                "encodingFormat": "text/csv",
                "sha256": file_sha256(manifest),
            },
            {
                "@type": "cr:FileSet",
                "@id": "pictures",
                "name": "pictures",
                "encodingFormat": _one_or_several(kinds),
                "includes": _one_or_several(f"{folder}/**" for folder in folders),
            },
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "paintings",
                "name": "paintings",
                "description": "One row per painting.",
                "field": [_field(column, manifest.name) for column in table.columns],
            }
        ],
    }


def _field(column: str, file: str) -> dict[str, Any]:
    kind = "sc:Integer" if column in INTEGERS else "sc:URL" if column.endswith("_url") else "sc:Text"
    return {
        "@type": "cr:Field",
        "@id": f"paintings/{column}",
        "name": column,
        "dataType": kind,
        "source": {"fileObject": {"@id": file}, "extract": {"column": column}},
    }


def _licence(value: object) -> str:
    text = str(value).strip()
    return CC0 if text.casefold() in ("cc0", "cc0-1.0", "cc0 1.0") else text or "not stated"


def _one_or_several(values: Any) -> Any:
    found = sorted(set(values))
    return found[0] if len(found) == 1 else found
