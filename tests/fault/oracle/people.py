"""Who is no person to be scored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

from crawleruseragents import CRAWLER_USER_AGENTS_DATA, re

from tests.fault.oracle.matching import at, matches
from tests.fault.oracle.playbook import Book, milliseconds
from tests.fault.oracle.values import passes

if TYPE_CHECKING:
    from tests.fault.oracle.calls import Happened

SECOND = 1000


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


def does_not_want(name: str, context: Mapping[str, Any], book: Book) -> str:
    """ "consent_withheld", if so. `name`: of a track."""
    wishes = book.privacy.get("withheld", [])
    withheld = any(all(passes(check, at(context, path)) for path, check in wish.items()) for wish in wishes)
    return "consent_withheld" if withheld and name not in book.privacy.get("despite", []) else ""


@cache  # hundreds of patterns, more than `re` keeps compiled, and a handful of agents
def _is_crawler(agent: str) -> bool:
    return any(re.search(known["pattern"], agent) for known in CRAWLER_USER_AGENTS_DATA)


def _is_within(ip: Any, networks: list[str]) -> bool:
    try:
        return isinstance(ip, str) and any(ip_address(ip.strip()) in ip_network(network) for network in networks)
    except ValueError:
        return False


def mail_part(kind: str, name: str, properties: Any, fields: Mapping[str, Any], book: Book) -> str:
    """Whether an event is an "act" with a mail, or that one was "sent"."""
    said = (kind, name, properties, fields)
    scanners = book.not_people.get("scanners") or {}
    parts = (("act", scanners.get("acts", [])), ("sent", scanners.get("sent", [])))
    return next((part for part, wanted in parts if any(matches(match, *said) for match in wanted)), "")


def says_it_is_a_machine(properties: Any, time: int, book: Book) -> bool:
    """Of an act at `time`, whose properties may tell when its mail was sent."""
    scanners = book.not_people["scanners"]
    told = [at(properties, path) for path in scanners.get("machine", [])]
    if any(isinstance(value, str | int) and str(value).strip().lower() in ("true", "yes", "1") for value in told):
        return True
    sent = [_sent_at(at(properties, path)) for path in scanners.get("sent_at", [])]
    return any(moment is not None and 0 <= time - moment < _within(book) for moment in sent)


def scanned(events: Sequence[Happened], book: Book) -> set[int]:
    """The places of acts that are a scanner's, by all that one identity's events tell."""
    scanners = book.not_people.get("scanners") or {}
    by_mail: defaultdict[str, list[tuple[int, Happened]]] = defaultdict(list)
    for place, event in enumerate(events):
        if event.mailing and not event.ignored:
            by_mail[_told(event, scanners.get("mail", []))].append((place, event))
    length = milliseconds(scanners.get("at_once", "2s"))
    found = set()
    for alike in by_mail.values():
        acts = [(place, event) for place, event in alike if event.mailing == "act"]
        sent = [event.time for _, event in alike if event.mailing == "sent"]
        found |= {place for place, act in acts if any(0 <= act.time - time < _within(book) for time in sent)}
        clicks = [(place, act.time, link) for place, act in acts if (link := _told(act, scanners.get("link", [])))]
        # Some stretch of time with so many links in it: it may as well begin at one of the clicks.
        for _, begin, _ in clicks:
            together = [(place, link) for place, time, link in clicks if begin <= time <= begin + length]
            if len({link for _, link in together}) >= scanners.get("links_at_once", 3):
                found |= {place for place, _ in together}
    return found


def _within(book: Book) -> int:
    return milliseconds(book.not_people["scanners"].get("within", "5s"))


def _told(event: Happened, paths: Sequence[str]) -> str:
    """As text, of the first path that tells something; empty if none does."""
    values = (at(event.properties, path) for path in paths)
    texts = (str(value).strip() for value in values if isinstance(value, str | int | float))
    return next((text for text in texts if text), "")


def _sent_at(value: Any) -> int | None:
    """In milliseconds; numbers are seconds or milliseconds."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return int(value) if value >= 100_000_000_000 else int(value * SECOND)
    try:
        told = datetime.fromisoformat(str(value).strip().upper())
    except ValueError:
        return None
    told = told if told.tzinfo else told.replace(tzinfo=UTC)
    return (told - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
