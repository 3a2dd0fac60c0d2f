"""The table of results of a study, derived from its run directories."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from artculture.data.labels import CULTURES
from artculture.evaluation.intervals import Interval, effective_sample_size, interval_over_seeds, sample_overlap
from artculture.studies.comparison import DIFFERENCES, compare_with_best
from artculture.studies.cross_validation import fold_columns, pool_folds, without_fold
from artculture.studies.disjoint_rows import DIFFERENCE_COLUMNS, with_differences
from artculture.studies.label_rows import label_columns, labels_in, share_columns
from artculture.studies.paper import TABLE_2
from artculture.studies.predictions import correct, read_predictions
from artculture.training.run_directory import RunDirectory
from artculture.training.run_records import UNKNOWN
from artculture.utils.errors import InputError
from artculture.utils.io import write_text
from artculture.utils.label_words import CULTURE
from artculture.utils.spreadsheets import write_csv

KEY = ["architecture", "scheduler", "method", "variant"]
# key in result.json -> column of the table
METRICS = {
    "val_top1": "validation",
    "test_top1": "top1",
    "test_top3": "top3",
    "test_macro_recall": "macro_recall",
    "test_macro_f1": "macro_f1",
}
# metric -> (its split, number of guesses per painting)
COUNTED = {
    "val_top1": ("val", 1),
    "test_top1": ("test", 1),
    "test_top3": ("test", 3),
    "test_macro_recall": ("test", 1),
    "test_macro_f1": ("test", 1),
}


def read_results(study: Path) -> tuple[pd.DataFrame, dict[str, str]]:
    """Read the results of the finished runs of a study, and the states of the others.

    Args:
        study: the study directory.

    Returns:
        A table with one row per finished run (the scalars of result.json, `paintings_<metric>`: the number of
        paintings equivalent to its interval, its `folder`, and `labels` as of `labels_in`), in the order of the
        paper's table, then by name and seed; and a dict of run name to state for runs without a result.

    Raises:
        InputError: there is no such study, or a result is incomplete.
    """
    folders = sorted(path.parent for path in study.glob("*/config.yaml")) if study.is_dir() else []
    if not folders:
        raise InputError(f"no runs in {study}; `artculture train study.name={study.name} …` creates runs")
    rows, others = [], {}
    for folder in folders:
        directory = RunDirectory(folder)
        state = str(directory.status()["state"])
        result = directory.read_result() if state == "finished" and directory.result.is_file() else None
        not_tested = result is not None and not any(key.startswith("test_") for key in result)
        if result is not None and not (not_tested and "val_top1" in result):
            rows.append(_row(result, directory.result))
        elif result is not None:
            others[folder.name] = f"test split not evaluated; validation top-1 {100 * result['val_top1']:.1f} %"
        else:
            others[folder.name] = "unknown: status.json is damaged, train the run again" if state == UNKNOWN else state
    return _in_order(pd.DataFrame(rows)), others


def _row(result: dict[str, Any], file: Path) -> dict[str, Any]:
    try:
        row = {key: value for key, value in result.items() if not isinstance(value, (dict, list))}
        for metric, (split, _) in COUNTED.items():
            low, high = result["intervals"][metric]
            known = effective_sample_size(result[metric], (low, high))
            row[f"paintings_{metric}"] = min(known, result["counts"][split])
        row["test_paintings"] = result["counts"]["test"]
        row["folder"], row["labels"] = file.parent, labels_in(result)
        row["label_name"] = str(result.get("label_name", CULTURE))
        row["of_paper"] = row["label_name"] == CULTURE and set(result.get("classes", ())) <= set(CULTURES)
        row["variant"] = without_fold(str(row["variant"]), row.get("fold"))
        if not set(KEY) | set(METRICS) | {"seed", "weights", "chance", "majority", "synthetic"} <= set(row):
            raise KeyError("one of the table's columns")
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{file} is incomplete ({error} is missing); delete it and run the same command to recreate it"
        ) from error
    return row


def _in_order(table: pd.DataFrame) -> pd.DataFrame:
    if table.empty:
        return table
    paper = {row[:3]: position for position, row in enumerate(TABLE_2)}
    rank = [
        paper.get((a, s, m), len(paper))
        for a, s, m in zip(table["architecture"], table["scheduler"], table["method"], strict=True)
    ]
    ordered = table.assign(_rank=rank).sort_values(["_rank", *KEY, "seed"], kind="stable")
    return ordered.drop(columns="_rank").reset_index(drop=True)


def summarise(runs: pd.DataFrame) -> pd.DataFrame:
    """Average the runs that differ only in their seed, with confidence intervals.

    The folds of a cross-validation count as one run (`pool_folds`). Intervals cover the variation over seeds and test
    paintings (`interval_over_seeds`), for one seed as for several.
    Predictions show which paintings the seeds share.

    Args:
        runs: table returned by `read_results`.

    Returns:
        One row per combination of `KEY`: `weights`, `seeds`, `fold_columns`, the mean of the columns of `METRICS` with
        `_low` and `_high` (fractions in 0..1), `label_name`, the paper's `paper_*` (percent, empty if it has no such
        row or other classes), costs, and the columns of `label_columns` and `compare_with_best`.

    Raises:
        InputError: predictions of a run are damaged.
    """
    rows, groups = [], []
    runs, read = pool_folds(runs, KEY, cache(read_predictions))
    for key, group in runs.groupby(KEY, sort=False):
        groups.append(group)
        row: dict[str, Any] = dict(zip(KEY, key, strict=True))
        row["weights"] = " / ".join(dict.fromkeys(group["weights"]))
        row["seeds"] = len(group)
        row |= fold_columns(group)
        predictions = [read(folder) for folder in group["folder"]] if len(group) > 1 else []
        for metric, name in METRICS.items():
            row[name] = float(group[metric].mean())
            row[f"{name}_low"], row[f"{name}_high"] = _interval(group, metric, predictions)
        row["label_name"] = group["label_name"].iloc[0]
        paper = next((p for p in TABLE_2 if p[:3] == key[:3]), None) if group["of_paper"].all() else None
        for name in ("validation", "top1", "top3"):
            row[f"paper_{name}"] = getattr(paper, name) if paper else None
        row["epochs"] = int(group["epochs"].max())
        row["seconds"] = float(group["seconds"].mean())
        row["images_per_second"] = float(group["images_per_second"].mean())
        row["data"] = " / ".join(dict.fromkeys(group["data"]))
        row["synthetic"] = bool(group["synthetic"].any())
        row["imagenet"] = bool(group["imagenet"].all())
        row["chance"], row["majority"] = float(group["chance"].mean()), float(group["majority"].mean())
        row["test_paintings"] = int(group["test_paintings"].max())
        row |= label_columns(group["labels"].tolist(), group["folder"].tolist())
        rows.append(row)
    return compare_with_best(pd.DataFrame(rows).astype({"folds": "Int64"}), groups, read)


def _interval(group: pd.DataFrame, metric: str, predictions: list[pd.DataFrame]) -> Interval:
    split, guesses = COUNTED[metric]
    shared = sample_overlap([correct(table[table["split"] == split], guesses) for table in predictions])
    paintings = 1 / float((1 / group[f"paintings_{metric}"]).mean())
    low, high = interval_over_seeds(group[metric].to_numpy(dtype=np.float64), paintings, shared)
    return float(low), float(high)


def write_results(study: Path) -> tuple[pd.DataFrame, dict[str, str]]:
    """Write results.csv and results.md of a study; return the summary and the states of unfinished runs."""
    from artculture.studies.table import markdown

    runs, others = read_results(study)
    summary = summarise(runs) if len(runs) else pd.DataFrame()
    write_csv(in_percent(summary), study / "results.csv")
    write_text(study / "results.md", markdown(study.name, summary, others))
    return summary, others


def in_percent(summary: pd.DataFrame) -> pd.DataFrame:
    """Return the summary with its fractions as percent, or percentage points, rounded to hundredths."""
    shares = [f"{name}{end}" for name in METRICS.values() for end in ("", "_low", "_high")] + [
        "chance",
        "majority",
    ]
    shares += DIFFERENCE_COLUMNS
    shares += share_columns(summary)
    shares.append("fold_deviation")
    shares += [f"{name}{end}" for name in DIFFERENCES for end in ("", "_low", "_high")]
    table = with_differences(summary).copy()
    for column in shares:
        if column in table:
            table[column] = (100 * table[column]).round(2)
    return table
