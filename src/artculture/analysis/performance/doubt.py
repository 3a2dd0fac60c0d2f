"""Prediction sets of evaluated paintings, and how unlike the training paintings they are."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from artculture.analysis.model_under_study import ModelUnderStudy
from artculture.config.schema.checkpoint_commands import InferencePrecision
from artculture.evaluation.intervals import wilson
from artculture.evaluation.uncertainty import Doubt, as_text, set_metrics
from artculture.training.predicting import forward_passes

# Validation paintings are above it in a twentieth of cases.
HIGH = 0.95


def add_doubt(
    model: ModelUnderStudy,
    doubt: Doubt,
    rows: NDArray[np.int64],
    batch_size: int,
    accelerator: str,
    result: dict[str, Any],
    predictions: pd.DataFrame,
    precision: InferencePrecision = "float32",
) -> pd.DataFrame:
    """Add `sets` and `unlike` to the result of an evaluation; return its predictions with these columns.

    Args:
        model: the classifier and the paintings.
        doubt: what was asked for.
        rows: the evaluated paintings.
        batch_size: images per forward pass.
        accelerator: `auto`, `cpu` or `gpu`.
        result: gets `sets` (`set_metrics`) and `unlike`: median, and the share `high` above `HIGH` with its interval.
        predictions: one row for each of `rows`.
        precision: of the network.
    """
    if doubt.coverage is not None:
        probabilities = predictions[[f"p_{name}" for name in model.classes]].to_numpy(dtype=np.float64)
        labels = model.paintings.selection.labels[rows]
        found = set_metrics(doubt.inside(probabilities), labels, model.classes, doubt.coverage)
        result["sets"] = found | ({"by": "culture"} if doubt.by_culture else {})
        names = [as_text(members or ()) for members in doubt.sets(probabilities)]
        predictions = predictions.assign(set=names)
    if doubt.unlike:
        parts = [
            torch.cat([values for values, _ in forward_passes(*each, rows, batch_size, accelerator, precision)])
            for each in model.networks()
        ]
        shares = np.array(doubt.shares(torch.cat(parts, dim=1).numpy()), dtype=np.float64)
        high = int((shares > HIGH).sum())
        interval = wilson(high, len(shares))
        result["unlike"] = {"median": float(np.median(shares)), "high": high / len(shares), "interval": interval}
        predictions = predictions.assign(unlike=shares)
    return predictions
