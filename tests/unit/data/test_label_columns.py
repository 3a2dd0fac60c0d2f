import numpy as np
import pandas as pd
import pytest

from artculture.data.known_selection import selection_for
from artculture.data.selection import select, whole_manifest
from artculture.data.stored_split import read_split, write_split
from artculture.utils.errors import InputError

SPLITS = ("train", "val", "test")
LABELS = ["culture", "century", "shade"]


@pytest.fixture
def listed(gallery):
    """The gallery with a table of three labels, of which some are missing, and a column of ids."""

    def write(**columns):
        images = sorted(path.relative_to(gallery).as_posix() for path in gallery.glob("*/*.png"))
        rows = pd.DataFrame({"file_name": images, "culture": [image.split("/")[0] for image in images]})
        places = np.arange(len(rows))
        rows["century"] = np.where(places % 3 == 0, "", np.char.add((9 + places % 2).astype(str), "th"))
        rows["shade"] = np.where(places % 2 == 0, " dark", "light ")
        rows["title"], rows["period"] = images, "Edo"
        rows.loc[[2], "culture"] = ""
        rows.loc[[6], ["culture", "century", "shade"]] = ""
        rows.assign(**columns).to_csv(gallery / "metadata.csv", index=False)

    return write


def test_several_labels_of_a_table(choose, listed, caplog, tmp_path):
    listed()
    selection = select(choose(labels=LABELS, ordinal=["century"], fractions=[0.4, 0.3, 0.3]))
    assert "left out 1 of 20 paintings that have none of the labels" in caplog.text
    assert [(column.name, column.classes) for column in selection.columns] == [
        ("culture", ("calm", "wild")),
        ("century", ("9th", "10th")),
        ("shade", ("dark", "light")),
    ]
    assert [column.ordinal for column in selection.columns] == [False, True, False]
    assert selection.targets.shape == (19, 3)
    # One painting has no culture: it is split, and trains the other heads.
    assert (selection.labels < 0).sum() == 1
    assert sum(sum(selection.class_counts(split)) for split in SPLITS) == 18
    table = selection.manifest.table
    for name, column in zip(("century", "shade"), selection.further, strict=True):
        texts = table[f" label {name}"].to_numpy()
        assert [column.classes[label] if label >= 0 else "" for label in column.labels] == texts.tolist()
    one, kept = selection.of_label("century")
    assert one.manifest.table["culture"].tolist() == [text for text in table[" label century"] if text]
    assert (one.classes, one.ordinal, one.further) == (("9th", "10th"), True, ())
    assert one.rows.tolist() == selection.rows[kept].tolist()
    write_split(selection.manifest, selection.split, tmp_path / "split.csv")
    stored = read_split(tmp_path / "split.csv", "")
    assert stored.table["label_century"].tolist() == table[" label century"].tolist()
    assert stored.matches(table, selection.split)
    other = table.assign(**{" label shade": "light"})
    assert stored.match(other).changes().startswith(f"{(table[' label shade'] != 'light').sum()} relabelled")


def test_one_label_is_the_same_under_both_keys(choose, listed):
    listed(culture="", shade=["dark", "light"] * 10)
    one, other = (select(choose(**key)) for key in ({"label": "shade"}, {"labels": ["shade"]}))
    assert one.manifest.fingerprint() == other.manifest.fingerprint()
    assert one.split.tolist() == other.split.tolist()
    assert one.targets is one.labels
    assert one.of_label("shade")[0] is one


def test_further_labels_are_part_of_the_fingerprint(choose, listed):
    listed()
    choice = choose(labels=["culture", "shade"])
    before = select(choice).manifest.fingerprint()
    listed(shade=["dark", "light", "light", "dark"] * 5)
    assert select(choice).manifest.fingerprint() != before


@pytest.mark.parametrize(
    ("labels", "columns", "message"),
    [
        (["culture", "centuri"], {}, "data.labels=centuri: .*metadata.csv has no such column; did you mean `?century"),
        (["centuri", "shade"], {}, "data.labels=centuri: .* no such column; did you mean `?century"),
        (["culture", "period"], {}, r"data.labels=period: the column has one value \(Edo\)"),
        (["culture", "century"], {"century": ""}, "data.labels=century: the column has no value"),
        (["culture", "shade"], {"shade": ["a", "b"] + ["c"] * 18}, r"too few paintings .*: a \(1\), b \(1\)"),
        (["culture", "shade"], {"shade": ["a", "b"] * 2 + [""] * 16}, "too few paintings"),
    ],
)
def test_columns_that_are_no_labels_are_refused(choose, listed, labels, columns, message):
    listed(**columns)
    with pytest.raises(InputError, match=message):
        select(choose(labels=labels))


def test_a_column_of_ids_is_refused(choose, listed, monkeypatch):
    monkeypatch.setattr("artculture.data.label_columns.MANY", 10)
    listed()
    for labels in (["culture", "title"], ["title", "culture"]):
        with pytest.raises(InputError, match=r"data.labels=title: the column has 20 different values in 20 paintings"):
            select(choose(labels=labels, small_cultures="train"))


def test_small_classes_of_a_further_label_may_count_as_missing(choose, listed):
    listed(shade=["a", "b"] + ["c", "d"] * 9)
    for small, classes in (("drop", ("c", "d")), ("train", ("a", "b", "c", "d"))):
        assert select(choose(labels=["culture", "shade"], small_cultures=small)).further[0].classes == classes


def test_a_trained_classifier_takes_unknown_labels_for_missing(choose, listed, caplog):
    listed()
    choice = choose(labels=LABELS)
    whole = whole_manifest(choice)
    chosen = selection_for(("wild", "calm"), {"shade": ("light", "grey")})(choice, whole, whole.table, True)
    assert "shade: the classifier does not know dark" in caplog.text
    assert [column.name for column in chosen.columns] == ["culture", "shade"]
    assert set(chosen.further[0].labels.tolist()) == {0, -1}
    assert len(chosen.labels) == 19


def test_folders_have_no_columns(choose, gallery):
    with pytest.raises(InputError, match=r"data.labels names a column, but \S+ holds no table"):
        select(choose(labels=["culture", "medium"]))
