import hashlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from artculture.data.labels import CULTURES
from artculture.data.sample.picture import BLOCK, draw_picture, series
from artculture.utils.errors import InputError

SCRIPT = """
import hashlib, sys
from artculture.data.sample.picture import draw_picture
print(hashlib.sha256(draw_picture("Dutch", 0, 5).tobytes()).hexdigest(), "torch" in sys.modules)
"""


def thumbnail(culture, index, size=12):
    image = Image.fromarray(draw_picture(culture, 0, index, 48)).resize((size, size), Image.Resampling.BOX)
    return np.asarray(image).astype(float)


@pytest.mark.parametrize("culture", CULTURES)
def test_a_picture_is_a_function_of_its_arguments(culture):
    picture = draw_picture(culture, 3, 7, 48)
    np.testing.assert_array_equal(picture, draw_picture(culture, 3, 7, 48))
    for other in (draw_picture(culture, 3, 8, 48), draw_picture(culture, 4, 7, 48)):
        assert picture.shape != other.shape or (picture != other).any()


def test_pictures_depend_neither_on_global_state_nor_on_the_process():
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    digest = hashlib.sha256(draw_picture("Dutch", 0, 5).tobytes()).hexdigest()
    np.testing.assert_array_equal(before, np.random.get_state()[1])
    printed = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True).stdout
    assert printed.split() == [digest, "False"]


@pytest.mark.parametrize("culture", CULTURES)
@pytest.mark.parametrize("size", [24, 64])
def test_the_shorter_side_is_as_asked_and_the_picture_shows_something(culture, size):
    for index in range(12):
        picture = draw_picture(culture, 0, index, size)
        assert picture.dtype == np.uint8
        assert picture.shape[2] == 3
        assert min(picture.shape[:2]) == size
        assert max(picture.shape[:2]) <= 2 * size
        assert picture.std() > 4


def test_size_changes_the_resolution_and_not_the_picture():
    small, large, other = (
        np.asarray(Image.fromarray(draw_picture(culture, 1, 2, size)).resize((12, 12), Image.Resampling.BOX))
        for culture, size in (("Italian", 80), ("Italian", 160), ("Dutch", 160))
    )
    apart = np.abs(small.astype(int) - large).mean()
    assert apart < 0.5 * np.abs(other.astype(int) - large).mean()


@pytest.mark.parametrize("culture", CULTURES)
def test_series_have_one_to_three_pictures_and_the_first_three_stand_alone(culture):
    found = [series(culture, 0, index) for index in range(6 * BLOCK)]
    assert found == sorted(found)
    assert all(series(culture, 0, first) == first for first in found)
    assert {found.count(first) for first in found} == {1, 2, 3}
    assert found[:3] == [0, 1, 2]


def test_a_late_picture_is_found_without_those_before_it():
    assert series("Dutch", 0, 10**9) <= 10**9 < series("Dutch", 0, 10**9) + 3


def test_a_series_looks_more_alike_than_other_pictures_of_its_culture():
    thumbs, numbers = [thumbnail("Flemish", i, 8) for i in range(40)], [series("Flemish", 0, i) for i in range(40)]
    apart = {True: [], False: []}
    for i in range(40):
        for j in range(i):
            apart[numbers[i] == numbers[j]].append(np.abs(thumbs[i] - thumbs[j]).mean())
    assert np.mean(apart[True]) < 0.75 * np.mean(apart[False])


def test_an_unknown_culture_is_refused_with_a_hint():
    with pytest.raises(InputError, match="Italian"):
        draw_picture("Itallian", 0, 0)
