import logging

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageEnhance, ImageOps

from artculture.data.near_duplicates import fingerprints, near_duplicates, stored_fingerprints
from artculture.data.paintings import load_paintings
from artculture.data.selection import select
from tests.unit.collection.curation.samples import painting


@pytest.fixture
def similar(gallery):
    """Two classes of ten paintings; one of `wild` is a smaller, darker and compressed copy of one of `calm`."""
    for number, path in enumerate(sorted(gallery.glob("*/*.png"))):
        painting(number, 160, 120).save(path)
    copy = ImageEnhance.Brightness(painting(0, 160, 120).resize((120, 90))).enhance(0.9)
    copy.save(gallery / "wild" / "copy.jpg", quality=70)
    return gallery


def load(choice):
    return load_paintings(choice, 64, "bilinear").selection


@pytest.mark.parametrize("split", ["stratified", "random"])
def test_no_split_parts_near_duplicates(choose, similar, split, caplog):
    for seed in range(8):
        selection = load(choose(split=split, split_seed=seed, near_duplicates="auto"))
        images = selection.manifest.table["image"]
        parts = selection.split[images.isin(["calm/0.png", "wild/copy.jpg"]).to_numpy()]
        assert len(parts) == 2
        assert len(set(parts)) == 1
    assert "near" not in selection.manifest.table
    (first, *_) = [r for r in caplog.records if "two labels" in r.getMessage()]
    assert first.levelno == logging.WARNING
    assert "calm/0.png (calm) ~ wild/copy.jpg (wild)" in first.getMessage()
    (listed,) = similar.parent.rglob("near_duplicates.csv")
    assert len(pd.read_csv(listed)) == 1


def test_they_are_ignored_on_request(choose, similar, caplog):
    selection = load(choose(near_duplicates="ignore"))
    assert selection.manifest.table["group"].is_unique
    assert "near-duplicates" not in caplog.text


def test_shards_keep_them_together_too(choose, similar):
    assert not select(choose(near_duplicates="group"), similar_files=True).manifest.table["group"].is_unique


def test_a_stored_split_that_parts_them_is_named(choose, similar, caplog):
    images = sorted(path.relative_to(similar).as_posix() for path in similar.glob("*/*.*"))
    rows = [(image, image.split("/")[0], ("val", "test", "train")[n % 3]) for n, image in enumerate(images)]
    pd.DataFrame(rows, columns=["image", "label", "split"]).to_csv(similar / "metadata.csv", index=False)
    load(choose(split="stored", near_duplicates="auto"))
    assert "1 pair(s) of near-duplicates are in two splits" in caplog.text


CHANGES = {
    "grey": lambda image: ImageOps.grayscale(image).convert("RGB"),
    "smaller": lambda image: image.resize((200, 150)),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.8),
    "cropped": lambda image: image.crop((6, 5, 634, 475)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_another_photograph_has_a_near_fingerprint(change):
    images = [painting(n, 640, 480) for n in range(1, 8)]
    pixels = [np.asarray(image) for image in [*images, change(images[0])]]
    assert [(pair.first, pair.second) for pair in near_duplicates(fingerprints([*pixels, None]))] == [(0, 7)]


@pytest.mark.parametrize("damage", [b"", b"cut off"])
def test_fingerprints_are_stored_and_made_again_if_damaged(tmp_path, damage):
    images = [np.asarray(painting(1, 64, 48)), None]
    file = tmp_path / "fingerprints.bin"
    first = stored_fingerprints(file, images, 2)
    assert stored_fingerprints(file, iter(()), 2) == first
    file.write_bytes(damage)
    assert stored_fingerprints(file, images, 2) == first


def test_small_and_narrow_pictures_have_fingerprints():
    for size in ((1, 1), (4, 300), (300, 4)):
        assert fingerprints([np.asarray(Image.new("RGB", size))])[0] is not None
