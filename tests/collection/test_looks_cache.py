import pytest
from curated_samples import encoded, painting

from artculture.collection import looks_cache
from artculture.collection.looks import Look
from artculture.collection.looks_cache import looks_of


@pytest.fixture
def paths(tmp_path):
    made = [tmp_path / f"{n}.jpg" for n in range(6)]
    for n, path in enumerate(made):
        path.write_bytes(encoded(painting(n)))
    return made


@pytest.fixture
def measured(monkeypatch):
    """The number of pictures that were really decoded."""
    seen = []
    look_at = looks_cache.look_at
    monkeypatch.setattr(looks_cache, "look_at", lambda content, px: seen.append(1) or look_at(content, px))
    return seen


def test_each_picture_is_measured_once(paths, tmp_path, measured):
    first = looks_of(paths, tmp_path / "c.sqlite3", 96)
    assert looks_of(paths, tmp_path / "c.sqlite3", 96, workers=1) == first
    assert len(measured) == 6


def test_a_changed_file_is_measured_again(paths, tmp_path, measured):
    before = looks_of(paths, tmp_path / "c.sqlite3", 96)
    paths[2].write_bytes(encoded(painting(99)))
    after = looks_of(paths, tmp_path / "c.sqlite3", 96)
    assert len(measured) == 7
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, True, False, True, True, True]


def test_a_stopped_run_goes_on(paths, tmp_path, measured, monkeypatch):
    monkeypatch.setattr(looks_cache, "BATCH", 2)

    def stop(done):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        looks_of(paths, tmp_path / "c.sqlite3", 96, on_step=stop)
    assert len(measured) == 4
    looks_of(paths, tmp_path / "c.sqlite3", 96)
    assert len(measured) == 6


@pytest.mark.parametrize("content", [b"not a database at all" * 400, b"SQLite format 3\0" + b"x" * 5000, b""])
def test_a_broken_cache_is_made_anew(paths, tmp_path, content):
    cache = tmp_path / "c.sqlite3"
    cache.write_bytes(content)
    assert all(isinstance(look, Look) for look in looks_of(paths, cache, 96))
    assert all(isinstance(look, Look) for look in looks_of(paths, cache, 96))


def test_another_thumbnail_size_or_version_measures_again(paths, tmp_path, measured, monkeypatch):
    looks_of(paths, tmp_path / "c.sqlite3", 96)
    looks_of(paths, tmp_path / "c.sqlite3", 128)
    monkeypatch.setattr(looks_cache, "VERSION", 10_000)
    looks_of(paths, tmp_path / "c.sqlite3", 128)
    assert len(measured) == 18


def test_bad_files_say_why_and_stop_nothing(paths, tmp_path):
    paths[1].write_bytes(b"no picture")
    paths[4].unlink()
    found = looks_of(paths, tmp_path / "c.sqlite3", 96)
    assert "can't be decoded" in found[1]
    assert found[4] == "the file is not there"
    assert sum(isinstance(look, Look) for look in found) == 4
