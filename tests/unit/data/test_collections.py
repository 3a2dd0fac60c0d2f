import pytest

from artculture.data.cache.keys import file_states
from artculture.data.data_choice import DataChoice
from artculture.data.selection import select
from artculture.utils.errors import InputError
from tests.fixtures import collections
from tests.fixtures.collections import CLASSES, READ, REFUSED


@pytest.fixture
def chosen(tmp_path):
    def choose(**values):
        usual = {
            "name": "folder", "root": str(tmp_path / "data"), "split": "auto", "split_seed": 0,
            "fractions": [0.5, 0.25, 0.25], "small_cultures": "error", "on_bad_image": "error", "cultures": None,
            "cache": str(tmp_path / "cache"),
        }  # fmt: skip
        return select(DataChoice(**{**usual, **values}))

    return choose


COUNTS = {"split folders": 36, "split folders without validation": 24, "Hugging Face's tables per split": 36}
NAMES = {"a class in an underscore": ("French", "Indian", "_Dutch"), "colons": ("French", "Indian", "a:b")}


@pytest.mark.parametrize("case", READ)
def test_collections_are_read(tmp_path, chosen, case):
    READ[case](tmp_path / "data")
    selection = chosen()
    assert selection.classes == NAMES.get(case, CLASSES)
    assert len(selection.manifest) == COUNTS.get(case, 12)
    assert len(file_states(selection.whole)) == len(selection.manifest)
    assert selection.manifest.table["object_id"].is_unique


@pytest.mark.parametrize("case", REFUSED)
def test_what_can_t_be_read_says_why(tmp_path, chosen, case):
    build, says = REFUSED[case]
    build(tmp_path / "data")
    with pytest.raises(InputError, match=says):
        file_states(chosen().whole)


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ("hidden and system folders", "6 hidden ($RECYCLE.BIN/c.jpg, …)"),
        ("stray files", "1 in no class folder (stray.jpg); 2 of kinds that are not read (.heic 1, .txt 1)"),
        ("an unlisted class", "2 not listed in manifest.csv (Chinese/0.jpg, …)"),
    ],
)
def test_what_is_left_out_is_one_line(tmp_path, chosen, caplog, case, says):
    READ[case](tmp_path / "data")
    chosen()
    lines = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    assert len(lines) == 1
    assert says in lines[0]


def test_split_folders_are_the_stored_split(tmp_path, chosen, caplog):
    READ["split folders"](tmp_path / "data")
    selection = chosen()
    for row, split in zip(selection.manifest.table["image"], selection.split, strict=True):
        assert {"Train": "train", "validation": "val", "TEST": "test"}[row.split("/")[0]] == split
    assert "the folders are the splits: train 12, val 12, test 12" in caplog.text


def test_a_split_that_is_not_stored_is_drawn_from_training(tmp_path, chosen):
    READ["split folders without validation"](tmp_path / "data")
    selection = chosen()
    images = selection.manifest.table["image"].str.partition("/")[0].to_numpy()
    assert set(images[selection.split == "test"]) == {"test"}
    assert (images[selection.split == "val"] == "train").all()
    assert (selection.split == "test").sum() == 12
    assert set(selection.labels[selection.split == "val"]) == {0, 1, 2}


def test_split_folders_may_be_mixed_on_request(tmp_path, chosen):
    READ["split folders"](tmp_path / "data")
    selection = chosen(split="stratified")
    assert set(selection.manifest.table["image"][selection.split == "train"].str.partition("/")[0]) > {"Train"}


def test_a_stored_split_in_other_words(tmp_path, chosen, caplog):
    READ["a stored split in other words"](tmp_path / "data")
    assert sorted(set(chosen(split="stored").split)) == ["test", "train", "val"]
    chosen()
    assert "does not use; data.split=stored does" in caplog.text


def test_a_split_that_is_not_used_may_hold_anything(tmp_path, chosen):
    rows = [{**row, "split": "fold 3"} for row in collections.table_rows(tmp_path / "data")]
    collections.write_table(rows, tmp_path / "data" / "manifest.csv")
    assert len(chosen().manifest) == 12
    with pytest.raises(InputError, match=r"the split of 12 row.s. is `fold 3`"):
        chosen(split="stored")


def test_columns_are_chosen_by_name(tmp_path, chosen):
    rows = collections.table_rows(tmp_path / "data")
    own = [{"Nr.": row["object_id"], "Bild": row["image"], "Stil": row["culture"], "culture": "x"} for row in rows]
    collections.write_table(own, tmp_path / "data" / "manifest.csv", delimiter=";")
    selection = chosen(label="Stil", image="Bild", id="Nr.")
    assert selection.classes == CLASSES
    assert list(selection.manifest.table["object_id"])[:2] == ["Dutch0", "Dutch1"]
    with pytest.raises(InputError, match=r"data\.label=Still: .* did you mean `Stil`"):
        chosen(label="Still", image="Bild")


def test_a_table_may_be_named_itself(tmp_path, chosen):
    rows = [{"image": row["image"], "culture": row["culture"]} for row in collections.table_rows(tmp_path / "data")]
    collections.write_table(rows, tmp_path / "data" / "style_train.csv", header=False)
    assert chosen(root=str(tmp_path / "data" / "style_train.csv")).classes == CLASSES


def test_a_label_column_needs_a_table(tmp_path, chosen):
    READ["a folder per class"](tmp_path / "data")
    with pytest.raises(InputError, match=r"data\.label names a column, but .* holds no table"):
        chosen(label="style")


def test_a_picture_that_is_listed_again_has_an_id_of_its_own(tmp_path, chosen):
    rows = [{"image": row["image"], "culture": row["culture"]} for row in collections.table_rows(tmp_path / "data")]
    collections.write_table([*rows, rows[0]], tmp_path / "data" / "manifest.csv")
    assert "images/Dutch0.jpg#2" in set(chosen().manifest.table["object_id"])


def test_links_to_folders_are_followed_but_not_in_circles(tmp_path, chosen, caplog):
    collections.folders(tmp_path / "elsewhere", ["Dutch"])
    collections.folders(tmp_path / "data", ["French", "Indian"])
    (tmp_path / "data" / "Dutch").symlink_to(tmp_path / "elsewhere" / "Dutch")
    (tmp_path / "data" / "French" / "up").symlink_to(tmp_path / "data")
    assert len(chosen().manifest) == 12
    assert "1 in links back to a folder above them (French/up/)" in caplog.text
