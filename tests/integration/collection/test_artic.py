from artculture.collection.museums.artic import artic_record
from artculture.data.manifest import read_manifest
from tests.unit.museum_servers import ArticServer, artic_artwork, serving


def fetch_artic(fetch, server, *overrides: str) -> int:
    addresses = [f"source.base_url={server.api}", f"museums.artic.iiif_url={server.base}/iiif/2"]
    return fetch("source=artic", *addresses, *overrides)


def test_the_survey_continues_beyond_the_search_s_first_thousand(fetch, tmp_path):
    artworks = [artic_artwork(number, "Peru", artist_display="", image_id="x") for number in range(1, 1150)]
    artworks.append(artic_artwork(2000, "Japan"))
    with serving(ArticServer(artworks)) as server:
        assert fetch_artic(fetch, server) == 0
        assert len(server.requests) == 12 + 1
    assert list(read_manifest(tmp_path / "met").table["object_id"]) == ["2000"]


def test_paintings_in_the_public_domain_alone_are_kept(fetch, tmp_path):
    artworks = [
        artic_artwork(1, "France"),
        artic_artwork(2, "France", is_public_domain=False),
        artic_artwork(3, "France", artwork_type_title="Print"),
        artic_artwork(4, "France", image_id=None),
        artic_artwork(5, "Rajasthan", artist_display="", artwork_type_title="Miniature Painting"),
    ]
    with serving(ArticServer(artworks)) as server:
        assert fetch_artic(fetch, server, "source.contact=me@example.org") == 0
        assert server.requests[0].headers["aic-user-agent"] == "artculture (me@example.org)"
    table = read_manifest(tmp_path / "met").table
    assert dict(table[["object_id", "culture"]].values) == {"1": "French", "5": "Indian"}
    assert table["image_url"].iloc[0].endswith("/iiif/2/00000001-0000-0000-0000-000000000000/full/843,/0/default.jpg")


def test_the_artist_s_nationality_is_read_from_brackets_or_the_second_line():
    two_lines = artic_artwork(1, None, artist_display="Vincent van Gogh\nDutch, 1853\u20131890")
    assert artic_record(two_lines, "http://x").artist_nationality == "Dutch, 1853\u20131890"
    bracketed = artic_artwork(1, None, artist_display="Mary Cassatt (American, 1844\u20131926)")
    assert artic_record(bracketed, "http://x").artist_nationality == "American, 1844\u20131926"
    assert artic_record(artic_artwork(1, None, artist_display="French Master"), "").artist_nationality == ""
