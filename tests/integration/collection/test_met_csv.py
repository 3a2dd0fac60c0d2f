import csv
from pathlib import Path

import pytest

from artculture.collection.museums import met_csv
from artculture.collection.museums.met_csv import read_rows
from artculture.collection.museums.met_table import REQUIRED
from artculture.data.manifest import read_manifest
from artculture.utils.errors import InputError
from tests.unit.museum_servers import Faults, MetServer, many_places, serving, table_row

PLACES = many_places(33)


def table(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture
def objects(tmp_path) -> Path:
    rows = [table_row(number, places[0]) for number, places in PLACES.items()]
    rows += [
        table_row(1, "Japan", Classification="Prints", **{"Object Name": "Woodblock print"}),
        table_row(2, "Japan", **{"Is Public Domain": "False"}),
        table_row(3, "Japan", Culture="Egyptian", Country="Egypt"),
    ]
    return table(tmp_path / "MetObjects.csv", rows)


def test_it_gives_the_same_manifest_as_the_search_does(fetch, objects, tmp_path, monkeypatch):
    monkeypatch.setattr(met_csv, "ROWS", 7)
    with serving(MetServer(PLACES)) as server:
        assert fetch("source=met", f"source.base_url={server.api}", root=tmp_path / "api") == 0
        server.requests.clear()
        assert fetch("source=met_csv", f"source.base_url={server.api}", f"source.path={objects}") == 0
        asked = {request.path.split("/")[-1] for request in server.requests}
    assert (tmp_path / "met" / "manifest.csv").read_bytes() == (tmp_path / "api" / "manifest.csv").read_bytes()
    # Neither a search, nor what is no painting, not free to use, or of no culture of ours.
    assert not asked & {"search", "1", "2", "3"}


@pytest.mark.parametrize(("delimiter", "encoding"), [(";", "utf-8"), ("\t", "utf-16")])
def test_tables_that_a_spreadsheet_saved(tmp_path, delimiter, encoding):
    rows = [{**table_row(5, "Spain"), "Medium": "oil; canvas, wood", "Tags": "a"}, table_row(6, "Japan")]
    lines = [delimiter.join(f'"{cell}"' for cell in cells) for cells in (rows[0], *(row.values() for row in rows))]
    # The last row ends early, as in public copies.
    lines[-1] = lines[-1].rpartition(delimiter)[0]
    (tmp_path / "objects.csv").write_text("\n".join(lines), encoding=encoding)
    (chunk,) = read_rows(tmp_path / "objects.csv")
    rows = [row for _, row in chunk]
    assert [row["Object ID"] for row in rows] == ["5", "6"]
    assert rows[0]["Medium"] == "oil; canvas, wood"


def test_the_table_is_read_once_and_again_when_it_changes(fetch, objects, tmp_path, monkeypatch):
    with serving(MetServer({**PLACES, 5: ["Spain"]})) as server:
        arguments = ("source=met_csv", f"source.base_url={server.api}", f"source.path={objects}")
        fetch(*arguments)
        monkeypatch.setattr(met_csv, "read_rows", lambda *_: pytest.fail("read again"))
        assert fetch(*arguments) == 0
        monkeypatch.undo()
        table(objects, [table_row(5, "Spain")])
        assert fetch(*arguments) == 0
    assert list(read_manifest(tmp_path / "met").table["object_id"]) == ["5"]


def test_the_table_is_downloaded_and_continues_where_it_was_cut(fetch, objects, tmp_path):
    server = MetServer(PLACES, faults=Faults(truncated=0.7, seed=3, only=lambda path: path.endswith(".csv")))
    server.files["/MetObjects.csv"] = objects.read_bytes()
    with serving(server):
        arguments = [f"source.base_url={server.api}", f"source.path={server.base}/MetObjects.csv"]
        assert fetch("source=met_csv", "source.retries=30", *arguments) == 0
        ranges = [r.headers.get("range") for r in server.requests if r.path == "/MetObjects.csv"]
    assert ranges[0] is None
    assert all(asked and asked != "bytes=0-" for asked in ranges[1:])
    assert len(ranges) > 1
    assert (tmp_path / "met" / ".fetch" / "MetObjects.csv").read_bytes() == objects.read_bytes()
    assert len(read_manifest(tmp_path / "met")) == 33


def test_a_table_that_is_not_there_is_an_error(fetch, capsys):
    with serving(MetServer(PLACES)) as server:
        assert fetch("source=met_csv", f"source.path={server.base}/none.csv") == 1
    assert "none.csv can't be downloaded: HTTP 404" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 3\n", "only a Git LFS pointer"),
        (b"a,b\n1,2\n", "is not MetObjects.csv: it lacks `Object ID`"),
        (b"", "is not a readable table"),
        (b"\xff\xfe\x00garbage\x00\x81", "is not"),
    ],
)
def test_a_file_that_is_not_the_table_is_reported(fetch, tmp_path, capsys, content, message):
    (tmp_path / "wrong.csv").write_bytes(content)
    assert fetch("source=met_csv", f"source.path={tmp_path / 'wrong.csv'}") == 2
    assert message in capsys.readouterr().err


def test_a_damaged_record_is_named_by_its_line_in_the_file(tmp_path):
    row = '"two\nlines"' + "," * (len(REQUIRED) - 1)
    (tmp_path / "wrong.csv").write_text(f'{",".join(REQUIRED)}\n{row}\n"open\n')
    with pytest.raises(InputError, match=r"starting at line 4; download it again"):
        list(read_rows(tmp_path / "wrong.csv"))
