import io
import os
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from artculture.data.images import BadImageError, read_pixels

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def quarters(width: int = 64, height: int = 40) -> Image.Image:
    """Red and green above, blue and white below."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(GREEN, (width // 2, 0, width, height))
    image.paste(BLUE, (0, height // 2, width // 2, height))
    image.paste(WHITE, (width // 2, height // 2, width, height))
    return image


def corners(pixels: np.ndarray) -> list[tuple[int, ...]]:
    h, w = pixels.shape[0] // 4, pixels.shape[1] // 4
    return [tuple(int(c) for c in pixels[y, x]) for y in (h, 3 * h) for x in (w, 3 * w)]


def near(pixels: np.ndarray, expected: list[tuple[int, ...]], within: int = 3) -> bool:
    return bool((np.abs(np.array(corners(pixels)) - np.array(expected)) <= within).all())


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "webp", "gif"])
def test_exact_formats_keep_every_pixel(tmp_path, suffix):
    options = {"lossless": True} if suffix == "webp" else {}
    quarters().save(tmp_path / f"a.{suffix}", **options)
    pixels = read_pixels(tmp_path / f"a.{suffix}", 40, "bilinear")
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, np.asarray(quarters()))


def test_a_jpeg_read_at_half_its_size_looks_as_resized_from_the_whole(tmp_path):
    whole = Image.effect_mandelbrot((1024, 640), (-2, -1.2, 1, 1.2), 60).convert("RGB")
    whole.save(tmp_path / "a.jpg", quality=95)
    pixels = read_pixels(tmp_path / "a.jpg", 160, "bilinear").astype(int)
    expected = np.asarray(whole.resize((256, 160), Image.Resampling.BILINEAR)).astype(int)
    assert pixels.shape == (160, 256, 3)
    assert np.abs(pixels - expected).mean() < 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_the_picture_upright(tmp_path, orientation):
    undo = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_90"}
    undo |= {7: "TRANSVERSE", 8: "ROTATE_270"}
    stored = quarters(400, 240)
    if orientation > 1:
        # What a camera held that way writes: turned by 90 degrees to the right (6) it must be turned left to be stored.
        stored = stored.transpose(Image.Transpose[undo[orientation]])
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.jpg", exif=exif, quality=95, subsampling=0)
    pixels = read_pixels(tmp_path / "a.jpg", 60, "bilinear")
    assert pixels.shape == (60, 100, 3)
    assert near(pixels, [RED, GREEN, BLUE, WHITE])


def test_cmyk(tmp_path):
    quarters().convert("CMYK").save(tmp_path / "a.jpg", quality=95, subsampling=0)
    with Image.open(tmp_path / "a.jpg") as stored:
        assert stored.mode == "CMYK"
    assert near(read_pixels(tmp_path / "a.jpg", 40, "bilinear"), [RED, GREEN, BLUE, WHITE])


def test_sixteen_bit_grey_keeps_its_tones(tmp_path):
    levels = np.array([[0, 16384], [32768, 65535]], dtype=np.uint16).repeat(20, 0).repeat(20, 1)
    Image.fromarray(levels).save(tmp_path / "a.png")
    expected = [(0,) * 3, (64,) * 3, (128,) * 3, (255,) * 3]
    assert corners(read_pixels(tmp_path / "a.png", 40, "bilinear")) == expected


@pytest.mark.parametrize("mode", ["L", "1"])
def test_grey_and_black_and_white(tmp_path, mode):
    image = Image.new("L", (40, 40), 0)
    image.paste(255, (20, 0, 40, 40))
    image.convert(mode).save(tmp_path / "a.png")
    assert corners(read_pixels(tmp_path / "a.png", 40, "bilinear")) == [(0,) * 3, WHITE, (0,) * 3, WHITE]


def test_palette(tmp_path):
    quarters().quantize(8).save(tmp_path / "a.png")
    assert corners(read_pixels(tmp_path / "a.png", 40, "bilinear")) == [RED, GREEN, BLUE, WHITE]


def test_what_is_see_through_is_white(tmp_path):
    image = quarters().convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 32, 20))
    image.paste((0, 255, 0, 128), (32, 0, 64, 20))
    image.save(tmp_path / "a.png")
    assert corners(read_pixels(tmp_path / "a.png", 40, "bilinear")) == [WHITE, (127, 255, 127), BLUE, WHITE]


def test_a_see_through_entry_of_a_palette_is_white(tmp_path):
    image = Image.new("P", (40, 40), 0)
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.paste(1, (20, 0, 40, 40))
    image.save(tmp_path / "a.png", transparency=0)
    assert corners(read_pixels(tmp_path / "a.png", 40, "bilinear")) == [WHITE, RED, WHITE, RED]


def test_grey_with_alpha(tmp_path):
    image = Image.new("LA", (40, 40), (0, 0))
    image.paste((100, 255), (20, 0, 40, 40))
    image.save(tmp_path / "a.png")
    assert corners(read_pixels(tmp_path / "a.png", 40, "bilinear")) == [WHITE, (100,) * 3, WHITE, (100,) * 3]


def test_of_an_animation_the_first_frame(tmp_path):
    frames = [Image.new("RGB", (40, 40), colour) for colour in (BLUE, RED, GREEN)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert corners(read_pixels(tmp_path / "a.gif", 40, "bilinear")) == [BLUE] * 4


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        ((1, 1), (24, 24)),
        ((5000, 20), (24, 96)),
        ((20, 5000), (96, 24)),
        ((300, 100), (24, 72)),
        ((24, 24), (24, 24)),
        ((7, 11), (38, 24)),
    ],
)
def test_odd_sizes(tmp_path, size, shape):
    Image.new("RGB", size, (10, 200, 30)).save(tmp_path / "a.png")
    pixels = read_pixels(tmp_path / "a.png", 24, "bicubic")
    assert pixels.shape == (*shape, 3)
    assert (pixels == (10, 200, 30)).all()


def test_of_a_very_long_picture_the_middle_is_kept(tmp_path):
    image = Image.new("RGB", (5000, 20), RED)
    image.paste(GREEN, (2450, 0, 2550, 20))
    image.save(tmp_path / "a.png")
    pixels = read_pixels(tmp_path / "a.png", 20, "bilinear")
    assert pixels.shape == (20, 80, 3)
    assert (pixels == GREEN).all()


def jpeg(width: int = 300, height: int = 200) -> bytes:
    content = io.BytesIO()
    Image.effect_noise((width, height), 80).save(content, "JPEG")
    return content.getvalue()


def png() -> bytes:
    content = io.BytesIO()
    quarters(300, 200).save(content, "PNG")
    return content.getvalue()


UNREADABLE = {
    "zero bytes": (b"", "zero bytes"),
    "truncated JPEG": (jpeg()[: len(jpeg()) // 2], "truncated"),
    "truncated JPEG header": (jpeg()[:100], ""),
    "truncated PNG": (png()[: len(png()) // 2], "truncated"),
    "damaged PNG": (png()[:60] + bytes(20) + png()[80:], ""),
    "text": (b"<html><body>403 Forbidden</body></html>", "not a picture"),
    "random bytes": (os.urandom(4000), "not a picture"),
}


@pytest.mark.parametrize(("content", "says"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_an_error_with_the_reason(tmp_path, content, says):
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(BadImageError) as caught:
        read_pixels(tmp_path / "a.jpg", 40, "bilinear")
    assert says in str(caught.value)
    assert str(caught.value)


def test_a_folder_named_as_a_picture(tmp_path):
    (tmp_path / "a.jpg").mkdir()
    with pytest.raises(BadImageError, match="directory"):
        read_pixels(tmp_path / "a.jpg", 40, "bilinear")


def test_a_decompression_bomb_is_not_opened(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
    quarters().save(tmp_path / "a.png")
    with pytest.raises(BadImageError, match="bomb"):
        read_pixels(tmp_path / "a.png", 40, "bilinear")


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "tiff", "bmp", "webp"])
def test_damage_anywhere_never_ends_otherwise(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    quarters(120, 80).save(path)
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(whole[: rng.integers(len(whole) // 2, len(whole) + 1)])
        for place in rng.integers(0, len(damaged), 4):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        with suppress(BadImageError):
            assert min(read_pixels(path, 32, "bilinear").shape[:2]) == 32
