"""The manifest, one row per painting. Only this module reads and writes `manifest.csv`."""

import hashlib
import os
import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pandas as pd

from artculture.data.image_files import name_problem
from artculture.data.label_columns import stored_columns, stored_name
from artculture.data.labels import log_merged_labels
from artculture.data.picture_table import DRIVE, ColumnNames, find_table, read_picture_table
from artculture.utils.errors import InputError, choices_hint
from artculture.utils.spreadsheets import write_csv
from artculture.utils.tables import FileLines
from artculture.utils.text import normal_label

REQUIRED = ("object_id", "image", "culture")
TEXT_COLUMNS = (
    "object_id",
    "source",
    "image",
    "culture",
    "title",
    "artist",
    "date",
    "medium",
    "accession_number",
    "object_url",
    "image_url",
    "licence",
    "sha256",
    "group",
)
SIZE_COLUMNS = ("width", "height")
COLUMNS = (*TEXT_COLUMNS[:13], *SIZE_COLUMNS, "group")
SPLITS = ("train", "val", "test")
# Other names of the splits, in any case.
SPLIT_NAMES = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
# Pixels; larger values are mistakes and count as unknown.
LARGEST_SIDE = 2**31 - 1
HASHED_AT_ONCE = 50_000


@dataclass(frozen=True)
class Manifest:
    """Paintings with their labels.

    Attributes:
        root: folder that the `image` paths are relative to.
        table: one row per painting, the columns of `COLUMNS` (text; `width` and `height` in pixels, 0 where
            unknown), index 0..n-1, and `split` where one is stored.
        lines: line numbers of the rows in the file that they were read from.
        split_folders: whether the splits are the folder's own, as in `train/<class>`.
        label: name of the column that the labels are read from; "" where it is not known, as of folders.
    """

    root: Path
    table: pd.DataFrame
    lines: FileLines = field(default_factory=FileLines, kw_only=True)
    split_folders: bool = field(default=False, kw_only=True)
    label: str = field(default="", kw_only=True)

    def __len__(self) -> int:
        return len(self.table)

    @property
    def has_files(self) -> bool:
        """Whether each picture is a file of its own."""
        return True

    @property
    def version(self) -> str:
        """Identifies the content of pictures that are not files of their own."""
        return ""

    def paths(self) -> list[Path]:
        return [self.root / image for image in self.table["image"]]

    def pictures(self, start: int = 0) -> Iterator[Path | bytes]:
        """Yield the path, or the content, of each picture from a row on."""
        yield from self.paths()[start:]

    def picture(self, row: int) -> Path | bytes:
        """Return the path of a painting's image file, or its content."""
        return self.root / str(self.table["image"].iat[row])

    def part(self, table: pd.DataFrame) -> "Manifest":
        """Return the manifest restricted to the rows of `table`, which must keep their index."""
        return Manifest(self.root, table.reset_index(drop=True))

    def fingerprint(self) -> str:
        """Return a hash of the columns that influence training: ids, images, labels, groups (no titles or links)."""
        keys = ["source", "object_id", "image", "culture", "sha256", "group", *stored_columns(self.table)]
        digest = hashlib.sha256()
        # In chunks, because the text of millions of rows would take gigabytes.
        for start in range(0, max(len(self), 1), HASHED_AT_ONCE):
            part = self.table[keys].iloc[start : start + HASHED_AT_ONCE]
            digest.update(part.to_csv(index=False, header=start == 0, lineterminator="\n").encode())
        return digest.hexdigest()


def split_name(text: str) -> str | None:
    """Return the split that a name stands for (`validation`, `Train`), or None."""
    return SPLIT_NAMES.get(text.strip().casefold())


def read_manifest(path: Path, columns: ColumnNames | None = None) -> Manifest:
    """Read and validate a manifest, or another table of pictures and labels.

    Args:
        path: the file (CSV, TSV or JSON Lines), or the folder that holds `manifest.csv` or Hugging Face's `metadata`.
        columns: names of its columns; None for the known ones.

    Raises:
        InputError: no such file, not a table, a column or a value missing, duplicate ids, or a path that leaves
            the folder. All mistakes are in the one message.
    """
    file = (find_table(path) or path / "manifest.csv") if path.is_dir() else path
    if not file.is_file():
        raise InputError(f"no manifest at {file}")
    table, lines, label = read_picture_table(file, columns)
    log_merged_labels(table["culture"], file)
    table = validate_table(table, file, lines, further_columns(columns))
    manifest = Manifest(file.parent, table, lines=lines, label=label)
    _refuse(list(_links_that_leave(manifest, lines)), file)
    return manifest


def further_columns(columns: ColumnNames | None) -> tuple[str, ...]:
    """Return the chosen columns that a manifest has only on request."""
    if columns is None:
        return ()
    own = [] if columns.disjoint in (None, *COLUMNS, "split") else [str(columns.disjoint)]
    return (*own, *map(stored_name, columns.labels[1:]))


def validate_table(
    table: pd.DataFrame, where: Path | str, lines: FileLines | None = None, further: Sequence[str] = ()
) -> pd.DataFrame:
    """Return the table with all columns, typed and in order.

    Args:
        table: at least the columns of `REQUIRED`, as text.
        where: name of the table in messages.
        lines: line numbers of the file that it was read from; None if there is no file.
        further: other columns to keep, as text.

    Raises:
        InputError: listing every mistake, each with its line in the file (or record of the table) or column.
    """
    missing = [column for column in REQUIRED if column not in table.columns]
    if missing:
        hints = [f"`{column}` ({choices_hint(column, table.columns)})" for column in missing]
        raise InputError(f"{where} lacks the column {', '.join(hints)}")
    if absent := [column for column in further if column not in table.columns]:
        raise InputError(f"{where} has no column `{absent[0]}`; {choices_hint(absent[0], map(str, table.columns))}")
    if table.empty:
        raise InputError(f"{where} lists no paintings")
    full = table.reset_index(drop=True).copy()
    for column in (*TEXT_COLUMNS, *further):
        full[column] = full[column].astype(str) if column in full else ""
    full["culture"] = full["culture"].map({label: normal_label(label) for label in full["culture"].unique()})
    if "split" in full:
        # Names that are no split matter only where the stored split is used.
        stored = full["split"].astype(str).str.strip()
        full["split"] = stored.map({name: split_name(name) or name for name in stored.unique()})
    for column in SIZE_COLUMNS:
        raw = full[column] if column in full else pd.Series(0, index=full.index)
        pixels = pd.to_numeric(raw, errors="coerce")
        full[column] = pixels.where(pixels.between(0, LARGEST_SIDE), 0).astype("int64")
    # A painting without a group forms its own.
    own = full["source"] + ":" + full["object_id"]
    full["group"] = full["group"].where(full["group"] != "", own)

    checks = (_empty_values, _duplicates, _two_labels, _paths_that_leave)
    mistakes = [mistake for check in checks for mistake in check(full, lines or FileLines())]
    _refuse(mistakes, where)
    extra = ["split"] if "split" in full else []
    return full[[*COLUMNS, *extra, *further]]


def _refuse(mistakes: list[str], where: Path | str) -> None:
    if mistakes:
        shown = "\n  ".join(mistakes[:10])
        more = f"\n  … and {len(mistakes) - 10} more" if len(mistakes) > 10 else ""
        raise InputError(f"{where} has {len(mistakes)} mistake(s):\n  {shown}{more}")


def write_manifest(manifest: Manifest, path: Path | None = None) -> Path:
    """Validate a manifest, write it atomically and return the file's path."""
    path = path or manifest.root / "manifest.csv"
    table = validate_table(manifest.table, path)
    write_csv(table, path)
    return path


def _empty_values(table: pd.DataFrame, lines: FileLines) -> Iterable[str]:
    # One of several labels may be missing.
    for column in REQUIRED if not stored_columns(table) else REQUIRED[:2]:
        for row in table.index[table[column] == ""]:
            yield f"{lines(row)}: `{column}` is empty"


def _duplicates(table: pd.DataFrame, lines: FileLines) -> Iterable[str]:
    repeated = table.duplicated(["source", "object_id"], keep="first")
    for row, object_id in table.loc[repeated, "object_id"].items():
        yield f"{lines(int(str(row)))}: object_id `{object_id!s}` appears twice"


def _two_labels(table: pd.DataFrame, lines: FileLines) -> Iterable[str]:
    """Yield files with two labels. A file listed twice under one label is an exact copy, kept in one split."""
    files = table["image"].map(lambda image: posixpath.normpath(str(image).replace("\\", "/")))
    listed: dict[str, tuple[int, str]] = {}
    again = files.duplicated(keep=False) & (files != ".")
    for row, file, culture in zip(table.index[again], files[again], table["culture"][again], strict=True):
        first, label = listed.setdefault(file, (row, culture))
        if culture != label:
            yield f"{lines(first)} and {lines(row)}: image `{file}` has two labels, {label} and {culture}"


def _paths_that_leave(table: pd.DataFrame, lines: FileLines) -> Iterable[str]:
    for position, image in table["image"].items():
        row = int(str(position))
        parts = PurePosixPath(str(image).replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts or DRIVE.match(str(image)):
            yield f"{lines(row)}: image `{image}` leaves the manifest's folder: give a path from there, as images/a.jpg"
        elif problem := name_problem(str(image)):
            yield f"{lines(row)}: image {image!a}: {problem}"


def _links_that_leave(manifest: Manifest, lines: FileLines) -> Iterable[str]:
    """Yield images whose path leaves the manifest's folder through a link; the folder itself may be a link."""
    root = Path(os.path.realpath(manifest.root))
    inside: dict[Path, bool] = {}
    for row, (image, path) in enumerate(zip(manifest.table["image"], manifest.paths(), strict=True)):
        if path.parent not in inside:
            inside[path.parent] = _real(path.parent).is_relative_to(root)
        stays = inside[path.parent] and (not _is_link(path) or _real(path).is_relative_to(root))
        if not stays:
            yield (
                f"{lines(row)}: image `{image}` is a link out of the manifest's folder (to {_real(path)}): put the "
                "file itself there, or make the whole folder a link"
            )


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _is_link(path: Path) -> bool:
    return os.path.islink(path)  # noqa: PTH114 - Path.is_symlink raises for names that are too long
