import numpy as np
import pytest

from artculture.analysis.similarity.culture_locations import region_of
from artculture.analysis.similarity.regions import asian_western_accuracy, regions_finding
from tests.unit.analysis.synthetic import PAPER, make_embeddings


def test_asian_against_western_by_hand():
    embeddings = make_embeddings(("Chinese", "Japanese", "French"), counts=[1, 1, 2], split=["test"] * 4)
    # Summed 0.6 Asian though French is likeliest; clearly Asian; clearly French; a French one predicted as Chinese.
    chances = np.array([[0.3, 0.3, 0.4], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.7, 0.1, 0.2]])
    embeddings.logits[:] = np.log(chances)
    numbers = asian_western_accuracy(embeddings).numbers
    assert numbers["by_summed_probability"]["share"] == 0.75
    assert numbers["by_likeliest_culture"]["share"] == 0.5
    assert (numbers["asian"]["share"], numbers["western"]["share"], numbers["larger_side"]) == (1, 0.5, 0.5)


def test_no_sides_without_test_paintings_or_asian_cultures():
    assert asian_western_accuracy(make_embeddings(split=["train"] * 132)) is None
    assert asian_western_accuracy(make_embeddings(("French", "Dutch"))) is None


@pytest.mark.parametrize(
    ("noise", "claim"),
    [(0.1, "The regions are significantly more separable"), (30, "The regions are not significantly more separable")],
)
def test_separation_is_claimed_as_its_test_allows(noise, claim):
    centres = [{"Asian": (0, 0), "European": (9, 0), "North American": (0, 9)}[region_of(name)] for name in PAPER]
    finding = regions_finding(make_embeddings(counts=8, centres=centres, noise=noise))
    assert finding.alt.startswith(claim)
    assert claim in finding.caption


def test_three_cultures_are_too_few_for_a_claim():
    finding = regions_finding(make_embeddings(("Chinese", "Japanese", "French"), counts=8))
    assert "too few cultures to say" in finding.alt


@pytest.mark.parametrize(
    ("classes", "word"), [(("Cubism", "French", "Dutch"), "Cubism"), (("French", "Dutch", "British"), "two regions")]
)
def test_the_caption_states_why_it_is_left_out(classes, word):
    finding = regions_finding(make_embeddings(classes))
    assert finding.figure is None
    assert word in finding.caption
