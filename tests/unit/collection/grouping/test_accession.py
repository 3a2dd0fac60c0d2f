import pytest

from artculture.collection.grouping.accession import lot, object_stems


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("29.160.34a\u2013c", "29.160.34b"),
        ("29.160.34a", "29.160.34d"),
        ("36.100.12a, b", "36.100.12c"),
        ("55.121.10.22", "55.121.10.7"),
        ("1982.220.1\u2013.8", "1982.220.3"),
        ("1982.220.1-1982.220.8", "1982.220.8"),
        ("14.76.61, .62", "14.76.62"),
        ("1962.279.12.a", "1962.279.12.b"),
        ("JP1234a", "JP1234b"),
    ],
)
def test_parts_of_one_object_share_a_stem(first, second):
    assert object_stems(first) & object_stems(second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("29.100.5", "29.100.6"),
        ("1975.1.134", "1975.1.135"),
        ("57.51.23", "57.51.2"),
        ("1982.220.1\u2013.8", "1982.220.9"),
        ("55.121.10.22", "55.121.11.22"),
        ("1906,1220,0.345", "1906,1220,0.346"),
        ("JP1234", "JP12345"),
        ("", ""),
    ],
)
def test_items_of_one_gift_share_none(first, second):
    assert not object_stems(first) & object_stems(second)


def test_an_absurd_range_is_not_spelled_out():
    assert len(object_stems("1982.220.1\u2013.99999")) == 1


@pytest.mark.parametrize(
    ("number", "gift"), [("29.100.5", "29.100"), ("55.121.10.22", "55.121"), ("57.51", ""), ("JP12", "")]
)
def test_the_lot_is_the_gift(number, gift):
    assert lot(number) == gift
