import hashlib
import json
import multiprocessing
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from artculture.collection.curation.table1 import PAPER
from artculture.data.labels import CULTURES
from artculture.data.manifest import COLUMNS, read_manifest
from artculture.data.sample import dataset, make_sample, sample_counts, sample_root
from artculture.data.sample.picture import draw_picture, series
from artculture.data.splits import small_cultures
from artculture.utils.errors import InputError

SMALL = {"per_culture": 3, "seed": 5, "size": 24}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    root = sample_root(tmp_path_factory.mktemp("sample"), **SMALL)
    make_sample(root, **SMALL)
    return root


@pytest.fixture
def root(drawn, tmp_path):
    return Path(shutil.copytree(drawn, tmp_path / drawn.name))


@pytest.fixture
def no_drawing(monkeypatch):
    def refuse(*_):
        raise AssertionError("a picture was drawn")

    monkeypatch.setattr(dataset, "draw_picture", refuse)


def contents(root):
    return {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_the_manifest_is_whole_and_says_synthetic(drawn):
    table = read_manifest(drawn).table
    assert tuple(table.columns) == COLUMNS
    assert table["culture"].value_counts().to_dict() == dict.fromkeys(CULTURES, 3)
    assert set(table["source"]) == {"synthetic"}
    assert set(table["licence"]) == {"CC0-1.0"}
    assert table["title"].str.fullmatch(r"Synthetic picture no\. \d+").all()
    assert table["artist"].str.startswith("Synthetic artist").all()
    assert (table["date"] != "").all()
    assert table["object_id"].str.fullmatch(r"synthetic-[a-z]+-\d+").all()


def test_the_files_are_the_drawn_pictures(drawn):
    manifest = read_manifest(drawn)
    for row, path in zip(manifest.table.itertuples(), manifest.paths(), strict=True):
        index = int(row.object_id.rsplit("-", 1)[1])
        pixels = np.asarray(Image.open(path))
        np.testing.assert_array_equal(pixels, draw_picture(row.culture, 5, index, 24))
        assert (row.height, row.width) == pixels.shape[:2]
        assert row.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_group_is_one_series_by_one_artist(tmp_path):
    table = make_sample(tmp_path / "s", per_culture=12, seed=0, size=16).table
    assert (table.groupby("group")[["culture", "artist", "date"]].nunique() == 1).all(axis=None)
    counts = sample_counts(12)
    expected = {(culture, series(culture, 0, index)) for culture in CULTURES for index in range(counts[culture])}
    assert table["group"].nunique() == len(expected) < len(table)


def test_counts_follow_table_1_of_the_paper():
    assert {culture: final for culture, (_, final) in PAPER.items()} == dataset.PROPORTIONS
    counts = sample_counts(200)
    assert tuple(counts) == CULTURES
    by_size = sorted(CULTURES, key=counts.__getitem__)
    assert by_size == sorted(CULTURES, key=dataset.PROPORTIONS.__getitem__)
    assert counts["American"] / counts["Italian"] == pytest.approx(1585 / 688, rel=0.05)


@pytest.mark.parametrize("per_culture", [3, 5, 6, 7, 12, 40, 61, 200])
def test_per_culture_is_the_mean_and_every_culture_has_some(per_culture):
    counts = sample_counts(per_culture)
    assert sum(counts.values()) == 11 * per_culture
    assert min(counts.values()) >= min(per_culture, dataset.FEWEST)


@pytest.mark.parametrize("per_culture", [3, 12])
def test_every_culture_can_be_split(tmp_path, per_culture):
    assert small_cultures(make_sample(tmp_path / "s", per_culture=per_culture, seed=0, size=16).table) == {}


def test_a_second_call_only_reads(root, no_drawing):
    before = contents(root)
    assert make_sample(root, **SMALL).fingerprint() == read_manifest(root).fingerprint()
    assert contents(root) == before


def test_the_same_parameters_draw_the_same_bytes_anywhere(drawn, tmp_path):
    make_sample(tmp_path / "again", **SMALL)
    assert contents(tmp_path / "again") == contents(drawn)


@pytest.mark.parametrize("at", [1, 17, 33])
def test_an_interrupted_build_leaves_nothing_that_is_taken_for_whole(tmp_path, drawn, at):
    def stop(done, _):
        if done == at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_sample(tmp_path / "s", **SMALL, on_progress=stop)
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".lock" and path.is_dir()] == []
    make_sample(tmp_path / "s", **SMALL)
    assert contents(tmp_path / "s") == contents(drawn)


def test_what_a_killed_build_left_is_not_taken_for_the_sample(tmp_path, drawn):
    shutil.copytree(drawn, tmp_path / ".s.killed" / "sample")
    seen = []
    make_sample(tmp_path / "s", **SMALL, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 33) for done in range(1, 34)]


@pytest.mark.parametrize("damage", ["image gone", "image empty", "manifest gone"])
def test_a_damaged_sample_is_drawn_again(root, drawn, damage):
    victim = root / "manifest.csv" if "manifest" in damage else next((root / "images").iterdir())
    victim.write_bytes(b"") if "empty" in damage else victim.unlink()
    make_sample(root, **SMALL)
    assert contents(root) == contents(drawn)


def test_a_sample_with_other_parameters_is_refused(root):
    with pytest.raises(InputError, match="name another folder"):
        make_sample(root, **SMALL | {"seed": 6})


def test_an_older_version_is_refused(root):
    recipe = json.loads((root / "sample.json").read_text())
    (root / "sample.json").write_text(json.dumps(recipe | {"sample_version": 0}))
    with pytest.raises(InputError, match="sample_version"):
        make_sample(root, **SMALL)


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "holiday.jpg").write_bytes(b"mine")
    with pytest.raises(InputError, match="something else"):
        make_sample(tmp_path / "mine", **SMALL)
    assert contents(tmp_path / "mine") == {Path("holiday.jpg"): b"mine"}


def test_an_empty_folder_may_be_filled(tmp_path):
    (tmp_path / "s").mkdir()
    assert len(make_sample(tmp_path / "s", **SMALL)) == 33


def test_two_processes_at_once_leave_one_whole_sample(tmp_path, drawn):
    context = multiprocessing.get_context("spawn")
    both = [context.Process(target=make_sample, args=(tmp_path / "s",), kwargs=SMALL) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert contents(tmp_path / "s") == contents(drawn)


def test_parameters_and_version_are_in_the_folders_name(tmp_path, monkeypatch):
    names = {
        sample_root(tmp_path, **SMALL | change).name for change in ({}, {"per_culture": 4}, {"seed": 1}, {"size": 9})
    }
    monkeypatch.setattr(dataset, "SAMPLE_VERSION", 99)
    assert len(names | {sample_root(tmp_path, **SMALL).name}) == 5
