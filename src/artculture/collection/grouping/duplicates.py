"""Near-duplicate images, by perceptual hash and correlation of coarse luminance."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

BITS = 64  # of a hash
CHUNK = 1024  # images compared with all others in one matrix product


class Fingerprint(Protocol):
    """What two images are compared by.

    Attributes:
        phash: 64-bit perceptual hash, 16 hexadecimal digits.
        signature: 16x16 luminances, one byte each, row by row.
    """

    @property
    def phash(self) -> str: ...

    @property
    def signature(self) -> bytes: ...


@dataclass(frozen=True)
class DuplicatePair:
    """Two near-duplicates: positions in the searched list, Hamming distance in bits, correlation of luminance."""

    first: int
    second: int
    distance: int
    correlation: float


def near_duplicates(
    fingerprints: Sequence[Fingerprint | None], max_distance: int = 10, min_correlation: float = 0.88
) -> list[DuplicatePair]:
    """Return every pair within both thresholds; all pairs are compared.

    The Hamming distance of two hashes is a dot product of ±1 vectors, so that a chunk needs one matrix product and
    10,000 images take well under a second. The correlation rejects images that share only their composition (two
    portraits on a dark ground); it is invariant to exposure and to the loss of colour in a photograph.

    Args:
        fingerprints: None for an unreadable image.
        max_distance: in bits of 64.
        min_correlation: of the two 16x16 luminances, -1..1.
    """
    places = np.array([i for i, stats in enumerate(fingerprints) if stats is not None], dtype=np.int64)
    if places.size < 2:
        return []
    present = [stats for stats in fingerprints if stats is not None]
    bits, tones = _signs([stats.phash for stats in present]), _tones([stats.signature for stats in present])
    return [
        DuplicatePair(int(places[i]), int(places[j]), distance, correlation)
        for i, j, distance, correlation in _close_pairs(bits, tones, max_distance, min_correlation)
    ]


def _close_pairs(
    bits: npt.NDArray[np.float32], tones: npt.NDArray[np.float32], max_distance: int, min_correlation: float
) -> Iterator[tuple[int, int, int, float]]:
    for start in range(0, len(bits), CHUNK):
        # Only columns from `start` on: earlier chunks have compared the others.
        agreement = bits[start : start + CHUNK] @ bits[start:].T
        rows, columns = np.nonzero(agreement >= BITS - 2 * max_distance)
        ahead = columns > rows
        for i, j in zip(rows[ahead], columns[ahead], strict=True):
            correlation = float(tones[start + i] @ tones[start + j])
            if correlation >= min_correlation:
                distance = round((BITS - float(agreement[i, j])) / 2)
                yield start + int(i), start + int(j), distance, correlation


def _signs(hashes: Sequence[str]) -> npt.NDArray[np.float32]:
    octets = np.frombuffer(bytes.fromhex("".join(hashes)), dtype=np.uint8).reshape(len(hashes), BITS // 8)
    return np.unpackbits(octets, axis=1).astype(np.float32) * 2 - 1


def _tones(signatures: Sequence[bytes]) -> npt.NDArray[np.float32]:
    levels = np.frombuffer(b"".join(signatures), dtype=np.uint8)
    tones = levels.reshape(len(signatures), -1).astype(np.float32)
    tones -= tones.mean(axis=1, keepdims=True)
    # A blank image has no contrast: it correlates with nothing.
    norms = np.linalg.norm(tones, axis=1, keepdims=True)
    tones /= np.maximum(norms, 1e-6)
    return tones
