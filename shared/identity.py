"""Routing identity: which partition of `events`, and so which lead, an event belongs to.

A user id is taken as it is, so that sales tools find their own ids again. An e-mail address used as an id is
hashed, because the key stays in compacted topics for good and must not name a person (domain: personal data).

Lead ids are of five forms: a user id; `ext:<type>:<id>`, by which a marketing-automation tool knows somebody;
`email:<hash>`; `anon:<anonymous id>`; and `user:<user id>` where a user id itself looks like one of the other forms, so
that nobody can pass for another lead by choosing an id. In `anon:` and `ext:` an id that looks like an e-mail address
is hashed. Only `email:<hash>` may be sent as a user id: sales tools that know a lead by nothing else report on it so.

One person may come under several of them; which of them are one lead is the scorer's affair.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from enum import IntEnum
from typing import Any

from shared.events import Event, Kind

ANONYMOUS_PREFIX = "anon:"
EMAIL_PREFIX = "email:"
EXTERNAL_PREFIX = "ext:"
USER_PREFIX = "user:"

_HASHED_EMAIL = re.compile(rf"{EMAIL_PREFIX}[0-9a-f]{{32}}")
_LIKE_ANOTHER_FORM = re.compile(rf"({USER_PREFIX})*({ANONYMOUS_PREFIX}|{EMAIL_PREFIX}|{EXTERNAL_PREFIX})")
"""With `user:` before it any number of times, so that two user ids are never escaped to the same lead id."""


MAX_EXTERNAL, MAX_ADDRESS = 256, 320  # characters
MOST_EXTERNAL_IDS = 8
"""Of one event: senders write what they like."""


class Rank(IntEnum):
    """How well an identity names a person. The higher one is the lead."""

    VISITOR = 0
    ADDRESS = 1
    EXTERNAL = 2
    USER = 3


def rank_of(identity: str) -> Rank:
    """By the form of a lead id."""
    if identity.startswith(ANONYMOUS_PREFIX):
        return Rank.VISITOR
    if identity.startswith(EXTERNAL_PREFIX):
        return Rank.EXTERNAL
    return Rank.ADDRESS if _HASHED_EMAIL.fullmatch(identity) else Rank.USER


def routing_identity(user_id: str | None, anonymous_id: str | None) -> str | None:
    """The known id before the anonymous one; None when there is neither."""
    if user_id and user_id.strip():
        return _of_user(user_id.strip())
    if anonymous_id and anonymous_id.strip():
        return _of_visitor(anonymous_id.strip())
    return None


def identity_without_ids(traits: dict[str, Any], context: dict[str, Any]) -> str | None:
    """Of an event with neither id: what a tool calls the person (`context.externalIds`), else the address (trait
    `email`)."""
    for identity in _external_ids(context):
        return identity
    return _of_address(traits.get("email"))


def other_identities(event: Event) -> list[str]:
    """Who else an event says that its lead is, beside its key; the address is that of trait `email`.

    An alias does not say of which kind its previous id is, so it may be both."""
    found: dict[str, None] = {}
    if event.user_id and event.anonymous_id:
        found[_of_visitor(event.anonymous_id.strip())] = None
    if event.kind is Kind.ALIAS and event.previous_id:
        found[_of_visitor(event.previous_id.strip())] = None
        found[_of_user(event.previous_id.strip())] = None
    if "externalIds" in event.context:
        found.update(dict.fromkeys(_external_ids(event.context)))
    # A group's traits are the company's.
    if event.traits and event.kind is not Kind.GROUP and (address := _of_address(event.traits.get("email"))):
        found[address] = None
    found.pop(event.key, None)
    return list(found)


def _of_address(told: Any) -> str | None:
    if not isinstance(told, str) or len(told) > MAX_ADDRESS or not _names_a_person(told.strip()):
        return None
    return EMAIL_PREFIX + _hash(told.strip())


def _external_ids(context: dict[str, Any]) -> Iterator[str]:
    """As Segment has them: a list of objects with `type` and `id`."""
    listed = context.get("externalIds")
    for one in listed[:MOST_EXTERNAL_IDS] if isinstance(listed, list) else ():
        type_, id = (one.get("type"), one.get("id")) if isinstance(one, dict) else (None, None)
        if isinstance(type_, str) and isinstance(id, str | int) and type_.strip() and str(id).strip():
            yield _of_external(type_.strip(), str(id).strip())


def _of_external(type_: str, id: str) -> str:
    # An address as it is is no more than an address.
    if _names_a_person(id):
        return EMAIL_PREFIX + _hash(id)
    return f"{EXTERNAL_PREFIX}{type_}:{id}"[:MAX_EXTERNAL]


def known_identity(id: str) -> str:
    """The lead id that somebody means who asks for `id`: a lead id is itself, and a user id is what `routing_identity`
    makes of it, unless it looks like another lead's id."""
    trimmed = id.strip()
    if trimmed.startswith(ANONYMOUS_PREFIX):
        return _of_visitor(trimmed.removeprefix(ANONYMOUS_PREFIX))
    return EMAIL_PREFIX + _hash(trimmed) if _names_a_person(trimmed) else trimmed


def is_anonymous(identity: str) -> bool:
    """True for a visitor who is not yet a known lead."""
    return identity.startswith(ANONYMOUS_PREFIX)


def _of_user(user_id: str) -> str:
    if _names_a_person(user_id):
        return EMAIL_PREFIX + _hash(user_id)
    if _LIKE_ANOTHER_FORM.match(user_id) and not _HASHED_EMAIL.fullmatch(user_id):
        return USER_PREFIX + user_id
    return user_id


def _of_visitor(anonymous_id: str) -> str:
    return ANONYMOUS_PREFIX + (_hash(anonymous_id) if _names_a_person(anonymous_id) else anonymous_id)


def _names_a_person(id: str) -> bool:
    """In any width: `taro＠example.jp` is an address as well."""
    return "@" in (id if id.isascii() else unicodedata.normalize("NFKC", id))


def _hash(address: str) -> str:
    normalised = unicodedata.normalize("NFKC", address).casefold()
    return hashlib.blake2b(normalised.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
