"""Thumbnails as small JPEGs, limited in size so that a page with all of them stays small."""

import base64
import io
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = Callable[[int], NDArray[np.uint8]]

LARGEST = 3000  # bytes of one JPEG: 4 KB in base64
BUDGET = 4_000_000  # bytes of all JPEGs together: 5.4 MB in base64
# Longest side in pixels and JPEG quality, the best first.
LADDER = ((128, 60), (112, 55), (112, 40), (96, 40), (80, 38), (64, 35), (48, 30), (32, 30), (24, 20), (16, 10))


def thumbnails(picture: Picture, count: int) -> list[str]:
    """Return one base64-encoded JPEG per position, with the best quality that fits its share of `BUDGET`."""
    room = min(LARGEST, BUDGET // max(count, 1))
    return [base64.b64encode(thumbnail(picture(position), room)).decode() for position in range(count)]


def on_white(image: Image.Image) -> Image.Image:
    """Return an image with transparency as RGB on a white background."""
    layer = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")


def encode_thumbnail(
    image: Image.Image,
    longer_side: int,
    file_format: str,
    resampling: Image.Resampling = Image.Resampling.BICUBIC,
    **options: Any,
) -> bytes:
    """Return an image file of at most `longer_side` pixels per side; smaller images keep their size.

    Args:
        image: image, which is not changed.
        longer_side: pixels.
        file_format: name of the format in Pillow.
        resampling: filter for shrinking.
        options: arguments of `PIL.Image.Image.save` for the format.
    """
    small = image.copy()
    small.thumbnail((longer_side, longer_side), resampling)
    with io.BytesIO() as file:
        small.save(file, file_format, **options)
        return file.getvalue()


def thumbnail(pixels: NDArray[np.uint8], room: int) -> bytes:
    """Return a JPEG of at most `room` bytes, or the smallest of `LADDER` if all are larger."""
    whole = Image.fromarray(pixels)
    encoded = b""
    for side, quality in LADDER:
        encoded = encode_thumbnail(whole, side, "JPEG", Image.Resampling.LANCZOS, quality=quality, optimize=True)
        if len(encoded) <= room:
            break
    return encoded
