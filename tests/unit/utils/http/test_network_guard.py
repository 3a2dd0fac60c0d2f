import ipaddress
import socket

import pytest

from artculture.utils.http import network_guard
from artculture.utils.http.network_guard import AddressGuard, PrivateAddressError, special_network

PUBLIC = "93.184.216.34"


@pytest.fixture
def names(monkeypatch) -> dict[str, list[str]]:
    """What the names of a test resolve to; IP addresses resolve to themselves."""
    table: dict[str, list[str]] = {"museum.example": [PUBLIC], "intranet.example": ["192.168.1.5"]}

    def getaddrinfo(host, port, **_):
        return [(socket.AF_INET6 if ":" in a else socket.AF_INET, 1, 6, "", (a, port)) for a in table.get(host, [host])]

    monkeypatch.setattr(network_guard.socket, "getaddrinfo", getaddrinfo)
    return table


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "127.9.9.9", "10.1.2.3", "172.31.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
     "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fd00::1", "ff02::1", "::ffff:127.0.0.1",
     "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "::127.0.0.1"],
)  # fmt: skip
def test_a_server_may_not_lead_into_a_special_network(names, address):
    assert special_network(ipaddress.ip_address(address)) is not None
    names["evil.example"] = [address]
    guard = AddressGuard(["https://museum.example/api"])
    for host in (address, "evil.example"):
        with pytest.raises(PrivateAddressError, match="in a private network"):
            guard.addresses(host)
    assert AddressGuard(["https://museum.example"], allow_private=True).addresses(address) == (address,)
    assert AddressGuard([f"http://{f'[{address}]' if ':' in address else address}/"]).addresses(address) == (address,)


@pytest.mark.parametrize("address", [PUBLIC, "2606:2800:220:1::1", "64:ff9b::5db8:d822"])
def test_public_addresses_are_free(names, address):
    assert AddressGuard().addresses(address) == (address,)


@pytest.mark.parametrize(
    ("typed", "named", "allowed"),
    [
        ("http://192.168.1.5", "192.168.1.9", True),
        ("http://intranet.example/api", "192.168.1.9", True),
        ("http://192.168.1.5", "10.0.0.1", False),
        ("http://127.0.0.1:8000", "127.0.0.2", True),
        ("http://127.0.0.1:8000", "169.254.169.254", False),
        ("http://127.0.0.1:8000", "::1", False),
    ],
)
def test_only_the_network_of_the_typed_host_is_open_to_servers(names, typed, named, allowed):
    guard = AddressGuard([typed])
    if allowed:
        assert guard.addresses(named) == (named,)
    else:
        with pytest.raises(PrivateAddressError):
            guard.addresses(named)


def test_a_typed_name_with_a_public_address_opens_no_private_network(names):
    names["both.example"] = [PUBLIC, "127.0.0.1"]
    with pytest.raises(PrivateAddressError):
        AddressGuard(["http://both.example"]).addresses("127.0.0.1")
    assert AddressGuard(["http://museum.example"]).addresses("both.example") == (PUBLIC,)


def test_a_name_is_resolved_once(names):
    names["rebound.example"] = [PUBLIC]
    guard = AddressGuard(["http://museum.example"])
    assert guard.addresses("rebound.example") == (PUBLIC,)
    names["rebound.example"] = ["127.0.0.1"]
    assert guard.addresses("Rebound.example") == (PUBLIC,)
