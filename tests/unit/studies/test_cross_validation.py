from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from artculture.studies.cross_validation import fold_columns, pool_folds, without_fold
from artculture.studies.predictions import correct

KEY = ["method"]


def _predictions(fold: int, right: int) -> pd.DataFrame:
    """Ten tested paintings of two cultures, of which so many are predicted correctly, and a validation painting."""
    labels = np.array(["a", "b"] * 5)
    probability = np.where(np.arange(10) < right, 0.9, 0.2)
    first = np.where(labels == "a", probability, 1 - probability)
    test = pd.DataFrame({"object_id": [f"{fold}.{n}" for n in range(10)], "culture": labels, "split": "test"})
    test = test.assign(source="", p_a=first, p_b=1 - first)
    return pd.concat([test, test[:1].assign(object_id="v", split="val")], ignore_index=True)


def _run(fold: int | None, right: int, seed: int = 0) -> dict[str, object]:
    share = {"test_top1": right / 10, "test_top3": 1.0, "test_macro_f1": right / 10, "test_macro_recall": right / 10}
    sizes = {f"paintings_{name}": 10.0 for name in ("val_top1", *share)}
    usual = {"val_top1": 0.5, "majority": 0.5, "test_paintings": 10, "epochs": 1, "synthetic": True, "imagenet": False}
    folds = None if fold is None else 3
    place = {"folder": Path(f"{seed}-{fold}"), "seed": seed, "fold": fold, "folds": folds}
    return {"method": "x", **share, **sizes, **usual, **place}


def test_the_folds_of_a_seed_are_one_run_on_all_their_paintings():
    right = {Path("0-0"): 9, Path("0-2"): 6, Path("1-1"): 8}
    runs = pd.DataFrame([_run(0, 9), _run(2, 6), _run(1, 8, seed=1), _run(None, 7, seed=2)])
    pooled, read = pool_folds(runs, KEY, lambda folder: _predictions(int(str(folder)[-1]), right[folder]))
    assert len(pooled) == 3
    first = pooled[(pooled["seed"] == 0)].iloc[0]
    assert (first["test_top1"], first["test_paintings"], first["tested_folds"]) == (0.75, 20, (0, 2))
    assert first["fold_deviation"] == pytest.approx(np.std([0.9, 0.6], ddof=1))
    assert 10 < first["paintings_test_top1"] <= 20
    predictions = read(first["folder"])
    assert correct(predictions[predictions["split"] == "test"]).mean() == 0.75
    assert (predictions["split"] == "val").sum() == 1
    found = fold_columns(pooled[pooled["seed"] < 2])
    assert (found["folds"], found["missing_folds"]) == (3, "1 of seed 0; 0, 2 of seed 1")
    assert fold_columns(pooled[pooled["seed"] == 2])["folds"] is None


def test_runs_without_folds_stay_as_they_are():
    runs = pd.DataFrame([_run(None, 7)]).drop(columns=["fold", "folds"])
    pooled, _ = pool_folds(runs, KEY, lambda _: pytest.fail("read"))
    assert pooled[runs.columns].equals(runs)
    assert fold_columns(pooled) == {"folds": None, "missing_folds": "", "fold_deviation": None}


def test_the_variant_of_a_row_has_no_fold():
    assert without_fold("pictures folds=5 fold=3 x=1", 3) == "pictures folds=5 x=1"
    assert without_fold("fold=3", None) == "fold=3"
