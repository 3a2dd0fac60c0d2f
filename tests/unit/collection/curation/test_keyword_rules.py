import pytest

from artculture.collection.curation.keyword_rules import keyword_flags
from tests.unit.collection.curation.samples import config

RULES = config().rules


def flags(**record):
    return [flag.rule for flag in keyword_flags(record, RULES)]


@pytest.mark.parametrize(
    ("record", "rule"),
    [
        ({"object_name": "Snuffbox"}, "snuff box"),
        ({"object_name": "Snuff bottles"}, "snuff box"),
        ({"object_name": "Statuette"}, "sculpture"),
        ({"object_name": "Book cover"}, "manuscript binding"),
        ({"object_name": "Prayer book"}, "book"),
        ({"object_name": "Pendant"}, "jewellery"),
        ({"object_name": "Pen box"}, "container"),
        ({"object_name": "Tapestry"}, "textile"),
        ({"object_name": "Folding fan"}, "fan"),
        ({"object_name": "Harpsichord"}, "furniture"),
        ({"classification": "Sculpture-Stone"}, "sculpture"),
        ({"classification": "Enamels-Painted"}, "container"),
        ({"medium": "Marble"}, "sculpture"),
        ({"medium": "Papier-mâché; painted and lacquered"}, "container"),
        ({"medium": "Woodblock print; ink and color on paper"}, "print or photograph"),
        ({"title": "Snuff-box with a view of Naples"}, "snuff box"),
        ({"title": "Text Page from a Qur'an"}, "text"),
    ],
)
def test_what_is_no_painting_is_flagged(record, rule):
    assert rule in flags(**record)


@pytest.mark.parametrize(
    "record",
    [
        {"object_name": "Painting", "classification": "Paintings", "medium": "Oil on canvas"},
        {"object_name": "Painting, miniature", "medium": "Watercolor on ivory"},
        {"object_name": "Hanging scroll", "medium": "Ink, gold and silver on silk"},
        {"object_name": "Folio from an illustrated manuscript", "medium": "Opaque watercolor and gold on paper"},
        {"object_name": "Folding fan mounted as an album leaf", "medium": "Ink and color on gold paper"},
        {"medium": "Oil on marble"},
        {"title": "The Sculptor's Studio"},
        {"title": "The Book of Hours", "object_name": "Painting"},
        {"title": "Woman with a Necklace"},
        {"title": "Ringling Brothers", "object_name": "Painting"},
        {},
    ],
)
def test_paintings_are_not(record):
    assert flags(**record) == []


def test_a_rule_is_raised_once_and_quotes_what_raised_it():
    (flag,) = keyword_flags({"object_name": "Statuette", "medium": "Bronze"}, RULES)
    assert flag.reason == "object name “Statuette” has “statuette”"
