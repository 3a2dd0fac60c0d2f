import pandas as pd
import pytest

from artculture.data.manifest import CULTURES
from artculture.data.sources import label_order, load_manifest, scan_class_folders
from artculture.utils.errors import InputError


def make(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"pixels")
    return root


def test_a_folder_a_class(tmp_path):
    make(tmp_path, "cats/a.jpg", "cats/deep/er/B.JPG", "dogs/c.webp", "dogs/notes.txt", "readme.md")
    table = scan_class_folders(tmp_path).table
    assert list(table["image"]) == ["cats/a.jpg", "cats/deep/er/B.JPG", "dogs/c.webp"]
    assert list(table["culture"]) == ["cats", "cats", "dogs"]
    assert list(table["object_id"]) == ["cats/a", "cats/deep/er/B", "dogs/c"]


def test_hidden_files_and_folders_are_no_pictures(tmp_path):
    make(tmp_path, "cats/a.jpg", "cats/.b.jpg", ".git/c.jpg", "_cache/d.jpg", "dogs/e.png")
    assert list(scan_class_folders(tmp_path).table["image"]) == ["cats/a.jpg", "dogs/e.png"]


def test_pictures_that_differ_by_suffix_alone(tmp_path):
    make(tmp_path, "cats/a.jpg", "cats/a.png", "dogs/b.jpg")
    assert list(scan_class_folders(tmp_path).table["object_id"]) == ["cats/a.jpg", "cats/a.png", "dogs/b"]


def test_an_empty_class_folder_is_named(tmp_path):
    make(tmp_path, "cats/a.jpg", "dogs/notes.txt")
    (tmp_path / "mice").mkdir()
    with pytest.raises(InputError) as caught:
        scan_class_folders(tmp_path)
    message = str(caught.value)
    assert f"no pictures in {tmp_path / 'dogs'}, {tmp_path / 'mice'}" in message
    assert ".jpg" in message
    assert "remove the folder" in message


def test_a_folder_without_folders(tmp_path):
    make(tmp_path, "a.jpg")
    with pytest.raises(InputError, match=r"neither a manifest\.csv nor one folder per class"):
        scan_class_folders(tmp_path)


@pytest.mark.parametrize("name", ["folder", "met"])
def test_a_manifest_goes_before_folders(tmp_path, name):
    make(tmp_path, "cats/a.jpg", "dogs/b.jpg")
    (tmp_path / "manifest.csv").write_text("object_id,image,culture\n1,cats/a.jpg,Dutch\n")
    assert list(load_manifest(name, str(tmp_path)).table["culture"]) == ["Dutch"]


def test_the_met_without_a_manifest_says_how_to_get_one(tmp_path):
    with pytest.raises(InputError, match=rf"`artculture fetch root={tmp_path}` collects(?s:.*)data\.root="):
        load_manifest("met", str(tmp_path))


@pytest.mark.parametrize("root", ["nowhere", "file"])
def test_no_such_folder(tmp_path, root):
    make(tmp_path, "file")
    with pytest.raises(InputError, match=f"data.root={tmp_path / root}: no such folder"):
        load_manifest("folder", str(tmp_path / root))


def test_home_is_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    make(tmp_path, "pictures/cats/a.jpg", "pictures/dogs/b.jpg")
    assert len(load_manifest("folder", "~/pictures")) == 2


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
