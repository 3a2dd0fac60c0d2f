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


def read_predictions(folder: Path) -> pd.DataFrame:
    """Return `predictions.csv` of a run directory.

    Raises:
        InputError: it is missing or damaged.
    """
    directory = RunDirectory(folder)
    directory.check_unchanged(directory.predictions)
    fix = "train the run again with resume=never"
    table = read_own_csv(directory.predictions, fix, dtype=dict.fromkeys([*ID, "culture"], str), keep_default_na=False)
    missing = {*ID, "split", "culture"} - set(table)
    if missing:
        raise InputError(f"{directory.predictions} lacks the columns {', '.join(sorted(missing))}; {fix}")
    return table


def correct(predictions: pd.DataFrame, guesses: int = 1) -> pd.Series:
    """Return 1 or 0 per painting, by its id: whether its culture is among the `guesses` most probable ones."""
    probabilities = predictions.filter(regex="^p_")
    own = probabilities.columns.get_indexer(pd.Index("p_" + predictions["culture"]))
    values = probabilities.to_numpy(dtype=np.float64)
    higher = (values > values[np.arange(len(own)), own][:, None]).sum(axis=1)
    return pd.Series((higher < guesses).astype(np.float64), index=pd.MultiIndex.from_frame(predictions[ID]))
