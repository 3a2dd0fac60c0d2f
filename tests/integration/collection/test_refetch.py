import csv
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from artculture.data.manifest import read_manifest
from tests.unit.museum_servers import MetServer, many_places, serving

PICTURE = "/CRDImages/ep/web-large/DP{}.jpg"


@pytest.fixture
def server() -> Iterator[MetServer]:
    with serving(MetServer(many_places(11))) as server:
        yield server


@pytest.fixture
def frozen(fetch, server, tmp_path) -> Path:
    """A manifest away from its pictures, with a split that must survive."""
    assert fetch("source=met", f"source.base_url={server.api}", root=tmp_path / "first") == 0
    table = read_manifest(tmp_path / "first").table
    table["split"] = "train"
    table["group"] = "album"
    (tmp_path / "frozen").mkdir()
    table.to_csv(tmp_path / "frozen" / "manifest.csv", index=False)
    server.requests.clear()
    return tmp_path / "frozen" / "manifest.csv"


def refetch(fetch, server: MetServer, frozen: Path) -> int:
    return fetch("source=met", f"source.base_url={server.api}", f"manifest={frozen}")


def changed(root: Path) -> list[str]:
    with (root / "changed.csv").open(encoding="utf-8") as file:
        return [row["object_id"] for row in csv.DictReader(file)]


def test_all_are_still_there(fetch, server, frozen, tmp_path, capsys):
    assert refetch(fetch, server, frozen) == 0
    assert "11 of 11 still available" in capsys.readouterr().out
    again, before = read_manifest(tmp_path / "met").table, read_manifest(frozen).table
    assert again.equals(before)
    assert {request.path.split("/")[1] for request in server.requests} == {"CRDImages"}


def test_what_is_gone_or_changed_is_reported(fetch, server, frozen, tmp_path, capsys, monkeypatch):
    server.gone = {PICTURE.format(10000), PICTURE.format(10003)}
    real = server.picture
    monkeypatch.setattr(server, "picture", lambda path: real("other" if "10006" in path else path))
    assert refetch(fetch, server, frozen) == 0
    out = capsys.readouterr().out
    assert "9 of 11 still available" in out
    assert "1 of them have changed" in out
    assert "2 not available" in out
    assert changed(tmp_path / "met") == ["10006"]
    assert set(read_manifest(tmp_path / "met").table["split"]) == {"train"}


def test_a_picture_that_moved_is_found_by_its_object(fetch, server, frozen, tmp_path, capsys):
    server.gone = {PICTURE.format(10000)}
    server.changes = {10000: {"primaryImageSmall": f"{server.base}/CRDImages/ep/web-large/NEW.jpg"}}
    assert refetch(fetch, server, frozen) == 0
    assert "11 of 11 still available" in capsys.readouterr().out
    assert read_manifest(tmp_path / "met").table["image_url"].iloc[0].endswith("/NEW.jpg")


def test_it_continues_where_it_stopped(fetch, server, frozen, tmp_path, capsys):
    server.gone = {PICTURE.format(10000)}
    refetch(fetch, server, frozen)
    server.requests.clear()
    server.gone = set()
    assert refetch(fetch, server, frozen) == 0
    assert [request.path for request in server.requests] == [PICTURE.format(10000)]
    assert "11 of 11 still available" in capsys.readouterr().out


def test_pictures_that_were_copied_along_are_taken_if_they_are_the_same(fetch, server, frozen, tmp_path):
    shutil.copytree(tmp_path / "first" / "images", tmp_path / "met" / "images")
    (tmp_path / "met" / "images" / "met" / "10003.jpg").write_bytes(b"damaged")
    assert refetch(fetch, server, frozen) == 0
    assert [request.path for request in server.requests] == [PICTURE.format(10003)]


def test_the_frozen_manifest_is_never_written_over(fetch, server, frozen, tmp_path, capsys):
    before = frozen.read_bytes()
    code = fetch("source=met", f"manifest={frozen}", root=frozen.parent)
    assert code == 2
    assert "give another root" in capsys.readouterr().err
    assert frozen.read_bytes() == before


def test_a_manifest_without_addresses_is_refused(fetch, tmp_path, capsys):
    (tmp_path / "manifest.csv").write_text("object_id,image,culture\n1,a.jpg,French\n")
    assert fetch("source=met", f"manifest={tmp_path / 'manifest.csv'}") == 2
    assert "no image_url for 1 paintings (1 …)" in capsys.readouterr().err


def test_nothing_left_is_an_error_and_no_manifest(fetch, server, frozen, tmp_path, capsys):
    server.gone = {PICTURE.format(number) for number in server.places}
    assert refetch(fetch, server, frozen) == 1
    assert "none of the 11 images is available" in capsys.readouterr().err
    assert not (tmp_path / "met" / "manifest.csv").exists()
