"""Reading of a table of pictures and labels: its columns' names and its paths as other programs write them."""

import json
import os
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import pandas as pd

from artculture.data.image_files import picture_suffixes
from artculture.data.label_columns import with_further_labels
from artculture.utils.errors import InputError, choices_hint
from artculture.utils.io import json_text
from artculture.utils.tables import FileLines, first_records, read_csv, read_text_csv

# Tables in a folder, the first of which is read; the others are Hugging Face's names for a folder of pictures.
TABLES = ("manifest.csv", "metadata.csv", "metadata.jsonl")
SUFFIXES = (".csv", ".tsv", ".jsonl")
# Known names of the manifest's columns, in any case.
KNOWN = {
    "object_id": ("object_id",),
    "image": ("image", "file_name", "filename"),
    "culture": ("culture", "label"),
}
HEADERLESS = ["image", "culture"]  # of WikiArt's lists, as in `Realism/a.jpg,21`
DRIVE = re.compile(r"[A-Za-z]:[\\/]")


@dataclass(frozen=True)
class ColumnNames:
    """Names of a table's columns; None for the known ones.

    Attributes:
        label: the class.
        image: the picture's path from the table's folder.
        id: identifies a picture; where the table has none, its path does.
        disjoint: a further column to keep, whose values are each in one split.
        labels: several columns of classes, the first in place of `label`.
    """

    label: str | None = None
    image: str | None = None
    id: str | None = None
    disjoint: str | None = None
    labels: tuple[str, ...] = ()

    @classmethod
    def of_config(cls, data: Mapping[str, Any]) -> "ColumnNames":
        """Return those that a run's config names."""
        labels = tuple(data.get("labels") or ())
        return cls(data.get("label"), data.get("image"), data.get("id"), data.get("disjoint"), labels)

    def of(self, column: str) -> tuple[str, str | None]:
        """Return the config key and the given name of a manifest's column."""
        label = ("labels", self.labels[0]) if self.labels else ("label", self.label)
        return {"culture": label, "image": ("image", self.image), "object_id": ("id", self.id)}[column]


def find_table(folder: Path) -> Path | None:
    """Return the table in a folder, or None."""
    return next((folder / name for name in TABLES if (folder / name).is_file()), None)


def read_picture_table(path: Path, names: ColumnNames | None = None) -> tuple[pd.DataFrame, FileLines, str]:
    """Read a CSV, TSV or JSON Lines table with a picture per row.

    Returns:
        The table, all text, with the columns `object_id`, `image` and `culture` and its further ones, the line numbers
        of its rows, and the name of its column of labels, "" in a table without a header. Paths have `/` and are
        relative to the table's folder, if they lead there.

    Raises:
        InputError: it can't be read, or lacks a column.
    """
    table, lines = _read(path)
    table, label = _with_columns(table, names or ColumnNames(), path)
    table = table.assign(image=relative_paths(table["image"].tolist(), path.parent))
    ids = table["object_id"].str.strip() if "object_id" in table else ids_of_paths(table["image"].tolist())
    named = lines.header or path.suffix == ".jsonl"
    return table.assign(object_id=ids), lines, label if named else ""


def _read(path: Path) -> tuple[pd.DataFrame, FileLines]:
    if path.suffix == ".jsonl":
        return _read_json_lines(path), FileLines(path, header=False)
    first = next(first_records(path, 1), [])
    if _is_headerless(first):
        return read_text_csv(path, header=None, names=HEADERLESS), FileLines(path, header=False)
    if not first:
        read_csv(path)  # raises with the reason
    return read_text_csv(path), FileLines(path)


def _read_json_lines(path: Path) -> pd.DataFrame:
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text, as JSON Lines have to be") from error
    rows = [_json_row(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]
    return pd.DataFrame(rows, dtype=str).fillna("")


def _json_row(line: str, where: str) -> dict[str, str]:
    try:
        return {str(key): _text(value) for key, value in json.loads(line).items()}
    except (ValueError, AttributeError, RecursionError) as error:
        raise InputError(f"{where} is not a JSON object ({error})") from error


def _text(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else json_text(value)


def check_header(file: Path, names: ColumnNames) -> None:
    """Check by a table's header alone that it has the columns that a config names; JSON Lines have no header.

    Raises:
        InputError: it lacks one of them.
    """
    if file.suffix == ".jsonl":
        return
    first = next(first_records(file, 1), [])
    columns = HEADERLESS if _is_headerless(first) else [name.strip() for name in first]
    given = {"label": names.label, "image": names.image, "id": names.id, "disjoint": names.disjoint}
    for key, name in [*given.items(), *(("labels", label) for label in names.labels)]:
        if name is not None and name not in columns:
            raise InputError(f"data.{key}={name}: {file} has no such column; {choices_hint(name, columns)}")


def _is_headerless(first: Sequence[str]) -> bool:
    """Return whether the first record of a table is a picture and its class, as in WikiArt's lists."""
    return len(first) == len(HEADERLESS) and os.path.splitext(first[0])[1].lower() in picture_suffixes()  # noqa: PTH122


def _with_columns(table: pd.DataFrame, names: ColumnNames, path: Path) -> tuple[pd.DataFrame, str]:
    """Return the table with the manifest's names of its columns, and its own name of the column of labels."""
    table = table.set_axis([str(name).strip() for name in table.columns], axis=1)
    columns = list(table.columns)
    chosen: dict[str, str] = {}
    for column, known in KNOWN.items():
        key, given = names.of(column)
        if given is not None and given not in columns:
            raise InputError(f"data.{key}={given}: {path} has no such column; {choices_hint(given, columns)}")
        own = given or known_column(known, columns)
        if own is not None:
            chosen[column] = own
    missing = [column for column in ("image", "culture") if column not in chosen]
    if missing:
        others = [name for name in columns if name not in chosen.values()]
        raise InputError(_missing_columns(missing, others, path))
    further = table.drop(columns=[name for name in columns if name in KNOWN or name in chosen.values()])
    stripped = further.apply(lambda cells: cells.str.strip())
    named: pd.DataFrame = stripped.assign(**{column: table[own] for column, own in chosen.items()})
    return with_further_labels(named, names.labels, path, source=table), chosen["culture"]


def known_column(known: Sequence[str], columns: Sequence[str]) -> str | None:
    """Return the first of some known names among a table's columns, in any case; None if there is none."""
    lower = {name.casefold(): name for name in reversed(columns)}
    return next((name for name in known if name in columns), None) or next(
        (lower[name] for name in known if name in lower), None
    )


def _missing_columns(missing: Sequence[str], others: Sequence[str], path: Path) -> str:
    what = {"image": "pictures (`image`, `file_name` or `filename`)", "culture": "labels (`culture` or `label`)"}
    near = [choices_hint(column, others) for column in missing]
    hint = next((f" ({text})" for text in near if text.startswith("did")), "")
    return (
        f"{path} has no column of {' and none of '.join(what[column] for column in missing)}{hint}; its other columns: "
        f"{', '.join(others) or 'none'}. Name them with data.image=… and data.label=…, as in data.image=file "
        "data.label=style"
    )


def relative_paths(images: Sequence[str], root: Path) -> list[str]:
    """Return paths of a table as paths from its folder, with `/`.

    Paths with backslashes, absolute paths into the folder and spaces around a path are converted; a path that exists
    as it is written stays.
    """
    return [_relative_path(image, root) if _is_odd(image) else image for image in images]


def _is_odd(image: str) -> bool:
    return "\\" in image or image.startswith("/") or image != image.strip() or DRIVE.match(image) is not None


def _relative_path(image: str, root: Path) -> str:
    if not image.startswith("/") and os.sep == "/" and os.path.lexists(root / image):
        return image
    text = image.strip()
    if not DRIVE.match(text) and not text.startswith("\\\\"):
        text = text.replace("\\", "/")
    for folder in (Path(os.path.abspath(root)), Path(os.path.realpath(root))):  # noqa: PTH100 - keeps links
        if PurePath(text).is_absolute() and PurePath(text).is_relative_to(folder):
            return PurePath(text).relative_to(folder).as_posix()
    return text


def ids_of_paths(images: Sequence[str]) -> list[str]:
    """Return an id per picture: its path without suffix, or with it where two pictures differ in that alone."""
    stems = pd.Series([posixpath.splitext(image)[0] for image in images], dtype=str)
    ids = stems.where(~stems.duplicated(keep=False), pd.Series(images, dtype=str))
    # A picture that is listed again.
    again = ids.groupby(ids).cumcount()
    return ids.where(again == 0, ids + "#" + (again + 1).astype(str)).tolist()
