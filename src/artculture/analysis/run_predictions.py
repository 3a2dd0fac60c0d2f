"""The predictions that a run stored of its own paintings, for an analysis to show the same numbers."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from artculture.analysis.model_under_study import ModelUnderStudy
from artculture.data.stored_split import StoredSplit, read_split
from artculture.evaluation.calibration import logits_from_probabilities, softmax
from artculture.utils.errors import InputError
from artculture.utils.tables import read_own_csv

# How far stored and computed probabilities may lie apart: in float32 another batch size moves them by about 1e-6,
# another device by about 1e-4.
AGREEMENT = 0.01
KEY = ["source", "object_id"]


def stored_logits(model: ModelUnderStudy, computed: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits of all paintings, with those of the run's `predictions.csv` where it has them.

    So a page that shows the run's result beside its analysis has one probability for a painting.

    Args:
        model: the classifier and the paintings.
        computed: logits N x classes of the model's paintings, as the checkpoint gives them now.

    Returns:
        float32 N x classes; `computed` where the checkpoint is not the best one of a finished run, and for paintings
        that the run did not predict, or whose picture is another now.

    Raises:
        InputError: the file is damaged, or its probabilities are not those of the checkpoint.
    """
    run = model.run
    if run is None or run.status()["state"] != "finished" or model.checkpoint.resolve() != run.best.resolve():
        return computed
    run.check_unchanged(run.predictions)
    fix = f"train the run again (artculture train … resume=never), so that {run.predictions.name} is of its checkpoint"
    table = read_own_csv(run.predictions, fix, dtype=dict.fromkeys(KEY, str), keep_default_na=False)
    names = [f"p_{name}" for name in model.classes]
    if not {*KEY, *names} <= set(table):
        raise InputError(f"{run.predictions} lacks one of {', '.join([*KEY, *names])}: {fix}")
    positions, rows = _match_rows(model, table, read_split(run.split, fix))
    probabilities = table[names].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)[rows]
    temperature = model.classifier.temperature
    apart = np.abs(probabilities - softmax(computed[positions], temperature)).max(initial=0.0)
    if not apart <= AGREEMENT:
        raise InputError(
            f"{run.predictions} and {model.checkpoint.name} give probabilities up to {apart:.2f} apart for the same "
            f"painting: {fix}"
        )
    merged = computed.copy()
    merged[positions] = logits_from_probabilities(probabilities, temperature)
    return merged


def _match_rows(
    model: ModelUnderStudy, table: pd.DataFrame, split: StoredSplit
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of the paintings that have a stored prediction, and its row in the table."""
    place = {tuple(key): row for row, key in enumerate(table[KEY].to_numpy())}
    paintings = model.paintings.selection.manifest.table
    match = split.match(paintings)
    same = np.flatnonzero(match.same & ~match.renamed)
    keys = paintings[KEY].astype(str).to_numpy()
    found = [(position, place[tuple(keys[position])]) for position in same if tuple(keys[position]) in place]
    pairs = np.array(found, dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]
