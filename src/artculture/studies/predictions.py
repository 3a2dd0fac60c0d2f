"""Stored predictions of a run, as the table of results reads them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from artculture.training.run_directory import RunDirectory
from artculture.utils.errors import InputError
from artculture.utils.tables import read_own_csv

ID = ["source", "object_id"]
Reader = Callable[[Path], pd.DataFrame]


def read_predictions(folder: Path, label: str | None = None) -> pd.DataFrame:
    """Return the predictions of a run directory, with the true class in `culture`.

    Args:
        folder: the run directory.
        label: a further label; None for the primary one.

    Raises:
        InputError: it is missing or damaged.
    """
    directory = RunDirectory(folder)
    file = directory.predictions_of(label)
    directory.check_unchanged(file)
    fix = "train the run again with resume=never"
    texts = dict.fromkeys([*ID, "culture", "label"], str)
    table = read_own_csv(file, fix, dtype=texts, keep_default_na=False)
    table = table if label is None else table.rename(columns={"label": "culture"})
    missing = {*ID, "split", "culture"} - set(table)
    if missing:
        raise InputError(f"{file} lacks the columns {', '.join(sorted(missing))}; {fix}")
    return table


def correct(predictions: pd.DataFrame, guesses: int = 1) -> pd.Series:
    """Return 1 or 0 per painting, by its id: whether its culture is among the `guesses` most probable ones."""
    probabilities = predictions.filter(regex="^p_")
    own = probabilities.columns.get_indexer(pd.Index("p_" + predictions["culture"]))
    values = probabilities.to_numpy(dtype=np.float64)
    higher = (values > values[np.arange(len(own)), own][:, None]).sum(axis=1)
    return pd.Series((higher < guesses).astype(np.float64), index=pd.MultiIndex.from_frame(predictions[ID]))
