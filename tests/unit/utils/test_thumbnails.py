import base64
import io

import numpy as np
import pytest
from PIL import Image

from artculture.utils.thumbnails import encode_thumbnail, on_white, thumbnail, thumbnails


def _noise(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("room", [3000, 1200, 700])
def test_even_noise_fits(room):
    assert len(thumbnail(_noise(300, 200), room)) <= room


@pytest.mark.parametrize("size", [(1, 1), (2, 900), (900, 3)])
def test_odd_shapes_are_drawn(size):
    assert Image.open(io.BytesIO(thumbnail(_noise(*size), 3000))).size[0] >= 1


def test_a_plain_picture_is_kept_large():
    pixels = np.full((256, 400, 3), 90, dtype=np.uint8)
    assert Image.open(io.BytesIO(thumbnail(pixels, 3000))).size == (128, 82)


def test_many_pictures_share_the_page():
    made = thumbnails(lambda position: _noise(64, 40 + position), 40)
    assert all(len(base64.b64decode(text)) <= 3000 for text in made)


@pytest.mark.parametrize(("size", "expected"), [((300, 150), (60, 30)), ((20, 10), (20, 10))])
def test_a_thumbnail_is_never_larger_than_asked_or_than_its_image(size, expected):
    image = Image.new("RGB", size, "red")
    made = Image.open(io.BytesIO(encode_thumbnail(image, 60, "WEBP")))
    assert (made.size, made.format, image.size) == (expected, "WEBP", size)


def test_transparent_pixels_become_white():
    assert on_white(Image.new("RGBA", (1, 1), (0, 0, 0, 0))).getpixel((0, 0)) == (255, 255, 255)
