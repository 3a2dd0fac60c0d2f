import pytest

from artculture.collection.curation import image_stats_cache
from artculture.collection.curation.image_stats import ImageStats
from artculture.collection.curation.image_stats_cache import measure_images
from tests.unit.collection.curation.samples import encoded, painting


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
    measure_image = image_stats_cache.measure_image
    monkeypatch.setattr(
        image_stats_cache, "measure_image", lambda content, px: seen.append(1) or measure_image(content, px)
    )
    return seen


def test_each_picture_is_measured_once(paths, tmp_path, measured):
    first = measure_images(paths, tmp_path / "c.sqlite3", 96)
    assert measure_images(paths, tmp_path / "c.sqlite3", 96, workers=1) == first
    assert len(measured) == 6


def test_a_changed_file_is_measured_again(paths, tmp_path, measured):
    before = measure_images(paths, tmp_path / "c.sqlite3", 96)
    paths[2].write_bytes(encoded(painting(99)))
    after = measure_images(paths, tmp_path / "c.sqlite3", 96)
    assert len(measured) == 7
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, True, False, True, True, True]


def test_a_stopped_run_continues(paths, tmp_path, measured, monkeypatch):
    monkeypatch.setattr(image_stats_cache, "BATCH", 2)

    def stop(done, _total):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_images(paths, tmp_path / "c.sqlite3", 96, on_progress=stop)
    assert len(measured) == 4
    measure_images(paths, tmp_path / "c.sqlite3", 96)
    assert len(measured) == 6


@pytest.mark.parametrize("content", [b"not a database at all" * 400, b"SQLite format 3\0" + b"x" * 5000, b""])
def test_a_broken_cache_is_made_again(paths, tmp_path, content):
    cache = tmp_path / "c.sqlite3"
    cache.write_bytes(content)
    assert all(isinstance(stats, ImageStats) for stats in measure_images(paths, cache, 96))
    assert all(isinstance(stats, ImageStats) for stats in measure_images(paths, cache, 96))


def test_another_thumbnail_size_or_version_measures_again(paths, tmp_path, measured, monkeypatch):
    measure_images(paths, tmp_path / "c.sqlite3", 96)
    measure_images(paths, tmp_path / "c.sqlite3", 128)
    monkeypatch.setattr(image_stats_cache, "VERSION", 10_000)
    measure_images(paths, tmp_path / "c.sqlite3", 128)
    assert len(measured) == 18


def test_bad_files_say_why_and_stop_nothing(paths, tmp_path):
    paths[1].write_bytes(b"no picture")
    paths[4].unlink()
    found = measure_images(paths, tmp_path / "c.sqlite3", 96)
    assert "can't be decoded" in found[1]
    assert found[4] == "the file is not there"
    assert sum(isinstance(stats, ImageStats) for stats in found) == 4
