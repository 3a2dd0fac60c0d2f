"""Embeddings of paintings: the pooled representation before the head, and the logits."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from artculture.analysis.model_under_study import Embeddings, ModelUnderStudy
from artculture.analysis.run_predictions import stored_logits
from artculture.data.dataset import Batch
from artculture.training import predicting
from artculture.utils.io import file_sha256, json_text, replacing
from artculture.utils.progress import Progress

# Part of every cache key; increase it when a change of the code alters the vectors of the same classifier and images.
FEATURES_VERSION = 1

Vectors = tuple[NDArray[np.float32], NDArray[np.float32]]


def compute_embeddings(
    model: ModelUnderStudy, batch_size: int = 64, device: str = "auto", on_progress: Progress | None = None
) -> Embeddings:
    """Compute the features and logits of all paintings in one pass, or read them from the cache.

    Paintings that the run predicted have its stored logits (see `stored_logits`).

    Everything is computed in float32, so batch size and device change the vectors by rounding only: the batch size by
    at most 1e-5 of the largest value (6e-6 was measured), the device by at most 1e-4.

    Args:
        model: classifier and paintings.
        batch_size: images per forward pass.
        device: `auto`, `cpu` or `gpu`.
        on_progress: called with (done, total); not called if the vectors are cached.
    """
    file = None if model.cache is None else model.cache / "features" / f"{_key(model)}.npz"
    vectors = None if file is None else _read(file, len(model.paintings.selection.manifest))
    if vectors is None:
        vectors = _compute(model, batch_size, device, on_progress or (lambda *_: None))
        if file is not None:
            _write(file, vectors)
    selection = model.paintings.selection
    features, logits = vectors
    return Embeddings(
        model.classes,
        selection.manifest.table["object_id"].to_numpy(dtype=np.str_),
        selection.labels,
        selection.split,
        features,
        stored_logits(model, logits),
        model.classifier.temperature,
        model.classifier.words,
    )


def write_features(embeddings: Embeddings, path: Path) -> Path:
    """Write a Parquet table with one row per painting: `object_id`, `culture`, `split`, features `f0`, `f1`, …."""
    table = pd.DataFrame(
        {
            "object_id": embeddings.object_id,
            "culture": np.array(embeddings.classes)[embeddings.labels],
            "split": embeddings.split,
        }
    )
    names = [f"f{i}" for i in range(embeddings.features.shape[1])]
    with replacing(path) as temporary:
        pd.concat([table, pd.DataFrame(embeddings.features, columns=names)], axis=1).to_parquet(temporary, index=False)
    return path


def image_batches(model: ModelUnderStudy, rows: NDArray[np.int64], batch_size: int) -> DataLoader[Batch]:
    """Return a loader of batches (images uint8 N x 3 x H x W, labels, rows) of some paintings, in the given order."""
    return predicting.image_batches(model.paintings, model.classifier.preprocessing, rows, batch_size)


def _key(model: ModelUnderStudy) -> str:
    selection = model.paintings.selection
    # Everything that the vectors depend on, except device and batch size.
    facts: dict[str, Any] = {
        "version": FEATURES_VERSION,
        "checkpoint": file_sha256(model.checkpoint),
        "manifest": selection.manifest.fingerprint(),
        "rows": hashlib.sha256(selection.rows.tobytes()).hexdigest(),
        # Also changes when an image file is replaced under the same name.
        "pixels": model.paintings.cache.key,
        "preprocessing": model.classifier.preprocessing.as_plain(),
    }
    return hashlib.sha256(json_text(facts, sort_keys=True, ensure_ascii=True).encode()).hexdigest()[:24]


def _read(file: Path, n: int) -> Vectors | None:
    try:
        # np.load does not close a damaged file that it opened itself.
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as stored:
            features, logits = stored["features"], stored["logits"]
    except Exception:  # Missing or damaged: zipfile and numpy raise many types of errors; recompute.
        return None
    return (features, logits) if len(features) == len(logits) == n else None


def _write(file: Path, vectors: Vectors) -> None:
    with replacing(file) as temporary, temporary.open("wb") as opened:
        np.savez(opened, features=vectors[0], logits=vectors[1])


def _compute(model: ModelUnderStudy, batch_size: int, device: str, on_progress: Progress) -> Vectors:
    n = len(model.paintings.selection.manifest)
    outputs: list[tuple[Tensor, Tensor]] = []
    done = 0
    rows = np.arange(n, dtype=np.int64)
    for features_and_logits in predicting.forward_passes(model.classifier, model.paintings, rows, batch_size, device):
        outputs.append(features_and_logits)
        done += len(features_and_logits[0])
        on_progress(done, n)
    features, logits = (torch.cat(parts).numpy() for parts in zip(*outputs, strict=True))
    return features, logits
