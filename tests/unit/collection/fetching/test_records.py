import pytest

from artculture.collection.fetching.records import Record, clean_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("  two \n lines ", "two lines"),
        ("<i>Wheat</i> &amp; sky", "Wheat & sky"),
        ("French|American", "French | American"),
        (" |Dutch", "Dutch"),
        (["Women", None, "Lutes"], "Women | Lutes"),
        (437133, "437133"),
        ("3 < 4", "3 < 4"),
    ],
)
def test_a_museum_s_value_becomes_one_line(value, text):
    assert clean_text(value) == text


def test_a_record_survives_the_ledger_s_json():
    record = Record("met", "1", is_public_domain=True, title="“Ölberg”, 山水")
    assert Record.from_json(record.to_json()) == record


def test_curation_sees_text_alone():
    row = Record("met", "1", is_public_domain=True, object_name="Snuffbox").for_curation()
    assert row["is_public_domain"] == "true"
    assert row["object_name"] == "Snuffbox"
    assert all(isinstance(value, str) for value in row.values())
