"""Memory that decoding an image takes, from its header, and the limit on it."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from PIL import ExifTags, Image

Image.MAX_IMAGE_PIXELS = 400_000_000  # a museum's largest scans
# Most bytes that decoding one image may take. A PNG or TIFF in RGB reaches it at 240 million pixels.
MAX_BYTES = 1 << 30
# Images that take more than this are decoded one at a time in a process.
LARGE_BYTES = 1 << 27

# Bytes per pixel at the peak, measured: Pillow's own buffer (RGB takes 4 bytes) and the copies of the conversion.
PER_PIXEL = {
    "1": 6,
    "L": 6,
    "P": 6,
    "RGB": 5,
    "CMYK": 9,
    "YCbCr": 9,
    "LAB": 9,
    "I;16": 21,
    "I;16B": 21,
    "I": 25,
    "F": 17,
}
WITH_ALPHA = 17
# Additional bytes per pixel of decoders that hold a copy of their own.
PER_FORMAT = {"WEBP": 12, "AVIF": 6, "JPEG2000": 16}
# A progressive JPEG is held whole, however small it is decoded.
PROGRESSIVE = 7
TURNED = 4


class TooLargeError(ValueError):
    """The image is a decompression bomb, or too large to be decoded within the limit."""


def check_size(image: Image.Image, full_size: tuple[int, int]) -> int:
    """Return the bytes that decoding an opened image takes; call it after `draft` and before `load`.

    Args:
        image: opened and not yet loaded.
        full_size: width and height before `draft`.

    Raises:
        TooLargeError: more than `MAX_BYTES`, or more than Pillow's limit of pixels.
    """
    pixels, limit = full_size[0] * full_size[1], Image.MAX_IMAGE_PIXELS
    shown = f"a decompression bomb: {full_size[0]} x {full_size[1]} pixels"
    if limit is not None and pixels > limit:
        raise TooLargeError(f"{shown}, at most {limit} are read")
    needed = image.width * image.height * _bytes_per_pixel(image)
    if image.format in ("JPEG", "MPO") and image.info.get("progressive"):
        needed += pixels * PROGRESSIVE
    if needed > MAX_BYTES:
        raise TooLargeError(f"{shown} take {needed / 1e6:.0f} MB to decode, at most {MAX_BYTES / 1e6:.0f} MB are used")
    return needed


@contextmanager
def one_large_at_a_time(needed: int) -> Iterator[None]:
    """Wait until no other large image is decoded in this process, if this one is large."""
    if needed <= LARGE_BYTES:
        yield
        return
    with _lock:
        yield


def _bytes_per_pixel(image: Image.Image) -> int:
    alpha = image.mode not in PER_PIXEL or "transparency" in image.info
    needed = WITH_ALPHA if alpha else PER_PIXEL[image.mode]
    with suppress(Exception):  # a damaged EXIF block turns nothing
        if image.getexif().get(ExifTags.Base.Orientation, 1) > 1:
            needed += TURNED
    return needed + PER_FORMAT.get(str(image.format), 0)


_lock = threading.Lock()


def _renew_lock() -> None:
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    # A forked loader process must not wait for a thread that it does not have.
    os.register_at_fork(after_in_child=_renew_lock)
