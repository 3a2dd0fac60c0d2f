import numpy as np
import pytest

from artculture.analysis.similarity.culture_locations import CULTURE_LOCATIONS, by_region, great_circle, region_of
from artculture.analysis.similarity.geography import geography_finding
from tests.unit.analysis.synthetic import PAPER, distances


def test_great_circle_of_known_cities():
    # London to Paris 344 km, Washington to Tokyo about 10,910 km (any atlas)
    kilometres = great_circle(["British", "French", "American", "Japanese"])
    assert kilometres[0, 1] == pytest.approx(344, rel=0.01)
    assert kilometres[2, 3] == pytest.approx(10910, rel=0.01)
    np.testing.assert_allclose(kilometres, kilometres.T)


def test_every_culture_of_the_paper_has_a_location():
    assert set(CULTURE_LOCATIONS) == set(PAPER)


def test_cultures_are_grouped_by_region():
    ordered = [region_of(PAPER[i]) for i in by_region(PAPER)]
    assert ordered == ["Asian"] * 3 + ["European"] * 7 + ["North American"]


def test_styles_that_follow_the_globe_are_found():
    finding = geography_finding(distances(great_circle(PAPER) / 1000))
    assert finding.numbers["all"]["spearman"] == pytest.approx(1)
    assert finding.numbers["all"]["p_one_sided"] == 1 / 10000
    assert finding.numbers["inside"]["European"]["exact"]
    assert len(finding.tables["geography"]) == 55
    assert finding.alt.startswith("Style distance grows significantly with geographic distance (Spearman +1.00")
    assert "Too few cultures for a test of their own: Asian, North American." in finding.caption


def test_styles_without_geography_are_not_said_to_follow_it():
    finding = geography_finding(distances(great_circle(PAPER).max() - great_circle(PAPER) * (1 - np.eye(11))))
    assert finding.alt.startswith("Style distance does not grow significantly with geographic distance")


def test_a_test_that_cannot_be_significant_says_so():
    # Four cultures of equal distances but one: 12 of 24 orders repeat the best correlation.
    matrix = 1 - np.eye(4)
    matrix[0, 1] = matrix[1, 0] = 0.5
    finding = geography_finding(distances(matrix, ("Dutch", "Flemish", "Chinese", "Japanese")))
    assert finding.numbers["all"]["verdict"] == "too few"
    assert "too few cultures to say" in finding.alt


def test_unknown_cultures_leave_it_out_and_are_named():
    finding = geography_finding(distances(1 - np.eye(3), ["French", "Baroque", "Cubism"]))
    assert finding.figure is None
    assert "Baroque, Cubism" in finding.caption


def test_three_cultures_are_too_few():
    assert "at least 4" in geography_finding(distances(1 - np.eye(3))).caption
