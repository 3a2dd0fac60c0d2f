import json

import pyarrow.parquet as pq
import pytest
from PIL import Image

from artculture.data.selection import select
from artculture.data.shards import writing
from artculture.data.shards.index import read_sharded
from artculture.data.shards.pixels import read_images
from artculture.utils.errors import InputError
from artculture.utils.io import file_sha256

from .conftest import files_of


def test_every_painting_is_in_one_shard_of_its_split(write, choose, tmp_path):
    write()
    table = read_sharded(str(tmp_path / "shards"), tmp_path).table
    selection = select(choose())
    expected = dict(zip(selection.manifest.table["object_id"], selection.split, strict=True))
    assert dict(zip(table["object_id"], table["split"], strict=True)) == expected
    for shard in (tmp_path / "shards").glob("*.parquet"):
        assert set(pq.read_table(shard, columns=["split"])["split"].to_pylist()) == {shard.name.split("-")[0]}


def test_files_stay_as_they_are(write, gallery, tmp_path):
    write()
    manifest = read_sharded(str(tmp_path / "shards"), tmp_path)
    for row, image in enumerate(manifest.table["image"]):
        assert manifest.picture(row) == (gallery / image).read_bytes()


@pytest.mark.parametrize("shorter_side", [None, 32])
def test_the_hash_of_each_picture_s_file_is_kept(write, gallery, tmp_path, shorter_side):
    write(shorter_side=shorter_side)
    table = read_sharded(str(tmp_path / "shards"), tmp_path).table
    assert table["sha256"].tolist() == [file_sha256(gallery / image) for image in table["image"]]


def test_pictures_are_made_smaller_where_asked(write, tmp_path):
    write(shorter_side=32)
    for shard in (tmp_path / "shards").glob("*.parquet"):
        for picture in read_images(shard):
            (tmp_path / "picture").write_bytes(picture)
            with Image.open(tmp_path / "picture") as image:
                assert (min(image.size), image.format) == (32, "JPEG")


def test_the_files_say_what_hugging_face_looks_for(write, tmp_path):
    write()
    schema = pq.read_schema(next((tmp_path / "shards").glob("train-*.parquet")))
    assert json.loads(schema.metadata[b"huggingface"])["info"]["features"]["image"] == {"_type": "Image"}
    assert str(schema.field("image").type) == "struct<bytes: binary, path: string>"


def test_workers_change_no_byte(write, tmp_path):
    write("one")
    write("four", workers=4)
    assert files_of(tmp_path / "one") == files_of(tmp_path / "four")


def test_a_second_start_writes_nothing(write, tmp_path):
    first = write()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "shards").iterdir()}
    second = write()
    assert (first.kept, second.kept) == (0, second.shards)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "shards").iterdir()} == before


@pytest.mark.parametrize("stop_at", [0, 3])
def test_a_killed_start_is_gone_on_from(write, monkeypatch, tmp_path, stop_at):
    write("undisturbed")
    calls = []

    def dying(*arguments):
        calls.append(arguments)
        if len(calls) > stop_at:
            raise KeyboardInterrupt
        return write_shard(*arguments)

    write_shard = writing.write_shard
    with monkeypatch.context() as patch:
        patch.setattr(writing, "write_shard", dying)
        with pytest.raises(KeyboardInterrupt):
            write()
    assert not (tmp_path / "shards" / "shards.json").exists()
    assert write().kept == stop_at
    assert files_of(tmp_path / "shards") == files_of(tmp_path / "undisturbed")


@pytest.mark.parametrize("spoil", ["lost", "flipped", "cut"])
@pytest.mark.parametrize("name", ["train-00001-of-00006.parquet", "index.arrow"])
def test_what_was_damaged_is_repaired(write, tmp_path, spoil, name):
    write()
    sound = files_of(tmp_path / "shards")
    file, content = tmp_path / "shards" / name, sound[name]
    file.write_bytes(content[:-9] if spoil == "cut" else content[:600] + bytes([content[600] ^ 1]) + content[601:])
    if spoil == "lost":
        file.unlink()
    write()
    assert files_of(tmp_path / "shards") == sound


def test_a_note_cut_short_is_no_note(write, tmp_path):
    write()
    (tmp_path / "shards" / "shards.json").unlink()
    (tmp_path / "shards" / "_writing").mkdir()
    (tmp_path / "shards" / "_writing" / "train-00000-of-00006.parquet.json").write_text('{"name": "tra')
    assert write().kept == 0


@pytest.mark.parametrize("other", [{"pictures": 4}, {"seed": 1}, {"shorter_side": 32}, {"split_seed": 5}])
def test_other_shards_are_not_written_over(write, tmp_path, other):
    write()
    sound = files_of(tmp_path / "shards")
    with pytest.raises(InputError, match=r"other paintings or choices .* name another folder"):
        write(**other)
    assert files_of(tmp_path / "shards") == sound


def test_an_interrupted_plan_leaves_nothing_to_another(write, tmp_path):
    write(pictures=2)
    (tmp_path / "shards" / "shards.json").rename(tmp_path / "listing")
    listing = json.loads((tmp_path / "listing").read_text())
    (tmp_path / "shards" / "_writing").mkdir()
    for shard in listing["shards"]:
        (tmp_path / "shards" / "_writing" / f"{shard['name']}.json").write_text(json.dumps(shard))
    write()
    write("fresh")
    assert files_of(tmp_path / "shards") == files_of(tmp_path / "fresh")


def test_a_bad_picture_is_an_error(write, gallery, tmp_path):
    (gallery / "calm" / "3.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"calm/3.png can't be read \(not a picture .*\).*on_bad_image=skip"):
        write()
    assert not (tmp_path / "shards" / "shards.json").exists()


def test_a_bad_picture_is_left_out_where_asked(write, gallery, tmp_path):
    (gallery / "calm" / "3.png").write_bytes(b"no picture")
    for _ in range(2):
        written = write(on_bad_image="skip")
        assert (written.pictures, written.bad) == (19, {"calm/3.png": "not a picture of a kind that can be read"})
    table = read_sharded(str(tmp_path / "shards"), tmp_path).table
    assert "calm/3.png" not in set(table["image"])
    assert len(table) == 19


def test_too_many_bad_pictures_leave_no_list_of_shards(write, gallery, tmp_path):
    for name in ("calm/3.png", "wild/0.png"):
        (gallery / name).write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"2 picture\(s\) .*calm/3\.png.*10\.0 % of 20.*bad_image_share=0\.05"):
        write(on_bad_image="skip", bad_image_share=0.05)
    assert not (tmp_path / "shards" / "shards.json").exists()
    assert "wild/0.png" in (tmp_path / "shards" / "quarantine.csv").read_text()
    assert write(on_bad_image="skip", bad_image_share=0.1).pictures == 18
    assert not (tmp_path / "shards" / "_writing").exists()


def test_a_missing_picture_is_named(write, gallery, choose, monkeypatch):
    selection = select(choose())
    (gallery / "wild" / "0.png").unlink()
    monkeypatch.setattr("tests.unit.data.shards.conftest.select", lambda _: selection)
    with pytest.raises(InputError, match=r"wild/0.png, but there is no such file"):
        write()
