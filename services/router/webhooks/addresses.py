"""Which addresses webhooks may go to: public ones.

Whoever may name a URL could otherwise have the router ask machines that only the router can reach (SSRF, OWASP API7):
the metadata of a cloud, databases, itself. A name is looked up at each connection and the address checked then, since a
name can lead to another address by the time that it is used (DNS rebinding).
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_NOT_PUBLIC = tuple(
    ip_network(text)
    for text in (
        "100.64.0.0/10",  # carriers' NAT
        "192.0.0.0/24",  # protocols
        "192.88.99.0/24",  # 6to4 relays
        "64:ff9b:1::/48",  # NAT64 of a network's own
        "fec0::/10",  # site-local, the old way
        "3fff::/20",  # documentation
    )
)
_NAT64 = ip_network("64:ff9b::/96")


def literal(host: str) -> str | None:
    """The address, if `host` is one and no name."""
    try:
        return str(ip_address(host))
    except ValueError:
        return None


def is_public(address: str) -> bool:
    """Whether everybody can reach it: neither loopback, private, link-local, multicast nor reserved, in any writing."""
    try:
        return _is_public(ip_address(address.partition("%")[0]))
    except ValueError:
        return False


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    inside = _inside(address)
    if inside is not None:
        return _is_public(inside)
    if address.is_multicast or address.is_reserved or any(address in network for network in _NOT_PUBLIC):
        return False
    return address.is_global


def _inside(address: IPv4Address | IPv6Address) -> IPv4Address | None:
    """The IPv4 address that the network may send this to."""
    if isinstance(address, IPv4Address):
        return None
    nat64 = IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None
    return address.ipv4_mapped or address.sixtofour or nat64
