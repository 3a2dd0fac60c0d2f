"""Exact search for the vectors with the highest cosine similarity, in bounded memory."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Queries and candidates at a time: similarities of at most 64 MiB in float32.
QUERIES, CANDIDATES = 1024, 16_384

Vectors = NDArray[np.floating[Any]]


def unit_vectors(features: Vectors) -> Vectors:
    """Return vectors of length 1, N x features, in the precision of `features`; zero vectors stay zero."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    scaled: Vectors = features / np.where(lengths > 0, lengths, 1)
    return scaled.astype(features.dtype)


def nearest(candidates: Vectors, queries: Vectors, k: int) -> tuple[NDArray[np.int64], Vectors]:
    """Return the candidates that are most similar to each query.

    Args:
        candidates: of length 1, N x features; may be mapped from a file.
        queries: of length 1, M x features.
        k: number of candidates per query, at most N.

    Returns:
        Positions (int64) and similarities, each M x k, most similar first.
    """
    parts = [_of_block(candidates, queries[i : i + QUERIES], k) for i in range(0, len(queries), QUERIES)]
    if not parts:
        return np.empty((0, k), dtype=np.int64), np.empty((0, k), dtype=queries.dtype)
    positions, similarities = zip(*parts, strict=True)
    return np.concatenate(positions), np.concatenate(similarities)


def _of_block(candidates: Vectors, queries: Vectors, k: int) -> tuple[NDArray[np.int64], Vectors]:
    best = np.empty((len(queries), 0), dtype=queries.dtype)
    where = np.empty((len(queries), 0), dtype=np.int64)
    for start in range(0, len(candidates), CANDIDATES):
        similar = queries @ candidates[start : start + CANDIDATES].T
        positions = np.broadcast_to(np.arange(start, start + similar.shape[1]), similar.shape)
        best, where = np.hstack([best, similar]), np.hstack([where, positions])
        if k < best.shape[1]:
            kept = np.sort(np.argpartition(-best, k - 1, axis=1)[:, :k], axis=1)
            best, where = np.take_along_axis(best, kept, axis=1), np.take_along_axis(where, kept, axis=1)
    order = np.argsort(-best, axis=1, kind="stable")
    return np.take_along_axis(where, order, axis=1), np.take_along_axis(best, order, axis=1)
