"""One picture file to RGB pixels."""

import io
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

Image.MAX_IMAGE_PIXELS = 400_000_000  # a museum's largest scans; beyond it Pillow's bomb check still stops

# The longer side in shorter ones: what lies beyond is cut off.
LONGEST = 4
RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


class BadImageError(Exception):
    """The file can't be read as a picture; the message says why."""


def read_pixels(picture: Path | bytes, shorter_side: int, interpolation: str) -> NDArray[np.uint8]:
    """Decode a picture, upright and in RGB, resized so that its shorter side is `shorter_side` pixels.

    The longer side is cut to four times the shorter one, centred: no crop reaches beyond that.

    Args:
        picture: the file, or what is in it.
        shorter_side: pixels.
        interpolation: `bilinear` or `bicubic`.

    Returns:
        uint8, height x width x 3.

    Raises:
        BadImageError: zero bytes, truncated, not a picture, or a decompression bomb.
    """
    try:
        with warnings.catch_warnings():
            # A bomb warning and a truncated TIFF's are errors here, not noise.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(picture) if isinstance(picture, bytes) else picture) as image:
                # JPEG decodes at 1/2, 1/4 or 1/8 where that is still at least twice the size wanted.
                image.draft("RGB", (2 * shorter_side, 2 * shorter_side))
                ImageOps.exif_transpose(image, in_place=True)
                return np.asarray(_resized(_rgb(image), shorter_side, interpolation))
    except (
        OSError,
        SyntaxError,
        ValueError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:
        reason = "not a picture" if "cannot identify" in str(error) else str(error)
        size = len(picture) if isinstance(picture, bytes) else picture.stat().st_size
        raise BadImageError("zero bytes" if size == 0 else reason) from error


def upright_size(picture: bytes) -> tuple[int, int]:
    """Height and width of a picture as it is seen, from its header alone.

    Raises:
        BadImageError: not a picture.
    """
    try:
        with Image.open(io.BytesIO(picture)) as image:
            width, height = image.size
            sideways = image.getexif().get(ExifTags.Base.Orientation, 1) >= 5
    except (OSError, SyntaxError, ValueError, TypeError, Image.DecompressionBombError) as error:
        raise BadImageError(str(error)) from error
    return (width, height) if sideways else (height, width)


def resized_shapes(shapes: NDArray[np.int64], shorter_side: int) -> NDArray[np.int64]:
    """Height and width that `read_pixels` gives pictures of these (int64 N x 2; no side 0), to a pixel or two."""
    shorter = shapes.min(axis=1, keepdims=True)
    cut = np.minimum(shapes, LONGEST * shorter)
    resized: NDArray[np.int64] = np.rint(cut * (shorter_side / shorter)).astype(np.int64)
    return np.maximum(shorter_side, resized)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        # What is see-through is shown on white, as on a page, not as the black that lies under it.
        layered = image.convert("RGBA")
        paper = Image.new("RGBA", layered.size, "white")
        return Image.alpha_composite(paper, layered).convert("RGB")
    if image.mode.startswith("I;16") or image.mode == "I":
        # Pillow clips 16-bit grey to white: scale it to 8 bits first.
        return Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8)).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _resized(image: Image.Image, shorter_side: int, interpolation: str) -> Image.Image:
    width, height = image.size
    limit = LONGEST * min(width, height)
    if max(width, height) > limit:
        left, top = max(0, (width - limit) // 2), max(0, (height - limit) // 2)
        image = image.crop((left, top, left + min(width, limit), top + min(height, limit)))
        width, height = image.size
    scale = shorter_side / min(width, height)
    size = (max(shorter_side, round(width * scale)), max(shorter_side, round(height * scale)))
    return image if size == image.size else image.resize(size, RESAMPLING[interpolation])
