"""Which identities are one lead (domain: anonymous history is kept when a visitor becomes known). Pure.

Every identity, a visitor or an address or a user id, keeps what it did in its own partition. An event that names two of
them is a link: the one that names a person worse joins the other, and sends it what it has gathered, whenever that
changes. The lead's score is the union of its members, each counted once, by the newest of what it has sent; so neither
order nor repetition matters, and a member that leaves takes along what it brought.

An identity joins the one that ranks highest, and tells it to the others that claim it. An alias joins the id that
replaces it, and should that make a circle, it is broken at the smallest id. One that is claimed by more leads than the
playbook allows is shared, a computer or a mailbox of several people, and joins none.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
from typing import Any

from services.scorer.scoring.parts import Links, Member
from services.scorer.scoring.state import LeadState, decode_state
from services.scorer.scoring.times import BEFORE_ALL
from services.scorer.scoring.union import gathered, gathered_here
from shared.between import Link, Membership, membership_of, told
from shared.events import Event, Kind
from shared.identity import Rank, known_identity, other_identities, rank_of
from shared.playbook.identity import Identity

MOST_TOLD = 100
"""Identities that one lead names; no person has so many devices, and all are kept with its state."""
MOST_CLAIMS, MOST_WITNESSES = 16, 8
MOST_MEMBERS = 100
UNLINKED = "Identity Unlinked"
"""The event by which a user takes a link back: of the lead, with the other's lead id as property `lead`."""


class Linking:
    """The part `identity` of a playbook, compiled."""

    def __init__(self, part: Identity) -> None:
        self._most_leads = part.most_leads
        self._shared = frozenset(name.strip().casefold() for name in part.shared_mailboxes)

    def names(self, event: Event) -> tuple[str, ...]:
        """Who else the event says that its lead is, or that it is not; none where several people read an address."""
        if event.name == UNLINKED:
            named = event.properties.get("lead")
            return (known_identity(named),) if isinstance(named, str) and named.strip() else ()
        others = other_identities(event)
        if not others or not self._is_shared(event.traits.get("email")):
            return tuple(others)
        return tuple(other for other in others if rank_of(other) is not Rank.ADDRESS)

    def _is_shared(self, address: Any) -> bool:
        return isinstance(address, str) and address.split("@")[0].strip().casefold() in self._shared

    def note(self, links: Links, event: Event, offset: int, others: Iterable[str]) -> list[Event]:
        """An event of this lead, at its place, names others: what to tell those that rank lower. One that ranks higher
        claims it. Or it takes that back, for good."""
        taken_back, found = event.name == UNLINKED, list[Event]()
        for other in others:
            if _joins(event, other):
                _claim(links, other, event.key, offset, taken_back=taken_back)
            elif taken_back:
                found.append(_link(event, other, event.key, offset, taken_back=True))
            elif other not in links.told:
                if len(links.told) >= MOST_TOLD:
                    links.given_up += 1
                    continue
                insort(links.told, other)  # whatever came first
                found.append(_link(event, other, event.key, offset))
        return found

    @staticmethod
    def follow(links: Links, what: Link) -> None:
        """What another partition has told of a link."""
        _claim(links, what.lead, what.witness, what.version, ends=what.ends, taken_back=what.taken_back)

    def decide(self, state: LeadState, event: Event, offset: int) -> list[Event]:
        """Whose member the lead is by now, as far as it knows, is noted in its links. Gives what to tell the others
        that claim it and rank lower than that one: they are the same person as well."""
        links = state.links = state.links or Links()
        links.lead = self._lead(links, event.key)
        highest = rank_of(links.lead) if links.lead else Rank.VISITOR
        now = {id: links.lead for id in _claimants(links) if rank_of(id) < highest}
        found = [
            _link(event, id, lead, offset, ends=True) for id, lead in links.passed_on.items() if now.get(id) != lead
        ]
        found += [_link(event, id, lead, offset) for id, lead in now.items() if links.passed_on.get(id) != lead]
        links.passed_on = now
        return found

    def _lead(self, links: Links, key: str) -> str:
        """Empty: the identity is a lead itself."""
        claimants = _claimants(links)
        highest = max(map(rank_of, claimants), default=Rank.VISITOR)
        leads = [id for id in claimants if rank_of(id) is highest]
        is_shared = rank_of(key) is not highest and len(leads) > self._most_leads
        return "" if is_shared or len(links.claims) >= MOST_CLAIMS else min(leads, default="")


def take_in(state: LeadState, links: Links, event: Event) -> bool:
    """Keep what a member has sent in the state's links; False where something newer of it is known, or there are too
    many."""
    told = membership_of(event)
    known = links.members.get(told.member)
    if known is not None and known.position >= told.position:
        return False
    if known is None and len(links.members) >= MOST_MEMBERS:
        links.given_up += 1
        return False
    parts = {id: Member(*part) for id, part in told.parts.items()}
    if event.key in parts and event.key == min(id for id in parts if rank_of(id) is rank_of(event.key)):
        links.barred.append(links.lead)  # a circle of aliases
    parts.pop(event.key, None)
    links.members[told.member] = Member(told.position, b"", list(parts))
    for id, part in parts.items():
        if id not in links.parts or links.parts[id].position <= part.position:
            links.parts[id] = part
    present = {id for one in links.members.values() for id in one.brings}
    links.parts = {id: part for id, part in links.parts.items() if id in present}
    if not links.own:
        links.own, state.mails = gathered_here(state), None
    return True


def snapshot(  # noqa: PLR0913, PLR0917 - one fact each
    state: LeadState, cause: Event, lead: str, partition: int, offset: int, leaves: bool = False
) -> Event:
    """What a member tells its lead, because of the event `cause` of its own at this place: all that it and its own
    members have gathered, or that it is none any more."""
    links, key = state.links or Links(), cause.key
    parts: dict[str, tuple[int, bytes]] = {}
    if not leaves:
        parts = {id: (part.position, part.state) for id, part in links.parts.items()}
        own = gathered(decode_state(links.own) if links.own else state)
        if decode_state(own).time != BEFORE_ALL:  # it has done something itself, and has not only members
            parts[key] = (offset, own)
    return told(cause, lead, f"member:{key}:{partition}:{offset}:{lead}", Membership(key, offset, parts))


def _joins(event: Event, other: str) -> bool:
    """Whether the event's lead joins the other, and not the other way round."""
    mine, its = rank_of(event.key), rank_of(other)
    if mine is its:
        # Whoever was somebody else before says so itself; of ids that are told together the smaller one is the lead.
        return event.kind is not Kind.ALIAS and other < event.key
    return mine < its


def _claim(  # noqa: PLR0913 - one fact each
    links: Links, lead: str, witness: str, version: int, *, ends: bool = False, taken_back: bool = False
) -> None:
    """`witness` says, at its place `version`, that this identity is `lead`; or that it does not say so any more."""
    if taken_back:
        if lead not in links.barred and len(links.barred) < MOST_CLAIMS:
            links.barred.append(lead)
        return
    if lead not in links.claims and len(links.claims) >= MOST_CLAIMS:
        links.given_up += 1
        return
    witnesses = links.claims.setdefault(lead, {})
    known = witnesses.get(witness)
    if (known is None and len(witnesses) < MOST_WITNESSES) or (known is not None and known[0] < version):
        witnesses[witness] = (version, not ends)


def _claimants(links: Links) -> list[str]:
    return [
        lead
        for lead, witnesses in links.claims.items()
        if lead not in links.barred and any(holds for _, holds in witnesses.values())
    ]


def _link(  # noqa: PLR0913 - one fact each
    event: Event, other: str, lead: str, version: int, *, ends: bool = False, taken_back: bool = False
) -> Event:
    what = Link(lead, event.key, version, ends, taken_back)
    return told(event, other, f"link:{event.key}:{version}:{other}:{lead}", what)
