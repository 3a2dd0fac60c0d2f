import os
from contextlib import suppress

import numpy as np
import pytest
from PIL import ExifTags, Image

from artculture.data import decoding_memory
from artculture.data.decoding import BadImageError, read_pixels, resized_shapes, upright_size
from artculture.utils.errors import WorkError
from tests.unit.data.image_fixtures import APART, BAD, GREEN, READ, RED, corners, looks_like, quarters


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "webp", "gif"])
def test_exact_formats_keep_every_pixel(tmp_path, suffix):
    options = {"lossless": True} if suffix == "webp" else {}
    quarters(64, 40).save(tmp_path / f"a.{suffix}", **options)
    pixels = read_pixels(tmp_path / f"a.{suffix}", 40, "bilinear")
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, np.asarray(quarters(64, 40)))


def test_a_jpeg_read_at_half_its_size_looks_as_resized_from_the_whole(tmp_path):
    whole = Image.effect_mandelbrot((1024, 640), (-2, -1.2, 1, 1.2), 60).convert("RGB")
    whole.save(tmp_path / "a.jpg", quality=95)
    pixels = read_pixels(tmp_path / "a.jpg", 160, "bilinear").astype(int)
    expected = np.asarray(whole.resize((256, 160), Image.Resampling.BILINEAR)).astype(int)
    assert pixels.shape == (160, 256, 3)
    assert np.abs(pixels - expected).mean() < 2


@pytest.mark.parametrize("name", READ)
def test_odd_pictures_are_read_with_their_colours(tmp_path, name):
    kind = READ[name]
    kind.write(tmp_path / kind.file)
    pixels = read_pixels(tmp_path / kind.file, 40, "bilinear")
    assert min(pixels.shape[:2]) == 40
    assert looks_like(pixels, kind.corners), corners(pixels)


@pytest.mark.parametrize("name", [*BAD, "a directory", "no file"])
def test_what_cannot_be_read_is_an_error_with_the_reason(tmp_path, name):
    kind = {**BAD, **APART}[name]
    kind.write(tmp_path / kind.file)
    with pytest.raises(BadImageError) as caught:
        read_pixels(tmp_path / kind.file, 40, "bilinear")
    assert kind.reason in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    # Not by its permissions: who tests as root may read everything.
    quarters().save(tmp_path / "a.png")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(BadImageError, match="no permission"):
        read_pixels(tmp_path / "a.png", 40, "bilinear")


def test_the_machine_s_trouble_is_not_the_picture_s(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(24, "Too many open files")

    quarters().save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "open", fail)
    with pytest.raises(WorkError, match="Too many open files"):
        read_pixels(tmp_path / "a.png", 40, "bilinear")


def test_a_picture_too_large_for_memory_is_a_bad_one(tmp_path, monkeypatch):
    def fail(*_):
        raise MemoryError

    quarters().save(tmp_path / "a.png")
    monkeypatch.setattr(Image.Image, "resize", fail)
    with pytest.raises(BadImageError, match="too large for this machine's memory"):
        read_pixels(tmp_path / "a.png", 40, "bilinear")


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


def test_a_decompression_bomb_is_not_opened(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
    quarters().save(tmp_path / "a.png")
    with pytest.raises(BadImageError, match="bomb"):
        read_pixels(tmp_path / "a.png", 40, "bilinear")


@pytest.mark.parametrize(
    ("name", "options", "megabytes"),
    [
        ("a.png", {"mode": "RGB"}, 5),
        ("a.png", {"mode": "RGBA"}, 17),
        ("a.webp", {"mode": "RGB"}, 17),
        ("a.jpg", {"mode": "RGB"}, 0.078),
        ("a.jpg", {"mode": "RGB", "progressive": True}, 7.078),
    ],
)
def test_the_memory_of_decoding_is_limited_by_the_header(tmp_path, monkeypatch, name, options, megabytes):
    mode = options.pop("mode")
    Image.new(mode, (1000, 1000)).save(tmp_path / name, **options)
    monkeypatch.setattr(decoding_memory, "MAX_BYTES", round(megabytes * 1e6) - 1)
    with pytest.raises(BadImageError, match=r"a decompression bomb: 1000 x 1000 pixels take"):
        read_pixels(tmp_path / name, 16, "bilinear")
    monkeypatch.setattr(decoding_memory, "MAX_BYTES", round(megabytes * 1e6 + 1e5))
    assert read_pixels(tmp_path / name, 16, "bilinear").shape == (16, 16, 3)


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


@pytest.mark.parametrize(("orientation", "size"), [(1, (40, 60)), (3, (40, 60)), (6, (60, 40)), (8, (60, 40))])
def test_the_upright_size_is_that_of_the_pixels(tmp_path, orientation, size):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.new("RGB", (60, 40)).save(tmp_path / "turned.jpg", exif=exif)
    picture = (tmp_path / "turned.jpg").read_bytes()
    assert upright_size(picture) == size == read_pixels(picture, 40, "bilinear").shape[:2]


@pytest.mark.parametrize("size", [(300, 200), (97, 331), (1000, 90), (64, 64), (33, 500)])
def test_resized_shapes_are_those_of_the_pixels(tmp_path, size):
    Image.new("RGB", size).save(tmp_path / "picture.png")
    shape = read_pixels(tmp_path / "picture.png", 64, "bilinear").shape[:2]
    assert resized_shapes(np.array([size[::-1]]), 64).tolist() == [list(shape)]


@pytest.mark.parametrize(
    ("fit", "shape"),
    [("crop", (40, 160)), ("strip", (40, 400)), ("letterbox", (4, 40)), ("stretch", (40, 40))],
)
def test_a_scroll_is_decoded_for_what_is_cut_from_it(tmp_path, fit, shape):
    Image.new("RGB", (600, 60), "red").save(tmp_path / "scroll.jpg")
    assert read_pixels(tmp_path / "scroll.jpg", 40, "bilinear", fit).shape[:2] == shape
    assert resized_shapes(np.array([[60, 600]]), 40, fit).tolist() == [list(shape)]
