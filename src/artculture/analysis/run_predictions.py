"""Stored predictions of a run, so that an analysis shows the same numbers as the run."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from artculture.analysis.model_under_study import ModelUnderStudy
from artculture.data.stored_split import StoredSplit, read_split
from artculture.evaluation.calibration import logits_from_probabilities, softmax
from artculture.utils.errors import InputError
from artculture.utils.tables import read_own_csv

# Largest accepted difference of stored and computed probabilities: in float32 another batch size changes them by about
# 1e-6, another device by about 1e-4.
TOLERANCE = 0.01
KEY = ["source", "object_id"]


def stored_logits(model: ModelUnderStudy, computed: NDArray[np.float32]) -> NDArray[np.float32]:
    """Replace computed logits by those of the run's `predictions.csv` where it has them.

    A report that shows the result of the run and its analysis then has one probability per painting.

    Args:
        model: classifier and paintings.
        computed: logits of the checkpoint for all paintings, float32 N x classes.

    Returns:
        float32 N x classes; `computed` itself if the checkpoint is not the best one of a finished run. Paintings that
        the run did not predict, or whose image file has changed, keep their computed logits.

    Raises:
        InputError: the file is damaged, or its probabilities differ from those of the checkpoint.
    """
    run = model.run
    if run is None or run.status()["state"] != "finished" or model.checkpoint.resolve() != run.best.resolve():
        return computed
    file = run.predictions_of(model.label)
    run.check_unchanged(file)
    fix = f"train the run again (artculture train … resume=never), to rewrite {file.name}"
    table = read_own_csv(file, fix, dtype=dict.fromkeys(KEY, str), keep_default_na=False)
    names = [f"p_{name}" for name in model.classes]
    if not {*KEY, *names} <= set(table):
        raise InputError(f"{file} lacks one of {', '.join([*KEY, *names])}: {fix}")
    positions, rows = _match_rows(model, table, read_split(run.split, fix))
    probabilities = table[names].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)[rows]
    temperature = model.classifier.temperature
    apart = np.abs(probabilities - softmax(computed[positions], temperature)).max(initial=0.0)
    if not apart <= TOLERANCE:
        raise InputError(
            f"{file} and {model.checkpoint.name} give probabilities up to {apart:.2f} apart for the same "
            f"painting: {fix}"
        )
    merged = computed.copy()
    merged[positions] = logits_from_probabilities(probabilities, temperature)
    return merged


def _match_rows(
    model: ModelUnderStudy, table: pd.DataFrame, split: StoredSplit
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the positions of paintings with a stored prediction, and the row of each in the table (int64)."""
    row_of = {tuple(key): row for row, key in enumerate(table[KEY].to_numpy())}
    paintings = model.paintings.selection.manifest.table
    match = split.match(paintings)
    same = np.flatnonzero(match.same & ~match.renamed)
    keys = paintings[KEY].astype(str).to_numpy()
    found = [(position, row_of[tuple(keys[position])]) for position in same if tuple(keys[position]) in row_of]
    pairs = np.array(found, dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]
