import pytest

from artculture.utils.addresses import stored_address


@pytest.mark.parametrize(
    ("address", "stored"),
    [
        ("https://user:p@ss:w@host:8/a.jpg", "https://host:8/a.jpg"),
        ("https://h/a.jpg?w=80&X-Amz-Signature=abc&v=2", "https://h/a.jpg?w=80&v=2"),
        ("https://h/a.jpg?token=abc", "https://h/a.jpg"),
        ("https://h/full/843,/0/default.jpg", "https://h/full/843,/0/default.jpg"),
        ("https://h/a.jpg?0123456789abcdef0123456789abcdef", "https://h/a.jpg"),
        ("https://h/a.jpg#part", "https://h/a.jpg#part"),
        ("images/a?b=c@d.jpg", "images/a?b=c@d.jpg"),
    ],
)
def test_what_gives_access_is_not_stored(address, stored):
    assert stored_address(address) == stored
