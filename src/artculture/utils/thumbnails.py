"""Thumbnails as small JPEGs, so small that a page of all of them stays light."""

import base64
import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = Callable[[int], NDArray[np.uint8]]

LARGEST = 3000  # bytes of one JPEG: 4 KB in base64
BUDGET = 4_000_000  # bytes of all JPEGs together: 5.4 MB in base64
# Longest side in pixels and JPEG quality, the best first.
LADDER = ((128, 60), (112, 55), (112, 40), (96, 40), (80, 38), (64, 35), (48, 30), (32, 30), (24, 20), (16, 10))


def thumbnails(picture: Picture, count: int) -> list[str]:
    """Base64 of one JPEG a position, each the best that fits its share of the page."""
    room = min(LARGEST, BUDGET // max(count, 1))
    return [base64.b64encode(thumbnail(picture(position), room)).decode() for position in range(count)]


def thumbnail(pixels: NDArray[np.uint8], room: int) -> bytes:
    """A JPEG of at most `room` bytes (the smallest on the ladder, where even that is more)."""
    whole = Image.fromarray(pixels)
    encoded = b""
    for side, quality in LADDER:
        small = whole.copy()
        small.thumbnail((side, side), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", quality=quality, optimize=True)
        encoded = buffer.getvalue()
        if len(encoded) <= room:
            break
    return encoded
