import pytest

from artculture.collection.grouping.groups import group_paintings
from artculture.data.near_duplicates import DuplicatePair
from tests.unit.collection.curation.samples import config, table

GROUPING = config().grouping


def groups(*rows, duplicates=()):
    return group_paintings(table(*rows), duplicates, GROUPING).names


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"accession_number": "29.160.34a"}, {"accession_number": "29.160.34b"}),
        ({"title": "Haystacks", "artist": "Claude Monet"}, {"title": "HAYSTACKS", "artist": "Claude  Monet (French)"}),
        ({"title": "Folio from the Shah Jahan Album"}, {"title": "A Dervish: leaf from the Shah Jahan Album"}),
        (
            {"title": "Rustam: Folio from a Shahnama", "accession_number": "57.51.3"},
            {"title": "Zal: Folio from a Shahnama", "accession_number": "57.51.9"},
        ),
        (
            {"title": "Rustam: Folio from a Shahnama", "date": "ca. 1330"},
            {"title": "Zal: Folio from a Shahnama", "date": "ca. 1330"},
        ),
        ({"title": "Luohan", "accession_number": "1982.220.1"}, {"title": "Luohan", "accession_number": "1982.220.2"}),
        ({"group": "album 7"}, {"group": "album 7"}),
    ],
)  # fmt: skip
def test_what_belongs_together_is_one_group(first, second):
    names = groups(first, second, {"title": "Another"})
    assert names == ["met:1", "met:1", "met:3"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"title": "Portrait of a Man"}, {"title": "Portrait of a Man"}),
        ({"title": "Portrait", "artist": "Unknown"}, {"title": "Portrait", "artist": "Unknown"}),
        ({"title": "A", "accession_number": "29.100.1"}, {"title": "B", "accession_number": "29.100.2"}),
        ({"title": "A", "artist": "Frans Hals"}, {"title": "B", "artist": "Frans Hals"}),
        (
            {"title": "Rustam: Folio from a Shahnama", "date": "18th century"},
            {"title": "Zal: Folio from a Shahnama", "date": "18th century"},
        ),
        (
            {"title": "Scene from the Life of Saint John", "artist": "A"},
            {"title": "Scene from the Life of Saint John", "artist": "B"},
        ),
        (
            {"source": "met", "accession_number": "1922.5a"},
            {"source": "artic", "accession_number": "1922.5b"},
        ),
    ],
)
def test_what_does_not_stays_apart(first, second):
    assert len(set(groups(first, second))) == 2


def test_links_chain():
    rows = [
        {"accession_number": "1.2.3a"},
        {"accession_number": "1.2.3b", "artist": "A", "title": "T"},
        {"artist": "A", "title": "T"},
        {},
    ]
    found = group_paintings(table(*rows), [DuplicatePair(2, 3, 4, 0.95)], GROUPING)
    assert found.names == ["met:1"] * 4
    assert found.reasons[2] == ("artist and title", "near-duplicate")


def test_a_group_is_called_after_its_first_number_not_its_first_letter():
    rows = [{"object_id": "10", "group": "x"}, {"object_id": "9", "group": "x"}]
    assert groups(*rows) == ["met:9", "met:9"]


def test_the_same_paintings_in_another_order_give_the_same_groups():
    rows = [{"object_id": f"{n}", "accession_number": f"1.2.{n // 3}{'abc'[n % 3]}"} for n in range(12)]
    there = dict(zip([row["object_id"] for row in rows], groups(*rows), strict=True))
    back = dict(zip([row["object_id"] for row in rows[::-1]], groups(*rows[::-1]), strict=True))
    assert there == back
    assert len(set(there.values())) == 4
