"""Numbers, tables and figures logged to W&B: test predictions with thumbnails, recall by class, analysis figures."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from artculture.data.decoding import BadImageError, read_pixels
from artculture.data.selection import Selection
from artculture.evaluation.intervals import wilson
from artculture.training.result import result_numbers
from artculture.training.run_directory import RunDirectory
from artculture.utils.label_words import LabelWords
from artculture.utils.tables import read_own_csv

# Rows of the table of predictions: enough to browse, few enough for a quick upload.
MAX_TABLE_ROWS = 1000
RECALL_COLUMNS = ("recall", "recall_low", "recall_high", "paintings")
# Keys of the W&B config to those of a result.
CONFIG = {"weights_label": "weights", "manifest": "manifest", "label_name": "label_name"}


def log_numbers(run: Any, result: dict[str, Any]) -> None:
    """Log the numbers of a result to the summary of a W&B run, and the weights and paintings to its config.

    Args:
        run: the open W&B run.
        result: content of result.json.
    """
    run.summary.update(result_numbers(result))
    known = {name: result[key] for name, key in CONFIG.items() if key in result}
    run.config.update(known, allow_val_change=True)


def log_tables(
    run: Any, selection: Selection, predictions: pd.DataFrame, result: dict[str, Any], thumbnails: int
) -> None:
    """Log the confusion matrix and the tables of recall and of test predictions to a W&B run.

    Args:
        run: the open W&B run.
        selection: the paintings.
        predictions: of the test split: `row`, `culture` and one calibrated probability per class, `p_<class>`.
        result: content of result.json.
        thumbnails: shorter side of the thumbnails in pixels; 0 for none.
    """
    import wandb

    if predictions.empty:  # the test split was not evaluated
        return
    classes = list(selection.classes)
    class_probabilities = predictions[[f"p_{name}" for name in classes]].to_numpy()
    truth = [classes.index(culture) for culture in predictions["culture"]]
    guessed = class_probabilities.argmax(axis=1)
    label = selection.words.key
    tables = {
        "test/confusion": wandb.plot.confusion_matrix(y_true=truth, preds=guessed.tolist(), class_names=classes),
        recall_table(selection.words): wandb.Table(columns=[label, *RECALL_COLUMNS], data=list(_recall_rows(result))),
        "test/predictions": _prediction_table(wandb, selection, predictions, class_probabilities, guessed, thumbnails),
    }
    # A separate step after the last epoch's, so that a later launch logs it neither twice nor over another step.
    run.log(tables, step=result["epochs"], commit=True)


def recall_table(words: LabelWords) -> str:
    """Return the key of the table of recall by class."""
    return f"test/recall_by_{words.key}"


def _recall_rows(result: dict[str, Any]) -> Iterator[list[Any]]:
    for culture, entry in result["per_culture"].items():
        recall, paintings = entry["recall"], entry["test_paintings"]
        if recall is not None:
            yield [culture, recall, *wilson(round(recall * paintings), paintings), paintings]


def test_predictions(directory: RunDirectory, selection: Selection) -> pd.DataFrame:
    """Return the stored test predictions of a run for those paintings that a selection has, with their `row`."""
    text = dict.fromkeys(["source", "object_id", "culture"], str)
    stored = read_own_csv(directory.predictions, "train the run again", dtype=text, keep_default_na=False)
    about = selection.manifest.table[["source", "object_id"]].assign(row=range(len(selection.manifest)))
    return stored[stored["split"] == "test"].merge(about, on=["source", "object_id"])


def _prediction_table(
    wandb: Any,
    selection: Selection,
    predictions: pd.DataFrame,
    class_probabilities: Any,
    guessed: Any,
    thumbnails: int,
) -> Any:
    classes = selection.classes
    pictures = ["picture"] if thumbnails else []
    table = wandb.Table(
        columns=[
            "object_id",
            *pictures,
            "title",
            "artist",
            selection.words.key,
            "predicted",
            "right",
            "confidence",
            *classes,
        ]
    )
    # The most confident mistakes first.
    right = np.array([classes[g] == c for g, c in zip(guessed, predictions["culture"], strict=True)])
    order = np.lexsort((-class_probabilities.max(axis=1), right))[:MAX_TABLE_ROWS]
    for position in order:
        row = predictions.iloc[position]
        about = selection.manifest.table.iloc[int(row["row"])]
        shown = [_thumbnail(wandb, selection, int(row["row"]), thumbnails)] if thumbnails else []
        probabilities = [float(p) for p in class_probabilities[position]]
        table.add_data(
            row["object_id"],
            *shown,
            about["title"],
            about["artist"],
            row["culture"],
            classes[guessed[position]],
            bool(right[position]),
            max(probabilities),
            *probabilities,
        )
    return table


def _thumbnail(wandb: Any, selection: Selection, row: int, side: int) -> Any:
    try:
        small = Image.fromarray(read_pixels(selection.manifest.picture(row), side, "bilinear"))
    except BadImageError:  # removed or damaged since it was decoded
        return None
    small.thumbnail((2 * side, side))
    return wandb.Image(small, file_type="jpg")


def log_figures(run: Any, folder: Path, findings: list[dict[str, Any]]) -> None:
    """Log an analysis to a W&B run: figures under `analysis/…`, numbers in the summary.

    Args:
        run: the open W&B run.
        folder: the folder of the figures.
        findings: entries of `analysis.json`.
    """
    import wandb

    figures = {
        f"analysis/{one['name']}": wandb.Image(str(folder / one["png"]), caption=one["title"])
        for one in findings
        if "png" in one
    }
    if figures:
        run.log(figures)
    for one in findings:
        for key, value in one["numbers"].items():
            if isinstance(value, (int, float, str)):
                run.summary[f"analysis/{one['name']}/{key}"] = value
