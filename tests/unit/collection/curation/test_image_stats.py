import io

import imagehash
import pytest
from PIL import Image, ImageOps

from artculture.collection.curation.image_stats import UnreadableError, measure_image
from tests.unit.collection.curation.samples import encoded, painting, text_page


def looked(image: Image.Image, kind: str = "JPEG"):
    return measure_image(encoded(image, kind), 96)


def test_no_interpreter_is_started_for_postscript():
    with pytest.raises(UnreadableError, match="not an image format"):
        measure_image(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n", 32)


def test_a_look_knows_the_size_and_makes_a_thumbnail():
    stats = looked(painting(1, 800, 600))
    assert (stats.width, stats.height) == (800, 600)
    assert stats.thumbnail[8:12] == b"WEBP"
    assert len(stats.signature) == 256


def test_the_hash_is_imagehashs_own():
    image = painting(2, 64, 64)
    assert looked(image, "PNG").phash == str(imagehash.phash(image.reduce(2).convert("L")))


@pytest.mark.parametrize("change", [ImageOps.grayscale, lambda image: image.resize((300, 225)), lambda image: image])
def test_the_hash_stands_small_changes(change):
    first, second = looked(painting(3, 640, 480)), looked(change(painting(3, 640, 480)))
    assert imagehash.hex_to_hash(first.phash) - imagehash.hex_to_hash(second.phash) <= 4


def test_grey_and_sepia_photographs_have_no_colour_of_their_own():
    grey = ImageOps.grayscale(painting(4))
    sepia = ImageOps.colorize(grey, "#20140c", "#f4e6cc")
    assert looked(grey).chroma < 0.7
    assert looked(sepia, "PNG").chroma < 0.7
    assert looked(painting(4)).chroma > 5


@pytest.mark.parametrize("columns", [False, True])
def test_a_page_of_writing_scores_high_and_a_painting_low(columns):
    assert looked(text_page(columns)).text > 0.7
    assert looked(painting(5, 480, 640)).text < 0.2


def test_writing_next_to_a_large_picture_scores_lower():
    page = text_page()
    page.paste(painting(6, 380, 420).point(lambda level: level // 3), (50, 100))
    assert looked(page).text < 0.45


def test_a_turned_photograph_is_measured_upright():
    image = painting(7, 200, 100)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encoded(image)
    file = Image.open(io.BytesIO(turned))
    out = io.BytesIO()
    file.save(out, "JPEG", exif=exif)
    stats = measure_image(out.getvalue(), 96)
    assert (stats.width, stats.height) == (100, 200)


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGBA", "P", "1", "LA", "I;16"])
def test_every_kind_of_picture_is_measured(mode):
    image = painting(8)
    image = Image.new("I;16", image.size, 30000) if mode == "I;16" else image.convert(mode)
    stats = looked(image, "TIFF")
    assert (stats.width, stats.height) == (160, 120)


def test_a_thin_picture_is_measured():
    stats = looked(painting(9, 20000, 50))
    assert stats.aspect == 400


@pytest.mark.parametrize("content", [b"", b"<html>no</html>", encoded(painting(1, 400, 300))[:900]])
def test_what_is_no_whole_picture_is_refused(content):
    with pytest.raises(UnreadableError):
        measure_image(content, 96)
