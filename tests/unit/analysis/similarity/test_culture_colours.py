import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from artculture.analysis import plotting_style
from artculture.analysis.similarity.culture_colours import CULTURE_COLOURS, culture_colours
from tests.unit.analysis.synthetic import PAPER

# Machado et al. 2009, complete deficiency, in linear RGB.
VISION = {
    "usual": np.eye(3),
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
}
LEAST = {"usual": 15, "deuteranopia": 12, "protanopia": 12}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]]
)


def lab(colour, vision):
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ np.clip(np.array(VISION[vision]) @ linear, 0, 1) / (0.95047, 1, 1.08883)
    x, y, z = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def nearest(colours, vision):
    """Return the least ΔE*ab (CIE 1976) between two of the colours, and the pair."""
    pairs = itertools.combinations(colours.items(), 2)
    return min((np.linalg.norm(lab(a, vision) - lab(b, vision)), one, other) for (one, a), (other, b) in pairs)


@pytest.mark.parametrize("vision", VISION)
def test_any_two_cultures_differ_and_none_is_the_colour_of_right_or_wrong(vision):
    colours = {**CULTURE_COLOURS, "right": plotting_style.RIGHT, "wrong": plotting_style.WRONG}
    # 2.3 is a just noticeable difference; small dots need several times that.
    assert nearest(colours, vision)[0] > LEAST[vision]


@pytest.mark.parametrize("vision", VISION)
def test_regions_differ_and_none_is_the_colour_of_right_or_wrong(vision):
    colours = {**plotting_style.REGIONS, "right": plotting_style.RIGHT, "wrong": plotting_style.WRONG}
    assert nearest(colours, vision)[0] > LEAST[vision]


def test_every_culture_of_the_paper_has_a_colour():
    assert set(culture_colours(PAPER)) == set(PAPER) == set(CULTURE_COLOURS)


def test_other_classes_keep_their_colour_whatever_their_order():
    names = ("Rococo", "Baroque", "Dutch", "Cubism")
    colours = culture_colours(names)
    assert list(colours) == list(names)
    assert colours == culture_colours(reversed(names))
    assert colours["Dutch"] == CULTURE_COLOURS["Dutch"]
    assert len(set(colours.values())) == 4
    assert plotting_style.WRONG not in colours.values()
