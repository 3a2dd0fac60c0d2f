"""Writers of predictions as a table, JSON Lines, CSV or Parquet."""

import csv
import itertools
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
from rich.table import Table
from rich.text import Text

from artculture.evaluation.predict import Prediction
from artculture.utils.console import PlainConsole
from artculture.utils.io import json_text, replacing
from artculture.utils.spreadsheets import protected
from artculture.utils.terminal_table import print_table
from artculture.utils.visible_text import CONTROLS, visible

# Rows of a Parquet file that are in memory at a time.
ROWS_PER_GROUP = 10_000


def write_predictions(predictions: Iterable[Prediction], form: str, top: int, path: Path | None) -> None:
    """Write predictions to a file atomically, or to stdout as they are made.

    Args:
        predictions: consumed lazily.
        form: `table`, `jsonl`, `csv` or `parquet` (to a file).
        top: number of cultures per image, which sets the columns.
        path: output file; None for stdout.
    """
    if form == "parquet":
        assert path is not None
        _parquet(predictions, top, path)
        return
    write = {"table": _table, "jsonl": _json_lines, "csv": _csv}[form]
    if path is None:
        write(predictions, top, sys.stdout)
        return
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        write(predictions, top, file)


def _json_lines(predictions: Iterable[Prediction], _top: int, file: IO[str]) -> None:
    for prediction in predictions:
        cultures = [{"culture": name, "probability": probability} for name, probability in prediction.cultures]
        rest = {"error": prediction.error} if prediction.error else {"predictions": cultures}
        # Terminals do not get control characters; elsewhere JSON is as short as it can be.
        escaped = file.isatty() and CONTROLS.search(prediction.image) is not None
        file.write(json_text({"image": prediction.image, **rest}, ensure_ascii=escaped) + "\n")
        file.flush()


def _csv(predictions: Iterable[Prediction], top: int, file: IO[str]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(_columns(top))
    for prediction in predictions:
        cells = [cell for pair in prediction.cultures for cell in pair]
        image = visible(prediction.image) if file.isatty() else prediction.image
        row = [image, *cells, *[""] * (2 * top - len(cells)), prediction.error or ""]
        writer.writerow([protected(cell) for cell in row])
        file.flush()


def _columns(top: int) -> list[str]:
    return ["image", *(f"{what}_{n}" for n in range(1, top + 1) for what in ("culture", "probability")), "error"]


def _parquet(predictions: Iterable[Prediction], top: int, path: Path) -> None:
    """Write the columns of the CSV as Parquet, atomically; empty cells are null."""
    from pyarrow import parquet

    kinds = {"image": pa.string(), "culture": pa.string(), "probability": pa.float64(), "error": pa.string()}
    schema = pa.schema([(name, kinds[name.partition("_")[0]]) for name in _columns(top)])
    remaining = iter(predictions)
    with replacing(path) as temporary, parquet.ParquetWriter(temporary, schema) as writer:
        while group := list(itertools.islice(remaining, ROWS_PER_GROUP)):
            writer.write_table(pa.Table.from_pylist([_row(prediction) for prediction in group], schema))


def _row(prediction: Prediction) -> dict[str, Any]:
    row: dict[str, Any] = {"image": prediction.image, "error": prediction.error}
    for number, (name, probability) in enumerate(prediction.cultures, 1):
        row |= {f"culture_{number}": name, f"probability_{number}": probability}
    return row


def _table(predictions: Iterable[Prediction], top: int, file: IO[str]) -> None:
    table = Table(header_style="bold", box=None, padding=(0, 2, 0, 0))
    table.add_column("image", overflow="fold")
    for number in range(1, top + 1):
        table.add_column(f"{number}.", no_wrap=True)
    for prediction in predictions:
        # Unreadable images are reported on stderr.
        if prediction.error is None:
            table.add_row(Text(prediction.image), *_probabilities(prediction))
    if table.row_count:
        print_table(PlainConsole(file=file, width=None if file.isatty() else 160), table)


def _probabilities(prediction: Prediction) -> Iterator[Text]:
    return (Text(f"{name} {100 * probability:.1f} %") for name, probability in prediction.cultures)
