"""Picture files of every odd kind, each with what must be read from it or the reason why it can't be read."""

import io
import os
import socket
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, PngImagePlugin

RED, GREEN, BLUE, WHITE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)
COLOURS = (RED, GREEN, BLUE, WHITE)
# What a quarter of the picture may be away from its colour: JPEG's loss, and rounding.
TOLERANCE = 6

Corners = tuple[tuple[int, int, int], ...]
Write = Callable[[Path], None]


@dataclass(frozen=True)
class Kind:
    """A kind of picture file.

    Attributes:
        file: its name.
        write: makes it.
        corners: the colours in the middle of its quarters, left to right, above first; None for a bad one.
        reason: a part of why a bad one can't be read.
    """

    file: str
    write: Write
    corners: Corners | None = None
    reason: str = ""


def quarters(width: int = 128, height: int = 80) -> Image.Image:
    """Red and green above, blue and white below."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(GREEN, (width // 2, 0, width, height))
    image.paste(BLUE, (0, height // 2, width // 2, height))
    image.paste(WHITE, (width // 2, height // 2, width, height))
    return image


def corners(pixels: np.ndarray) -> Corners:
    h, w = pixels.shape[0] // 4, pixels.shape[1] // 4
    return tuple((int(p[0]), int(p[1]), int(p[2])) for p in (pixels[y, x] for y in (h, 3 * h) for x in (w, 3 * w)))


def looks_like(pixels: np.ndarray, expected: Corners) -> bool:
    return bool((np.abs(np.array(corners(pixels)) - np.array(expected)) <= TOLERANCE).all())


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    usual = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    image.save(out, kind, **{**usual, **options})
    return out.getvalue()


def noisy() -> Image.Image:
    return Image.effect_noise((300, 200), 80).convert("RGB")


def grey(*levels: int) -> Corners:
    return tuple((level, level, level) for level in levels)


def _of(content: bytes) -> Write:
    def write(path: Path) -> None:
        path.write_bytes(content)

    return write


def _saved(image: Image.Image, kind: str, **options: object) -> Write:
    return lambda path: _of(encoded(image, kind, **options))(path)


def _turned(orientation: int) -> Write:
    # What undoes the turn that the orientation asks for.
    undo = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_90"}
    undo |= {7: "TRANSVERSE", 8: "ROTATE_270"}
    stored = quarters() if orientation == 1 else quarters().transpose(Image.Transpose[undo[orientation]])
    exif = Image.Exif()
    exif[0x0112] = orientation
    return _saved(stored, "JPEG", exif=exif)


def _without_adobe_marker(content: bytes) -> bytes:
    start = content.index(b"\xff\xee")
    (length,) = struct.unpack(">H", content[start + 2 : start + 4])
    return content[:start] + content[start + 2 + length :]


def _cmyk_without_adobe(path: Path) -> None:
    # Pillow writes 255 for no ink; the marker that says so is taken out, so the values are turned around first.
    ink = ImageChops.invert(quarters().convert("CMYK"))
    path.write_bytes(_without_adobe_marker(encoded(ink, "JPEG")))


def _ycck(path: Path) -> None:
    # YCCK is the inks' complement as YCbCr, with black as a fourth plane; Pillow would write it upside down.
    inks = ImageChops.invert(quarters().convert("CMYK")).split()
    luma = ImageChops.invert(Image.merge("RGB", inks[:3])).convert("YCbCr").split()
    planes = Image.merge("CMYK", (*luma, inks[3]))
    content = bytearray(encoded(ImageChops.invert(planes), "JPEG"))
    marker = content.index(b"\xff\xee")
    content[marker + 15] = 2  # the transform: YCCK
    path.write_bytes(content)


def _levels(values: object, dtype: str) -> np.ndarray:
    return np.array(values, dtype=dtype).reshape(2, 2).repeat(40, 0).repeat(64, 1)


def _deep(values: object, dtype: str, kind: str) -> Write:
    return _saved(Image.fromarray(_levels(values, dtype)), kind)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _png(width: int, height: int, rows: bytes, *, depth: int = 8, colour: int = 2) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def _deep_rgb(path: Path) -> None:
    pixels = np.asarray(quarters()).astype(">u2") * 257
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    path.write_bytes(_png(128, 80, rows, depth=16))


def _pixel_flipped_png(path: Path) -> None:
    # Stored, not deflated: a changed byte is another colour, and only the checksum tells.
    content = bytearray(encoded(quarters(), "PNG", compress_level=0))
    content[len(content) // 2] ^= 0x55
    path.write_bytes(content)


def _with_odd_profile(path: Path) -> None:
    quarters().save(path, "JPEG", quality=95, subsampling=0, icc_profile=b"no profile" * 40)


def _with_odd_exif(path: Path) -> None:
    damaged = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12\0\x03\xff\xff\xff\xff\0\x06"
    quarters().save(path, "JPEG", quality=95, subsampling=0, exif=damaged)


def _with_text(path: Path, size: int, *, packed: bool) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "x" * size, zip=packed)
    quarters().save(path, "PNG", pnginfo=text)


def _animated(kind: str) -> Write:
    more = [Image.new("RGB", (128, 80), BLACK) for _ in range(3)]
    options = {"lossless": True} if kind == "WEBP" else {}
    return _saved(quarters(), kind, save_all=True, append_images=more, **options)


def _linked(path: Path) -> None:
    hidden = path.with_name(".linked.png")
    quarters().save(hidden)
    path.symlink_to(hidden)


def _socket(path: Path) -> None:
    # Bound under a relative name: a path may be longer than a socket's may.
    before = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path.name)
    finally:
        os.chdir(before)


def _unreadable(path: Path) -> None:
    quarters().save(path, "PNG")
    path.chmod(0)


def _with_palette(transparent: int | None) -> Write:
    image = quarters().quantize(8)
    if transparent is None:
        return _saved(image, "PNG")
    return _saved(image, "PNG", transparency=image.getpixel((0, 0)))


def _see_through() -> Image.Image:
    image = quarters().convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 64, 40))
    image.paste((0, 255, 0, 128), (64, 0, 128, 40))
    return image


def _grey_and_alpha() -> Image.Image:
    image = Image.new("LA", (128, 80), (0, 0))
    image.paste((100, 255), (64, 0, 128, 80))
    return image


def _half_black() -> Image.Image:
    image = Image.new("L", (128, 80), 0)
    image.paste(255, (64, 0, 128, 80))
    return image


JPEG, PROGRESSIVE = encoded(noisy(), "JPEG"), encoded(noisy(), "JPEG", progressive=True)
PNG, TIFF, GIF = encoded(noisy(), "PNG"), encoded(noisy(), "TIFF"), encoded(noisy().quantize(), "GIF")
WEBP, BMP = encoded(noisy(), "WEBP"), encoded(noisy(), "BMP")
LZW = encoded(noisy(), "TIFF", compression="tiff_lzw")
HALF = grey(0, 255, 0, 255)
PAGE = b"\n<!DOCTYPE html><html><body>403 Forbidden</body></html>"

READ: dict[str, Kind] = {
    "JPEG": Kind("a.jpg", _saved(quarters(), "JPEG"), COLOURS),
    "progressive JPEG": Kind("a.jpg", _saved(quarters(), "JPEG", progressive=True), COLOURS),
    "JPEG with half the colour": Kind("a.jpg", _saved(quarters(), "JPEG", subsampling=2), COLOURS),
    "CMYK JPEG, Adobe's": Kind("a.jpg", _saved(quarters().convert("CMYK"), "JPEG"), COLOURS),
    "CMYK JPEG without Adobe's marker": Kind("a.jpg", _cmyk_without_adobe, COLOURS),
    "YCCK JPEG": Kind("a.jpg", _ycck, COLOURS),
    "CMYK TIFF": Kind("a.tif", _saved(quarters().convert("CMYK"), "TIFF"), COLOURS),
    "Lab TIFF": Kind("a.tif", _saved(Image.new("LAB", (128, 80), (255, 128, 128)), "TIFF"), (WHITE,) * 4),
    "16-bit grey PNG": Kind("a.png", _deep([0, 16384, 32768, 65535], "u2", "PNG"), grey(0, 64, 128, 255)),
    "16-bit grey TIFF": Kind("a.tif", _deep([0, 16384, 32768, 65535], "u2", "TIFF"), grey(0, 64, 128, 255)),
    "16-bit colour PNG": Kind("a.png", _deep_rgb, COLOURS),
    "32-bit TIFF": Kind("a.tif", _deep([0, 2**29, 2**30, 2**31 - 1], "i4", "TIFF"), grey(0, 64, 128, 255)),
    "32-bit TIFF of 16-bit values": Kind("a.tif", _deep([0, 16384, 32768, 65535], "i4", "TIFF"), grey(0, 64, 128, 255)),
    "floating-point TIFF of 0 to 1": Kind("a.tif", _deep([0, 0.25, 0.5, 1], "f4", "TIFF"), grey(0, 64, 128, 255)),
    "floating-point TIFF of 0 to 255": Kind("a.tif", _deep([0, 64, 128, 255], "f4", "TIFF"), grey(0, 64, 128, 255)),
    "grey JPEG": Kind("a.jpg", _saved(_half_black(), "JPEG"), HALF),
    "1-bit PNG": Kind("a.png", _saved(_half_black().convert("1"), "PNG"), HALF),
    "1-bit fax TIFF": Kind("a.tif", _saved(_half_black().convert("1"), "TIFF", compression="group4"), HALF),
    "palette": Kind("a.png", _with_palette(None), COLOURS),
    "palette with a see-through entry": Kind("a.png", _with_palette(0), (WHITE, GREEN, BLUE, WHITE)),
    "RGBA": Kind("a.png", _saved(_see_through(), "PNG"), (WHITE, (127, 255, 127), BLUE, WHITE)),
    "grey with alpha": Kind("a.png", _saved(_grey_and_alpha(), "PNG"), grey(255, 100, 255, 100)),
    **{f"EXIF orientation {n}": Kind("a.jpg", _turned(n), COLOURS) for n in range(1, 9)},
    "damaged EXIF": Kind("a.jpg", _with_odd_exif, COLOURS),
    "damaged colour profile": Kind("a.jpg", _with_odd_profile, COLOURS),
    "megabytes of text": Kind("a.png", lambda path: _with_text(path, 8_000_000, packed=False), COLOURS),
    "animated GIF": Kind("a.gif", _animated("GIF"), COLOURS),
    "animated WebP": Kind("a.webp", _animated("WEBP"), COLOURS),
    "animated PNG": Kind("a.png", _animated("PNG"), COLOURS),
    "TIFF of several pages": Kind("a.tiff", _animated("TIFF"), COLOURS),
    "one pixel": Kind("a.png", _saved(Image.new("RGB", (1, 1), RED), "PNG"), (RED,) * 4),
    "20,000 x 50": Kind("a.png", _saved(Image.new("RGB", (20_000, 50), BLUE), "PNG"), (BLUE,) * 4),
    "50 x 20,000": Kind("a.jpg", _saved(Image.new("RGB", (50, 20_000), BLUE), "JPEG"), (BLUE,) * 4),
    "a PNG called .jpg": Kind("a.jpg", _saved(quarters(), "PNG"), COLOURS),
    "a JPEG called .tif": Kind("a.tif", _saved(quarters(), "JPEG"), COLOURS),
    "a name in many scripts": Kind("Ölgemälde 絵画 चित्र 🖼, (1) [a]='&'.jpg", _saved(quarters(), "JPEG"), COLOURS),
    "the longest name": Kind("n" * 251 + ".jpg", _saved(quarters(), "JPEG"), COLOURS),
    "a link to a picture": Kind("a.png", _linked, COLOURS),
    "JPEG with something behind it": Kind("a.jpg", _of(encoded(quarters(), "JPEG") + b"\0" * 5000), COLOURS),
}
BAD: dict[str, Kind] = {
    "zero bytes": Kind("a.jpg", _of(b""), None, "zero bytes"),
    "one byte": Kind("a.jpg", _of(b"\xff"), None, "not a picture"),
    "zeros": Kind("a.jpg", _of(bytes(5000)), None, "not a picture"),
    "random bytes": Kind("a.jpg", _of(np.random.default_rng(1).bytes(5000)), None, "not a picture"),
    "text": Kind("a.jpg", _of(b"a note, not a picture"), None, "not a picture"),
    "a web page": Kind("a.jpg", _of(PAGE), None, "a web page (HTML)"),
    "PostScript": Kind("a.jpg", _of(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), None, "not a picture"),
    "an SVG drawing": Kind("a.png", _of(b'<svg xmlns="http://www.w3.org/2000/svg"/>'), None, "not a picture"),
    "JPEG cut in its header": Kind("a.jpg", _of(JPEG[:100]), None, "truncated"),
    "JPEG cut in the middle": Kind("a.jpg", _of(JPEG[: len(JPEG) // 2]), None, "truncated"),
    "JPEG cut near its end": Kind("a.jpg", _of(JPEG[:-500]), None, "truncated"),
    "progressive JPEG cut": Kind("a.jpg", _of(PROGRESSIVE[: len(PROGRESSIVE) // 3]), None, "truncated"),
    "PNG cut in the middle": Kind("a.png", _of(PNG[: len(PNG) // 2]), None, "truncated"),
    "PNG cut at its end": Kind("a.png", _of(PNG[:-12]), None, "truncated"),
    "PNG with a flipped pixel": Kind("a.png", _pixel_flipped_png, None, "damaged"),
    "PNG with a wrong checksum": Kind("a.png", _of(PNG[:-20] + b"\0\0\0\0" + PNG[-16:]), None, "damaged"),
    "PNG with a bomb of text": Kind("a.png", lambda path: _with_text(path, 80_000_000, packed=True), None, "damaged"),
    "GIF cut": Kind("a.gif", _of(GIF[: len(GIF) // 2]), None, "truncated"),
    "WebP cut": Kind("a.webp", _of(WEBP[: len(WEBP) // 2]), None, ""),
    "TIFF cut": Kind("a.tif", _of(TIFF[: len(TIFF) // 2]), None, ""),
    "LZW TIFF cut": Kind("a.tif", _of(LZW[: len(LZW) // 2]), None, ""),
    "BMP cut": Kind("a.bmp", _of(BMP[: len(BMP) // 2]), None, "truncated"),
    "a decompression bomb": Kind("a.png", _of(_png(60_000, 60_000, bytes(10**6))), None, "decompression bomb"),
    "a smaller bomb": Kind("a.png", _of(_png(25_000, 20_000, bytes(10**6), depth=1, colour=0)), None, "bomb"),
    "a TIFF of not-a-numbers": Kind("a.tif", _deep([0, 1, np.nan, 1], "f4", "TIFF"), None, "not brightness values"),
    "a TIFF of negative values": Kind("a.tif", _deep([0, -5, 7, 9], "i4", "TIFF"), None, "not brightness values"),
    "a TIFF of unknown brightness": Kind("a.tif", _deep([0, 1e7, 1, 1], "f4", "TIFF"), None, "what is white"),
    "16 bits, all but black": Kind("a.png", _deep([0, 100, 50, 3], "u2", "PNG"), None, "all but black"),
    "a link to nothing": Kind("a.jpg", lambda path: path.symlink_to("nowhere.jpg"), None, "a link to nothing"),
    "a link to itself": Kind("a.jpg", lambda path: path.symlink_to(path.name), None, "back to itself"),
    "a named pipe": Kind("a.jpg", os.mkfifo, None, "a named pipe"),
    "a socket": Kind("a.jpg", _socket, None, "a socket"),
    "a device": Kind("a.jpg", lambda path: path.symlink_to("/dev/zero"), None, "a device"),
}
# Bad too, but no folder lists them as pictures, or not for every user.
APART: dict[str, Kind] = {
    "a directory": Kind("a.jpg", lambda path: path.mkdir(), None, "a directory"),
    "no file": Kind("a.jpg", lambda _: None, None, "no such file"),
    "a file that may not be read": Kind("a.png", _unreadable, None, "no permission"),
}
KINDS = {**READ, **BAD}
