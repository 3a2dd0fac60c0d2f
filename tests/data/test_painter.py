import random

import numpy as np
import pytest

from artculture.data.manifest import CULTURES
from artculture.data.painter import SCENES, hand, paint
from artculture.data.painter.manners import MANNERS
from artculture.data.painter.palettes import PALETTES
from artculture.errors import InputError


@pytest.mark.parametrize("culture", CULTURES)
def test_a_picture_is_a_pure_function_of_its_arguments(culture):
    np.random.seed(1)
    random.seed(1)
    first = paint(culture, 3, 5, 40)
    np.random.seed(2)
    random.seed(2)
    np.testing.assert_array_equal(first, paint(culture, 3, 5, 40))


@pytest.mark.parametrize("other", [("Dutch", 0, 1), ("Dutch", 1, 0), ("Flemish", 0, 0)])
def test_other_arguments_make_another_picture(other):
    one, two = paint("Dutch", 0, 0, 32), paint(*other, 32)
    assert one.shape != two.shape or (one != two).mean() > 0.2


@pytest.mark.parametrize("culture", CULTURES)
@pytest.mark.parametrize("size", [32, 75])
def test_shape_and_content(culture, size):
    pixels = paint(culture, 0, 11, size)
    assert pixels.dtype == np.uint8
    assert min(pixels.shape[:2]) == size
    assert max(pixels.shape[:2]) <= 2.1 * size
    assert pixels.std() > 8


def test_nobody_paints_for_an_unknown_culture():
    with pytest.raises(InputError, match="did you mean `Dutch`"):
        paint("Duch", 0, 0)


@pytest.mark.parametrize("culture", CULTURES)
def test_series_are_short_and_without_gaps(culture):
    hands = [hand(culture, 0, index) for index in range(200)]
    assert all(first <= index and hand(culture, 0, first) == first for index, first in enumerate(hands))
    assert hands == sorted(hands)
    assert max(hands.count(first) for first in hands) in (2, 3, 4)


def test_pictures_of_one_hand_are_more_alike_than_others():
    hands = [hand("French", 0, index) for index in range(40)]
    colours = np.array([paint("French", 0, index, 32).mean(axis=(0, 1)) for index in range(40)])
    apart = np.linalg.norm(colours[:, None] - colours[None], axis=2)
    same = np.equal.outer(hands, hands) & ~np.eye(40, dtype=bool)
    assert apart[same].mean() < 0.7 * apart[~same].mean()


@pytest.mark.parametrize("culture", CULTURES)
def test_every_manner_names_what_there_is(culture):
    assert set(MANNERS[culture].scenes) <= set(SCENES)
    assert set(MANNERS[culture].palettes) <= set(PALETTES)


def test_no_palette_or_scene_gives_a_culture_away():
    for kind in ("scenes", "palettes"):
        for culture, manner in MANNERS.items():
            elsewhere = {name for other in CULTURES if other != culture for name in getattr(MANNERS[other], kind)}
            assert any(name in elsewhere for name in getattr(manner, kind))
