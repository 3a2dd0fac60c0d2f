import os

import pytest
from filelock import FileLock

from artculture.data.cache.inventory import cache_entries, delete_entry


@pytest.fixture
def cache(tmp_path):
    for name, size in {"pixels/a": 10, "pixels/b": 30, "features/c": 20, "sample-v3": 5, "mine/d": 99}.items():
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "file.bin").write_bytes(bytes(size))
    (tmp_path / "notes.txt").write_text("mine")
    return tmp_path


def test_entries_are_the_folders_that_the_cache_makes(cache):
    found = [(str(entry.path.relative_to(cache)), entry.kind, entry.size) for entry in cache_entries(cache)]
    assert found == [
        ("pixels/b", "pixels", 30),
        ("features/c", "features", 20),
        ("pixels/a", "pixels", 10),
        ("sample-v3", "sample", 5),
    ]


def test_a_folder_that_is_not_there_has_none(tmp_path):
    assert cache_entries(tmp_path / "none") == []


def test_an_entry_says_when_it_was_changed(cache):
    os.utime(cache / "pixels/b/file.bin", (1000, 1000))
    assert cache_entries(cache)[0].changed == 1000


def test_a_linked_folder_is_no_entry(cache, tmp_path):
    (cache / "pixels/link").symlink_to(cache / "mine")
    assert "link" not in {entry.path.name for entry in cache_entries(cache)}


def test_shards_are_listed_one_by_one(cache):
    for name in ("shards/pixels/s0", "shards/pixels/.locks", "shards/index"):
        (cache / name).mkdir(parents=True)
    assert [entry.path.name for entry in cache_entries(cache) if entry.kind == "shards"] == ["s0"]


@pytest.mark.parametrize("lock", ["b/.lock", ".locks/b"])
def test_an_entry_that_is_being_written_is_kept(cache, lock):
    entry = cache_entries(cache)[0]
    (cache / "pixels" / lock).parent.mkdir(exist_ok=True)
    with FileLock(cache / "pixels" / lock):
        assert not delete_entry(entry)
        assert entry.path.is_dir()
    assert delete_entry(entry)
    assert not entry.path.exists()
