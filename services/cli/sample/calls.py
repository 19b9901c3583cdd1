"""One person's calls in the shape of the Segment specification, written down in any order."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

Call = dict[str, Any]


class Diary:
    """Calls of one person, anonymous until the first `identify`."""

    def __init__(self, prefix: str, anonymous_id: str, user_id: str | None = None) -> None:
        self._prefix, self._anonymous_id, self._user_id = prefix, anonymous_id, user_id
        self._entries: list[tuple[datetime, int, Call]] = []
        self._known_from: datetime | None = None

    def identify(self, at: datetime, traits: dict[str, Any]) -> None:
        """From this moment on the visitor is a known lead."""
        self._known_from = min(at, self._known_from or at)
        self._add(at, {"type": "identify", "traits": traits})

    def group(self, at: datetime, group_id: str, traits: dict[str, Any]) -> None:
        self._add(at, {"type": "group", "groupId": group_id, "traits": traits})

    def track(self, at: datetime, event: str, properties: dict[str, Any] | None = None) -> None:
        self._add(at, {"type": "track", "event": event, "properties": properties or {}})

    def page(self, at: datetime, path: str, title: str, medium: str | None = None) -> None:
        url = f"https://www.tasuki-soft.example{path}"
        call: Call = {"type": "page", "name": title, "properties": {"path": path, "url": url, "title": title}}
        self._add(at, call | ({"context": {"campaign": {"medium": medium}}} if medium else {}))

    def calls(self, end: datetime) -> list[Call]:
        """What happened before `end`, in order of time, with ids that depend on nothing but the diary."""
        happened = sorted((entry for entry in self._entries if entry[0] < end), key=lambda entry: entry[:2])
        first_page = min((at for at, _, body in happened if body["type"] == "page"), default=end)
        return [self._finished(number, at, body, first_page) for number, (at, _, body) in enumerate(happened)]

    def _add(self, at: datetime, body: Call) -> None:
        self._entries.append((at, len(self._entries), body))

    def _finished(self, number: int, at: datetime, body: Call, first_page: datetime) -> Call:
        kind, known = body["type"], self._known_from is not None and at >= self._known_from
        # A browser tells both ids when it identifies a visitor; what tools report knows no browser.
        in_browser = kind == "page" or not known or (kind == "identify" and at > first_page)
        ids = ({"userId": self._user_id} if known else {}) | ({"anonymousId": self._anonymous_id} if in_browser else {})
        timestamp = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        head = {"type": kind, "messageId": f"{self._prefix}-{number:04d}", "timestamp": timestamp}
        return head | ids | {key: value for key, value in body.items() if key != "type"}
