import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from artculture.data.cache import builder
from artculture.data.cache import pixel_cache as cache_module
from artculture.data.cache.keys import cache_key
from artculture.data.cache.pixel_cache import open_cache
from artculture.data.decoding import read_pixels
from artculture.utils.errors import InputError


@pytest.fixture
def decoded(monkeypatch):
    """The paths that were decoded, in order."""
    seen = []

    def spy(path, *rest):
        seen.append(path)
        return read_pixels(path, *rest)

    monkeypatch.setattr(cache_module, "read_pixels", spy)
    return seen


@pytest.mark.parametrize(("side", "interpolation"), [(24, "bilinear"), (40, "bicubic"), (64, "bilinear")])
def test_equals_a_direct_read_pixel_for_pixel(manifest, tmp_path, side, interpolation):
    cache = open_cache(manifest, tmp_path / "cache", side, interpolation)
    for row, path in enumerate(manifest.paths()):
        direct = read_pixels(path, side, interpolation)
        assert cache.image(row).dtype == np.uint8
        np.testing.assert_array_equal(cache.image(row), direct)


def test_every_picture_is_decoded_once_ever(manifest, tmp_path, decoded):
    open_cache(manifest, tmp_path / "cache", 32, "bilinear")
    open_cache(manifest, tmp_path / "cache", 32, "bilinear")
    assert sorted(decoded) == sorted(manifest.paths())


def test_another_size_or_interpolation_is_another_cache(manifest, tmp_path, decoded):
    for side, interpolation in ((32, "bilinear"), (33, "bilinear"), (32, "bicubic")):
        open_cache(manifest, tmp_path / "cache", side, interpolation)
    assert len(decoded) == 3 * len(manifest)


def test_progress_is_reported(manifest, tmp_path):
    reported = []
    open_cache(manifest, tmp_path / "cache", 32, "bilinear", lambda done, total: reported.append((done, total)))
    assert reported == [(n, 20) for n in range(1, 21)]


def test_a_picture_can_not_be_written_to(manifest, tmp_path):
    with pytest.raises(ValueError, match="read-only"):
        open_cache(manifest, tmp_path / "cache", 32, "bilinear").image(0)[0, 0] = 1


def stopped_build(manifest, folder, monkeypatch, stop_at=9):
    def interrupt(path, *rest):
        if path == manifest.paths()[stop_at]:
            raise KeyboardInterrupt
        return read_pixels(path, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(cache_module, "read_pixels", interrupt)
        with pytest.raises(KeyboardInterrupt):
            open_cache(manifest, folder, 32, "bilinear")
    (journal,) = folder.rglob("journal.jsonl")
    return journal, journal.with_name("pixels.part")


@pytest.mark.parametrize("stop_at", [0, 7, 19])
def test_an_interrupted_build_is_not_taken_for_whole(manifest, tmp_path, monkeypatch, stop_at):
    stopped_build(manifest, tmp_path / "cache", monkeypatch, stop_at)
    cache = open_cache(manifest, tmp_path / "cache", 32, "bilinear")
    for row, path in enumerate(manifest.paths()):
        np.testing.assert_array_equal(cache.image(row), read_pixels(path, 32, "bilinear"))


def test_a_process_killed_before_the_index_leaves_nothing_to_trust(manifest, tmp_path, decoded, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(builder, "write_json", lambda *_: None)
        with pytest.raises(InputError, match="can't be completed"):
            open_cache(manifest, tmp_path / "cache", 32, "bilinear")
    open_cache(manifest, tmp_path / "cache", 32, "bilinear")
    assert len(decoded) == 2 * len(manifest)


def test_a_stopped_build_continues_where_it_was(manifest, tmp_path, decoded, monkeypatch):
    stopped_build(manifest, tmp_path / "cache", monkeypatch)
    open_cache(manifest, tmp_path / "cache", 32, "bilinear")
    assert decoded == manifest.paths()[9:]


@pytest.mark.parametrize("kept", [0, 1, 700])
def test_what_a_killed_build_left_is_cut_to_what_is_whole(manifest, tmp_path, monkeypatch, kept):
    journal, pixels = stopped_build(manifest, tmp_path / "cache", monkeypatch)
    os.truncate(pixels, pixels.stat().st_size - kept)
    os.truncate(journal, journal.stat().st_size - kept // 10)
    cache = open_cache(manifest, tmp_path / "cache", 32, "bilinear")
    for row, path in enumerate(manifest.paths()):
        np.testing.assert_array_equal(cache.image(row), read_pixels(path, 32, "bilinear"))


def test_pixels_that_changed_since_they_were_written_are_made_again(manifest, tmp_path, decoded, monkeypatch):
    _, pixels = stopped_build(manifest, tmp_path / "cache", monkeypatch)
    with pixels.open("r+b") as file:
        file.seek(0)
        file.write(bytes(100))
    open_cache(manifest, tmp_path / "cache", 32, "bilinear")
    assert decoded == manifest.paths()


def cut(pixels, index):
    os.truncate(pixels, 1000)


def lose(pixels, index):
    pixels.unlink()


def cut_index(pixels, index):
    os.truncate(index, index.stat().st_size // 2)


def forget_a_bad_one(pixels, index):
    index.write_text(json.dumps({**json.loads(index.read_text()), "bad": {}}))


def add_a_picture(pixels, index):
    stored = json.loads(index.read_text())
    index.write_text(json.dumps({**stored, "shapes": [*stored["shapes"], [0, 0]]}))


def change_a_hash(pixels, index):
    stored = json.loads(index.read_text())
    index.write_text(json.dumps({**stored, "sha256": ["0" * 64, *stored["sha256"][1:]]}))


@pytest.mark.parametrize("damage", [cut, lose, cut_index, forget_a_bad_one, add_a_picture, change_a_hash])
def test_a_damaged_cache_is_built_again(manifest, tmp_path, caplog, damage):
    manifest.paths()[3].write_bytes(b"")
    open_cache(manifest, tmp_path / "cache", 32, "bilinear")
    (pixels,) = (tmp_path / "cache").rglob("pixels.bin")
    damage(pixels, pixels.with_name("index.json"))
    cache = open_cache(manifest, tmp_path / "cache", 32, "bilinear")
    assert "is damaged and will be rebuilt" in caplog.text
    assert cache.bad == {3: "zero bytes"}
    np.testing.assert_array_equal(cache.image(4), read_pixels(manifest.paths()[4], 32, "bilinear"))


def test_a_changed_file_is_decoded_again(manifest, tmp_path):
    before = open_cache(manifest, tmp_path / "cache", 32, "bilinear").image(3).copy()
    path = manifest.paths()[3]
    Image.new("RGB", (50, 40), (9, 8, 7)).save(path)
    after = open_cache(manifest, tmp_path / "cache", 32, "bilinear").image(3)
    assert (after == (9, 8, 7)).all()
    assert before.std() > 10


def test_a_file_touched_only_in_time_is_decoded_again(manifest, tmp_path, decoded):
    open_cache(manifest, tmp_path / "cache", 32, "bilinear")
    os.utime(manifest.paths()[0], (1, 1))
    open_cache(manifest, tmp_path / "cache", 32, "bilinear")
    assert len(decoded) == 2 * len(manifest)


@pytest.mark.parametrize(("gone", "says"), [([4], ""), ([4, 5, 9], r" \(and 2 more\)")])
def test_missing_files_are_named(manifest, tmp_path, gone, says):
    for row in gone:
        manifest.paths()[row].unlink()
    with pytest.raises(InputError, match=f"lists {manifest.paths()[4]}{says}, but there is no such file"):
        open_cache(manifest, tmp_path / "cache", 32, "bilinear")


def test_bad_pictures_are_listed_and_the_others_stay_in_place(manifest, tmp_path):
    manifest.paths()[2].write_bytes(b"")
    manifest.paths()[11].write_text("no picture")
    cache = open_cache(manifest, tmp_path / "cache", 32, "bilinear")
    assert cache.bad == {2: "zero bytes", 11: "not a picture of a kind that can be read"}
    assert cache.image(2).size == 0
    for row in (1, 3, 10, 12, 19):
        np.testing.assert_array_equal(cache.image(row), read_pixels(manifest.paths()[row], 32, "bilinear"))


def test_nothing_but_bad_pictures(manifest, tmp_path):
    for path in manifest.paths():
        path.write_bytes(b"")
    assert len(open_cache(manifest, tmp_path / "cache", 32, "bilinear").bad) == 20


BUILDER = """
import json, sys, time
from pathlib import Path
from artculture.data.cache import pixel_cache
from artculture.data.class_folders import scan_class_folders
root, folder, go = map(Path, sys.argv[1:])
read = pixel_cache.read_pixels
pixel_cache.read_pixels = lambda *a: (time.sleep(0.02), read(*a))[1]
reported = []
print("ready", flush=True)
while not go.exists():
    time.sleep(0.001)
pixels = pixel_cache.open_cache(scan_class_folders(root)[0], folder, 32, "bilinear", lambda *a: reported.append(a))
print(json.dumps({"built": len(reported), "sum": int(pixels.pixels.sum(dtype="int64"))}))
"""


def test_two_processes_at_once_build_once(gallery, tmp_path):
    command = [sys.executable, "-c", BUILDER, gallery, tmp_path / "cache", tmp_path / "go"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.stdout.readline() for process in both] == ["ready\n"] * 2
    (tmp_path / "go").touch()
    said = [json.loads(process.communicate()[0]) for process in both]
    assert sorted(reported["built"] for reported in said) == [0, 20]
    assert said[0]["sum"] == said[1]["sum"] > 0


def test_the_same_pictures_elsewhere_are_not_mixed_up(manifest, tmp_path):
    open_cache(manifest, tmp_path / "cache", 32, "bilinear")
    other = shutil.copytree(manifest.root, tmp_path / "other")
    Image.new("RGB", (50, 40)).save(other / manifest.table["image"][0])
    moved = type(manifest)(other, manifest.table)
    assert not open_cache(moved, tmp_path / "cache", 32, "bilinear").image(0).any()


def test_a_link_in_a_shared_cache_is_not_followed(manifest, tmp_path):
    """A link at the name that an unfinished cache has, to a file of the user who builds it."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    target = tmp_path / "cache" / "pixels" / cache_key(manifest, 32, "bilinear")
    target.mkdir(parents=True)
    (target / "pixels.part").symlink_to(victim)
    with pytest.raises(InputError, match=r"pixels\.part is a link"):
        open_cache(manifest, tmp_path / "cache", 32, "bilinear")
    assert victim.read_text() == "precious"
