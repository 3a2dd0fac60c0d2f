"""One vector a painting: the pooled latent representation before the head, and the logits beside it."""

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
from artculture.data.batches import BatchMaker
from artculture.data.dataset import Batch, SplitDataset, identity_collate
from artculture.evaluation.forward import forward_on
from artculture.utils.io import file_sha256, json_text, replacing
from artculture.utils.progress import Progress

# Part of every cache key; raised when the same classifier and pictures would give other vectors.
FEATURES_VERSION = 1

Vectors = tuple[NDArray[np.float32], NDArray[np.float32]]


def compute_embeddings(
    model: ModelUnderStudy, batch_size: int = 64, device: str = "auto", on_progress: Progress | None = None
) -> Embeddings:
    """Features and logits of all paintings in one pass, kept on disk for the next time.

    Paintings that the run itself predicted have its stored logits (see `stored_logits`).

    Computed in full float32 everywhere, so that batch size and device change the vectors by rounding alone: batch
    sizes by at most 1e-5 of the largest value (6e-6 was measured), devices by at most 1e-4.

    Args:
        model: the classifier and the paintings.
        batch_size: pictures at a time.
        device: `auto`, `cpu` or `gpu`.
        on_progress: called with (done, all); not at all where the vectors are at hand.
    """
    file = None if model.cache is None else model.cache / "features" / f"{_key(model)}.npz"
    found = None if file is None else _read(file, len(model.paintings.selection.manifest))
    if found is None:
        found = _computed(model, batch_size, device, on_progress or (lambda *_: None))
        if file is not None:
            _write(file, found)
    selection = model.paintings.selection
    features, logits = found
    return Embeddings(
        model.classes,
        selection.manifest.table["object_id"].to_numpy(dtype=np.str_),
        selection.labels,
        selection.split,
        features,
        stored_logits(model, logits),
        model.classifier.temperature,
    )


def write_features(embeddings: Embeddings, path: Path) -> Path:
    """Write one row a painting: `object_id`, `culture`, `split`, and the vector as columns `f0`, `f1`, … (Parquet)."""
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
    """Batches (pictures, labels, rows) of some of the model's paintings, each once, in the order given."""
    paintings = model.paintings
    maker = BatchMaker(paintings.cache, paintings.selection.rows, model.classifier.preprocessing, None)
    return DataLoader(SplitDataset(paintings, rows, maker), batch_size, collate_fn=identity_collate)


def _key(model: ModelUnderStudy) -> str:
    selection = model.paintings.selection
    facts: dict[str, Any] = {
        "version": FEATURES_VERSION,
        "checkpoint": file_sha256(model.checkpoint),
        "manifest": selection.manifest.fingerprint(),
        "rows": hashlib.sha256(selection.rows.tobytes()).hexdigest(),
        # of files that were replaced under the same name too
        "pixels": model.paintings.cache.key,
        "preprocessing": model.classifier.preprocessing.as_plain(),
    }
    return hashlib.sha256(json_text(facts, sort_keys=True, ensure_ascii=True).encode()).hexdigest()[:24]


def _read(file: Path, n: int) -> Vectors | None:
    try:
        # Opened here: np.load leaves a damaged file open.
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as stored:
            features, logits = stored["features"], stored["logits"]
    except Exception:  # not there, or damaged, which makes zip and numpy raise nearly anything: computed anew
        return None
    return (features, logits) if len(features) == len(logits) == n else None


def _write(file: Path, vectors: Vectors) -> None:
    with replacing(file) as temporary, temporary.open("wb") as opened:
        np.savez(opened, features=vectors[0], logits=vectors[1])


def _computed(model: ModelUnderStudy, batch_size: int, device: str, on_progress: Progress) -> Vectors:
    n = len(model.paintings.selection.manifest)
    found: list[tuple[Tensor, Tensor]] = []
    done = 0
    with forward_on(model.classifier, device) as forward:
        for pictures, _, _ in image_batches(model, np.arange(n, dtype=np.int64), batch_size):
            found.append(forward(pictures))
            done += len(pictures)
            on_progress(done, n)
    features, logits = (torch.cat(parts).numpy() for parts in zip(*found, strict=True))
    return features, logits
