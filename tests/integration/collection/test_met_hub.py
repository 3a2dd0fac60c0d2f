import itertools
import random
import re
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artculture.collection.museums import met_hub
from artculture.data.manifest import read_manifest
from tests.unit.museum_servers import Answer, Faults, HubServer, MetServer, jpeg, many_places, serving, table_row

PLACES = many_places(33)
REPO = "metmuseum/openaccess"


def shard(path: Path, rows: list[dict[str, Any]], rows_per_group: int = 8, bare: bool = False) -> Path:
    """A shard as the Hub's libraries write it: text, `url`, and pictures as pairs of bytes and name."""
    pictures = [row["jpg"] for row in rows]
    table = pa.Table.from_pylist([{key: row[key] for key in row if key != "jpg"} for row in rows])
    if bare:
        column = pa.array(pictures, pa.binary())
    else:
        pairs = [None if data is None else {"bytes": data, "path": None} for data in pictures]
        column = pa.array(pairs, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.append_column("jpg", column), path, row_group_size=rows_per_group)
    return path


def hub_row(number: int, place: str, base: str = "https://images.example", **changes: Any) -> dict[str, Any]:
    path = f"/CRDImages/ep/web-large/DP{number}.jpg"
    return {**table_row(number, place), "url": base + path, "jpg": jpeg(path), **changes}


def rows(base: str = "https://images.example") -> list[dict[str, Any]]:
    paintings = [hub_row(number, places[0], base) for number, places in PLACES.items()]
    others = [
        hub_row(1, "Japan", Classification="Prints", **{"Object Name": "Woodblock print"}),
        hub_row(2, "Japan", url="", jpg=None, **{"Is Public Domain": "False"}),
        hub_row(3, "Japan", url="", jpg=None),
        hub_row(4, "Japan", Culture="Egyptian", Country="Egypt"),
    ]
    return [row for pair in zip(paintings, [*others * 9][: len(paintings)], strict=True) for row in pair]


@pytest.fixture
def shards(tmp_path) -> Path:
    folder = tmp_path / "default" / "train"
    half = len(rows()) // 2
    shard(folder / "0000.parquet", rows()[:half])
    shard(folder / "0001.parquet", rows()[half:], bare=True)
    return tmp_path


@pytest.mark.parametrize("bare", [False, True], ids=["pairs", "bytes"])
def test_it_gives_the_same_manifest_as_the_api_does(fetch, tmp_path, bare):
    with serving(MetServer(PLACES)) as server:
        assert fetch("source=met", f"source.base_url={server.api}", root=tmp_path / "api") == 0
        shard(tmp_path / "shards" / "0000.parquet", rows(server.base), bare=bare)
    assert fetch("source=met_hub", f"source.path={tmp_path / 'shards'}") == 0
    by_api, by_hub = (read_manifest(tmp_path / name).table for name in ("api", "met"))
    assert by_hub.equals(by_api)


def test_the_picture_column_is_read_for_row_groups_with_paintings_alone(fetch, tmp_path, monkeypatch):
    others = [hub_row(1000 + n, "Japan", Classification="Prints", **{"Object Name": "Print"}) for n in range(40)]
    shard(tmp_path / "shards" / "0000.parquet", [*others[:20], hub_row(7, "Spain"), *others[20:]])
    read = []
    parquet = met_hub._parquet

    class Watched:
        def __init__(self, file: Any) -> None:
            self.file = file

        def __enter__(self) -> "Watched":
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

        def iter_batches(self, **options: Any) -> Any:
            read.append((tuple(options["row_groups"]), "jpg" in options["columns"]))
            return self.file.iter_batches(**options)

    monkeypatch.setattr(met_hub, "_parquet", lambda *arguments, **options: Watched(parquet(*arguments, **options)))
    assert fetch("source=met_hub", f"source.path={tmp_path / 'shards'}") == 0
    assert read == [*(((group,), False) for group in range(6)), ((2,), True)]


def test_a_finished_fetch_opens_no_shard_again(fetch, shards, tmp_path, monkeypatch):
    arguments = ("source=met_hub", f"source.path={shards / 'default'}")
    assert fetch(*arguments) == 0
    manifest = (tmp_path / "met" / "manifest.csv").read_bytes()
    monkeypatch.setattr(met_hub, "_parquet", lambda *_, **_options: pytest.fail("connect again"))
    assert fetch(*arguments) == 0
    assert (tmp_path / "met" / "manifest.csv").read_bytes() == manifest


def test_it_continues_after_the_last_picture_that_was_kept(fetch, shards, tmp_path, monkeypatch):
    arguments = ("source=met_hub", f"source.path={shards / 'default'}", "source.retries=0")
    checked, kept = met_hub.checked_picture, []

    def dies_at_the_tenth(data: bytes, max_pixels: float) -> Any:
        kept.append(data)
        if len(kept) == 10:
            raise MemoryError("starved")
        return checked(data, max_pixels)

    monkeypatch.setattr(met_hub, "checked_picture", dies_at_the_tenth)
    assert fetch(*arguments) == 1
    assert len(list((tmp_path / "met" / "images").rglob("*.jpg"))) == 9
    assert not (tmp_path / "met" / "manifest.csv").exists()
    assert fetch(*arguments) == 0
    assert len(kept) == 10 + 24
    assert len(read_manifest(tmp_path / "met")) == 33


def test_a_picture_that_does_not_decode_is_a_failure(fetch, tmp_path):
    broken = hub_row(8, "Spain", jpg=jpeg("x")[:-200])
    shard(tmp_path / "shards" / "0000.parquet", [hub_row(7, "Spain"), broken, hub_row(9, "Spain", jpg=None)])
    assert fetch("source=met_hub", f"source.path={tmp_path / 'shards'}") == 0
    assert list(read_manifest(tmp_path / "met").table["object_id"]) == ["7"]
    failures = (tmp_path / "met" / "failures.csv").read_text()
    assert "does not decode" in failures
    assert "an empty file instead of an image" in failures


def test_shards_on_the_hub_are_read_in_ranges(fetch, shards, tmp_path):
    files = {f"default/train/{file.name}": file.read_bytes() for file in (shards / "default/train").iterdir()}
    a_print = {"Classification": "Prints", "Object Name": "Print"}
    prints = [hub_row(n, "Japan", **a_print, jpg=random.Random(n).randbytes(20_000)) for n in range(200)]
    files["default/train/0002.parquet"] = shard(tmp_path / "prints.parquet", prints, 100).read_bytes()
    server = HubServer(REPO, {**files, "README.md": b"# readme", "source/metadata.parquet": b"no shard of ours"})
    with serving(server):
        assert fetch("source=met_hub", f"source.base_url={server.base}") == 0
        assert fetch("source=met_hub", f"source.path={shards / 'default'}", root=tmp_path / "local") == 0
    assert (tmp_path / "met/manifest.csv").read_bytes() == (tmp_path / "local/manifest.csv").read_bytes()
    assert server.sent["default/train/0002.parquet"] < len(files["default/train/0002.parquet"]) / 20


@pytest.mark.slow
def test_a_hub_that_fails_now_and_then_is_asked_again(fetch, shards, tmp_path):
    files = {f"default/train/{file.name}": file.read_bytes() for file in (shards / "default/train").iterdir()}
    server = HubServer(REPO, files)
    with serving(server):
        server.faults = Faults(truncated=0.15, seed=5)
        assert fetch("source=met_hub", f"source.base_url={server.base}", "source.retries=30") == 0
    assert len(read_manifest(tmp_path / "met")) == 33


def test_a_hub_out_of_reach_is_an_error(fetch, capsys):
    with serving(HubServer("another/dataset", {})) as server:
        assert fetch("source=met_hub", f"source.base_url={server.base}") == 1
    assert "dataset on the Hugging Face Hub can't be reached" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("part", "answer", "reason"),
    [
        ("/api/datasets", Answer(200, b"", chunks=itertools.repeat(bytes(100_000))), "more than 1 MB"),
        ("/resolve/", Answer(206, b"", chunks=itertools.repeat(bytes(100_000))), r"an answer is more than 0.0\d+ MB"),
        ("/resolve/", Answer(302, b"", headers={"Location": "http://169.254.169.254/x"}), "in a private network"),
        ("/api/datasets", Answer(302, b"", headers={"Location": "http://[::1]/x"}), "in a private network"),
    ],
    ids=["endless JSON", "endless range", "redirect of a shard", "redirect of the API"],
)
def test_a_hostile_hub_ends_the_fetch_with_the_reason(fetch, shards, capsys, part, answer, reason):
    class Hostile(HubServer):
        def answer(self, path, query, headers):
            return answer if part in path else super().answer(path, query, headers)

    files = {"default/train/0000.parquet": (shards / "default/train/0000.parquet").read_bytes()}
    with serving(Hostile(REPO, files)) as server:
        assert fetch("source=met_hub", f"source.base_url={server.base}", "limits.json_megabytes=1") == 1
    assert re.search(reason, capsys.readouterr().err)
    assert server.bytes_sent < 50_000_000  # the kernel buffers some


def test_a_folder_without_the_museum_s_columns_is_refused(fetch, tmp_path, capsys):
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    assert fetch("source=met_hub", f"source.path={tmp_path}") == 2
    assert "other.parquet lacks the columns `Object ID`" in capsys.readouterr().err


def test_without_the_extra_it_says_how_to_install_it(fetch, shards, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    assert fetch("source=met_hub", f"source.path={shards / 'default'}") == 2
    assert "pip install 'artculture[hub]'" in capsys.readouterr().err
