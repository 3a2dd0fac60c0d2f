import pytest

from artculture.collection.fetching.ledger import Ledger
from artculture.collection.fetching.records import Record
from artculture.utils.errors import InputError


@pytest.fixture
def ledger(tmp_path) -> Ledger:
    return Ledger(tmp_path / "ledger.sqlite3")


def test_what_is_put_in_is_there_for_the_next_one_who_opens_it(ledger):
    record = Record("met", "7", is_public_domain=True, title="山水")
    ledger.add_page("met", "France", ["7"])
    ledger.add_records("met", [record])
    ledger.close()
    again = Ledger(ledger.path)
    assert again.page("met", "France") == ["7"]
    assert again.record("met", "7") == record
    assert again.surveyed_at("met") is not None


def test_failures_count_their_tries_until_they_are_cleared(ledger):
    for reason in ("HTTP 500", "HTTP 404"):
        ledger.add_failure("met", "7", "A title", "http://x", reason)
    (failure,) = ledger.failures()
    assert (failure["tries"], failure["reason"]) == (2, "HTTP 404")
    ledger.clear_failure("met", "7")
    assert list(ledger.failures()) == []


def test_forgetting_a_route_keeps_its_pictures(ledger):
    ledger.add_page("met", "France", ["7"])
    ledger.add_picture("met", "7", "small", "images/met/7.jpg", "u", sha256="s", width=1, height=1, size=1)
    ledger.clear_answers("met")
    assert ledger.page("met", "France") is None
    assert ledger.picture("met", "7", "small")["url"] == "u"


def test_a_damaged_ledger_says_how_to_start_over(tmp_path):
    (tmp_path / "ledger.sqlite3").write_bytes(b"not a database" * 500)
    with pytest.raises(InputError, match=r"damaged .* delete it"):
        Ledger(tmp_path / "ledger.sqlite3")


def test_no_table_holds_what_gives_access(tmp_path):
    base, signed = "https://me:topsecret@museum.example/api", "https://me:topsecret@h/a.jpg?w=1&sig=topsecret"
    ledger = Ledger(tmp_path / "ledger.sqlite3")
    ledger.add_page("met", f"{base} French", {"ids": [1]})
    ledger.add_records("met", [Record("met", "1", True, image_small=f"{base}/a.jpg")])
    ledger.add_picture("met", "1", "small", "a.jpg", signed, sha256="", width=1, height=1, size=1)
    ledger.add_failure("met", "2", "", signed, f"no answer of {signed}")
    assert ledger.page("met", f"{base} French") == {"ids": [1]}
    assert ledger.picture_url("met") == "https://h/a.jpg?w=1"
    ledger.close()
    assert b"topsecret" not in b"".join(file.read_bytes() for file in tmp_path.iterdir())
