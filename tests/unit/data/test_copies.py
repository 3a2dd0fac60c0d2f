import shutil

import pandas as pd
import pytest

from artculture.data import copies
from artculture.data.cache.pixel_cache import file_hashes
from artculture.data.manifest import Manifest
from artculture.data.paintings import load_paintings
from artculture.data.selection import select
from artculture.data.splits import assign_splits
from artculture.utils.io import file_sha256

CONTENT = {letter: letter * 64 for letter in "abc"}


@pytest.fixture
def copied_gallery(gallery):
    """The gallery with a copy of each calm picture."""
    for path in list((gallery / "calm").iterdir()):
        shutil.copy(path, path.with_stem(path.stem + "_copy"))
    return gallery


@pytest.mark.parametrize("split", ["stratified", "random"])
@pytest.mark.parametrize(
    "choose_from",
    [lambda choice: select(choice, True), lambda choice: load_paintings(choice, 32, "bilinear").selection],
)
def test_exact_copies_stay_in_one_split(choose, copied_gallery, split, choose_from, caplog):
    for seed in range(3):
        selection = choose_from(choose(split=split, split_seed=seed))
        contents = pd.Series([file_sha256(path) for path in selection.manifest.paths()])
        assert pd.Series(selection.split).groupby(contents).nunique().max() == 1
        assert set(selection.split) == {"train", "val", "test"}
    assert caplog.text.count("10 of 30 pictures are exact copies of another one") == 3


def test_the_hashes_are_those_of_the_files_whatever_the_manifest_says(choose, gallery, manifest):
    manifest.table.assign(sha256="0" * 64).to_csv(gallery / "manifest.csv", index=False)
    selection = load_paintings(choose(), 32, "bilinear").selection
    assert selection.manifest.table["sha256"].tolist() == [file_sha256(path) for path in selection.manifest.paths()]


def test_copies_with_two_labels_are_listed(choose, gallery, caplog):
    shutil.copy(gallery / "calm" / "3.png", gallery / "wild" / "same.png")
    load_paintings(choose(), 32, "bilinear")
    assert "1 picture(s) are there under two labels" in caplog.text
    assert "calm/3.png (calm) = wild/same.png (wild)" in caplog.text


def test_copies_that_a_stored_split_parts_are_listed(choose, gallery, manifest, caplog):
    shutil.copy(gallery / "calm" / "0.png", gallery / "calm" / "1.png")
    manifest.table.assign(split=["train", "test", *["val", "train"] * 9]).to_csv(gallery / "manifest.csv", index=False)
    load_paintings(choose(split="stored"), 32, "bilinear")
    assert "calm/0.png (train) = calm/1.png (test)" in caplog.text
    assert "stay in one split" not in caplog.text


def test_nothing_is_said_of_pictures_without_copies(choose, gallery, caplog):
    load_paintings(choose(), 32, "bilinear")
    assert not caplog.records


def test_a_class_without_a_training_picture_is_named(choose, gallery, manifest, caplog):
    splits = ["val", "test"] * 5 + ["train"] * 8 + ["val", "test"]
    manifest.table.assign(split=splits).to_csv(gallery / "manifest.csv", index=False)
    load_paintings(choose(split="stored"), 32, "bilinear")
    assert "no painting of calm is in the train split" in caplog.text


def test_groups_that_share_a_copy_become_one(rows):
    table = rows(Dutch=[2, 2, 1, 1]).assign(sha256=[CONTENT["a"], "", CONTENT["a"], CONTENT["b"], CONTENT["b"], ""])
    assert copies.group_exact_copies(table)["group"].tolist() == [":Dutch-2-0"] * 5 + [":Dutch-3-0"]


def test_text_that_is_no_hash_groups_nothing(rows):
    table = rows(Dutch=[1, 1, 1]).assign(sha256="unknown")
    assert copies.group_exact_copies(table) is table


def test_a_random_split_without_copies_is_what_it_was(rows):
    table = rows(Dutch=[1] * 10)
    assert assign_splits(table, "random", [0.6, 0.2, 0.2], 3).tolist() == [
        "test", "val", "train", "train", "train", "train", "val", "train", "train", "test",
    ]  # fmt: skip


def test_only_files_of_one_size_are_hashed_for_a_split_alone(rows, tmp_path, monkeypatch):
    manifest, read = Manifest(tmp_path, rows(Dutch=[1, 1, 1, 1])), []
    for path, content in zip(manifest.paths(), ("same", "same", "longer", ""), strict=True):
        path.write_text(content)
    monkeypatch.setattr(copies, "file_sha256", lambda path: read.append(path) or file_sha256(path))
    hashes = copies.hashes_of_same_size(manifest)
    assert read == manifest.paths()[:2]
    assert hashes == [file_sha256(path) for path in read] + ["", ""]


def test_hashes_of_decoded_pictures_are_not_computed_again(choose, gallery, manifest, tmp_path, monkeypatch):
    load_paintings(choose(), 32, "bilinear")
    whole = Manifest(gallery, select(choose()).whole.table)
    monkeypatch.setattr("artculture.data.cache.pixel_cache.file_sha256", lambda _: pytest.fail("hashed again"))
    assert file_hashes(whole, tmp_path / "cache") == [file_sha256(path) for path in whole.paths()]


def test_hashes_are_kept_where_nothing_was_decoded(manifest, gallery, tmp_path, monkeypatch):
    (gallery / "calm" / "5.png").write_bytes(b"")
    first = file_hashes(manifest, tmp_path / "cache")
    assert first[5] == ""
    monkeypatch.setattr("artculture.data.cache.pixel_cache.file_sha256", lambda _: pytest.fail("hashed again"))
    assert file_hashes(manifest, tmp_path / "cache") == first
    monkeypatch.undo()
    (gallery / "calm" / "5.png").write_bytes(b"new")
    assert file_hashes(manifest, tmp_path / "cache")[5] == file_sha256(gallery / "calm" / "5.png")
