import hashlib
import json
import multiprocessing
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from artculture.data import sample
from artculture.data.manifest import COLUMNS, CULTURES, read_manifest
from artculture.data.painter import hand, paint
from artculture.data.sample import make_sample, sample_root
from artculture.errors import InputError

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
def no_painting(monkeypatch):
    def refuse(*_):
        raise AssertionError("a picture was drawn")

    monkeypatch.setattr(sample, "paint", refuse)


def contents(root):
    return {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_the_manifest_is_whole_and_says_synthetic(drawn):
    table = read_manifest(drawn).table
    assert tuple(table.columns) == COLUMNS
    assert table["culture"].value_counts().to_dict() == dict.fromkeys(CULTURES, 3)
    assert set(table["source"]) == {"synthetic"}
    assert set(table["licence"]) == {"CC0-1.0"}
    assert table["title"].str.fullmatch(r"Synthetic picture no\. \d+").all()
    assert table["object_id"].str.fullmatch(r"synthetic-[a-z]+-\d+").all()


def test_the_files_are_the_painted_pictures(drawn):
    manifest = read_manifest(drawn)
    for row, path in zip(manifest.table.itertuples(), manifest.paths(), strict=True):
        index = int(row.object_id.rsplit("-", 1)[1])
        pixels = np.asarray(Image.open(path))
        np.testing.assert_array_equal(pixels, paint(row.culture, 5, index, 24))
        assert (row.height, row.width) == pixels.shape[:2]
        assert row.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_group_is_one_hand_of_one_culture(tmp_path):
    table = make_sample(tmp_path / "s", per_culture=12, seed=0, size=16).table
    assert (table.groupby("group")["culture"].nunique() == 1).all()
    hands = {(culture, hand(culture, 0, index)) for culture in CULTURES for index in range(12)}
    assert table["group"].nunique() == len(hands) < len(table)


def test_a_second_call_only_reads(root, no_painting):
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


def test_what_a_killed_build_left_beside_is_not_taken_for_the_sample(tmp_path, drawn):
    shutil.copytree(drawn, tmp_path / ".s.killed" / "sample")
    seen = []
    make_sample(tmp_path / "s", **SMALL, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 33) for done in range(1, 34)]


@pytest.mark.parametrize("damage", ["image gone", "image empty", "manifest gone"])
def test_a_damaged_sample_is_drawn_anew(root, drawn, damage):
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
    monkeypatch.setattr(sample, "SAMPLE_VERSION", 99)
    assert len(names | {sample_root(tmp_path, **SMALL).name}) == 5


def test_mean_colour_does_not_tell_the_cultures_apart():
    pictures = [(label, paint(culture, 0, index, 24)) for label, culture in enumerate(CULTURES) for index in range(30)]
    label = np.array([label for label, _ in pictures])
    colour = np.array([picture.reshape(-1, 3).mean(axis=0) for _, picture in pictures])
    learned = np.arange(len(label)) % 30 < 20
    centres = np.stack([colour[learned & (label == culture)].mean(axis=0) for culture in range(len(CULTURES))])
    guess = np.linalg.norm(colour[~learned][:, None] - centres, axis=2).argmin(axis=1)
    assert (guess == label[~learned]).mean() < 0.35
