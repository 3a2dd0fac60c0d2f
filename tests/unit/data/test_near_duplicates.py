import numpy as np
import pytest
from PIL import ImageEnhance, ImageOps

from artculture.collection.curation.image_stats import measure_image
from artculture.data import near_duplicates as duplicates
from artculture.data.near_duplicates import near_duplicates
from artculture.data.similar_pictures import SimilarPictures
from tests.unit.collection.curation.samples import encoded, painting, stats


def looked(image):
    return measure_image(encoded(image), 96)


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
    image_stats = [looked(painting(n, 640, 480)) for n in range(2, 8)] + [looked(original), looked(change(original))]
    assert [(pair.first, pair.second) for pair in near_duplicates(image_stats)] == [(6, 7)]


def test_near_hashes_with_other_tones_are_no_duplicates():
    tones = np.random.default_rng(0).integers(0, 256, (2, 256), dtype=np.uint8)
    image_stats = [stats(signature=tones[0].tobytes()), stats(signature=tones[1].tobytes())]
    assert near_duplicates(image_stats) == []


def test_distance_is_in_bits():
    image_stats = [stats(phash="0" * 16), stats(phash="0" * 14 + "ff"), stats(phash="f" * 16)]
    assert [(p.first, p.second, p.distance) for p in near_duplicates(image_stats, 8)] == [(0, 1, 8)]
    assert near_duplicates(image_stats, 7) == []


def test_pictures_without_a_look_and_blank_ones_are_passed_over():
    image_stats = [None, stats(), stats(signature=bytes(256)), stats(), None]
    assert [(pair.first, pair.second) for pair in near_duplicates(image_stats)] == [(1, 3)]
    assert near_duplicates([None, stats()]) == []


def test_many_images_with_one_fingerprint_make_few_pairs_and_stay_together():
    placeholder, other = stats(), stats(phash="0123456789abcdee")
    image_stats = [stats(phash="f" * 16), *[placeholder, other] * 20_000, None]
    pairs = near_duplicates(image_stats)
    assert len(pairs) == 2 * 19_999 + 16 * 16
    assert set(SimilarPictures(pairs).column(len(image_stats))[1:-1]) == {"1"}


def test_of_few_images_with_one_fingerprint_every_pair_is_found():
    pairs = near_duplicates([stats(), stats(phash="0123456789abcdee"), stats(), stats()])
    assert [(pair.first, pair.second) for pair in pairs] == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]


def test_all_pairs_are_compared_whatever_the_chunk(monkeypatch):
    rng = np.random.default_rng(1)
    image_stats = [stats(phash=rng.bytes(8).hex(), signature=bytes(rng.permutation(256).tolist())) for _ in range(60)]
    image_stats += [image_stats[7], image_stats[55], image_stats[7]]
    whole = near_duplicates(image_stats)
    monkeypatch.setattr(duplicates, "CHUNK", 7)
    assert near_duplicates(image_stats) == whole
    assert {(p.first, p.second) for p in whole} == {(7, 60), (7, 62), (60, 62), (55, 61)}
