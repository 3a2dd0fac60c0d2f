"""Artifacts of a run in W&B: the dataset that it uses, its model, and its predictions."""

from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from artculture.data.selection import Selection
from artculture.training.tracking.wandb_files import make_relative
from artculture.training.tracking.wandb_models import artifact_name, model_name
from artculture.training.tracking.wandb_settings import WandbRun
from artculture.utils.addresses import stored_address
from artculture.utils.io import json_text
from artculture.utils.spreadsheets import csv_text

CARD = "dataset_card.md"


def log_artifacts(run: Any, info: WandbRun, selection: Selection, result: dict[str, Any]) -> None:
    """Log the dataset as an input of a run, and its predictions and, by choice, its model as outputs.

    Files are copied: `wandb sync` may delete what it has uploaded.

    Args:
        run: the open W&B run.
        info: what it is of.
        selection: the paintings.
        result: content of result.json, which may not be written yet.
    """
    import wandb

    dataset = _dataset(wandb, info, selection, result)
    make_relative(dataset, info.study)
    # What `use_artifact` does with a new artifact, which it refuses offline.
    run._log_artifact(dataset, is_user_created=True, use_after_commit=True)
    path = info.directory.path.resolve()
    predictions = wandb.Artifact(artifact_name("predictions", path.parent.name, path.name), "predictions")
    _add(predictions, info.directory.predictions)
    _add_text(predictions, "result.json", json_text(result, indent=2))
    run.log_artifact(predictions)
    if info.log_model:
        run.log_artifact(_model(wandb, info, result), aliases=["best"])


def _dataset(wandb: Any, info: WandbRun, selection: Selection, result: dict[str, Any]) -> Any:
    root = info.config["data"].get("root")
    facts: dict[str, Any] = {
        "manifest": result["manifest"],
        "paintings": len(selection.manifest),
        "splits": result["counts"],
        "classes": Counter(map(str, selection.manifest.table["culture"])),
        "synthetic": result["synthetic"],
        "root": None if root is None else stored_address(root),
    }
    artifact = wandb.Artifact(artifact_name("dataset", info.config["data_label"]), "dataset", metadata=facts)
    _add_text(artifact, "manifest.csv", csv_text(pd.DataFrame(selection.manifest.table)))
    _add(artifact, info.directory.split)
    folder = None if root is None or "://" in root else Path(root).expanduser().resolve()
    if folder is not None and folder.exists():
        _add(artifact, folder / CARD)
        # The pictures stay where they are.
        artifact.add_reference(folder.as_uri(), name="pictures", checksum=False)
    return artifact


def _model(wandb: Any, info: WandbRun, result: dict[str, Any]) -> Any:
    """Return the artifact of the best checkpoint, in the layout of a run directory."""
    directory = info.directory
    numbers: dict[str, Any] = {
        key: result[key] for key in ("val_top1", "test_top1", "test_macro_recall", "weights") if key in result
    }
    artifact = wandb.Artifact(model_name(directory), "model", metadata={**numbers, "row": info.config["row"]})
    for file in (directory.best, directory.config, directory.split):
        _add(artifact, file, file.relative_to(directory.path).as_posix())
    _add_text(artifact, "result.json", json_text(result, indent=2))
    return artifact


def _add(artifact: Any, file: Path, name: str | None = None) -> None:
    if file.is_file():
        artifact.add_file(str(file), name=name)


def _add_text(artifact: Any, name: str, text: str) -> None:
    with artifact.new_file(name, encoding="utf-8") as file:
        file.write(text)
