"""Validation and atomic storage of downloaded images."""

import asyncio
import hashlib
import io
import re
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from artculture.collection.fetching.ledger import Ledger
from artculture.collection.fetching.records import Record, Variant
from artculture.data.decoding_memory import TooLargeError, check_size, one_large_at_a_time
from artculture.utils.io import replacing

MAX_STEM_BYTES = 80  # file systems allow 255 for the whole name, and temporary names add to it
EXTENSIONS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "TIFF": "tif"}


class BrokenPictureError(Exception):
    """The bytes are not a complete image."""


@dataclass(frozen=True)
class Picture:
    """An image that decodes completely; `width` and `height` in pixels as stored."""

    data: bytes
    sha256: str
    width: int
    height: int
    extension: str


def checked_picture(data: bytes, max_pixels: float) -> Picture:
    """Decode an image completely; a truncated file would otherwise pass by its header.

    Args:
        data: the file.
        max_pixels: images with more are refused by their header.

    Raises:
        BrokenPictureError: with the reason.
    """
    if not data:
        raise BrokenPictureError("an empty file instead of an image")
    try:
        # Only these formats: the other decoders of Pillow are not needed for museum images.
        with Image.open(io.BytesIO(data), formats=tuple(EXTENSIONS)) as image:
            width, height, extension = image.width, image.height, EXTENSIONS[str(image.format)]
            if width * height > max_pixels:
                raise BrokenPictureError(
                    f"{width} x {height} pixels, more than the {max_pixels / 1_000_000:g} megapixels of the limits"
                )
            # Large images are decoded one at a time, which bounds the memory whatever the number of workers.
            with one_large_at_a_time(check_size(image, image.size)):
                image.load()
    except BrokenPictureError:
        raise
    except (TooLargeError, Image.DecompressionBombError, MemoryError) as error:
        raise BrokenPictureError(f"too large to decode safely ({error})") from error
    except Exception as error:  # on arbitrary bytes, decoders raise nearly anything
        # Pillow's message contains a memory address, which would differ in every failures.csv.
        what = re.sub(r"<_io\.BytesIO object[^>]*>", f"{len(data)} bytes", str(error))
        raise BrokenPictureError(f"an image that does not decode ({what})") from error
    return Picture(data, hashlib.sha256(data).hexdigest(), width, height, extension)


class PictureStore:
    """The folder `images/` of a manifest, with its entries in the ledger.

    Args:
        root: folder of the manifest.
        variant: the museum's small image or its original; one folder may hold both.
    """

    def __init__(self, root: Path, ledger: Ledger, variant: Variant) -> None:
        self.root = root
        self.ledger = ledger
        self.variant: Variant = variant

    def has(self, source: str, object_id: str) -> bool:
        """Return whether the image is there and complete.

        Its size is enough: the image was validated before it got its name.
        """
        known = self.ledger.picture(source, object_id, self.variant)
        if known is None:
            return False
        try:
            size: int = (self.root / known["image"]).stat().st_size
            return size == int(known["bytes"])
        except OSError:
            return False

    async def keep(self, record: Record, picture: Picture, url: str) -> None:
        """Write an image in a thread."""
        await asyncio.to_thread(self.write, record.source, record.object_id, picture, url)

    def write(self, source: str, object_id: str, picture: Picture, url: str) -> None:
        """Write an image and its ledger entry."""
        folder = source if self.variant == "small" else f"{source}-{self.variant}"
        image = f"images/{folder}/{file_stem(object_id)}.{picture.extension}"
        with replacing(self.root / image) as temporary:
            temporary.write_bytes(picture.data)
            # The ledger entry comes before the rename: after a kill, every file with its final name is in the ledger.
            self.ledger.add_picture(
                source, object_id, self.variant, image, url,
                sha256=picture.sha256, width=picture.width, height=picture.height, size=len(picture.data),
            )  # fmt: skip


def file_stem(object_id: str) -> str:
    """Return an object's id as a file name that is valid on every system and cannot leave its folder."""
    safe = re.sub(r"[^\w.-]", "_", object_id).lstrip(".")
    if safe == object_id and len(safe.encode()) <= MAX_STEM_BYTES:
        return safe
    digest = hashlib.sha256(object_id.encode()).hexdigest()[:8]
    return f"{safe.encode()[:MAX_STEM_BYTES].decode(errors='ignore')}-{digest}"


def remove_temporaries(folder: Path) -> int:
    """Delete temporary files of a killed run; only safe while holding the folder's lock."""
    left = list(folder.rglob(".*.tmp"))
    for file in left:
        file.unlink(missing_ok=True)
    return len(left)
