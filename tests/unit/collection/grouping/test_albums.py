import pytest

from artculture.collection.grouping.albums import album_of

COPIED = ["shahnama", "book of kings", "bhagavata purana", "ramayana", "gita govinda"]


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ('"The Feast", Folio 22v from the Shahnama (Book of Kings) of Shah Tahmasp', "shahnama of shah tahmasp"),
        ('"Shah Jahan on Horseback", Folio from the Shah Jahan Album', "shah jahan album"),
        ("Page from Tales of a Parrot (Tuti-nama): Eighth night", "tales of a parrot"),
        ('Rama Breaks the Bow: from the "Shangri" Ramayana Series', "shangri ramayana series"),
        ("Twelve Views of the River, leaf C", "twelve views of the river"),
        ("Thirty-six Views of Mount Fuji: no. 3", "thirty-six views of mount fuji"),
        ("The Crossing of the Red Sea (right panel)", "the crossing of the red sea"),
    ],
)  # fmt: skip
def test_a_named_album_is_found(title, name):
    album = album_of(title, COPIED)
    assert album is not None
    assert (album.name, album.named) == (name, True)


@pytest.mark.parametrize(
    "title",
    [
        "Landscape, from an album",
        "Leaf from an Album of Landscapes",
        "Krishna Steals Butter: Page from a Dispersed Bhagavata Purana (Ancient Stories of Lord Vishnu)",
        "Radha: Folio from a Gita Govinda series",
    ],
)
def test_a_name_that_many_albums_have_is_weak(title):
    album = album_of(title, COPIED)
    assert album is not None
    assert not album.named


@pytest.mark.parametrize(
    "title", ["Portrait of a Man", "View from the Window", "The Return from the Hunt", "Page, Sleeping", ""]
)
def test_a_painting_of_its_own_has_none(title):
    assert album_of(title, COPIED) is None


@pytest.mark.parametrize(
    ("title", "one_hand"),
    [("Scene from the Life of Saint John", True), ("Leaf from the Album of the Emperor", False)],
)
def test_a_series_is_by_one_hand_and_an_album_not(title, one_hand):
    album = album_of(title, COPIED)
    assert album is not None
    assert album.single_artist is one_hand
