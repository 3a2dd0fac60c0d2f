import pandas as pd
import pytest

from artculture.data.labels import (
    CULTURES,
    label_order,
    label_words,
    log_merged_labels,
    log_similar_labels,
    similar_labels,
)
from artculture.utils.errors import InputError


def of(*cultures):
    return pd.DataFrame({"culture": cultures})


def test_cultures_stand_in_their_own_order():
    assert label_order(of("Japanese", "Dutch", "American", "Dutch"), None) == ("American", "Dutch", "Japanese")
    assert label_order(of(*reversed(CULTURES)), None) == CULTURES


def test_other_labels_are_sorted():
    assert label_order(of("zebra", "Dutch", "ape"), None) == ("Dutch", "ape", "zebra")


def test_a_given_list_is_the_order():
    assert label_order(of("a", "b", "c"), ["c", "a"]) == ("c", "a")


def test_a_given_culture_without_paintings_is_named():
    with pytest.raises(InputError, match="no painting of Duch; did you mean `Dutch`"):
        label_order(of("Dutch", "Indian"), ["Duch", "Indian"])


def test_one_class_is_not_enough():
    with pytest.raises(InputError, match=r"only one class \(Dutch\)"):
        label_order(of("Dutch", "Dutch"), None)


@pytest.mark.parametrize("cultures", [None, ["Dutch", "Indian"]])
def test_no_painting_at_all(cultures):
    with pytest.raises(InputError, match="not one painting is left"):
        label_order(of(), cultures)


def test_numbers_in_labels_sort_by_value():
    assert label_order(of("10", "2", "1"), None) == ("1", "2", "10")
    assert label_order(of("Period 10", "Period 9"), None) == ("Period 9", "Period 10")


def test_a_given_label_may_be_in_another_unicode_form():
    assert label_order(of("Fran\u00e7ais", "b"), ["b", "Franc\u0327ais"]) == ("b", "Fran\u00e7ais")


SIMILAR = {
    "case": ["French", "french"],
    "punctuation": ["Art Nouveau", "Art_Nouveau"],
    "accents": ["Cafe", "Café"],
    "a letter less": ["Flemish", "Flemmish"],
    "two letters exchanged": ["Japanese", "Japansee"],
}


@pytest.mark.parametrize("names", SIMILAR.values(), ids=SIMILAR)
def test_labels_that_may_be_one_class_are_in_one_warning(caplog, names):
    log_similar_labels({**dict.fromkeys(names, 3), "Dutch": 2, "Landscape": 1})
    (record,) = caplog.records
    assert all(f"{name} (3)" in record.getMessage() for name in names)
    assert "Dutch" not in record.getMessage()
    assert "data.cultures=" in record.getMessage()


DIFFERENT = [
    CULTURES,
    ("Period 1", "Period 2", "Period 11"),
    ("n01440764", "n01443537"),
    ("Group A", "Group B"),
    ("Dynasty II", "Dynasty III"),
    ("cat", "bat"),
    ("山水", "花鳥", "🎨", "🖼"),
]


@pytest.mark.parametrize("names", DIFFERENT)
def test_labels_that_differ_are_not_similar(names):
    assert similar_labels(names) == []


def test_forms_of_one_label_are_logged_once(caplog):
    log_merged_labels(["Caf\u00e9", "Cafe\u0301", " Dutch", "Dutch", "Indian"], "a.csv")
    (record,) = caplog.records
    assert r"'Cafe\u0301' = 'Caf\xe9'" in record.getMessage()
    assert "' Dutch' = 'Dutch'" in record.getMessage()


@pytest.mark.parametrize(
    ("given", "chosen", "found", "classes", "noun"),
    [
        (None, None, "", ("Dutch", "French"), "culture"),
        (None, None, "", ("baroque", "rococo"), "class"),
        (None, None, "culture", ("Persian", "Dutch"), "culture"),
        (None, None, "label", ("baroque", "rococo"), "class"),
        (None, "Art_Style", "Art_Style", ("baroque", "rococo"), "art style"),
        (None, "nationality", "nationality", ("Dutch", "French"), "nationality"),
        ("movement", "style", "style", ("baroque", "rococo"), "movement"),
    ],
)
def test_what_a_class_is_called(given, chosen, found, classes, noun):
    assert label_words(given, chosen, found, classes).one == noun
