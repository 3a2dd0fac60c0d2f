import csv
import errno
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from artculture.collection.fetching import rate_limiter
from artculture.collection.fetching.pictures import PictureStore
from artculture.data.labels import CULTURES
from artculture.data.manifest import read_manifest
from tests.unit.museum_servers import (
    ArticServer,
    ClevelandServer,
    Faults,
    MetServer,
    artic_artwork,
    cleveland_artwork,
    many_places,
    serving,
)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def pictures_asked(server: MetServer) -> list[str]:
    return [request.path for request in server.requests if request.path.startswith("/CRDImages")]


def test_every_culture_gets_its_paintings(fetch, met, tmp_path):
    assert fetch("source=met", f"source.base_url={met.api}") == 0
    manifest = read_manifest(tmp_path / "met")
    assert manifest.table["culture"].value_counts().to_dict() == dict.fromkeys(CULTURES, 4)
    first = manifest.table.iloc[0]
    assert (first["object_id"], first["source"], first["image"]) == ("10000", "met", "images/met/10000.jpg")
    assert first["title"] == "Painting 10000, “with” quotes, and commas"
    assert (first["licence"], first["width"], first["height"]) == ("CC0", 48, 36)
    assert first["object_url"] == "https://www.metmuseum.org/art/collection/search/10000"
    assert all(path.is_file() for path in manifest.paths())
    assert list(manifest.table["object_id"].astype(int)) == sorted(manifest.table["object_id"].astype(int))


def test_curation_gets_the_museum_s_own_words(fetch, met, tmp_path):
    fetch("source=met", f"source.base_url={met.api}")
    record = rows(tmp_path / "met" / "records.csv")[0]
    assert record["object_name"] == "Painting"
    assert record["classification"] == "Paintings"
    assert record["tags"] == "Women | Lutes"
    assert record["is_public_domain"] == "true"


def test_a_painting_of_two_cultures_goes_to_the_one_its_record_names_and_is_listed(fetch, tmp_path):
    places = {1: ["United States", "France"], 2: ["France"], 3: ["Italy", "France"]}
    changes = {3: {"culture": "", "artistNationality": "", "country": ""}}
    with serving(MetServer(places, changes)) as server:
        assert fetch("source=met", f"source.base_url={server.api}") == 0
    cultures = dict(read_manifest(tmp_path / "met").table[["object_id", "culture"]].values)
    assert cultures == {"1": "American", "2": "French", "3": "Italian"}
    conflicts = rows(tmp_path / "met" / "conflicts.csv")
    assert [row["rule"] for row in conflicts] == [
        "named by the record's culture",
        "location with the fewest paintings (Italy)",
    ]
    assert conflicts[0]["claims"] == "American by geoLocation United States; French by geoLocation France"


def test_the_search_s_pages_are_all_read(fetch, tmp_path):
    with serving(MetServer({number: ["Japan"] for number in range(1, 1102)})) as server:
        assert fetch("source=met", f"source.base_url={server.api}", "limit_per_culture=1") == 0
        pages = [request.query["offset"] for request in server.requests if request.query.get("geoLocation") == "Japan"]
    assert pages == ["0", "500", "1000"]
    assert json.loads((tmp_path / "met" / "fetch.json").read_text())["sources"]["met"]["claimed"] == 1101


def test_a_mirror_with_the_old_search_works_too(fetch, tmp_path):
    with serving(MetServer(many_places(11), old_search=True)) as server:
        assert fetch("source=met", f"source.base_url={server.api}/") == 0
    assert len(read_manifest(tmp_path / "met")) == 11


def test_only_public_domain_objects_with_a_picture_are_kept_and_the_others_counted(fetch, tmp_path):
    changes = {
        10000: {"isPublicDomain": False, "primaryImageSmall": "", "primaryImage": ""},
        10003: {"primaryImageSmall": "", "primaryImage": ""},
    }
    with serving(MetServer(many_places(5), changes)) as server:
        assert fetch("source=met", f"source.base_url={server.api}") == 0
    assert list(read_manifest(tmp_path / "met").table["object_id"]) == ["10006", "10009", "10012"]
    counts = json.loads((tmp_path / "met" / "fetch.json").read_text())["sources"]["met"]
    assert (counts["claimed"], counts["not_public_domain"], counts["no_picture"]) == (5, 1, 1)


def test_failures_are_listed_with_their_reason_and_retried_next_time(fetch, tmp_path):
    with serving(MetServer(many_places(5))) as server:
        server.gone = {"/CRDImages/ep/web-large/DP10000.jpg", "/public/collection/v1/objects/10003"}
        assert fetch("source=met", f"source.base_url={server.api}") == 0
        failures = rows(tmp_path / "met" / "failures.csv")
        assert [(row["object_id"], row["reason"]) for row in failures] == [
            ("10000", "image: HTTP 404: not found"),
            ("10003", "record: HTTP 404: not found"),
        ]
        assert len(read_manifest(tmp_path / "met")) == 3
        server.gone = set()
        server.requests.clear()
        assert fetch("source=met", f"source.base_url={server.api}") == 0
        assert len(server.requests) == 3
    assert len(read_manifest(tmp_path / "met")) == 5
    assert rows(tmp_path / "met" / "failures.csv") == []


def test_a_record_of_an_unexpected_shape_is_a_failure_of_its_own(fetch, tmp_path):
    with serving(MetServer(many_places(3), {10000: {"tags": ["no object"]}})) as server:
        assert fetch("source=met", f"source.base_url={server.api}") == 0
    (failure,) = rows(tmp_path / "met" / "failures.csv")
    assert failure["reason"].startswith("record: unexpected structure (AttributeError")


def test_a_limit_takes_so_many_a_culture_and_always_the_same(fetch, tmp_path):
    with serving(MetServer(many_places(55))) as server:
        assert fetch("source=met", f"source.base_url={server.api}", "limit_per_culture=2") == 0
        first = read_manifest(tmp_path / "met").table
        assert first["culture"].value_counts().to_dict() == dict.fromkeys(CULTURES, 2)
        assert len(pictures_asked(server)) <= 24
        assert fetch("source=met", f"source.base_url={server.api}", "limit_per_culture=2", root=tmp_path / "b") == 0
        assert fetch("source=met", f"source.base_url={server.api}", root=tmp_path / "b") == 0
        assert fetch("source=met", f"source.base_url={server.api}", "limit_per_culture=2", root=tmp_path / "b") == 0
    assert (tmp_path / "b" / "manifest.csv").read_bytes() == (tmp_path / "met" / "manifest.csv").read_bytes()


def test_a_limit_continues_where_an_object_can_t_be_kept(fetch, tmp_path):
    places = {number: ["Spain"] for number in range(20)}
    changes = {number: {"isPublicDomain": False} for number in range(20) if number not in (5, 11)}
    with serving(MetServer(places, changes)) as server:
        assert fetch("source=met", f"source.base_url={server.api}", "limit_per_culture=2") == 0
    assert list(read_manifest(tmp_path / "met").table["object_id"]) == ["5", "11"]


def test_originals_are_fetched_next_to_the_small_ones(fetch, tmp_path):
    with serving(MetServer(many_places(2))) as server:
        assert fetch("source=met", f"source.base_url={server.api}") == 0
        assert fetch("source=met", f"source.base_url={server.api}", "source.image=original") == 0
        assert sum("/original/" in path for path in pictures_asked(server)) == 2
    assert read_manifest(tmp_path / "met").table["image"].iloc[0] == "images/met-original/10000.jpg"


def test_refresh_asks_the_museum_again_but_keeps_the_pictures(fetch, tmp_path):
    with serving(MetServer(many_places(5))) as server:
        fetch("source=met", f"source.base_url={server.api}")
        server.requests.clear()
        server.places[20000] = ["Japan"]
        fetch("source=met", f"source.base_url={server.api}")
        assert server.requests == []
        fetch("source=met", f"source.base_url={server.api}", "refresh=true")
        assert pictures_asked(server) == ["/CRDImages/ep/web-large/DP20000.jpg"]
    assert len(read_manifest(tmp_path / "met")) == 6


@pytest.mark.slow
def test_a_bot_protection_is_waited_out(fetch, tmp_path):
    server = MetServer(many_places(33), faults=Faults(wall=30, wall_seconds=0.7))
    with serving(server):
        assert fetch("source=met", f"source.base_url={server.api}") == 0
        assert 0 < server.paused_requests < 40
    assert len(read_manifest(tmp_path / "met")) == 33


def test_single_pictures_that_are_refused_are_not_taken_for_a_wall(fetch, tmp_path, monkeypatch):
    monkeypatch.setattr(rate_limiter, "LONGEST_PAUSE", 0.02)
    with serving(MetServer(many_places(8))) as server:
        server.forbidden = {f"/CRDImages/ep/web-large/DP{number}.jpg" for number in (10000, 10003, 10006, 10009)}
        arguments = ("source=met", f"source.base_url={server.api}", "source.retries=4", "source.patience=1.5")
        # The second time nothing but refused pictures is left to ask for.
        for _ in range(2):
            assert fetch(*arguments, "source.concurrency=1") == 0
            assert [row["reason"][:15] for row in rows(tmp_path / "met" / "failures.csv")] == ["image: HTTP 403"] * 4
    assert len(read_manifest(tmp_path / "met")) == 4


def test_a_museum_out_of_reach_leaves_no_manifest(fetch, tmp_path, capsys):
    server = MetServer(many_places(3), faults=Faults(server_error=1))
    with serving(server):
        assert fetch("source=met", f"source.base_url={server.api}", "source.retries=1") == 1
    assert "The Met's collection API can't be searched: HTTP 500" in capsys.readouterr().err
    assert not (tmp_path / "met" / "manifest.csv").exists()


def test_a_full_disk_is_reported_and_nothing_is_lost(fetch, met, tmp_path, capsys, monkeypatch):
    write = PictureStore.write

    def full(self, source, object_id, *rest):
        if object_id == "10060":
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, source, object_id, *rest)

    monkeypatch.setattr(PictureStore, "write", full)
    assert fetch("source=met", f"source.base_url={met.api}") == 1
    assert "can't be written: [Errno 28] No space left on device" in capsys.readouterr().err
    assert not (tmp_path / "met" / "manifest.csv").exists()
    monkeypatch.undo()
    kept = {file.stem for file in (tmp_path / "met" / "images").rglob("*.jpg")}
    met.requests.clear()
    assert fetch("source=met", f"source.base_url={met.api}") == 0
    assert not kept & {path.removeprefix("/CRDImages/ep/web-large/DP")[:-4] for path in pictures_asked(met)}
    assert len(read_manifest(tmp_path / "met")) == 44


def test_an_interrupt_ends_with_130_and_the_next_run_continues(fetch, met, tmp_path):
    command = [sys.executable, "-m", "artculture", "fetch", f"root={tmp_path / 'met'}", f"source.base_url={met.api}"]
    with subprocess.Popen([*command, "source.rate=80", "source.start_rate=80"], stderr=subprocess.PIPE) as process:
        while not list((tmp_path / "met").rglob("*.jpg")) and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        message = process.stderr.read().decode()
    assert process.returncode == 130
    assert "run the same command to continue" in message
    kept = {file.stem for file in (tmp_path / "met" / "images").rglob("[!.]*.jpg")}
    met.requests.clear()
    assert fetch("source=met", f"source.base_url={met.api}") == 0
    assert not kept & {path.removeprefix("/CRDImages/ep/web-large/DP")[:-4] for path in pictures_asked(met)}


def test_the_user_s_address_is_sent_to_the_museum_and_not_to_the_readers_of_the_data(fetch, met, tmp_path):
    met.requests.clear()
    assert fetch("source=met", f"source.base_url={met.api}", "source.contact=me@example.org") == 0
    assert "me@example.org" in met.requests[0].headers["user-agent"]
    assert "me@example.org" not in (tmp_path / "met" / "fetch.json").read_text()


def test_a_location_beyond_the_search_s_window_is_refused(fetch, capsys):
    with serving(MetServer({number: ["Japan"] for number in range(10_001)})) as server:
        assert fetch("source=met", f"source.base_url={server.api}") == 1
    assert "has 10001 paintings of `Japan` but returns 10000; give smaller locations" in capsys.readouterr().err


def test_an_empty_museum_is_an_error(fetch, capsys):
    with serving(MetServer({})) as server:
        assert fetch("source=met", f"source.base_url={server.api}") == 1
    assert "no painting was kept of 0" in capsys.readouterr().err


def test_several_museums_merge_into_one_manifest(fetch, met, tmp_path):
    artic = ArticServer([artic_artwork(7, "France"), artic_artwork(8, "Japan", artist_display="")])
    cleveland = ClevelandServer([cleveland_artwork(9, ["America, 19th century"])])
    with serving(artic), serving(cleveland):
        addresses = {"met": met.api, "artic": artic.api, "cleveland": cleveland.api}
        overrides = [f"museums.{name}.base_url={address}" for name, address in addresses.items()]
        overrides.append(f"museums.artic.iiif_url={artic.base}/iiif/2")
        assert fetch("source=[met,artic,cleveland]", *overrides) == 0
    table = read_manifest(tmp_path / "met").table
    assert table["source"].value_counts().to_dict() == {"met": 44, "artic": 2, "cleveland": 1}
    assert list(table["source"].unique()) == ["artic", "cleveland", "met"]
    counts = json.loads((tmp_path / "met" / "fetch.json").read_text())["sources"]
    assert counts["artic"]["kept"] == {"French": 1, "Japanese": 1}


def test_a_failing_museum_does_not_stop_the_others(fetch, met, tmp_path, capsys):
    broken = ClevelandServer([], faults=Faults(server_error=1))
    with serving(broken):
        code = fetch(
            "source=[met,cleveland]",
            f"museums.met.base_url={met.api}",
            f"museums.cleveland.base_url={broken.api}",
            "source.retries=0",
        )
    assert code == 1
    assert "The Cleveland Museum of Art's API can't be searched" in capsys.readouterr().err
    assert len(list((tmp_path / "met" / "images" / "met").iterdir())) == 44


def test_two_fetches_never_work_in_one_folder(fetch, met, tmp_path, capsys):
    (tmp_path / "met" / ".fetch").mkdir(parents=True)
    hold = f"import filelock, sys\nwith filelock.FileLock({str(tmp_path / 'met' / '.fetch' / 'lock')!r}):\n"
    hold += "    print(1, flush=True)\n    sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", hold], stdin=-1, stdout=-1) as other:
        other.stdout.readline()
        assert fetch("source=met", f"source.base_url={met.api}") == 2
        other.communicate()
    assert "another fetch is running in" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["source=mett"], "source=mett: did you mean `met`?"),
        (["source=[met,louvre]"], "source=louvre: choose from: artic, cleveland, met, met_csv, met_hub"),
        (["source.rat=3"], "no key `source.rat`: did you mean `source.rate`?"),
        (["source=met", "source.rate=200"], "source.rate is 200; met allows at most 80 requests per second"),
        (["source=artic", "source.rate=5"], "source.rate is 5; artic allows at most 1 requests per second"),
        (["source=met", "source.path=/x"], "no key `path`"),
        (
            ["source=[met,artic]", "source.base_url=http://x"],
            "set museums.met.base_url, museums.artic.base_url",
        ),
        (["source.image=huge"], "source.image=huge: choose small | original"),
        (["cultures.French.locations=[Japan]"], "`Japan` stands for two cultures, French and Japanese"),
        (["limit_per_culture=0"], "limit_per_culture=0"),
        (["source=met_hub", "source.image=original"], "has small images only"),
        (["source=met_csv", "source.path=/no/such.csv"], "no table at /no/such.csv"),
        (["source=met_hub", "source.path=/no/shards"], "no folder /no/shards"),
        (["source=met", "root=/proc/x"], "/proc/x can't be written"),
        (["source=met", "manifest=/no/manifest.csv"], "no manifest at /no/manifest.csv"),
    ],
)
def test_a_wrong_input_is_one_message_and_exit_code_2(overrides, message, tmp_path, capsys):
    from artculture.cli import main

    assert main(["fetch", f"root={tmp_path}", *overrides]) == 2
    assert message in capsys.readouterr().err
