"""A study's table of results, always derivable again from its run directories."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from artculture.evaluation.intervals import Interval, effective_sample_size, interval_over_seeds, sample_overlap
from artculture.studies.paper import TABLE_2
from artculture.training.run_directory import RunDirectory
from artculture.training.run_records import UNKNOWN
from artculture.utils.errors import InputError
from artculture.utils.io import replacing, write_text
from artculture.utils.tables import read_own_csv

KEY = ["architecture", "scheduler", "method", "variant"]
# a result's number -> its name in the table
METRICS = {"val_top1": "validation", "test_top1": "top1", "test_top3": "top3", "test_macro_f1": "macro_f1"}
# the split whose paintings a metric counts, and how many guesses a painting has
COUNTED = {"val_top1": ("val", 1), "test_top1": ("test", 1), "test_top3": ("test", 3), "test_macro_f1": ("test", 1)}


def read_results(study: Path) -> tuple[pd.DataFrame, dict[str, str]]:
    """The results of a study's finished runs, and the state of its other runs.

    Args:
        study: the study's folder.

    Returns:
        One row a finished run (the scalars of result.json, as many paintings as its intervals are worth as
        `paintings_<metric>`, and its `folder`), in the paper's order and then by name and seed; and run name to state
        for runs without a result.

    Raises:
        InputError: no such study, or a result that is not whole.
    """
    folders = sorted(path.parent for path in study.glob("*/config.yaml")) if study.is_dir() else []
    if not folders:
        raise InputError(f"no runs in {study}; `artculture train study.name={study.name} …` makes some")
    rows, others = [], {}
    for folder in folders:
        directory = RunDirectory(folder)
        state = str(directory.status()["state"])
        result = directory.read_result() if state == "finished" and directory.result.is_file() else None
        left_alone = result is not None and not any(key.startswith("test_") for key in result)
        if result is not None and not (left_alone and "val_top1" in result):
            rows.append(_row(result, directory.result))
        elif result is not None:
            others[folder.name] = f"test split not evaluated; validation top-1 {100 * result['val_top1']:.1f} %"
        else:
            others[folder.name] = "unknown: status.json is damaged, train it again" if state == UNKNOWN else state
    return _in_order(pd.DataFrame(rows)), others


def _row(result: dict[str, Any], file: Path) -> dict[str, Any]:
    try:
        row = {key: value for key, value in result.items() if not isinstance(value, (dict, list))}
        for metric, (split, _) in COUNTED.items():
            low, high = result["intervals"][metric]
            known = effective_sample_size(result[metric], (low, high))
            row[f"paintings_{metric}"] = min(known, result["counts"][split])
        row["test_paintings"] = result["counts"]["test"]
        row["folder"] = file.parent
        if not set(KEY) | set(METRICS) | {"seed", "weights", "chance", "majority", "synthetic"} <= set(row):
            raise KeyError("one of the table's columns")
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{file} is not a whole result ({error} is missing); delete it, and the same command makes it anew"
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
    """One row a cell of the grid: its seeds' mean, with an interval.

    An interval is of the recipe, over its seeds and its paintings (`interval_over_seeds`), for one seed as for many.
    Where seeds share paintings is seen in their predictions.

    Args:
        runs: as `read_results` gives them.

    Raises:
        InputError: predictions of a row with several seeds that are not whole.

    Returns:
        The columns of `KEY`, `weights`, `seeds`, for each of validation, top1, top3 and macro_f1 the mean and its
        `_low` and `_high` (shares in 0..1), the paper's `paper_*` (percent, empty where the paper has no such
        row), and costs.
    """
    rows = []
    for key, group in runs.groupby(KEY, sort=False):
        row: dict[str, Any] = dict(zip(KEY, key, strict=True))
        row["weights"] = " / ".join(dict.fromkeys(group["weights"]))
        row["seeds"] = len(group)
        predictions = [_predictions(Path(folder)) for folder in group["folder"]] if len(group) > 1 else []
        for metric, name in METRICS.items():
            row[name] = float(group[metric].mean())
            row[f"{name}_low"], row[f"{name}_high"] = _interval(group, metric, predictions)
        paper = next((p for p in TABLE_2 if p[:3] == key[:3]), None)
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
        rows.append(row)
    return pd.DataFrame(rows)


def _interval(group: pd.DataFrame, metric: str, predictions: list[pd.DataFrame]) -> Interval:
    split, guesses = COUNTED[metric]
    shared = sample_overlap([_right(table[table["split"] == split], guesses) for table in predictions])
    paintings = 1 / float((1 / group[f"paintings_{metric}"]).mean())
    low, high = interval_over_seeds(group[metric].to_numpy(dtype=np.float64), paintings, shared)
    return float(low), float(high)


def _predictions(folder: Path) -> pd.DataFrame:
    directory = RunDirectory(folder)
    directory.check_unchanged(directory.predictions)
    mend = "train the row again with resume=never"
    table = read_own_csv(directory.predictions, mend)
    missing = {"source", "object_id", "split", "culture"} - set(table)
    if missing:
        raise InputError(f"{directory.predictions} lacks the columns {', '.join(sorted(missing))}; {mend}")
    return table


def _right(predictions: pd.DataFrame, guesses: int) -> pd.Series:
    """Whether the true culture is among the likeliest ones (1 or 0), by painting."""
    chances = predictions.filter(regex="^p_")
    own = chances.columns.get_indexer(pd.Index("p_" + predictions["culture"]))
    values = chances.to_numpy(dtype=np.float64)
    ids = predictions[["source", "object_id"]].astype(str)
    likelier = (values > values[np.arange(len(own)), own][:, None]).sum(axis=1)
    return pd.Series((likelier < guesses).astype(np.float64), index=pd.MultiIndex.from_frame(ids))


def write_results(study: Path) -> tuple[pd.DataFrame, dict[str, str]]:
    """Write `results.csv` and `results.md` of a study; returns the summary and the unfinished runs' states."""
    from artculture.studies.table import markdown

    runs, others = read_results(study)
    summary = summarise(runs) if len(runs) else pd.DataFrame()
    with replacing(study / "results.csv") as temporary:
        _in_percent(summary).to_csv(temporary, index=False, lineterminator="\n")
    write_text(study / "results.md", markdown(study.name, summary, others))
    return summary, others


def _in_percent(summary: pd.DataFrame) -> pd.DataFrame:
    shares = [f"{name}{end}" for name in METRICS.values() for end in ("", "_low", "_high")] + [
        "chance",
        "majority",
    ]
    table = summary.copy()
    for column in shares:
        if column in table:
            table[column] = (100 * table[column]).round(2)
    return table
