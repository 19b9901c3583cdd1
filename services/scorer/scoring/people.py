"""Who is not a person to be scored: crawlers, the office network, colleagues and test accounts, who does not want to.

What they do is kept and counted by reason, and is worth nothing. An event tells by itself whose it is, so neither order
nor batches matter; a colleague, once known, is one for all that the lead did. (Of scanners of mails see `mails`.)
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Any

from crawleruseragents import is_crawler

from shared.events import Event, Kind
from shared.playbook.people import NotPeople
from shared.privacy import Consent
from shared.reading import at_path

CRAWLER, NETWORK, INTERNAL, SCANNER = "crawler", "internal_network", "internal", "mail_scanner"
WITHHELD = "consent_withheld"
MOST_OF_A_NAME = 512  # of a user agent: its pattern comes early, and senders write what they like


class People:
    """The parts `not_people` and `privacy` of a playbook, compiled."""

    def __init__(self, part: NotPeople, consent: Consent) -> None:
        self._consent = consent
        self._crawlers, self._networks = part.crawlers, part.internal.networks
        self._ids = frozenset(part.internal.ids)
        self._domains = tuple(f"@{domain.casefold()}" for domain in part.internal.domains)
        self._knows_colleagues = bool(self._ids or self._domains)
        self.are_asked = self._knows_colleagues or self._crawlers or bool(self._networks) or consent.is_asked
        """Whether anybody may be none."""

    def reason(self, event: Event) -> str:
        """Why an event is worth nothing; empty for all others. `INTERNAL` is true of the whole lead."""
        if self._knows_colleagues and self._is_colleague(event):
            return INTERNAL
        context = event.context
        if not context:
            return ""
        if self._crawlers and _is_crawler(context.get("userAgent")):
            return CRAWLER
        if self._networks and self._is_at_home(context.get("ip")):
            return NETWORK
        return WITHHELD if self._consent.is_withheld(event) else ""

    def _is_colleague(self, event: Event) -> bool:
        if event.user_id in self._ids or event.anonymous_id in self._ids:
            return True
        # A group's traits are the company's.
        told = (event.user_id, None if event.kind is Kind.GROUP else at_path(event.traits, "email"))
        return any(isinstance(one, str) and one.strip().casefold().endswith(self._domains) for one in told)

    def _is_at_home(self, ip: Any) -> bool:
        address = _address(ip) if isinstance(ip, str) else None
        return address is not None and any(address in network for network in self._networks)


def _is_crawler(agent: Any) -> bool:
    return isinstance(agent, str) and _is_known_crawler(agent[:MOST_OF_A_NAME])


@lru_cache(maxsize=10_000)
def _is_known_crawler(agent: str) -> bool:
    """By crawler-user-agents, which asks some 200 µs of one that is none."""
    return bool(is_crawler(agent))


@lru_cache(maxsize=10_000)
def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.strip())
    except ValueError:
        return None
