"""What a Segment call says, and which calls must be refused."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.fault.oracle.companies import is_of
from tests.fault.oracle.identity import hashed, named, visitor
from tests.fault.oracle.matching import at
from tests.fault.oracle.people import does_not_want, mail_part, says_it_is_a_machine, why_nobody
from tests.fault.oracle.places import prefecture
from tests.fault.oracle.playbook import Book, FieldPaths

KINDS = ("track", "identify", "page", "screen", "group", "alias")
RECYCLE, ROUTER = "recycle", "tasuki/router"
MAX_BYTES = 32 * 1024
MAX_ID = 256
MAX_TEXT = 256
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Refused(ValueError):
    """The call is no event: it must be answered as rejected and become a dead letter."""


@dataclass(frozen=True)
class Sent:
    """A call as it was sent, with what only the log knows: when it was received, and under which source.

    `received_at` is by the clock of an ingest, `taken` by Kafka's, which is right: nothing is received after it.
    `envelope` is the batch around it, if its `sentAt` or `context` matter."""

    call: Mapping[str, Any]
    received_at: datetime
    source: str
    envelope: Mapping[str, Any] = field(default_factory=dict)
    taken: datetime | None = None

    @property
    def received(self) -> datetime:
        return self.received_at if self.taken is None else min(self.received_at, self.taken)


@dataclass(frozen=True)
class Recycled:
    """The router has said that a lead begins anew at `time` (milliseconds since 1970)."""

    lead_id: str
    id: str
    time: int


Told = Sent | Recycled


@dataclass(frozen=True)
class Answered:
    """Whoever has been offered a lead accepts it `at` a moment (ms since 1970), or rejects it with a reason code. By
    then the lead's events of before have been scored."""

    lead_id: str
    at: int
    rejected: str | None = None


@dataclass(frozen=True)
class Happened:
    """One event of one lead. Times are milliseconds since 1970; `fields` those of the playbook (None: told to be
    empty)."""

    lead_id: str
    source: str
    id: str
    time: int
    kind: str
    name: str
    properties: Mapping[str, Any]
    fields: Mapping[str, Any]
    historical: bool
    received_at: int = 0
    late: bool = False
    """Told live, and so long after it happened that it moves no behaviour points."""
    ignored: str = ""
    """Why it is worth nothing: it is no person's, or a colleague's."""
    names: Sequence[str] = ()
    """Other identities of the lead; or, if `undoes`, that it is not."""
    undoes: bool = False
    mailing: str = ""
    """Whether it is an "act" with a mail, or that one was "sent"."""


def read(told: Told, book: Book) -> Happened:
    """Raises `Refused`, saying why, for a call that ingest must not accept. Needs a messageId."""
    return _recycling(told) if isinstance(told, Recycled) else _read(told, book)


def _recycling(told: Recycled) -> Happened:
    return Happened(told.lead_id, ROUTER, told.id, told.time, RECYCLE, "", {}, {}, historical=False)


def _read(sent: Sent, book: Book) -> Happened:
    call, kind = sent.call, sent.call.get("type")
    _check_shape(call)
    if kind not in KINDS:
        raise Refused(f"unknown type {kind!r}")
    ids = {name: identifier(call.get(name)) for name in ("userId", "anonymousId", "groupId", "previousId", "messageId")}
    context = {**(sent.envelope.get("context") or {}), **(call.get("context") or {})}
    traits = _traits(kind, call, context)
    lead_id = lead_of(ids["userId"], ids["anonymousId"], {} if kind == "group" else traits, context)
    if ids["messageId"] is None:
        raise ValueError("the oracle cannot follow a call without messageId: ingest would name it")
    _check_what_kind_needs(kind, call, ids, context)
    name, fields = call["event"] if kind == "track" else "", _fields(kind, call, context, book)
    ignored = why_nobody(ids["userId"], ids["anonymousId"], traits, context, book) or does_not_want(name, context, book)
    properties, time = _properties(kind, call, context), min(_time(sent), _ms(sent.received))
    mailing = mail_part(kind, name, properties, fields, book)
    if mailing == "act" and not ignored and says_it_is_a_machine(properties, time, book):
        ignored = "mail_scanner"
    undoes = kind == "track" and call["event"] == "Identity Unlinked"
    names = [(call.get("properties") or {})["lead"]] if undoes else named(call, ids, traits, context, book)
    return Happened(
        lead_id=lead_id,
        source=sent.source,
        id=ids["messageId"],
        time=time,
        kind=kind,
        name=name,
        properties=properties,
        fields=fields,
        historical=(history := call.get("historical") is True or context.get("historical") is True),
        ignored=ignored,
        names=[] if ignored in ("crawler", "internal_network") else names,
        undoes=undoes,
        mailing=mailing,
        received_at=_ms(sent.received),
        late=not history and _ms(sent.received) - _time(sent) > book.late_after,
    )


def lead_of(
    user_id: str | None, anonymous_id: str | None, traits: Mapping[str, Any], context: Mapping[str, Any]
) -> str:
    """The user id before the anonymous one, a tool's id, or an address; an e-mail address is hashed."""
    if user_id is not None:
        return hashed(user_id) if "@" in user_id else user_id.strip()
    if anonymous_id is not None:
        return visitor(anonymous_id)
    for one in context.get("externalIds") or []:
        return f"ext:{one['type']}:{one['id']}"
    if isinstance(traits.get("email"), str) and "@" in traits["email"]:
        return hashed(traits["email"])
    raise Refused("nobody is named")


def identifier(value: Any) -> str | None:
    """Numbers become text; blank is absent."""
    if value is None:
        return None
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    if len(text) > MAX_ID or "\0" in text:
        raise Refused("an id is too long or holds a NUL character")
    return text if text.strip() else None


def _check_shape(call: Mapping[str, Any]) -> None:
    if len(json.dumps(call, ensure_ascii=False, separators=(",", ":")).encode()) > MAX_BYTES:
        raise Refused("larger than 32 KiB")
    for name in ("userId", "anonymousId", "groupId", "previousId", "messageId"):
        if isinstance(call.get(name), bool | list | dict):
            raise Refused(f"{name} is neither text nor number")
    for name in ("traits", "properties", "context"):
        if not isinstance(call.get(name), dict | None):
            raise Refused(f"{name} is no object")
    for name in ("type", "event", "name", "category", "timestamp", "originalTimestamp", "sentAt"):
        if not isinstance(call.get(name), str | None):
            raise Refused(f"{name} is no text")
    if not isinstance(call.get("historical"), bool | None):
        raise Refused("historical is neither true nor false")


def _check_what_kind_needs(
    kind: str, call: Mapping[str, Any], ids: Mapping[str, str | None], context: Mapping[str, Any]
) -> None:
    if kind == "track" and not (call.get("event") or "").strip():
        raise Refused("track without event")
    if kind == "group" and ids["groupId"] is None:
        raise Refused("group without groupId")
    if kind == "alias" and ids["previousId"] is None and None in (ids["anonymousId"], ids["userId"]):
        raise Refused("alias without previousId")


def _time(sent: Sent) -> int:
    """receivedAt − (sentAt − originalTimestamp); without sentAt the sender's time as it stands."""
    stamp = _moment(sent.call.get("originalTimestamp") or sent.call.get("timestamp"))
    sent_at = _moment(sent.call.get("sentAt") or sent.envelope.get("sentAt"))
    if stamp is None:
        return _ms(sent.received_at)
    try:
        return _ms(stamp if sent_at is None else sent.received_at - (sent_at - stamp))
    except OverflowError:
        raise Refused("sentAt and timestamp are too far apart") from None


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text.strip().upper())
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refused(f"{text!r} is no time") from None


def _ms(moment: datetime) -> int:
    """Whole milliseconds; what is smaller is cut."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def _properties(kind: str, call: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    """Browsers tell the page's address in the context as well."""
    told = call.get("properties") or {}
    if kind not in ("page", "screen"):
        return dict(told)
    page = context.get("page")
    known = (
        {name: page[name] for name in ("path", "url", "referrer", "title") if name in page}
        if isinstance(page, dict)
        else {}
    )
    return {**known, **({"category": call["category"]} if call.get("category") else {}), **told}


def _fields(kind: str, call: Mapping[str, Any], context: Mapping[str, Any], book: Book) -> dict[str, Any]:
    """The playbook's fields that the call reports. A group's traits are the company's, not the person's."""
    traits = _traits(kind, call, context)
    found = {}
    for name, wanted in book.fields.items():
        told = [value for path in wanted.paths if isinstance(value := at(traits, path), str | int | float)]
        if told:  # objects and null say nothing: `company` may be the company's name or its record
            found[name] = _plain(told[0], wanted)
    return found


def _traits(kind: str, call: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    traits = call.get("traits") or {}
    if kind == "group":
        return {"company": traits}
    return {**context["traits"], **traits} if isinstance(context.get("traits"), dict) else dict(traits)


def _plain(value: str | int | float, wanted: FieldPaths) -> str | int | float | None:
    """Trimmed and cut; an empty text, or a prefecture that is none, tells that the field is empty."""
    if isinstance(value, str):
        value = value.strip()[:MAX_TEXT]
    if wanted.accounts is not None:
        return True if isinstance(value, str) and is_of(value, wanted.accounts) else None
    if value == "" or (wanted.is_prefecture and not isinstance(value, str)):
        return None
    return prefecture(str(value)) if wanted.is_prefecture else value
