"""Tables and figures logged to W&B: test predictions with thumbnails, confusion matrix, analysis figures."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from artculture.data.decoding import BadImageError, read_pixels
from artculture.data.selection import Selection

# Rows of the table of predictions: enough to browse, few enough for a quick upload.
MAX_TABLE_ROWS = 1000


def log_result(
    run: Any, selection: Selection, predictions: pd.DataFrame, result: dict[str, Any], thumbnails: int
) -> None:
    """Log the test scores, the confusion matrix and the table of test predictions to a W&B run.

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
    for key in ("top1", "top3", "macro_f1", "macro_recall"):
        run.summary[f"test/{key}"] = result[f"test_{key}"]
    for culture, recall in result["per_culture"].items():
        if recall["recall"] is not None:
            run.summary[f"test/recall/{culture}"] = recall["recall"]
    matrix = wandb.plot.confusion_matrix(y_true=truth, preds=guessed.tolist(), class_names=classes)
    table = _prediction_table(wandb, selection, predictions, class_probabilities, guessed, thumbnails)
    # A separate step after the last epoch's, so that a later launch logs it neither twice nor over another step.
    if run.step <= result["epochs"]:
        run.log({"test/confusion": matrix, "test/predictions": table}, step=result["epochs"], commit=True)


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
            "culture",
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
