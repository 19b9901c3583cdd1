"""Who is the same person, from all events at once: whatever the order in which they came."""

from __future__ import annotations

import hashlib
import unicodedata
from bisect import insort
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from tests.fault.oracle.playbook import Book

VISITOR, ADDRESS, EXTERNAL, USER = range(4)
ROLES = {
    "info", "contact", "inquiry", "sales", "support", "office", "admin", "webmaster", "postmaster", "noreply",
    "no-reply", "hello", "mail", "soumu", "somu", "eigyo", "jinji", "keiri", "saiyo", "toiawase", "otoiawase",
}  # fmt: skip
Link = tuple[str, str, str]
"""Who says so and of whom, and whether as an "alias", or that they are two ("undone")."""


def hashed(address: str) -> str:
    address = unicodedata.normalize("NFKC", address.strip()).casefold()
    return "email:" + hashlib.blake2b(address.encode(), digest_size=16).hexdigest()


def visitor(id: str) -> str:
    return "anon:" + id.strip()


def rank(id: str) -> int:
    """How well it names a person."""
    forms = (("anon:", VISITOR), ("email:", ADDRESS), ("ext:", EXTERNAL))
    return next((rank for start, rank in forms if id.startswith(start)), USER)


def named(
    call: Mapping[str, Any],
    ids: Mapping[str, str | None],
    traits: Mapping[str, Any],
    context: Mapping[str, Any],
    book: Book,
) -> list[str]:
    """The other identities of the person, as the call says."""
    found = [visitor(ids["anonymousId"])] if ids["userId"] and ids["anonymousId"] else []
    if call["type"] == "alias":
        before = ids["previousId"] or ids["anonymousId"] or ""
        found += [visitor(before), before.strip()]
    listed = context.get("externalIds")
    found += [f"ext:{one['type']}:{one['id']}" for one in listed or [] if isinstance(listed, list)]
    email = traits.get("email")
    if call["type"] != "group" and isinstance(email, str) and "@" in email:
        roles = book.identity.get("shared_mailboxes", ROLES)
        if email.split("@")[0].strip().casefold() not in roles:
            found.append(hashed(email))
    return found


def leads(links: Iterable[Link], book: Book) -> dict[str, str]:
    """By each identity that joins another one, the one that it joins."""
    claims: defaultdict[str, set[str]] = defaultdict(set)
    undone = set[tuple[str, str]]()
    for one, other, how in links:
        if one == other:
            continue
        if how == "undone":
            undone |= {(one, other), (other, one)}
            continue
        if rank(one) == rank(other):
            joins_key = how == "alias" or one < other
            child, lead = (other, one) if joins_key else (one, other)
        else:
            child, lead = sorted((one, other), key=rank)
        claims[child].add(lead)
    found = {}
    # Whom a visitor belongs to tells something of the addresses it gave.
    for level in (VISITOR, ADDRESS, EXTERNAL, USER):
        waiting = sorted(id for id in claims if rank(id) == level)
        known = set(waiting)
        while waiting:
            child = waiting.pop()
            left = {lead for lead in claims[child] if (child, lead) not in undone}
            highest = [lead for lead in left if rank(lead) == max(map(rank, left))]
            is_shared = highest and rank(highest[0]) > level and len(highest) > book.identity.get("most_leads", 1)
            if not highest or is_shared:
                continue
            found[child] = min(highest)
            for other in left:
                if rank(other) < rank(found[child]):
                    claims[other].add(found[child])
                    if rank(other) == level and other not in known:  # one may tell another one of the same rank
                        insort(waiting, other)
                        known.add(other)
    return found


def root(id: str, joined: Mapping[str, str]) -> str:
    while id in joined:
        id = joined[id]
    return id


def together(links: Iterable[Link]) -> dict[str, str]:
    """By identity one name for all that are linked in any way, though they may not be one lead."""
    found: dict[str, str] = {}

    def name(id: str) -> str:
        while found.get(id, id) != id:
            id = found[id]
        return id

    for one, other, _ in links:
        found[name(one)] = name(other)
    return {id: name(id) for id in found}
