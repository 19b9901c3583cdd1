"""Routing identity: which partition of `events`, and so which lead, an event belongs to.

A user id is taken as it is, so that sales tools find their own ids again. An e-mail address used as an id is
hashed, because the key stays in compacted topics for good and must not name a person (domain: personal data).
"""

from __future__ import annotations

import hashlib
import unicodedata

ANONYMOUS_PREFIX = "anon:"
EMAIL_PREFIX = "email:"


def routing_identity(user_id: str | None, anonymous_id: str | None) -> str | None:
    """The known id before the anonymous one; None when there is neither."""
    if user_id and user_id.strip():
        return known_identity(user_id)
    if anonymous_id and anonymous_id.strip():
        return ANONYMOUS_PREFIX + anonymous_id.strip()
    return None


def known_identity(user_id: str) -> str:
    """`user_id` itself, or `email:<hash>` where it is an e-mail address. Idempotent: a lead id maps to itself."""
    trimmed = user_id.strip()
    if "@" not in trimmed:
        return trimmed
    normalised = unicodedata.normalize("NFKC", trimmed).casefold()
    return EMAIL_PREFIX + hashlib.blake2b(normalised.encode(), digest_size=16).hexdigest()


def is_anonymous(identity: str) -> bool:
    """True for a visitor who is not yet a known lead."""
    return identity.startswith(ANONYMOUS_PREFIX)
