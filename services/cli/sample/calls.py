"""One person's calls in the shape of the Segment specification, written down in any order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared.identity import identity_without_ids, routing_identity

Call = dict[str, Any]


def identity_of(call: Call) -> str | None:
    """The lead id that a call is of by itself, before anybody knows who is the same person."""
    known = routing_identity(call.get("userId"), call.get("anonymousId"))
    return known or identity_without_ids(call.get("traits", {}), call.get("context", {}))


def identities_in(call: Call) -> set[str]:
    """Every lead id that a call speaks of, its own included."""
    traits = {} if call["type"] == "group" else call.get("traits", {})
    named = (routing_identity(None, call.get("anonymousId")), identity_without_ids(traits, {}), identity_of(call))
    return {identity for identity in named if identity is not None}


@dataclass(frozen=True)
class _Entry:
    """`by_form`: told by a form that knows neither a browser nor a user."""

    at: datetime
    number: int
    body: Call
    by_form: bool = False


class Diary:
    """Calls of one person from one browser, anonymous until the first `identify`. `agent`: what the browser says that
    it is."""

    def __init__(self, prefix: str, anonymous_id: str, user_id: str | None = None, agent: str | None = None) -> None:
        self._prefix, self._anonymous_id, self._user_id, self._agent = prefix, anonymous_id, user_id, agent
        self._entries: list[_Entry] = []
        self._known_from: datetime | None = None

    def identify(self, at: datetime, traits: dict[str, Any]) -> None:
        """From this moment on the visitor is a known lead."""
        self._known_from = min(at, self._known_from or at)
        self._add(at, {"type": "identify", "traits": traits})

    def form(self, at: datetime, traits: dict[str, Any], *, in_browser: bool) -> None:
        """Somebody who is not logged in tells an address: to our page, or to a tool that knows of no browser."""
        self._add(at, {"type": "identify", "traits": traits}, by_form=not in_browser)

    def group(self, at: datetime, group_id: str, traits: dict[str, Any]) -> None:
        self._add(at, {"type": "group", "groupId": group_id, "traits": traits})

    def track(self, at: datetime, event: str, properties: dict[str, Any] | None = None) -> None:
        self._add(at, {"type": "track", "event": event, "properties": properties or {}})

    def page(self, at: datetime, path: str, title: str, medium: str | None = None) -> None:
        url = f"https://www.tasuki-soft.example{path}"
        call: Call = {"type": "page", "name": title, "properties": {"path": path, "url": url, "title": title}}
        context: dict[str, Any] = {"campaign": {"medium": medium}} if medium else {}
        context |= {"userAgent": self._agent} if self._agent else {}
        self._add(at, call | ({"context": context} if context else {}))

    def calls(self, end: datetime) -> list[Call]:
        """What happened before `end`, in order of time, with ids that depend on nothing but the diary."""
        happened = sorted((one for one in self._entries if one.at < end), key=lambda one: (one.at, one.number))
        first_page = min((one.at for one in happened if one.body["type"] == "page"), default=end)
        return [self._finished(number, entry, first_page) for number, entry in enumerate(happened)]

    def _add(self, at: datetime, body: Call, *, by_form: bool = False) -> None:
        self._entries.append(_Entry(at, len(self._entries), body, by_form))

    def _finished(self, number: int, entry: _Entry, first_page: datetime) -> Call:
        at, body = entry.at, entry.body
        kind, known = body["type"], self._known_from is not None and at >= self._known_from
        # A browser tells both ids when it identifies a visitor; what tools report knows no browser.
        in_browser = kind == "page" or not known or (kind == "identify" and at > first_page)
        ids = ({"userId": self._user_id} if known else {}) | ({"anonymousId": self._anonymous_id} if in_browser else {})
        timestamp = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        head = {"type": kind, "messageId": f"{self._prefix}-{number:04d}", "timestamp": timestamp}
        return head | ({} if entry.by_form else ids) | {key: value for key, value in body.items() if key != "type"}
