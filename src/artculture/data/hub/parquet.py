"""Reading of a dataset's parquet files: labels and texts of all rows, and pictures in order."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from artculture.data.arrow_limits import MAX_PAGE_BYTES, MAX_TEXT_PAGE_BYTES, check_pages
from artculture.data.hub.dataset import import_extra
from artculture.data.label_columns import stored_name
from artculture.data.manifest import TEXT_COLUMNS
from artculture.data.picture_table import KNOWN, ColumnNames, known_column
from artculture.utils.errors import InputError, choices_hint

PICTURE_ROWS = 16  # pictures in memory at once
BUFFER = 4 << 20  # bytes of a column read ahead


def file_features(opened: Any) -> Any:
    """Return the type of each column, as a file's own schema says it."""
    datasets, parquet = import_extra("datasets"), import_extra("pyarrow.parquet")
    return datasets.Features.from_arrow_schema(parquet.ParquetFile(opened).schema_arrow)


class Columns:
    """The columns of a dataset that are read.

    Args:
        features: type of each column.
        names: columns that the config names.
        where: the dataset, in messages.

    Attributes:
        image: column of the pictures.
        texts: the dataset's column of each of the manifest's.

    Raises:
        InputError: no column of pictures or labels, or several; a named column that is not there.
    """

    def __init__(self, features: Any, names: ColumnNames, where: str) -> None:
        datasets = import_extra("datasets")
        self.where = where
        self.classes = {
            name: list(kind.names) for name, kind in features.items() if isinstance(kind, datasets.ClassLabel)
        }
        self.plain = [name for name, kind in features.items() if _is_plain(kind, datasets)]
        pictures = [name for name, kind in features.items() if _is_picture(kind, datasets)]
        self.image = names.image or self._only(pictures, "pictures", "image")
        self._check("image", self.image, pictures)
        label_key, named = names.of("culture")
        label = named or known_column(KNOWN["culture"], self.plain) or self._only([*self.classes], "labels", "label")
        self._check(label_key, label, self.plain)
        for name in names.labels[1:]:
            self._check("labels", name, self.plain)
        further = [*TEXT_COLUMNS, *filter(None, [names.disjoint])]
        self.texts = {name: name for name in further if name in self.plain and name not in ("image", "culture")}
        self.texts |= {"culture": label, **{stored_name(name): name for name in names.labels[1:]}}
        if names.id is not None:
            self._check("id", names.id, self.plain)
            self.texts["object_id"] = names.id

    def _only(self, found: Sequence[str], what: str, key: str) -> str:
        if len(found) == 1:
            return found[0]
        options = found or self.plain
        many = "several columns" if found else "no column"
        raise InputError(f"{self.where} has {many} of {what}; name one with data.{key}=… ({', '.join(options)})")

    def _check(self, key: str, name: str, valid: Collection[str]) -> None:
        if name not in valid:
            raise InputError(f"data.{key}={name}: {self.where} has no such column; {choices_hint(name, valid)}")

    def table(self, opened: Any, name: str) -> pd.DataFrame:
        """Return the texts of a file's rows, all as text, with its row numbers as index; "" for a missing value.

        Args:
            opened: the file.
            name: its name in messages.
        """
        parquet = import_extra("pyarrow.parquet").ParquetFile(opened, pre_buffer=True)
        wanted = list(dict.fromkeys(self.texts.values()))
        if missing := sorted({*wanted, self.image} - set(parquet.schema_arrow.names)):
            raise InputError(f"{name} lacks the column `{missing[0]}`, which other files of {self.where} have")
        _check(opened, parquet, range(parquet.num_row_groups), wanted, MAX_TEXT_PAGE_BYTES, name)
        read = parquet.read(columns=wanted)
        texts = {column: self._texts(column, read.column(column).to_pylist(), name) for column in wanted}
        return pd.DataFrame({column: texts[own] for column, own in self.texts.items()})

    def _texts(self, column: str, values: list[Any], name: str) -> list[str]:
        classes = self.classes.get(column)
        if classes is None:
            return ["" if value is None else str(value).strip() for value in values]
        try:
            # -1 stands for a missing label.
            return ["" if value is None or value == -1 else classes[value] for value in values]
        except (IndexError, TypeError) as error:
            raise InputError(f"{name}: a value of `{column}` is none of its {len(classes)} classes") from error


def pictures(path: Path, column: str, rows: Sequence[int]) -> Iterator[bytes]:
    """Yield the content of the image files in some rows of a file, which ascend; only row groups with one are read.

    Raises:
        InputError: a page unpacks to more than is read.
    """
    parquet = import_extra("pyarrow.parquet").ParquetFile(path, pre_buffer=False, buffer_size=BUFFER)
    wanted, first, at = list(rows), 0, 0
    with parquet:
        for group in range(parquet.num_row_groups):
            end = first + parquet.metadata.row_group(group).num_rows
            if at == len(wanted):
                return
            if wanted[at] < end:
                with path.open("rb") as opened:
                    _check(opened, parquet, [group], [column], MAX_PAGE_BYTES, path.name)
                for batch in parquet.iter_batches(batch_size=PICTURE_ROWS, row_groups=[group], columns=[column]):
                    while at < len(wanted) and wanted[at] < first + len(batch):
                        yield _content(batch.column(0)[wanted[at] - first].as_py())
                        at += 1
                    first += len(batch)
            first = end


def _content(cell: Any) -> bytes:
    # The Hub's image type is a struct of bytes and path; other writers store the bytes alone.
    data = cell.get("bytes") if isinstance(cell, dict) else cell
    return data if isinstance(data, bytes) else b""


def _check(opened: Any, parquet: Any, groups: Collection[int], columns: Collection[str], limit: int, name: str) -> None:
    try:
        check_pages(opened, parquet, groups, columns, limit)
    except InputError as error:
        raise InputError(f"{name} can't be read safely: {error}") from error


def _is_picture(kind: Any, datasets: Any) -> bool:
    if isinstance(kind, datasets.Image):
        return True
    if isinstance(kind, dict):  # a file without the library's own note of types
        return set(kind) == {"bytes", "path"}
    return isinstance(kind, datasets.Value) and kind.dtype in ("binary", "large_binary")


def _is_plain(kind: Any, datasets: Any) -> bool:
    binary = isinstance(kind, datasets.Value) and kind.dtype in ("binary", "large_binary")
    return isinstance(kind, (datasets.ClassLabel, datasets.Value)) and not binary
