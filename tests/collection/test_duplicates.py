import numpy as np
import pytest
from curated_samples import encoded, look, painting
from PIL import ImageEnhance, ImageOps

from artculture.collection import duplicates
from artculture.collection.duplicates import near_duplicates
from artculture.collection.looks import look_at


def looked(image):
    return look_at(encoded(image), 96)


@pytest.mark.parametrize(
    "change",
    [
        ImageOps.grayscale,
        lambda image: image.resize((200, 150)),
        lambda image: ImageEnhance.Brightness(image).enhance(0.8),
        lambda image: image.crop((6, 5, 634, 475)),
    ],
)
def test_another_photograph_of_one_painting_is_found(change):
    original = painting(1, 640, 480)
    looks = [looked(painting(n, 640, 480)) for n in range(2, 8)] + [looked(original), looked(change(original))]
    assert [(pair.first, pair.second) for pair in near_duplicates(looks)] == [(6, 7)]


def test_near_hashes_with_other_tones_are_no_duplicates():
    tones = np.random.default_rng(0).integers(0, 256, (2, 256), dtype=np.uint8)
    looks = [look(signature=tones[0].tobytes()), look(signature=tones[1].tobytes())]
    assert near_duplicates(looks) == []


def test_distance_is_in_bits():
    looks = [look(phash="0" * 16), look(phash="0" * 14 + "ff"), look(phash="f" * 16)]
    assert [(p.first, p.second, p.distance) for p in near_duplicates(looks, 8)] == [(0, 1, 8)]
    assert near_duplicates(looks, 7) == []


def test_pictures_without_a_look_and_blank_ones_are_passed_over():
    looks = [None, look(), look(signature=bytes(256)), look(), None]
    assert [(pair.first, pair.second) for pair in near_duplicates(looks)] == [(1, 3)]
    assert near_duplicates([None, look()]) == []


def test_all_pairs_are_compared_whatever_the_chunk(monkeypatch):
    rng = np.random.default_rng(1)
    looks = [look(phash=rng.bytes(8).hex(), signature=bytes(rng.permutation(256).tolist())) for _ in range(60)]
    looks += [looks[7], looks[55], looks[7]]
    whole = near_duplicates(looks)
    monkeypatch.setattr(duplicates, "CHUNK", 7)
    assert near_duplicates(looks) == whole
    assert {(p.first, p.second) for p in whole} == {(7, 60), (7, 62), (60, 62), (55, 61)}
