import pandas as pd
import pytest

from artculture.data.class_folders import scan_class_folders
from artculture.data.picture_table import ColumnNames
from artculture.data.sources import load_manifest
from artculture.utils.errors import InputError


def make(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"pixels")
    return root


def test_a_folder_a_class(tmp_path):
    make(tmp_path, "cats/a.jpg", "cats/deep/er/B.JPG", "dogs/c.webp", "dogs/notes.txt", "readme.md")
    table = scan_class_folders(tmp_path)[0].table
    assert list(table["image"]) == ["cats/a.jpg", "cats/deep/er/B.JPG", "dogs/c.webp"]
    assert list(table["culture"]) == ["cats", "cats", "dogs"]
    assert list(table["object_id"]) == ["cats/a", "cats/deep/er/B", "dogs/c"]


def test_hidden_files_and_folders_are_no_pictures(tmp_path):
    make(tmp_path, "cats/a.jpg", "cats/.b.jpg", ".git/c.jpg", "cats/@eaDir/a.jpg/d.jpg", "dogs/e.png", "_mice/f.jpg")
    assert list(scan_class_folders(tmp_path)[0].table["image"]) == ["_mice/f.jpg", "cats/a.jpg", "dogs/e.png"]


def test_pictures_that_differ_by_suffix_alone(tmp_path):
    make(tmp_path, "cats/a.jpg", "cats/a.png", "dogs/b.jpg")
    assert list(scan_class_folders(tmp_path)[0].table["object_id"]) == ["cats/a.jpg", "cats/a.png", "dogs/b"]


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
    with pytest.raises(InputError, match=r"neither a table \(manifest\.csv, .*nor one folder per class"):
        scan_class_folders(tmp_path)


@pytest.mark.parametrize("name", ["folder", "met"])
def test_a_manifest_goes_before_folders(tmp_path, name):
    make(tmp_path, "cats/a.jpg", "dogs/b.jpg")
    (tmp_path / "manifest.csv").write_text("object_id,image,culture\n1,cats/a.jpg,Dutch\n")
    assert list(load_manifest(name, str(tmp_path)).table["culture"]) == ["Dutch"]


def test_a_manifest_keeps_the_name_of_its_label(tmp_path):
    make(tmp_path, "cats/a.jpg", "dogs/b.jpg")
    assert load_manifest("folder", str(tmp_path)).label == ""
    (tmp_path / "manifest.csv").write_text("image,Style\ncats/a.jpg,baroque\n")
    assert load_manifest("folder", str(tmp_path), columns=ColumnNames(label="Style")).label == "Style"


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


def load_custom(table, root=None, **changes):
    source = {"_target_": f"{__name__}.returned", "table": table, **changes}
    return load_manifest("custom", root, source=source)


def returned(table):
    return pd.DataFrame(table) if isinstance(table, list) else table


def test_a_function_s_table_names_the_same_files_by_paths_from_one_folder(tmp_path):
    rows = [(1, "a/x.png", "Dutch"), (2, "b/c/y.png", float("nan"))]
    absolute = [{"object_id": i, "image": str(tmp_path / image), "culture": culture} for i, image, culture in rows]
    with pytest.raises(InputError, match="record 2: `culture` is empty"):
        load_custom(absolute)
    absolute[1]["culture"] = "French"
    manifest = load_custom(absolute)
    assert (manifest.root, list(manifest.table["image"])) == (tmp_path, ["a/x.png", "b/c/y.png"])
    assert list(manifest.table["object_id"]) == ["1", "2"]
    relative = [{**row, "image": image} for row, (_, image, _) in zip(absolute, rows, strict=True)]
    assert load_custom(relative, str(tmp_path)).fingerprint() == manifest.fingerprint()


@pytest.mark.parametrize(
    ("table", "root", "says"),
    [
        ("text", None, "returned` returned a str, not a pandas DataFrame"),
        ([{"object_id": 1, "culture": "Dutch"}], None, "lacks the column `image`"),
        ([], None, "lacks the column"),
        ([{"object_id": 1, "image": "a.png", "culture": "Dutch"}], None, r"image `a\.png`: return absolute paths, or"),
        ([{"object_id": 1, "image": "/a.png", "culture": "Dutch"}], "/b", "leaves the manifest's folder"),
    ],
)
def test_what_is_no_table_of_paintings_is_named(table, root, says):
    with pytest.raises(InputError, match=says):
        load_custom(table, root)
