"""Synthetic embeddings with known structure."""

import itertools

import numpy as np
import pandas as pd

from artculture.analysis.model_under_study import Embeddings
from artculture.analysis.similarity.distances import CultureDistances, normalised_similarity
from artculture.data.labels import CULTURES

PAPER = CULTURES


def make_embeddings(classes=PAPER, counts=12, centres=None, noise=1.0, features=8, seed=0, split=None, temperature=1.0):
    rng = np.random.default_rng(seed)
    counts = [counts] * len(classes) if isinstance(counts, int) else counts
    labels = np.repeat(np.arange(len(classes)), counts)
    centres = rng.normal(0, 3, (len(classes), features)) if centres is None else np.asarray(centres, dtype=float)
    vectors = centres[labels] + rng.normal(0, noise, (len(labels), centres.shape[1]))
    logits = -np.linalg.norm(vectors[:, None] - centres, axis=2)
    cycle = itertools.cycle(["train", "train", "val", "test"])
    return Embeddings(
        tuple(classes),
        np.array([f"p{i}" for i in range(len(labels))]),
        labels.astype(np.int64),
        np.array([next(cycle) for _ in labels]) if split is None else np.array(split),
        vectors.astype(np.float32),
        logits.astype(np.float32),
        temperature,
    )


def about(embeddings):
    n = len(embeddings.labels)
    return pd.DataFrame(
        {
            "object_id": embeddings.object_id,
            "title": [f"Painting </script> {i}" for i in range(n)],
            "artist": [f"Artist {i % 5}" for i in range(n)],
            "date": ["1650"] * n,
            "culture": [embeddings.classes[label] for label in embeddings.labels],
        }
    )


def picture(position):
    return np.random.default_rng(position).integers(0, 256, (60, 80, 3), dtype=np.uint8)


def distances(matrix, cultures=None, counts=None):
    """Return CultureDistances for these distances, without intervals."""
    matrix = np.asarray(matrix, dtype=float)
    n = len(matrix)
    cultures = tuple(cultures or PAPER[:n])
    counts = np.full(n, 10) if counts is None else np.asarray(counts)
    similarity = normalised_similarity(matrix)
    nothing = (matrix, matrix), (similarity, similarity)
    return CultureDistances(cultures, (), counts, matrix, similarity, *nothing, ("train",))
