"""Routing identity: which partition of `events`, and so which lead, an event belongs to.

A user id is taken as it is, so that sales tools find their own ids again. An e-mail address used as an id is
hashed, because the key stays in compacted topics for good and must not name a person (domain: personal data).

Lead ids are of four forms: a user id; `email:<hash>`; `anon:<anonymous id>`, or its hash if it looks like an e-mail
address; and `user:<user id>` where a user id itself looks like one of the other forms, so that nobody can pass for
another lead by choosing an id. Only `email:<hash>` may be sent as a user id: sales tools that know a lead by nothing
else report on it so.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

ANONYMOUS_PREFIX = "anon:"
EMAIL_PREFIX = "email:"
USER_PREFIX = "user:"

_HASHED_EMAIL = re.compile(rf"{EMAIL_PREFIX}[0-9a-f]{{32}}")
_LIKE_ANOTHER_FORM = re.compile(rf"({USER_PREFIX})*({ANONYMOUS_PREFIX}|{EMAIL_PREFIX})")
"""With `user:` before it any number of times, so that two user ids are never escaped to the same lead id."""


def routing_identity(user_id: str | None, anonymous_id: str | None) -> str | None:
    """The known id before the anonymous one; None when there is neither."""
    if user_id and user_id.strip():
        return _of_user(user_id.strip())
    if anonymous_id and anonymous_id.strip():
        return _of_visitor(anonymous_id.strip())
    return None


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
    return "@" in unicodedata.normalize("NFKC", id)


def _hash(address: str) -> str:
    normalised = unicodedata.normalize("NFKC", address).casefold()
    return hashlib.blake2b(normalised.encode(), digest_size=16).hexdigest()
