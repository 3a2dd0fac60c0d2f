"""Decoding of pictures of strangers, within limits."""

import base64
import io
from collections.abc import Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from artculture.data.decoding import BadImageError, read_pixels, readable_formats
from artculture.data.decoding_memory import TooLargeError
from artculture.data.transforms import Preprocessing
from artculture.serving.web.errors import RequestError
from artculture.utils.errors import WorkError

# A progressive JPEG is decoded once more for each scan; usual ones have about 10.
MOST_SCANS = 100
START_OF_SCAN = b"\xff\xda"
PREVIEW_SIDE = 640
JPEG_QUALITY = 85


def decode(content: bytes, kinds: Sequence[Preprocessing], megapixels: float) -> list[NDArray[np.uint8]]:
    """Return a picture's pixels for each kind of preprocessing, as `read_pixels` does.

    Raises:
        RequestError: 413 for one that is too large, 415 for no picture, 422 for a damaged one, 503 out of memory.
    """
    _check_cost(content, megapixels)
    try:
        return [read_pixels(content, kind.resize, kind.interpolation, kind.fit) for kind in kinds]
    except BadImageError as error:
        status = _status(error.__cause__)
        raise RequestError(status, f"the picture can't be read: {error}") from error
    except WorkError as error:
        raise RequestError(503, "this machine is out of memory or file handles now", retry_after=5) from error


def preview(content: bytes) -> str:
    """Return a whole picture, small, as a data: address of a JPEG; the picture is one that `decode` has read."""
    return data_address(read_pixels(content, PREVIEW_SIDE, "bicubic", "letterbox"))


def data_address(pixels: NDArray[np.uint8] | Image.Image) -> str:
    """Return pixels, H x W x 3, as a data: address of a JPEG."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    with io.BytesIO() as file:
        image.save(file, "JPEG", quality=JPEG_QUALITY)
        return jpeg_address(file.getvalue())


def jpeg_address(content: bytes) -> str:
    """Return a JPEG as a data: address."""
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"


def _check_cost(content: bytes, megapixels: float) -> None:
    width = height = 0
    kind: str | None = None
    # What else is wrong, `read_pixels` says.
    with suppress(Exception), Image.open(io.BytesIO(content), formats=readable_formats()) as image:
        (width, height), kind = image.size, image.format
    if width * height > megapixels * 1e6:
        size = f"{width} x {height} pixels"
        raise RequestError(413, f"the picture has {size}, and at most {megapixels:g} megapixels are read")
    if kind in ("JPEG", "MPO") and content.count(START_OF_SCAN) > MOST_SCANS:
        raise RequestError(413, f"the picture has more than {MOST_SCANS} scans, which take too long to decode")


def _status(cause: BaseException | None) -> int:
    if isinstance(cause, UnidentifiedImageError):
        return 415
    return 413 if isinstance(cause, TooLargeError | Image.DecompressionBombError | MemoryError) else 422
