"""Who is no person to be scored."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from ipaddress import ip_address, ip_network
from typing import Any

from crawleruseragents import CRAWLER_USER_AGENTS_DATA, re

from tests.fault.oracle.playbook import Book


def why_nobody(
    user_id: str | None, anonymous_id: str | None, traits: Mapping[str, Any], context: Mapping[str, Any], book: Book
) -> str:
    """ "internal" for colleagues, of whom nothing counts; "crawler" and "internal_network" for single events."""
    internal, agent = book.not_people.get("internal", {}), context.get("userAgent")
    if {user_id, anonymous_id} & set(internal.get("ids", [])):
        return "internal"
    for address in (user_id, traits.get("email")):
        if isinstance(address, str):
            domain = address.strip().lower().rpartition("@")[2] if "@" in address else ""
            if domain in [name.lower() for name in internal.get("domains", [])]:
                return "internal"
    looks = book.not_people.get("crawlers", True) and isinstance(agent, str)
    if looks and _is_crawler(agent[:512]):
        return "crawler"
    return "internal_network" if _is_within(context.get("ip"), internal.get("networks", [])) else ""


@cache  # hundreds of patterns, more than `re` keeps compiled, and a handful of agents
def _is_crawler(agent: str) -> bool:
    return any(re.search(known["pattern"], agent) for known in CRAWLER_USER_AGENTS_DATA)


def _is_within(ip: Any, networks: list[str]) -> bool:
    try:
        return isinstance(ip, str) and any(ip_address(ip.strip()) in ip_network(network) for network in networks)
    except ValueError:
        return False
