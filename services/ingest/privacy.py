"""What a request says of its sender's privacy, and what of an address is kept. Pure.

Global Privacy Control: https://www.w3.org/TR/gpc/ (header `Sec-GPC: 1`); its predecessor was the header `DNT: 1`. What
follows from them is said by the playbook, part `privacy`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from typing import Any

_HEADERS = ((b"sec-gpc", "globalPrivacyControl"), (b"dnt", "doNotTrack"))
KEPT_BITS = {4: 24, 6: 48}
"""Of an address, where it is truncated: as Google Analytics and Matomo do it."""


def told_by(headers: Collection[tuple[bytes, bytes]]) -> dict[str, Any]:
    """For the context of each event of the request; mostly nothing. `headers` as ASGI has them, names in lower case."""
    return {name: True for header, name in _HEADERS if (header, b"1") in headers}


def truncated(ip: Any) -> str | None:
    """The network of an address: 203.0.113.0, or 2001:db8:1::. None for what is no address."""
    try:
        address = ipaddress.ip_address(ip.strip() if isinstance(ip, str) else "")
    except ValueError:
        return None
    address = getattr(address, "ipv4_mapped", None) or address
    network = ipaddress.ip_network((address, KEPT_BITS[address.version]), strict=False)
    return str(network.network_address)
