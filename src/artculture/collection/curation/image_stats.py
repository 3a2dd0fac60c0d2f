"""Statistics of an image's pixels from one decode: perceptual hash, colour, text score, thumbnail."""

import hashlib
import io
from dataclasses import dataclass

import imagehash
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError
from scipy import ndimage

from artculture.data.decoding import readable_formats
from artculture.data.decoding_memory import check_size
from artculture.utils.thumbnails import encode_thumbnail, on_white

# Increase it whenever a measurement below changes: cached image_stats of another version are measured again.
VERSION = 1
MEASURED = 384  # longer side at which images are measured, pixels
SIGNATURE = 16  # side of the luminance signature, pixels

Floats = npt.NDArray[np.float32]


class UnreadableError(Exception):
    """The file can't be decoded as an image."""


@dataclass(frozen=True)
class ImageStats:
    """Statistics of one image.

    Attributes:
        sha256: of the file's bytes.
        width: pixels, upright (EXIF orientation applied), as is `height`.
        phash: 64-bit DCT hash (imagehash), 16 hexadecimal digits.
        signature: 16x16 luminances, one byte each, row by row.
        chroma: colour that remains after subtracting the best tone curve (grey, sepia), 0 for a black-and-white
            photograph; RMS in units of the 8-bit YCbCr scale.
        text: 0..1, similarity to a page of evenly spaced lines of small glyphs.
        thumbnail: a WebP file.
    """

    sha256: str
    width: int
    height: int
    phash: str
    signature: bytes
    chroma: float
    text: float
    thumbnail: bytes

    @property
    def aspect(self) -> float:
        """Longer side over shorter side."""
        return max(self.width, self.height) / max(1, min(self.width, self.height))


def measure_image(content: bytes, thumbnail: int) -> ImageStats:
    """Measure an image.

    Args:
        content: the bytes of an image file.
        thumbnail: longer side of the thumbnail, pixels.

    Raises:
        UnreadableError: not an image, truncated, or too large to decode safely.
    """
    try:
        upright, size = _decoded(content)
    except UnidentifiedImageError as error:  # its message contains a memory address
        raise UnreadableError("not an image format that Pillow reads") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UnreadableError(str(error) or type(error).__name__) from error
    # Hash and colour need no detail: half the size takes a quarter of the time.
    half = upright.reduce(2)
    grey = half.convert("L")
    planes = [np.asarray(plane, dtype=np.float32) for plane in half.convert("YCbCr").split()]
    return ImageStats(
        sha256=hashlib.sha256(content).hexdigest(),
        width=size[0],
        height=size[1],
        phash=str(imagehash.phash(grey)),
        signature=grey.resize((SIGNATURE, SIGNATURE), Image.Resampling.BOX).tobytes(),
        chroma=residual_chroma(*planes),
        text=text_score(np.asarray(upright.convert("L"), dtype=np.float32)),
        thumbnail=encode_thumbnail(upright, thumbnail, "WEBP", quality=50, method=2),
    )


def _decoded(content: bytes) -> tuple[Image.Image, tuple[int, int]]:
    with Image.open(io.BytesIO(content), formats=readable_formats()) as image:
        size = image.size
        image.draft("RGB", (MEASURED, MEASURED))  # decodes a JPEG at 1/2, 1/4 or 1/8 of its size if that suffices
        check_size(image, size)
        upright = ImageOps.exif_transpose(image)
        # Orientations 5 to 8 swap width and height.
        turned = image.getexif().get(0x0112, 1) >= 5
        upright.thumbnail((MEASURED, MEASURED), reducing_gap=2.0)
        if upright.mode in ("RGBA", "LA", "PA", "P"):
            upright = on_white(upright)
        return upright.convert("RGB"), (size[::-1] if turned else size)


def residual_chroma(luminance: Floats, blue: Floats, red: Floats) -> float:
    """Return the root mean square of the chroma that a quadratic function of luminance does not explain.

    Grey and sepia photographs have (almost) none; even an ink painting on paper has seals, stains and a tinted ground.

    Args:
        luminance: (height, width), 0..255, as are the two chroma planes.
    """
    y = luminance.ravel().astype(np.float64) / 255
    curve = np.stack([np.ones_like(y), y, y * y], axis=1)
    planes = np.stack([blue.ravel(), red.ravel()], axis=1) - 128.0
    # Normal equations are 3x3, and much faster than a least-squares solve over all pixels.
    weights = np.linalg.pinv(curve.T @ curve) @ (curve.T @ planes)
    return float(np.sqrt(((planes - curve @ weights) ** 2).sum(axis=1).mean()))


def text_score(luminance: Floats) -> float:
    """Return the similarity of an image to a page of writing, 0..1.

    It is the fraction of the ink in small marks, multiplied by the regularity of the marks' lines (the second peak of
    the autocorrelation of the ink profile, along the more regular axis).
    """
    # A local threshold, because the tone of paper varies across a page.
    ink = luminance < ndimage.uniform_filter(luminance, 31) - 18
    marks, count = ndimage.label(ink, np.ones((3, 3)))
    # Fewer marks than a few lines of text.
    if count < 60:
        return 0.0
    sizes = np.bincount(marks.ravel())[1:]
    height, width = ink.shape
    boxes = ndimage.find_objects(marks)
    # Marks above these sizes are figures, borders or stains; those below 6 pixels are noise.
    small = np.array(
        [(b[0].stop - b[0].start < height * 0.12) and (b[1].stop - b[1].start < width * 0.2) for b in boxes]
    )
    glyphs = small & (sizes >= 6)
    if glyphs.sum() < 60:
        return 0.0
    share = sizes[glyphs].sum() / sizes.sum()
    return float(share * max(_regularity(ink.mean(axis=0)), _regularity(ink.mean(axis=1))))


def _regularity(profile: npt.NDArray[np.float64]) -> float:
    wave = profile - ndimage.uniform_filter1d(profile, 41)
    power = float(wave @ wave)
    if power < 1e-9:
        return 0.0
    correlation = np.correlate(wave, wave, "full")[wave.size - 1 :] / power
    lags = correlation[6 : wave.size // 4]  # lines lie at least 6 pixels apart, and at least four fit
    if lags.size < 8:
        return 0.0
    # The peak at lag 0 is trivial: the period of the lines is the highest value after the first valley.
    valley = int(np.argmin(lags[: lags.size // 2]))
    return max(0.0, float(lags[valley:].max()))
