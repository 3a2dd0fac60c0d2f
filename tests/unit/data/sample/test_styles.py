"""What the sample is designed to show, in statistics that need no training."""

import numpy as np
import pytest

from artculture.analysis.similarity.culture_locations import great_circle, region_of
from artculture.analysis.similarity.mantel import mantel
from artculture.data.labels import CULTURES
from artculture.data.sample.picture import draw_picture, series
from artculture.data.sample.scenes import SCENES
from artculture.data.sample.styles import ROLES, STYLES, series_style, weighted

PICTURES = 30
REGIONS = np.array([region_of(culture) for culture in CULTURES])


def statistics(culture, index):
    """Mean, deviation and layout of the colours, and the strength of edges across, along and aslant."""
    picture = draw_picture(culture, 0, index, 48) / 255
    grey = picture.mean(axis=2)
    across, along = np.diff(grey, axis=1)[1:], np.diff(grey, axis=0)[:, 1:]
    third = len(picture) // 3
    colours = [picture.mean(axis=(0, 1)), picture.std(axis=(0, 1))]
    layout = [picture[:third].mean(axis=(0, 1)), picture[-third:].mean(axis=(0, 1))]
    return np.concatenate([*colours, *layout, [np.abs(across).mean(), np.abs(along).mean(), (across * along).mean()]])


@pytest.fixture(scope="module")
def measured():
    """Standardised statistics, cultures x pictures x numbers."""
    values = np.array([[statistics(culture, index) for index in range(PICTURES)] for culture in CULTURES])
    return (values - values.mean(axis=(0, 1))) / values.std(axis=(0, 1))


def distances(measured):
    means = measured.mean(axis=1)
    return np.linalg.norm(means[:, None] - means, axis=2)


def nearest_mean(measured):
    """Return the cultures that unseen pictures are given by the nearest mean of the others."""
    means = measured[:, : PICTURES // 2].mean(axis=1)
    return np.linalg.norm(measured[:, PICTURES // 2 :, None] - means, axis=3).argmin(axis=2)


def test_cultures_of_a_region_are_nearer_to_one_another(measured):
    apart = distances(measured)
    same = REGIONS[:, None] == REGIONS
    inside = same & ~np.eye(len(CULTURES), dtype=bool)
    assert apart[inside].mean() < 0.75 * apart[~same].mean()


def test_distances_follow_geography(measured):
    found = mantel(distances(measured), great_circle(CULTURES))
    assert found.correlation > 0.5
    assert found.greater < 0.01


def test_simple_statistics_tell_cultures_apart_but_not_perfectly(measured):
    """The nearest mean of a few numbers: what it finds, a network learns within tens of steps."""
    right = nearest_mean(measured) == np.arange(len(CULTURES))[:, None]
    assert 0.6 < right.mean() < 0.95


def test_no_two_pictures_are_equal_or_nearly(measured):
    pictures = measured.reshape(-1, measured.shape[2])
    apart = np.linalg.norm(pictures[:, None] - pictures, axis=2)
    assert apart[~np.eye(len(pictures), dtype=bool)].min() > 0.05


def test_mistakes_stay_in_the_region_more_often_than_by_chance(measured):
    taken = nearest_mean(measured)
    truth = np.broadcast_to(np.arange(len(CULTURES))[:, None], taken.shape)
    wrong = taken != truth
    chance = np.mean([(region == REGIONS).sum() - 1 for region in REGIONS]) / (len(CULTURES) - 1)
    assert (REGIONS[taken[wrong]] == REGIONS[truth[wrong]]).mean() > 1.3 * chance


@pytest.mark.parametrize("culture", CULTURES)
def test_styles_name_only_what_exists(culture):
    style = STYLES[culture]
    assert style.colours.shape == (len(ROLES), 3)
    assert set(style.scenes) <= set(SCENES)
    assert set(style.neighbours) <= set(CULTURES) - {culture}


def test_a_series_has_one_style_and_others_have_others():
    assert series("Dutch", 0, 3) == series("Dutch", 0, 4)
    one, again, other = (series_style("Dutch", np.random.default_rng(seed)) for seed in (3, 3, 5))
    np.testing.assert_array_equal(one.colours, again.colours)
    assert (one.colours != other.colours).any()


def test_weighted_draws_keep_their_shares():
    rng = np.random.default_rng(0)
    drawn = [weighted({"a": 3.0, "b": 1.0, "never": 0.0}, rng) for _ in range(2000)]
    assert drawn.count("a") / 2000 == pytest.approx(0.75, abs=0.04)
    assert "never" not in drawn
