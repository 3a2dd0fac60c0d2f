"""A run's result: predictions of its best checkpoint, scores with intervals, and how it came about."""

import math
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from artculture.data.selection import Selection
from artculture.evaluation.metrics import classification_metrics, ordinal_error
from artculture.evaluation.parts import accuracy_by_artist, metrics_by_source

VERSIONS = ("artculture", "torch", "torchvision", "lightning", "timm", "numpy")


def prediction_table(selection: Selection, rows: NDArray[np.int64], probabilities: NDArray[np.float64]) -> pd.DataFrame:
    """One row a painting: `row`, `source`, `object_id`, `split`, `culture` and `p_<class>` for every class."""
    table = selection.manifest.table
    frame = pd.DataFrame(
        {
            "row": rows,
            "source": table["source"].to_numpy()[rows],
            "object_id": table["object_id"].to_numpy()[rows],
            "split": selection.split[rows],
            "culture": table["culture"].to_numpy()[rows],
        }
    )
    names = [f"p_{name}" for name in selection.classes]
    return pd.concat([frame, pd.DataFrame(probabilities, columns=names)], axis=1)


def label_predictions(predictions: pd.DataFrame, *, further: bool) -> pd.DataFrame:
    """Return a prediction table as it is written: without `row`; of a further label with `label` for `culture`."""
    table = predictions.drop(columns="row")
    return table.rename(columns={"culture": "label"}) if further else table


def split_scores(
    predictions: pd.DataFrame, split: str, classes: Sequence[str], *, ordinal: bool = False
) -> dict[str, Any]:
    """`classification_metrics` of one split of a prediction table; with `ordinal_error` of ordered classes."""
    part = predictions[predictions["split"] == split]
    labels = np.array([classes.index(culture) for culture in part["culture"]], dtype=np.int64)
    probabilities = part[[f"p_{name}" for name in classes]].to_numpy(dtype=np.float64)
    error = ordinal_error(probabilities, labels) if ordinal else {}
    return {**classification_metrics(probabilities, labels, classes), **error}


def accuracy_part(predictions: pd.DataFrame, selection: Selection) -> dict[str, Any]:
    """The result's numbers: shares in 0..1, intervals of 95 %, chance and majority of the test split.

    Where there are no predictions of the test split, there are no numbers of it either.
    """
    classes = selection.classes
    val = split_scores(predictions, "val", classes, ordinal=selection.ordinal)
    common: dict[str, Any] = {
        "val_top1": val["top1"],
        "val_loss": val["loss"],
        "intervals": {"val_top1": val["intervals"]["top1"]},
        "chance": 1 / len(classes),
        "counts": {name: int((selection.split == name).sum()) for name in ("train", "val", "test")},
        "classes": list(classes),
        **_error_part("val", val),
    }
    if not (predictions["split"] == "test").any():
        return common
    test = split_scores(predictions, "test", classes, ordinal=selection.ordinal)
    tested, train = predictions[predictions["split"] == "test"], selection.manifest.table[selection.split == "train"]
    # What always answering the training split's most frequent culture would reach on the test split.
    train_labels = selection.labels[selection.members("train")]
    most_frequent = int(np.bincount(train_labels, minlength=len(classes)).argmax())
    return {
        **common,
        "test_top1": test["top1"],
        "test_top3": test["top3"],
        "test_macro_f1": test["macro_f1"],
        "test_macro_recall": test["macro_recall"],
        "test_loss": test["loss"],
        **_error_part("test", test),
        "intervals": {
            **common["intervals"],
            "test_top1": test["intervals"]["top1"],
            "test_top3": test["intervals"]["top3"],
            "test_macro_f1": test["intervals"]["macro_f1"],
            "test_macro_recall": test["intervals"]["macro_recall"],
        },
        "majority": test["support"][classes[most_frequent]] / test["n"],
        "per_culture": {
            name: {"recall": test["recall"][name], "test_paintings": test["support"][name]} for name in classes
        },
        "confusion": test["confusion"],
        **scores_of_parts(tested, classes, selection.manifest.table["artist"].iloc[tested["row"]], train),
    }


def _error_part(split: str, scores: dict[str, Any]) -> dict[str, Any]:
    return {f"{split}_{name}": scores[name] for name in ("mae", "mae_interval") if name in scores}


def scores_of_parts(
    predictions: pd.DataFrame, classes: Sequence[str], artists: pd.Series | None, training: pd.DataFrame | None
) -> dict[str, Any]:
    """Return accuracy by artist and by source, where there is more than one part.

    Args:
        predictions: a prediction table.
        classes: names in label order.
        artists: the artist of each prediction; None leaves `by_artist` out.
        training: `source` and `artist` of the training paintings; None if unknown.

    Returns:
        `by_artist` (`accuracy_by_artist`) if artists and training are known, `by_source` (`metrics_by_source`) if there
        are several sources.
    """
    probabilities = predictions[[f"p_{name}" for name in classes]].to_numpy(dtype=np.float64)
    labels = pd.Index(classes).get_indexer(pd.Index(predictions["culture"].astype(str))).astype(np.int64)
    by_artist = None
    if artists is not None and training is not None and "artist" in training:
        by_artist = accuracy_by_artist(probabilities.argmax(axis=1) == labels, artists, training["artist"])
    counts = None if training is None else {str(name): int(n) for name, n in training["source"].value_counts().items()}
    by_source = metrics_by_source(probabilities, labels, classes, predictions["source"].tolist(), counts)
    found = {"by_artist": by_artist, "by_source": by_source}
    return {name: part for name, part in found.items() if part is not None}


def result_numbers(result: dict[str, Any]) -> dict[str, float]:
    """Return the numbers of a result.json by name, as loggers get them.

    Those of the test split are `test/top1`, `test/ece`, `test/recall/<culture>`, …, the others `result/val_top1`,
    `result/chance`, …; the ends of intervals have `_low` and `_high` behind the name.
    """
    numbers = {
        _number_name(key): float(value)
        for key, value in result.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }
    for key, (low, high) in result.get("intervals", {}).items():
        numbers |= {f"{_number_name(key)}_low": low, f"{_number_name(key)}_high": high}
    recalls = {name: entry["recall"] for name, entry in result.get("per_culture", {}).items()}
    return numbers | {f"test/recall/{name}": recall for name, recall in recalls.items() if recall is not None}


def _number_name(key: str) -> str:
    return f"test/{key.removeprefix('test_')}" if key.startswith("test_") else f"result/{key}"


def validation_rank(result: dict[str, Any]) -> tuple[float, float]:
    """Sort key of finished runs, best first: validation top-1, then the lower validation loss; never the test split."""
    return -float(result["val_top1"]), float(result.get("val_loss", math.inf))


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in VERSIONS:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def git_commit() -> str | None:
    """The commit of the working folder, with `+` where files differ from it; None outside a repository."""
    try:
        commit = _git("rev-parse", "HEAD")
        return commit + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (subprocess.SubprocessError, OSError):
        return None


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=10, check=True, cwd=Path.cwd())
    return done.stdout.strip()
