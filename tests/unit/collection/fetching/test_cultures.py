import pytest

from artculture.collection.fetching.cultures import Claim, CultureMatcher
from artculture.collection.fetching.records import Record
from artculture.utils.errors import InputError

GROUPS = {
    "American": (["United States"], ["American", "America"]),
    "Dutch": (["Netherlands"], ["Dutch", "Netherlandish"]),
    "Flemish": (["Flanders"], ["South Netherlandish"]),
    "French": (["France"], ["French"]),
    "Indian": (["India", "Gujarat"], ["Indian"]),
}
CULTURES = CultureMatcher(GROUPS, ignored=["South America", "Indian Ocean"])


def record(**fields: str) -> Record:
    return Record("met", "1", is_public_domain=True, **fields)


@pytest.mark.parametrize(
    ("text", "cultures"),
    [
        ("South Netherlandish", ["Flemish"]),
        ("netherlandish", ["Dutch"]),
        ("India (Gujarat)", ["Indian"]),
        ("American, born France", ["American", "French"]),
        ("probably French, after an American", ["French", "American"]),
        ("South America", []),
        ("Pan-Americanism in Frenchtown", []),
        ("", []),
    ],
)
def test_words_are_found_whole_and_the_longest_first(text, cultures):
    assert [culture for culture, _ in CULTURES.words_in(text)] == cultures


def test_claims_come_from_the_record_s_own_fields_in_order():
    claims = CULTURES.claims(record(country="France", artist_nationality="American | French"))
    assert [(claim.culture, claim.field) for claim in claims] == [
        ("American", "artist_nationality"),
        ("French", "artist_nationality"),
    ]


@pytest.mark.parametrize(
    ("fields", "culture", "rule"),
    [
        ({"culture": "French"}, "French", "named by the record's culture"),
        (
            {"culture": "Dutch", "artist_nationality": "American"},
            "American",
            "named by the record's artist_nat",
        ),
        ({"culture": "American or French", "country": "France"}, "French", "named by the record's country"),
        ({"culture": "European"}, "French", "location with the fewest paintings (France)"),
    ],
)
def test_the_record_decides_between_claimants_and_else_the_smaller_location(fields, culture, rule):
    claims = [
        Claim("American", "United States", "geoLocation", 900),
        Claim("French", "France", "geoLocation", 500),
    ]
    decision = CULTURES.decide(claims, record(**fields))
    assert decision.culture == culture
    assert decision.rule.startswith(rule)


def test_equal_claims_go_to_the_first_in_the_alphabet():
    claims = [Claim("French", "France", "geoLocation", 5), Claim("Dutch", "Netherlands", "geoLocation", 5)]
    assert CULTURES.decide(claims, record()).culture == "Dutch"


def test_a_word_for_two_cultures_is_refused():
    with pytest.raises(InputError, match="`france` stands for two cultures, French and Dutch"):
        CultureMatcher({"French": (["France"], []), "Dutch": (["france"], [])})
