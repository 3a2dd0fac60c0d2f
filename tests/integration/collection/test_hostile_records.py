"""Records that can't be used, from each museum: the others are fetched, and failures.csv has the reasons."""

import csv

import pytest

from artculture.data.manifest import read_manifest
from tests.integration.collection.test_met_csv import table
from tests.integration.collection.test_met_hub import hub_row, shard
from tests.unit.museum_servers import (
    Answer,
    ArticServer,
    ClevelandServer,
    MetServer,
    artic_artwork,
    cleveland_artwork,
    serving,
    table_row,
)

HUGE = int("9" * 400)
METADATA = "http://169.254.169.254/latest"
GOOD = ["1", "2"]
# {object id: (fields of its record, reason)}
RECORDS_OF_THE_MET = {
    11: ({"title": "lone \ud800"}, "title is not valid Unicode"),
    12: ({"title": "x" * 100_000}, "title of 100000 characters"),
    13: ({"objectID": 1}, "the record of another object, 1"),
    14: ({"objectID": HUGE}, "object id of 400 characters"),
    15: ({"objectID": "\ud800"}, "object id is not valid Unicode"),
    16: ({"tags": 5}, "unexpected structure"),
    17: ({"tags": [[[[1]]]]}, "unexpected structure"),
    18: ({"primaryImageSmall": METADATA}, "in a private network"),
    19: ({"primaryImageSmall": "http://[::1]/a.jpg"}, "in a private network"),
    20: ({"primaryImageSmall": "file:///etc/passwd"}, "not a valid http"),
    21: ({"primaryImageSmall": "http://" + "a" * 45_000}, "can't be resolved"),
    22: (None, "nested more than 64 levels deep"),
}
LISTED_RECORDS = {
    11: ({"title": "lone \ud800"}, "title is not valid Unicode"),
    12: ({"title": [[1] * 60_000]}, "title of"),
    HUGE: ({}, "object id"),
}
ROWS = {11: ({"Title": "x" * 100_000}, "title of 100000 characters"), HUGE: ({}, "object id of 400 characters")}


class HostileMet(MetServer):
    def _object(self, name: str) -> Answer:
        return Answer(200, b"[" * 100_000) if name == "22" else super()._object(name)


@pytest.fixture
def check(fetch, tmp_path):
    """Fetch twice and compare manifest and failures with what is expected of the museum's records."""

    def run(records, *arguments: str) -> None:
        for _ in range(2):
            assert fetch(*arguments, "source.retries=0") == 0
            assert list(read_manifest(tmp_path / "met").table["object_id"]) == GOOD
            with (tmp_path / "met" / "failures.csv").open(encoding="utf-8", newline="") as file:
                found = sorted(row["reason"] for row in csv.DictReader(file))
            unmatched = [reason for _, reason in records.values() if not any(reason in text for text in found)]
            assert (unmatched, len(found)) == ([], len(records))

    return run


@pytest.mark.parametrize("source", ["met", "met_csv"])
def test_records_of_the_met(check, tmp_path, source):
    numbers = [1, 2, *RECORDS_OF_THE_MET]
    changes = {number: changed or {} for number, (changed, _) in RECORDS_OF_THE_MET.items()}
    objects = table(tmp_path / "MetObjects.csv", [table_row(number, "Spain") for number in numbers])
    with serving(HostileMet({number: ["Spain"] for number in numbers}, changes)) as server:
        path = [f"source.path={objects}"] if source == "met_csv" else []
        check(RECORDS_OF_THE_MET, f"source={source}", f"source.base_url={server.api}", *path)


def test_an_impossible_object_of_the_met_s_search(check):
    with serving(MetServer({number: ["Spain"] for number in (1, 2, HUGE)})) as server:
        check({HUGE: ({}, "object id of 400 characters")}, "source=met", f"source.base_url={server.api}")


@pytest.mark.parametrize("source", ["artic", "cleveland"])
def test_listed_records(check, source):
    make, place = (artic_artwork, "Spain") if source == "artic" else (cleveland_artwork, ["Spain"])
    records, images = dict(LISTED_RECORDS), {}
    if source == "cleveland":
        images = {13: {"images": {"web": {"url": METADATA}}}}
        records[13] = ({}, "in a private network")
    artworks = [make(number, place) for number in (1, 2)]
    artworks += [make(number, place, **changes, **images.get(number, {})) for number, (changes, _) in records.items()]
    server = (ArticServer if source == "artic" else ClevelandServer)(artworks)
    with serving(server):
        iiif = [f"museums.artic.iiif_url={server.base}/iiif/2"] if source == "artic" else []
        check(records, f"source={source}", f"source.base_url={server.api}", *iiif)


@pytest.mark.parametrize("source", ["met_csv", "met_hub"])
def test_rows_of_the_met_s_tables(check, tmp_path, source):
    with serving(MetServer({1: ["Spain"], 2: ["Spain"]})) as server:
        if source == "met_hub":
            rows = [hub_row(number, "Spain", **changes) for number, (changes, _) in ROWS.items()]
            shard(tmp_path / "shards" / "0.parquet", [hub_row(1, "Spain"), *rows, hub_row(2, "Spain")])
            path = tmp_path / "shards"
        else:
            rows = [table_row(number, "Spain", **changes) for number, (changes, _) in ROWS.items()]
            path = table(tmp_path / "MetObjects.csv", [table_row(1, "Spain"), *rows, table_row(2, "Spain")])
        address = [f"source.base_url={server.api}"] if source == "met_csv" else []
        check(ROWS, f"source={source}", f"source.path={path}", *address)


@pytest.mark.parametrize("kind", [ArticServer, ClevelandServer])
def test_a_museum_that_repeats_its_results_is_given_up(fetch, capsys, kind):
    class Repeating(kind):
        def answer(self, path, query, headers):
            return super().answer(path, query | {"skip": "0"}, headers)

        def _search(self, asked):
            asked["query"]["bool"]["filter"].pop()
            return super()._search(asked)

    source, make = ("artic", artic_artwork) if kind is ArticServer else ("cleveland", cleveland_artwork)
    with serving(Repeating([make(number, ["Spain"]) for number in range(1, 202)])) as server:
        assert fetch(f"source={source}", f"source.base_url={server.api}") == 1
    assert "sends the same results again" in capsys.readouterr().err
