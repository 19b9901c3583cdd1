"""A lead is erased: whoever is linked with it forgets its id and what it brought. Pure.

It tells all whom it names; an identity that has told others of it tells them in turn. As each partition's messages come
in their order, what an erased lead told before is there before the word to forget it.
"""

from __future__ import annotations

from services.scorer.scoring.parts import Links
from services.scorer.scoring.state import LeadState
from services.scorer.scoring.times import BEFORE_ALL
from shared.between import Link, told
from shared.events import Event


def farewell(links: Links | None, event: Event, offset: int) -> list[Event]:
    """What those are told who may name the lead of an `erase` event, which lies at this place."""
    if links is None:
        return []
    names = {*links.told, *links.barred, *links.passed_on, *links.passed_on.values(), *links.members, *links.parts}
    names |= {*links.claims, links.lead} | {witness for witnesses in links.claims.values() for witness in witnesses}
    return [_forget(event, id, event.key, offset) for id in sorted(names - {"", event.key})]


def forget(links: Links, event: Event, gone: str, offset: int) -> tuple[list[Event], bool]:
    """Take the erased lead `gone` out of another one's links. Gives what to tell those to whom it was passed on, and
    whether something that it brought is missing now."""
    links.claims.pop(gone, None)
    for witnesses in links.claims.values():
        witnesses.pop(gone, None)
    links.claims = {lead: witnesses for lead, witnesses in links.claims.items() if witnesses}
    links.told = [id for id in links.told if id != gone]
    links.barred = [id for id in links.barred if id != gone]
    found = [_forget(event, id, gone, offset) for id, lead in links.passed_on.items() if lead == gone and id != gone]
    links.passed_on = {id: lead for id, lead in links.passed_on.items() if gone not in {id, lead}}
    links.members.pop(gone, None)
    for member in links.members.values():
        member.brings = [id for id in member.brings if id != gone]
    present = {id for one in links.members.values() for id in one.brings}
    parts = {id: part for id, part in links.parts.items() if id in present}
    has_less = len(parts) < len(links.parts)
    links.parts = parts
    return found, has_less


def is_nothing(state: LeadState) -> bool:
    """Whether nothing is known of a lead: neither that it did something, nor who it is."""
    links = state.links
    if state.time != BEFORE_ALL:
        return False
    return links is None or not (
        links.claims or links.barred or links.told or links.lead or links.passed_on or links.parts or links.members
    )


def _forget(event: Event, other: str, gone: str, offset: int) -> Event:
    return told(event, other, f"forget:{event.key}:{offset}:{other}:{gone}", Link(gone, gone, offset, erased=True))
