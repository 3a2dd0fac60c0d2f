"""Near-duplicate images, by perceptual hash and correlation of coarse luminance."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from artculture.utils.io import replacing

BITS = 64  # of a hash
HASHED_SIDE = 32  # of the luminances that are hashed, as in imagehash.phash
SIGNATURE_SIDE = 16
SAMPLED_SIDE = 64  # pixels of the shorter side that are read at least
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
class PixelFingerprint:
    """Fingerprint of decoded pixels."""

    phash: str
    signature: bytes


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


def fingerprints(images: Iterable[npt.NDArray[np.uint8] | None]) -> list[PixelFingerprint | None]:
    """Return a fingerprint per image, uint8 height x width x 3; None for None.

    They are made for speed, of every nth pixel, and are compared with each other only.
    """
    grey = [None if image is None else _small_grey(image) for image in images]
    present = [i for i, levels in enumerate(grey) if levels is not None]
    found: list[PixelFingerprint | None] = [None] * len(grey)
    if not present:
        return found
    levels = np.stack([values for values in grey if values is not None]).astype(np.float32)
    # The eight lowest frequencies of a discrete cosine transform (type II) in each direction.
    waves = np.cos(np.pi / HASHED_SIDE * np.outer(np.arange(8), np.arange(HASHED_SIDE) + 0.5)).astype(np.float32)
    low = (waves @ levels @ waves.T).reshape(len(levels), -1)
    hashes = np.packbits(low > np.median(low, axis=1, keepdims=True), axis=1)
    blocks = levels.reshape(-1, SIGNATURE_SIDE, 2, SIGNATURE_SIDE, 2).mean(axis=(2, 4)).round().astype(np.uint8)
    for row, octets, signature in zip(present, hashes, blocks, strict=True):
        found[row] = PixelFingerprint(octets.tobytes().hex(), signature.tobytes())
    return found


def _small_grey(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    step = max(1, min(image.shape[:2]) // SAMPLED_SIDE)
    sampled = np.ascontiguousarray(image[::step, ::step])
    small = Image.frombuffer("RGB", sampled.shape[1::-1], sampled, "raw", "RGB", 0, 1).convert("L")
    return np.asarray(small.resize((HASHED_SIDE, HASHED_SIDE), Image.Resampling.BOX))


def stored_fingerprints(
    file: Path, images: Iterable[npt.NDArray[np.uint8] | None], count: int
) -> list[PixelFingerprint | None]:
    """Return the fingerprints of `count` images from a file, which is written first if it is missing or damaged."""
    width = BITS // 8 + SIGNATURE_SIDE**2
    try:
        rows = np.fromfile(file, dtype=np.uint8).reshape(count, width)
    except (OSError, ValueError):
        found = fingerprints(images)
        empty = bytes(width)
        with replacing(file) as temporary:
            temporary.write_bytes(b"".join(bytes.fromhex(f.phash) + f.signature if f else empty for f in found))
        return found
    split = BITS // 8
    return [PixelFingerprint(row[:split].tobytes().hex(), row[split:].tobytes()) if row.any() else None for row in rows]
