"""Guard against server-side request forgery: which network addresses a server may name.

What the user types may lead anywhere. What a server names (redirects, addresses in its answers) may not lead into a
loopback, link-local or private network, unless the host that the user typed is in the same network.
"""

import ipaddress
import socket
import threading
from collections.abc import Iterable
from urllib.parse import urlsplit

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

NETWORKS = tuple(
    ipaddress.ip_network(network)
    for network in (
        "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10",
        "::1/128", "fc00::/7", "fe80::/10", "fec0::/10",
    )
)  # fmt: skip
# Gateways translate these IPv6 addresses to the IPv4 address in their last 32 bits.
NAT64 = ipaddress.ip_network("64:ff9b::/96")


class PrivateAddressError(Exception):
    """A server named a host in a private network."""


def special_network(address: IPAddress) -> IPNetwork | None:
    """Return the loopback, link-local, private or reserved network of an address; None if it is public."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if address in NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return special_network(inner)
    for network in NETWORKS:
        if address in network:
            return network
    is_public = address.is_global and not address.is_multicast and not address.is_reserved
    return None if is_public else ipaddress.ip_network(str(address).partition("%")[0])


class AddressGuard:
    """Resolver that looks up each name once and returns only addresses that may be connected to.

    Args:
        typed: addresses (`http://host/…`) that the user typed.
        allow_private: let servers name any host.
    """

    def __init__(self, typed: Iterable[str] = (), *, allow_private: bool = False) -> None:
        self._typed = {host for url in typed if (host := host_of(url))}
        self._allow_private = allow_private
        self._pinned: dict[str, tuple[str, ...]] = {}
        self._lock = threading.Lock()

    def addresses(self, host: str) -> tuple[str, ...]:
        """Return a host's IP addresses to connect to, those that are tried first at the front; blocks for the look-up.

        Raises:
            OSError: the name can't be resolved.
            PrivateAddressError: all its addresses are in networks that only the user may name.
        """
        found = self._resolved(host)
        if self._allow_private or host.lower() in self._typed:
            return found
        allowed = self._typed_networks()
        networks = [(address, special_network(ipaddress.ip_address(address))) for address in found]
        kept = tuple(address for address, network in networks if network is None or network in allowed)
        if not kept:
            raise _private_error(host, found)
        return kept

    def check(self, address: str) -> None:
        """Check an IP address that is about to be connected to; its name was resolved elsewhere.

        Raises:
            PrivateAddressError: it is in a network that only the user may name.
        """
        network = special_network(ipaddress.ip_address(address))
        if network is not None and not self._allow_private and network not in self._typed_networks():
            raise _private_error(address, [address])

    def _typed_networks(self) -> set[IPNetwork]:
        networks: set[IPNetwork] = set()
        for host in self._typed:
            try:
                found = [special_network(ipaddress.ip_address(address)) for address in self._resolved(host)]
            except OSError:
                continue
            # A name with public addresses too is not a host of the private network.
            if all(network is not None for network in found):
                networks.update(network for network in found if network is not None)
        return networks

    def _resolved(self, host: str) -> tuple[str, ...]:
        host = host.lower()
        if host not in self._pinned:
            infos = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            # IPv4 first: where one of the two does not work, it is mostly IPv6, and it costs a timeout.
            ordered = sorted(infos, key=lambda info: info[0] != socket.AF_INET)
            addresses = tuple(dict.fromkeys(str(info[4][0]) for info in ordered))
            with self._lock:
                # The first answer stays: a server of names can't change it between check and connection.
                self._pinned.setdefault(host, addresses)
        return self._pinned[host]


def _private_error(host: str, found: Iterable[str]) -> PrivateAddressError:
    return PrivateAddressError(
        f"{host[:100]} is in a private network ({', '.join(sorted(set(found)))}), where a server may not lead"
    )


def host_of(url: str) -> str:
    """Return the host of an http(s) address in lower case, empty for anything else."""
    try:
        parts = urlsplit(url)
        return (parts.hostname or "") if parts.scheme in ("http", "https") else ""
    except ValueError:
        return ""
