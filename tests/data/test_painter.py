import hashlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from artculture.data.manifest import CULTURES
from artculture.data.painter import MANNERS, NEIGHBOURS, SCENES, hand, paint
from artculture.data.painter.easel import Dice
from artculture.data.painter.finish import SUPPORTS
from artculture.data.painter.motifs import LANDMARKS, TREES
from artculture.data.painter.palettes import PALETTES
from artculture.errors import InputError


@pytest.mark.parametrize("culture", CULTURES)
def test_a_picture_is_a_function_of_its_arguments(culture):
    picture = paint(culture, 3, 7, 48)
    np.testing.assert_array_equal(picture, paint(culture, 3, 7, 48))
    for other in (paint(culture, 3, 8, 48), paint(culture, 4, 7, 48)):
        assert picture.shape != other.shape or (picture != other).any()


def test_pictures_do_not_hang_on_global_state_or_on_the_process():
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    digest = hashlib.sha256(paint("Dutch", 0, 5).tobytes()).hexdigest()
    np.testing.assert_array_equal(before, np.random.get_state()[1])
    script = (
        "import hashlib, sys; from artculture.data.painter import paint; "
        "print(hashlib.sha256(paint('Dutch', 0, 5).tobytes()).hexdigest(), 'torch' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert said.split() == [digest, "False"]


@pytest.mark.parametrize("culture", CULTURES)
@pytest.mark.parametrize("size", [24, 64])
def test_the_shorter_side_is_as_asked_and_the_picture_shows_something(culture, size):
    for index in range(8):
        picture = paint(culture, 0, index, size)
        assert picture.dtype == np.uint8
        assert picture.shape[2] == 3
        assert min(picture.shape[:2]) == size
        assert max(picture.shape[:2]) <= 2 * size
        assert picture.std() > 4


def test_size_changes_the_resolution_and_not_the_picture():
    small, large = (Image.fromarray(paint("Italian", 1, 2, size)) for size in (80, 160))
    thumbs = [np.asarray(image.resize((12, 12), Image.Resampling.BOX)).astype(int) for image in (small, large)]
    others = Image.fromarray(paint("Italian", 1, 12, 160)).resize((12, 12), Image.Resampling.BOX)
    assert np.abs(thumbs[0] - thumbs[1]).mean() < 0.5 * np.abs(np.asarray(others).astype(int) - thumbs[1]).mean()


@pytest.mark.parametrize("culture", CULTURES)
def test_a_hand_makes_one_to_four_pictures_in_a_row(culture):
    hands = [hand(culture, 0, index) for index in range(60)]
    assert hands == sorted(hands)
    assert all(hand(culture, 0, first) == first for first in hands)
    lengths = [hands.count(first) for first in set(hands)]
    assert max(lengths) <= 4
    assert {1, 2} <= set(lengths)


def test_a_series_looks_more_alike_than_strangers_do():
    def thumb(index):
        return np.asarray(Image.fromarray(paint("Flemish", 0, index, 48)).resize((8, 8))).astype(float)

    thumbs, hands = [thumb(i) for i in range(40)], [hand("Flemish", 0, i) for i in range(40)]
    apart = {True: [], False: []}
    for i in range(40):
        for j in range(i):
            apart[hands[i] == hands[j]].append(np.abs(thumbs[i] - thumbs[j]).mean())
    assert np.mean(apart[True]) < 0.75 * np.mean(apart[False])


def test_an_unknown_culture_is_refused_with_a_hint():
    with pytest.raises(InputError, match="Italian"):
        paint("Itallian", 0, 0)


@pytest.mark.parametrize("culture", CULTURES)
def test_manners_name_only_what_exists(culture):
    manner = MANNERS[culture]
    assert set(manner.scenes) <= set(SCENES)
    assert set(manner.palettes) <= set(PALETTES)
    assert set(manner.supports) <= set(SUPPORTS)
    assert set(manner.trees) <= set(TREES)
    assert set(manner.landmarks) <= {*LANDMARKS, "none", "sun", "cone"}


def test_neighbours_are_neighbours_both_ways():
    assert all(NEIGHBOURS[other] == culture for culture, other in NEIGHBOURS.items())


def test_weighted_dice_keep_their_shares():
    dice = Dice(0)
    drawn = [dice.weighted({"a": 3.0, "b": 1.0, "never": 0.0}) for _ in range(2000)]
    assert drawn.count("a") / 2000 == pytest.approx(0.75, abs=0.04)
    assert "never" not in drawn
