"""What an ensemble's run directory says: predictions, scores and where they come from."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from artculture.data.manifest import Manifest
from artculture.data.selection import Selection
from artculture.evaluation.calibration import calibration_results, softmax
from artculture.evaluation.uncertainty import set_results
from artculture.models.checkpoint import check_trusted
from artculture.models.metrics import metric_results
from artculture.studies.ensembles.members import KEY, Member
from artculture.studies.predictions import ID
from artculture.training.result import accuracy_part, git_commit, versions
from artculture.training.run_directory import ENSEMBLE

# Names of a row that are shown as they are; more are counted.
MOST_NAMED = 3
LONGEST_MEMBERS = 40


def paintings_of(members: Sequence[Member]) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """Return the predicted paintings of a group (`source`, `object_id`, `split`, `culture`) and their labels."""
    paintings = members[0].predictions[KEY]
    labels = pd.Index(members[0].classes).get_indexer(pd.Index(paintings["culture"].astype(str)))
    return paintings, labels.astype(np.int64)


def variant_of(members: Sequence[Member], kind: str, wanted: Sequence[str] | None) -> list[str]:
    """Return what tells ensembles of a study apart: kind, what all members have in common, and the choice of them."""
    variants = [str(member.result.get("variant", "")).split() for member in members]
    common = [word for word in variants[0] if all(word in words for words in variants)]
    if wanted is None:
        return [kind, *common]
    named = "+".join(wanted)
    short = named if len(named) <= LONGEST_MEMBERS else hashlib.sha256(named.encode()).hexdigest()[:4]
    return [kind, *common, f"members={short}"]


def seed_of(members: Sequence[Member]) -> int:
    """Return the seed of an ensemble, by which it is paired with rows of the same split: its members' smallest."""
    return min(int(member.result["seed"]) for member in members)


def names_of(members: Sequence[Member], key: str) -> str:
    """Return a value of the members' results, or their values."""
    values = list(dict.fromkeys(str(member.result.get(key, "")) for member in members))
    return "+".join(values) if len(values) <= MOST_NAMED else f"{len(values)} {key}s"


def predictions_and_scores(
    members: Sequence[Member], logits: NDArray[np.float64], trust: Sequence[str]
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the content of predictions.csv, and the scores of result.json.

    Args:
        members: runs of one split.
        logits: of their paintings (`paintings_of`), N x classes.
        trust: packages that metrics of the members' configs may be imported from.
    """
    first = members[0]
    classes = first.classes
    paintings, labels = paintings_of(members)
    split = paintings["split"].to_numpy(dtype=np.str_)
    selection, rows = _selection(first, paintings)
    calibration = calibration_results(logits, labels, split)
    predictions = _table(paintings, classes, softmax(logits, calibration["temperature"]))
    metrics = [member.config.get("metrics") or {} for member in members]
    shared = {name: node for name, node in metrics[0].items() if node and all(node == m.get(name) for m in metrics)}
    check_trusted(shared, first.directory.config, trust)
    scores = {
        # As of a run: losses are those before the calibration of the whole.
        **accuracy_part(_table(paintings, classes, softmax(logits)).assign(row=rows), selection),
        **calibration,
        **metric_results(shared, logits, labels, split, len(classes)),
    }
    return predictions, scores


def conformal_part(
    members: Sequence[Member], predictions: pd.DataFrame
) -> tuple[tuple[NDArray[np.float64], NDArray[np.int64]], dict[str, Any]]:
    """Return the conformal scores of the validation split with their classes, and `sets` of result.json."""
    _, labels = paintings_of(members)
    classes = members[0].classes
    probabilities = predictions[[f"p_{name}" for name in classes]].to_numpy(dtype=np.float64)
    return set_results(probabilities, labels, predictions["split"].to_numpy(dtype=np.str_), classes)


def _selection(member: Member, paintings: pd.DataFrame) -> tuple[Selection, NDArray[np.int64]]:
    """Return the paintings of a run, from its split.csv, and which of them were predicted."""
    table = member.split
    labels = pd.Index(member.classes).get_indexer(pd.Index(table["culture"])).astype(np.int64)
    manifest, every = Manifest(member.directory.path, table), np.arange(len(table), dtype=np.int64)
    split = table["split"].to_numpy(dtype=np.str_)
    keys = [pd.MultiIndex.from_frame(each[ID]) for each in (table, paintings)]
    rows = keys[0].get_indexer(keys[1]).astype(np.int64)
    return Selection(manifest, member.classes, labels, split, manifest, every), rows


def _table(paintings: pd.DataFrame, classes: Sequence[str], probabilities: NDArray[np.float64]) -> pd.DataFrame:
    columns = ["source", "object_id", "split", "culture"]
    chances = pd.DataFrame(probabilities, columns=[f"p_{name}" for name in classes])
    return pd.concat([paintings[columns].reset_index(drop=True), chances], axis=1)


def provenance(members: Sequence[Member], used: dict[str, float], kind: str) -> dict[str, Any]:
    """Return which runs an ensemble was made of, and what they cost together.

    Args:
        members: all candidates.
        used: name of each member that takes part to its weight in the mean.
        kind: `mean`, `greedy` or `soup`.
    """
    results = [member.result for member in members if member.name in used]
    networks = results[:1] if kind == "soup" else results
    seconds = sum(float(result["seconds"]) for result in results)
    images = sum(float(result["seconds"]) * float(result["images_per_second"]) for result in results)
    # Of a cross-validation the ensembles of its folds are one row, as the runs are; the members of one share the fold.
    shared = ("data", "synthetic", "manifest", "class_counts", "folds", "fold", "label_name")
    return {
        **{key: results[0][key] for key in shared if key in results[0]},
        "weights": " / ".join(dict.fromkeys(str(result["weights"]) for result in results)),
        "imagenet": all(bool(result["imagenet"]) for result in results),
        "balance": names_of([member for member in members if member.name in used], "balance"),
        "epochs": max(int(result["epochs"]) for result in results),
        "seconds": round(seconds, 2),
        "images_per_second": round(images / max(seconds, 1e-9), 2),
        "parameters": sum(int(result["parameters"]) for result in networks),
        "trainable_parameters": sum(int(result["trainable_parameters"]) for result in networks),
        "precision": names_of(members, "precision"),
        "image_size": max(int(result["image_size"]) for result in results),
        "device": names_of(members, "device"),
        "versions": versions(),
        "git_commit": git_commit(),
        ENSEMBLE: {"kind": kind, "members": used, "candidates": [member.name for member in members]},
    }
