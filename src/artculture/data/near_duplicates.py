"""Near-duplicate images, by perceptual hash and correlation of coarse luminance."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations, islice, pairwise, product
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from artculture.utils.io import replacing

BITS = 64  # of a hash
HASHED_SIDE = 32  # of the luminances that are hashed, as in imagehash.phash
SIGNATURE_SIDE = 16
SAMPLED_SIDE = 64  # pixels that are read in each direction
BATCH = 256  # images whose samples are in memory at once
LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # of red, green and blue (ITU-R 601-2)
ALIKE = 16  # images with one fingerprint of which all pairs are found
CHUNK = 64  # images compared with all others at once, so that their distances stay in the processor's cache


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
    """Return the pairs within both thresholds, in order; all images are compared with each other.

    Many images with one fingerprint, such as the placeholder of a missing picture, would make pairs by the square of
    their number: of more than `ALIKE` each is a pair with the next one alone, and the first `ALIKE` stand for the rest.

    The Hamming distance of two hashes is the number of bits in their exclusive or, so that 20,000 images take about
    half a second. The correlation rejects images that share only their composition (two portraits on a dark ground); it
    is invariant to exposure and to the loss of colour in a photograph.

    Args:
        fingerprints: None for an unreadable image.
        max_distance: in bits of 64.
        min_correlation: of the two 16x16 luminances, -1..1.
    """
    alike: dict[tuple[str, bytes], list[int]] = {}
    for place, stats in enumerate(fingerprints):
        if stats is not None:
            alike.setdefault((stats.phash, stats.signature), []).append(place)
    if not alike:
        return []
    groups = list(alike.values())
    words, tones = _words([phash for phash, _ in alike]), _tones([signature for _, signature in alike])
    found = []
    for group, tone in zip(groups, tones, strict=True):
        if tone.any():  # a blank image is like no other
            same = combinations(group, 2) if len(group) <= ALIKE else pairwise(group)
            found += [DuplicatePair(first, second, 0, 1.0) for first, second in same]
    for i, j, distance, correlation in _close_pairs(words, tones, max_distance, min_correlation):
        for ends in product(groups[i][:ALIKE], groups[j][:ALIKE]):
            found.append(DuplicatePair(min(ends), max(ends), distance, correlation))
    return sorted(found, key=lambda pair: (pair.first, pair.second))


def _close_pairs(
    words: npt.NDArray[np.uint64], tones: npt.NDArray[np.float32], max_distance: int, min_correlation: float
) -> Iterator[tuple[int, int, int, float]]:
    for start in range(0, len(words), CHUNK):
        # Only columns from `start` on: earlier chunks have compared the others.
        distances = np.bitwise_count(words[start : start + CHUNK, None] ^ words[start:])
        rows, columns = np.divmod(np.flatnonzero(distances <= max_distance), distances.shape[1])
        ahead = columns > rows
        for i, j in zip(rows[ahead], columns[ahead], strict=True):
            correlation = float(tones[start + i] @ tones[start + j])
            if correlation >= min_correlation:
                yield start + int(i), start + int(j), int(distances[i, j]), correlation


def _words(hashes: Sequence[str]) -> npt.NDArray[np.uint64]:
    return np.frombuffer(bytes.fromhex("".join(hashes)), dtype=np.uint64)


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

    They are made for speed, of a grid of single pixels, and are compared with each other only.
    """
    found: list[PixelFingerprint | None] = []
    waiting = iter(images)
    while part := list(islice(waiting, BATCH)):
        present = [image for image in part if image is not None]
        made = iter(_fingerprints(present) if present else [])
        found += [None if image is None else next(made) for image in part]
    return found


def _fingerprints(images: Sequence[npt.NDArray[np.uint8]]) -> list[PixelFingerprint]:
    sampled = np.empty((len(images), SAMPLED_SIDE, SAMPLED_SIDE, 3), dtype=np.uint8)
    for place, image in enumerate(images):
        rows, columns = _grid(image.shape[0]), _grid(image.shape[1])
        sampled[place] = image[rows].take(columns, axis=1)
    levels = sampled.astype(np.float32) @ LUMINANCE
    waves, means = _weights()
    low = (waves @ levels @ waves.T).reshape(len(levels), -1)
    hashes = np.packbits(low > np.median(low, axis=1, keepdims=True), axis=1)
    blocks = (means @ levels @ means.T).round().astype(np.uint8)
    pairs = zip(hashes, blocks, strict=True)
    return [PixelFingerprint(octets.tobytes().hex(), signature.tobytes()) for octets, signature in pairs]


@cache
def _grid(length: int) -> npt.NDArray[np.int64]:
    """Return the places of `SAMPLED_SIDE` pixels, evenly spaced over a side of some length."""
    return ((np.arange(SAMPLED_SIDE) + 0.5) * (length / SAMPLED_SIDE)).astype(np.int64)


@cache
def _weights() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return the weights of the sampled pixels in one direction: of the hash, and of the signature.

    The hash has the eight lowest frequencies of a discrete cosine transform (type II) of `HASHED_SIDE` means.
    """
    means = [np.repeat(np.eye(side), SAMPLED_SIDE // side, axis=1) for side in (HASHED_SIDE, SIGNATURE_SIDE)]
    waves = np.cos(np.pi / HASHED_SIDE * np.outer(np.arange(8), np.arange(HASHED_SIDE) + 0.5))
    weights = waves @ means[0], means[1] * (SIGNATURE_SIDE / SAMPLED_SIDE)
    return weights[0].astype(np.float32), weights[1].astype(np.float32)


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
