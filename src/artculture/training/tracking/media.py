"""What a run's W&B page shows beside its curves: test predictions with thumbnails, confusion matrix, figures."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from artculture.data.decoding import BadImageError, read_pixels
from artculture.data.paintings import Selection

# Pictures in the table of predictions: enough to leaf through, not so many that the upload is felt.
MAX_TABLE_ROWS = 1000


def log_result(
    run: Any, selection: Selection, predictions: pd.DataFrame, result: dict[str, Any], thumbnails: int
) -> None:
    """Put the test scores, the confusion matrix and the table of test predictions on the run's page.

    Args:
        run: the open W&B run.
        selection: where the pictures are.
        predictions: of the test split: `row`, `culture` and a calibrated probability a class, `p_<class>`.
        result: the run's result.
        thumbnails: shorter side of the table's pictures, pixels; 0 for none.
    """
    import wandb

    if predictions.empty:  # the test split was left alone
        return
    classes = list(selection.classes)
    chances = predictions[[f"p_{name}" for name in classes]].to_numpy()
    truth = [classes.index(culture) for culture in predictions["culture"]]
    guessed = chances.argmax(axis=1)
    for key in ("top1", "top3", "macro_f1"):
        run.summary[f"test/{key}"] = result[f"test_{key}"]
    for culture, recall in result["per_culture"].items():
        if recall["recall"] is not None:
            run.summary[f"test/recall/{culture}"] = recall["recall"]
    matrix = wandb.plot.confusion_matrix(y_true=truth, preds=guessed.tolist(), class_names=classes)
    table = _prediction_table(wandb, selection, predictions, chances, guessed, thumbnails)
    # A step of its own after the last epoch's: told again by a later launch, it replaces nothing and doubles nothing.
    if run.step <= result["epochs"]:
        run.log({"test/confusion": matrix, "test/predictions": table}, step=result["epochs"], commit=True)


def _prediction_table(
    wandb: Any,
    selection: Selection,
    predictions: pd.DataFrame,
    chances: Any,
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
    # The surest mistakes first: that is what one looks for.
    right = np.array([classes[g] == c for g, c in zip(guessed, predictions["culture"], strict=True)])
    order = np.lexsort((-chances.max(axis=1), right))[:MAX_TABLE_ROWS]
    for position in order:
        row = predictions.iloc[position]
        about = selection.manifest.table.iloc[int(row["row"])]
        shown = [_thumbnail(wandb, selection, int(row["row"]), thumbnails)] if thumbnails else []
        probabilities = [float(p) for p in chances[position]]
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
    except BadImageError:  # it was there when it was decoded
        return None
    small.thumbnail((2 * side, side))
    return wandb.Image(small, file_type="jpg")


def log_figures(run: Any, folder: Path, findings: list[dict[str, Any]]) -> None:
    """Put an analysis on a run's page: figures under `analysis/…`, plain numbers into the summary.

    Args:
        run: the open W&B run.
        folder: where the figures lie.
        findings: as `analysis.json` lists them.
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
