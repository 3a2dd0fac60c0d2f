"""The runs of a cross-validation as one: the predictions of all folds together, each painting tested once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from artculture.evaluation.intervals import effective_sample_size
from artculture.studies.predictions import Reader
from artculture.utils.quick_imports import lean_torchmetrics

TESTED = ("top1", "top3", "macro_f1", "macro_recall")


def without_fold(variant: str, fold: int | None) -> str:
    """Return the variant of a run without its fold: that of the row which it shares with the other folds."""
    return variant if fold is None else " ".join(part for part in variant.split() if part != f"fold={fold}")


def pool_folds(runs: pd.DataFrame, key: list[str], read: Reader) -> tuple[pd.DataFrame, Reader]:
    """Replace the runs of each cross-validation by one run with their pooled test predictions.

    Accuracies and their effective numbers of paintings (`paintings_<metric>`) are those of all tested paintings
    together; of the validation, whose paintings overlap between folds, they are means. Costs are means, too.

    Args:
        runs: finished runs, with `fold` and `folds` where they are of a cross-validation.
        key: the columns that runs of one row share.
        read: reader of the predictions of a run directory.

    Returns:
        The table, with the tested folds in `tested_folds` and the standard deviation of the folds' accuracies in
        `fold_deviation`; and a reader that gives the pooled predictions for the `folder` of such a run.

    Raises:
        InputError: predictions of a run are damaged.
    """
    found = runs.assign(tested_folds=None, fold_deviation=np.nan)
    if "fold" not in runs or runs["fold"].isna().all():
        return found, read
    pooled: dict[Path, pd.DataFrame] = {}
    rows = []
    for (*_, fold_known, _seed), group in found.assign(_fold=found["fold"].notna()).groupby(
        [*key, "_fold", "seed"], sort=False
    ):
        parts = group.drop(columns="_fold")
        if fold_known:
            first = parts["folder"].iloc[0]
            pooled[first] = _predictions(parts, read)
            rows.append(_pooled_row(parts, pooled[first]))
        else:
            rows += parts.to_dict("records")

    def read_pooled(folder: Path) -> pd.DataFrame:
        return pooled[folder] if folder in pooled else read(folder)

    return pd.DataFrame(rows, columns=found.columns), read_pooled


def _predictions(parts: pd.DataFrame, read: Reader) -> pd.DataFrame:
    """Return the test predictions of all folds and the validation predictions of the first: those of others overlap."""
    tables = [read(folder) for folder in parts["folder"]]
    kept = [table[table["split"] == "test"] for table in tables]
    return pd.concat([*kept, tables[0][tables[0]["split"] == "val"]], ignore_index=True)


def _pooled_row(parts: pd.DataFrame, predictions: pd.DataFrame) -> dict[Any, Any]:
    predictions = predictions[predictions["split"] == "test"]
    columns = predictions.filter(regex="^p_")
    classes = [str(name).removeprefix("p_") for name in columns]
    labels = pd.Index(classes).get_indexer(pd.Index(predictions["culture"])).astype(np.int64)
    with lean_torchmetrics():  # a study without folds, and its tables, need no torch
        from artculture.evaluation.metrics import classification_metrics

    metrics = classification_metrics(columns.to_numpy(dtype=np.float64), labels, classes)
    row: dict[Any, Any] = parts.iloc[0].to_dict()
    for name in parts.select_dtypes("number"):
        row[name] = float(parts[name].mean())
    row |= {name: parts[name].iloc[0] for name in ("seed", "folds", "synthetic", "imagenet") if name in parts}
    row["epochs"] = int(parts["epochs"].max())
    row["test_paintings"] = metrics["n"]
    row["majority"] = float((parts["majority"] * parts["test_paintings"]).sum() / parts["test_paintings"].sum())
    for name in TESTED:
        row[f"test_{name}"] = metrics[name]
        if f"paintings_test_{name}" in parts:
            size = effective_sample_size(metrics[name], metrics["intervals"][name])
            row[f"paintings_test_{name}"] = min(size, metrics["n"])
    row["labels"] = {}  # of further labels, predictions are not pooled
    row["tested_folds"] = tuple(sorted(int(fold) for fold in parts["fold"]))
    row["fold_deviation"] = float(parts["test_top1"].std(ddof=1)) if len(parts) > 1 else np.nan
    return row


def fold_columns(group: pd.DataFrame) -> dict[str, Any]:
    """Return the columns of a row of the table about its folds.

    Args:
        group: the row's runs, one a seed, as `pool_folds` makes them.

    Returns:
        `folds` (None without cross-validation), `missing_folds` (text, of all seeds) and `fold_deviation` (mean over
        the seeds of the standard deviation of the folds' top-1 accuracies).
    """
    if group["tested_folds"].isna().all():
        return {"folds": None, "missing_folds": "", "fold_deviation": None}
    folds = int(group["folds"].iloc[0])
    return {
        "folds": folds,
        "missing_folds": "; ".join(_missing(group, folds)),
        "fold_deviation": float(group["fold_deviation"].mean()),
    }


def _missing(group: pd.DataFrame, folds: int) -> Iterator[str]:
    for seed, tested in zip(group["seed"], group["tested_folds"], strict=True):
        missing = [str(fold) for fold in range(folds) if fold not in tested]
        if missing:
            of_seed = f" of seed {seed}" if len(group) > 1 or seed else ""
            yield f"{', '.join(missing)}{of_seed}"
