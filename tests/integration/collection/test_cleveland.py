from artculture.data.manifest import read_manifest
from tests.unit.museum_servers import ClevelandServer, cleveland_artwork, serving


def test_all_pages_are_read_and_cultures_come_from_the_record(fetch, tmp_path):
    artworks = [cleveland_artwork(number, ["Iran, Safavid"], creators=[]) for number in range(1000, 1230)]
    artworks += [
        cleveland_artwork(1, ["America, 19th century"]),
        cleveland_artwork(2, ["Japan, Edo period (1615\u20131868)"], creators=[]),
        cleveland_artwork(3, ["Northwestern India, Rajasthan, Rajput Kingdom of Mewar"], creators=[]),
        cleveland_artwork(4, ["France, 19th century"], share_license_status="Copyrighted"),
        cleveland_artwork(5, ["France, 19th century"], type="Print"),
    ]
    with serving(ClevelandServer(artworks)) as server:
        assert fetch("source=cleveland", f"source.base_url={server.api}") == 0
        assert [r.query["skip"] for r in server.requests if r.path == "/api/artworks/"] == ["0", "100", "200"]
    table = read_manifest(tmp_path / "met").table
    assert dict(table[["object_id", "culture"]].values) == {"1": "American", "2": "Japanese", "3": "Indian"}
    first = table.iloc[0]
    assert (first["artist"], first["accession_number"]) == ("Frederic Edwin Church", "1953.1")
    assert first["image_url"].endswith("/1953.1_web.jpg")


def test_the_original_is_the_print_picture(fetch, tmp_path):
    with serving(ClevelandServer([cleveland_artwork(1, ["America"])])) as server:
        overrides = [f"source.base_url={server.api}", "source.image=original"]
        assert fetch("source=cleveland", *overrides) == 0
    assert read_manifest(tmp_path / "met").table["image_url"].iloc[0].endswith("/1953.1_print.jpg")
