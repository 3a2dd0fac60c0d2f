import io

import pytest
from PIL import Image

from artculture.collection.fetching.ledger import Ledger
from artculture.collection.fetching.pictures import (
    BrokenPictureError,
    PictureStore,
    checked_picture,
    file_stem,
    remove_temporaries,
)
from tests.unit.museum_servers import jpeg

PIXELS = 1_000_000


def test_a_whole_picture_has_size_hash_and_extension():
    picture = checked_picture(jpeg("a", (40, 30)), PIXELS)
    assert (picture.width, picture.height, picture.extension) == (40, 30, "jpg")
    assert len(picture.sha256) == 64


def test_the_extension_follows_the_content():
    out = io.BytesIO()
    Image.new("RGBA", (4, 4)).save(out, "PNG")
    assert checked_picture(out.getvalue(), PIXELS).extension == "png"


@pytest.mark.parametrize("cut", [0, 1, 20, 300, -40])
def test_a_picture_cut_anywhere_is_refused(cut):
    with pytest.raises(BrokenPictureError):
        checked_picture(jpeg("a", (400, 300))[:cut], PIXELS)


@pytest.mark.parametrize("data", [b"<html>no</html>", b"GIF89a\x01\x00\x01\x00", b"\xff\xd8\xff\xe0" + b"x" * 500])
def test_what_is_no_picture_is_refused(data):
    with pytest.raises(BrokenPictureError, match="does not decode"):
        checked_picture(data, PIXELS)


@pytest.fixture
def store(tmp_path) -> PictureStore:
    return PictureStore(tmp_path, Ledger(tmp_path / "ledger.sqlite3"), "small")


def test_a_kept_picture_is_known_until_its_file_changes(store):
    picture = checked_picture(jpeg("a"), PIXELS)
    assert not store.has("met", "1")
    store.write("met", "1", picture, "http://x/1.jpg")
    assert store.has("met", "1")
    file = store.root / "images" / "met" / "1.jpg"
    assert file.read_bytes() == picture.data
    file.write_bytes(picture.data[:-1])
    assert not store.has("met", "1")


def test_a_picture_that_never_got_its_name_is_not_known(store, monkeypatch):
    monkeypatch.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        store.write("met", "1", checked_picture(jpeg("a"), PIXELS), "http://x/1.jpg")
    assert not store.has("met", "1")


def test_the_original_lies_next_to_the_small_one(store):
    original = PictureStore(store.root, store.ledger, "original")
    store.write("met", "1", checked_picture(jpeg("a"), PIXELS), "u")
    assert not original.has("met", "1")
    original.write("met", "1", checked_picture(jpeg("b"), PIXELS), "u")
    assert sorted(p.relative_to(store.root).as_posix() for p in store.root.rglob("*.jpg")) == [
        "images/met-original/1.jpg",
        "images/met/1.jpg",
    ]


@pytest.mark.parametrize("object_id", ["../../etc/passwd", "a/b", ".hidden", "x" * 300 + "/"])
def test_an_object_s_id_never_leaves_the_folder(object_id):
    stem = file_stem(object_id)
    assert "/" not in stem
    assert not stem.startswith(".")
    assert len(stem) < 120


def test_leftovers_of_a_killed_run_are_swept_away(tmp_path):
    (tmp_path / "met").mkdir()
    (tmp_path / "met" / ".1.jpg.77.tmp").write_bytes(b"half")
    (tmp_path / "met" / "2.jpg").write_bytes(b"whole")
    assert remove_temporaries(tmp_path) == 1
    assert [file.name for file in tmp_path.rglob("*.*")] == ["2.jpg"]
