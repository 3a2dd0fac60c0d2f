"""Decoding of image files to RGB pixels, with one clear reason if that fails."""

import errno
import io
import os
import stat
import warnings
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageChops, ImageCms, ImageOps, UnidentifiedImageError

from artculture.data.decoding_memory import TooLargeError, check_size, one_large_at_a_time
from artculture.utils.errors import WorkError, reason_of
from artculture.utils.thumbnails import on_white

# Pillow warns of odd metadata, which does not matter here, and of sizes, which are checked below. The filter is set
# once per process, because `warnings.catch_warnings` around each image is not thread-safe.
warnings.filterwarnings("ignore", module=r"PIL\.")

# What is decoded: for one of the ways to make a square image, or a strip for crops along the longer side.
Decoding = Literal["crop", "letterbox", "stretch", "strip"]
# Largest ratio of the longer to the shorter side; the rest is cut off.
ASPECTS: dict[str, int] = {"crop": 4, "strip": 16}
RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}

# Not all of Pillow's formats: for PostScript it would start Ghostscript, whatever the file's name.
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "TIFF", "BMP", "GIF", "JPEG2000", "AVIF", "PPM")
# Values that may mean white in an image with more than 8 bits per channel, smallest first.
WHITE_LEVELS = {"I": (255, 65535, 2**31 - 1), "F": (1.0, 255.0, 65535.0)}
NOT_REGULAR = {
    stat.S_ISDIR: "a directory",
    stat.S_ISFIFO: "a named pipe",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
}
# Errors of the machine, not of the image: they must not be cached as a bad image.
RESOURCE_ERRORS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


class BadImageError(Exception):
    """The file cannot be read as an image; the message says why."""


def read_pixels(picture: Path | bytes, side: int, interpolation: str, fit: Decoding = "crop") -> NDArray[np.uint8]:
    """Decode an image, upright and in RGB, and resize it for what will be cut from it.

    - `crop`: the shorter side is `side` pixels; the longer one is cut to four times that, centred, because no crop
      reaches beyond.
    - `strip`: the same, cut to sixteen times, for crops along the longer side.
    - `letterbox`: the longer side is `side` pixels, and nothing is cut.
    - `stretch`: both sides are.

    Args:
        picture: path of the file, or its content.
        side: pixels.
        interpolation: `bilinear` or `bicubic`.
        fit: as above.

    Returns:
        uint8, height x width x 3.

    Raises:
        BadImageError: not a regular file, truncated, damaged, not an image, or a decompression bomb.
        WorkError: the machine is out of memory or file handles.
    """
    if isinstance(picture, Path):
        check_file(picture)
    elif not picture:
        raise BadImageError("zero bytes")
    try:
        with Image.open(_source(picture), formats=readable_formats()) as image:
            full_size = image.size
            # Decode a JPEG at 1/2, 1/4 or 1/8 where that is still at least twice the requested size.
            image.draft("RGB", _draft_size(full_size, 2 * side, fit))
            needed = check_size(image, full_size)
            if image.format == "PNG":
                _check_png_checksums(picture)
            with one_large_at_a_time(needed):
                return _decoded(image, side, interpolation, fit)
    except BadImageError:
        raise
    except Exception as error:  # on arbitrary bytes, decoders raise nearly anything
        if isinstance(error, OSError) and error.errno in RESOURCE_ERRORS:
            name = picture if isinstance(picture, Path) else "a picture"
            raise WorkError(f"{name} can't be read now ({error.strerror}); run the same command again") from error
        raise BadImageError(_reason(picture, error)) from error


def _draft_size(full_size: tuple[int, int], side: int, fit: Decoding) -> tuple[int, int]:
    """Return the smallest size at which a JPEG may be decoded: of a letterbox, the shorter side may be smaller."""
    longer = max(full_size)
    if fit == "letterbox" and longer > 0:
        width, height = (max(1, side * length // longer) for length in full_size)
        return width, height
    return side, side


def _decoded(image: Image.Image, side: int, interpolation: str, fit: Decoding) -> NDArray[np.uint8]:
    image.load()
    _set_upright(image)
    upright = _with_adobe_polarity(image)
    seen = _to_rgb(_limit_aspect(upright, ASPECTS[fit]) if fit in ASPECTS else upright)
    size = _resized(seen.size, side, fit)
    return np.asarray(seen if size == seen.size else seen.resize(size, RESAMPLING[interpolation]))


def check_file(path: Path) -> None:
    """Check that a path is a non-empty regular file, without opening it, because opening a pipe would block.

    Raises:
        BadImageError: it is not.
    """
    try:
        found = path.stat()
    except FileNotFoundError as error:
        raise BadImageError("a link to nothing" if path.is_symlink() else "no such file") from error
    except (OSError, ValueError) as error:
        looped = isinstance(error, OSError) and error.errno == errno.ELOOP
        raise BadImageError("a link that leads back to itself" if looped else _message(error)) from error
    for is_kind, kind in NOT_REGULAR.items():
        if is_kind(found.st_mode):
            raise BadImageError(f"{kind}, not a picture")
    if found.st_size == 0:
        raise BadImageError("zero bytes")
    if not os.access(path, os.R_OK):
        raise BadImageError("no permission to read it")


def _source(picture: Path | bytes) -> Path | io.BytesIO:
    return io.BytesIO(picture) if isinstance(picture, bytes) else picture


@cache
def readable_formats() -> tuple[str, ...]:
    """Return those of `FORMATS` that this machine's Pillow decodes."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _check_png_checksums(picture: Path | bytes) -> None:
    # Image.load stops after the last row of pixels and does not verify PNG's checksums.
    with Image.open(_source(picture), formats=("PNG",)) as image:
        try:
            image.verify()
        except Exception as error:
            raise BadImageError(f"truncated or damaged: {_message(error)}") from error


def _message(error: BaseException) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else reason_of(error)


def _first_bytes(picture: Path | bytes) -> bytes:
    if isinstance(picture, bytes):
        return picture[:512]
    with picture.open("rb") as file:
        return file.read(512)


def _reason(picture: Path | bytes, error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        page = _first_bytes(picture).lstrip().lower().startswith((b"<!doctype html", b"<html"))
        return "a web page (HTML), not a picture" if page else "not a picture of a kind that can be read"
    if isinstance(error, TooLargeError):
        return str(error)
    if isinstance(error, Image.DecompressionBombError):
        return f"a decompression bomb: {_message(error)}"
    if isinstance(error, MemoryError):
        return "too large for this machine's memory"
    return f"truncated or damaged: {_message(error)}"


def _set_upright(image: Image.Image) -> None:
    # A damaged EXIF block does not affect the pixels, which are decoded by now.
    with suppress(Exception):
        ImageOps.exif_transpose(image, in_place=True)


def _with_adobe_polarity(image: Image.Image) -> Image.Image:
    # Pillow treats every CMYK JPEG as inverted, as Adobe writes it; without Adobe's marker, 0 is no ink (ITU-T T.872).
    if image.mode == "CMYK" and image.format in ("JPEG", "MPO") and "adobe" not in image.info:
        return ImageChops.invert(image)
    return image


def upright_size(picture: bytes) -> tuple[int, int]:
    """Return height and width of a readable image after its EXIF orientation, from the header alone."""
    with Image.open(io.BytesIO(picture), formats=readable_formats()) as image:
        width, height = image.size
        with suppress(Exception):  # as above
            if image.getexif().get(ExifTags.Base.Orientation, 1) >= 5:
                return width, height
    return height, width


def resized_shapes(shapes: NDArray[np.int64], side: int, fit: Decoding = "crop") -> NDArray[np.int64]:
    """Return the height and width after `read_pixels` for images of these shapes (int64 N x 2), within two pixels."""
    if fit == "stretch":
        return np.full_like(shapes, side)
    if fit == "letterbox":
        scaled: NDArray[np.int64] = np.rint(shapes * (side / shapes.max(axis=1, keepdims=True))).astype(np.int64)
        return np.maximum(1, scaled)
    shorter = shapes.min(axis=1, keepdims=True)
    cut = np.minimum(shapes, ASPECTS[fit] * shorter)
    resized: NDArray[np.int64] = np.rint(cut * (side / shorter)).astype(np.int64)
    return np.maximum(side, resized)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in WHITE_LEVELS or image.mode.startswith("I;16"):
        return _to_eight_bits(image).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        # Transparent pixels are shown on white, as on a page; their stored colour is often black.
        return on_white(image)
    if image.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
        assert converted is not None
        return converted
    return image if image.mode == "RGB" else image.convert("RGB")


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Scale grey of 16 or 32 bits or floating point to 8 bits; Pillow's `convert` would clip it."""
    values = np.asarray(image)
    darkest, brightest = values.min(), values.max()
    if not np.isfinite([darkest, brightest]).all() or darkest < 0:
        raise BadImageError(f"grey values from {darkest:g} to {brightest:g}, which are not brightness values")
    whites = WHITE_LEVELS.get(image.mode, (65535,))
    white = next((white for white in whites if brightest <= white), None)
    if white is None:
        raise BadImageError(f"grey values up to {brightest:g}: what is white is unknown")
    grey = np.rint(values * (255.0 / white)).astype(np.uint8)
    if darkest < brightest and not grey.any():
        raise BadImageError(f"all but black: its brightest value is {brightest:g} of {white}")
    return Image.fromarray(grey)


def _limit_aspect(image: Image.Image, aspect: int) -> Image.Image:
    width, height = image.size
    limit = aspect * min(width, height)
    if max(width, height) <= limit:
        return image
    left, top = max(0, (width - limit) // 2), max(0, (height - limit) // 2)
    return image.crop((left, top, left + min(width, limit), top + min(height, limit)))


def _resized(size: tuple[int, int], side: int, fit: Decoding) -> tuple[int, int]:
    if fit == "stretch":
        return side, side
    whole = fit == "letterbox"
    scale, least = side / (max(size) if whole else min(size)), 1 if whole else side
    width, height = (max(least, round(length * scale)) for length in size)
    return width, height
