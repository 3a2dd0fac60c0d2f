"""Writers of predictions as a table, JSON Lines, CSV or Parquet."""

import csv
import itertools
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
from rich.table import Table
from rich.text import Text

from artculture.evaluation.predict import Prediction
from artculture.evaluation.uncertainty import as_text
from artculture.utils.console import PlainConsole
from artculture.utils.io import json_text, replacing
from artculture.utils.spreadsheets import protected
from artculture.utils.terminal_table import print_table
from artculture.utils.visible_text import CONTROLS, visible

# What predictions may say in addition to probabilities.
EXTRAS = ("set", "unlike")
# Rows of a Parquet file that are in memory at a time.
ROWS_PER_GROUP = 10_000
# Number of classes that are written of each label, the primary one first.
Columns = Mapping[str, int]
Pairs = Sequence[tuple[str, float]]


def write_predictions(
    predictions: Iterable[Prediction], form: str, columns: Columns, path: Path | None, extras: Sequence[str] = ()
) -> None:
    """Write predictions to a file atomically, or to stdout as they are made.

    Args:
        predictions: consumed lazily.
        form: `table`, `jsonl`, `csv` or `parquet` (to a file).
        columns: number of classes per image of each label, the primary one first.
        path: output file; None for stdout.
        extras: further columns, of `EXTRAS`.
    """
    if form == "parquet":
        assert path is not None
        _parquet(predictions, columns, extras, path)
        return
    write = {"table": _table, "jsonl": _json_lines, "csv": _csv}[form]
    if path is None:
        write(predictions, columns, extras, sys.stdout)
        return
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        write(predictions, columns, extras, file)


def _json_lines(predictions: Iterable[Prediction], columns: Columns, extras: Sequence[str], file: IO[str]) -> None:
    for prediction in predictions:
        rest: dict[str, Any] = {"error": prediction.error}
        if not prediction.error:
            first, *further = _by_label(prediction, columns)
            rest = {"predictions": _objects(*first)}
            rest |= {"labels": {label: _objects(label, pairs) for label, pairs in further}} if further else {}
            rest |= {name: getattr(prediction, name) for name in extras}
        # Terminals do not get control characters; elsewhere JSON is as short as it can be.
        escaped = file.isatty() and CONTROLS.search(prediction.image) is not None
        file.write(json_text({"image": prediction.image, **rest}, ensure_ascii=escaped) + "\n")
        file.flush()


def _by_label(prediction: Prediction, columns: Columns) -> list[tuple[str, Pairs]]:
    """Return the classes and probabilities of each label, the primary one first."""
    return [(next(iter(columns)), prediction.cultures), *prediction.labels.items()]


def _objects(label: str, pairs: Pairs) -> list[dict[str, Any]]:
    return [{label: name, "probability": probability} for name, probability in pairs]


def _csv(predictions: Iterable[Prediction], columns: Columns, extras: Sequence[str], file: IO[str]) -> None:
    names = _names(columns, extras)
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([protected(name) for name in names])
    for prediction in predictions:
        row = _row(prediction, columns, extras)
        image = visible(prediction.image) if file.isatty() else prediction.image
        cells = [image, *(row.get(name, "") for name in names[1:-1]), prediction.error or ""]
        writer.writerow([protected(cell) for cell in cells])
        file.flush()


def _names(columns: Columns, extras: Sequence[str] = ()) -> list[str]:
    """Return the columns: `style_1, probability_1, …`, of a further label `medium_1, medium_probability_1, …`."""
    pairs = [_pair(label, n, columns) for label, top in columns.items() for n in range(1, top + 1)]
    return ["image", *itertools.chain.from_iterable(pairs), *extras, "error"]


def _pair(label: str, number: int, columns: Columns) -> tuple[str, str]:
    further = "" if label == next(iter(columns)) else f"{label}_"
    return f"{label}_{number}", f"{further}probability_{number}"


def _parquet(predictions: Iterable[Prediction], columns: Columns, extras: Sequence[str], path: Path) -> None:
    """Write the columns of the CSV as Parquet, atomically; empty cells are null."""
    from pyarrow import parquet

    names = _names(columns, extras)
    # Classes and probabilities alternate after the image.
    numbers = {*_names(columns)[2:-1:2], *({"unlike"} & set(extras))}
    schema = pa.schema([(name, pa.float64() if name in numbers else pa.string()) for name in names])
    remaining = iter(predictions)
    with replacing(path) as temporary, parquet.ParquetWriter(temporary, schema) as writer:
        while group := list(itertools.islice(remaining, ROWS_PER_GROUP)):
            rows = [_row(prediction, columns, extras) for prediction in group]
            writer.write_table(pa.Table.from_pylist(rows, schema))


def _row(prediction: Prediction, columns: Columns, extras: Sequence[str]) -> dict[str, Any]:
    row: dict[str, Any] = {"image": prediction.image, "error": prediction.error}
    for label, pairs in _by_label(prediction, columns):
        for number, pair in enumerate(pairs, 1):
            row |= dict(zip(_pair(label, number, columns), pair, strict=True))
    return row if prediction.error else row | {name: _cell(getattr(prediction, name)) for name in extras}


def _cell(value: Any) -> Any:
    return as_text(value) if isinstance(value, tuple) else value


def _table(predictions: Iterable[Prediction], columns: Columns, extras: Sequence[str], file: IO[str]) -> None:
    table = Table(header_style="bold", box=None, padding=(0, 2, 0, 0))
    table.add_column("image", overflow="fold")
    for label, top in columns.items():
        for number in range(1, top + 1):
            table.add_column(f"{number}." if len(columns) == 1 else f"{label} {number}.", no_wrap=True)
    for name in extras:
        table.add_column(name, overflow="fold")
    for prediction in predictions:
        # Unreadable images are reported on stderr.
        if prediction.error is None:
            cells = [_cell(getattr(prediction, name)) for name in extras]
            shown = [Text(f"{cell:.2f}" if isinstance(cell, float) else str(cell)) for cell in cells]
            table.add_row(Text(prediction.image), *_probabilities(prediction), *shown)
    if table.row_count:
        print_table(PlainConsole(file=file, width=None if file.isatty() else 160), table)


def _probabilities(prediction: Prediction) -> Iterator[Text]:
    for classes in (prediction.cultures, *prediction.labels.values()):
        yield from (Text(f"{name} {100 * probability:.1f} %") for name, probability in classes)
