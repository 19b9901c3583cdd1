"""Each lead's expected score, stage and hand-offs, from the calls in the order of the log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from zlib import crc32

from tests.fault.oracle import identity
from tests.fault.oracle.calls import Answered, Happened, Told, read
from tests.fault.oracle.hands import HandOffStep
from tests.fault.oracle.playbook import Book, read_book
from tests.fault.oracle.score import Card, SignalShown
from tests.fault.oracle.way import RouterTold, StageStep, Way


@dataclass(frozen=True)
class ExpectedLead:
    """Points are micro-points at `time`, the latest event's (milliseconds since 1970); `owner`: (department, team)."""

    lead_id: str
    time: int
    attribute: int
    behaviour: int
    total: int
    dimensions: Mapping[str, int]
    grade: str | None
    ignored: Mapping[str, int]
    level: int
    list_kind: str
    fields: Mapping[str, Any]
    signals: Mapping[str, SignalShown]
    stage: str
    stages: tuple[StageStep, ...]
    handoffs: tuple[HandOffStep, ...]
    owner: tuple[str, str] | None
    members: tuple[str, ...] = ()
    """Other ids of the lead, which have done something. What becomes of it on the way depends on when their partitions
    tell each other: `stages`, `handoffs` and `owner` say nothing then."""
    epoch: int = 0
    """When it was last recycled; 0: never."""
    told: tuple[RouterTold, ...] = ()
    """What the router must have put into the log about it, each once by id."""
    merged_into: str | None = None
    """It is no lead, but a member of this one: nothing else is said."""
    was_several: bool = field(default=False, compare=False)
    """Another id was part of it for a while, or may have been, such as a computer before its second user was known.
    Of what became of it on the way the same is true."""


def expected(log: Iterable[Told | Answered], playbook_yaml: str, until: int | None = None) -> dict[str, ExpectedLead]:
    """`log` in the order of the topic (at least within each lead); copies of a message count once, the first. `until`:
    the time by which leads have cooled after all that (milliseconds since 1970); None: no time has passed.

    Raises `Refused` for a call that must not be in the log at all."""
    book = read_book(playbook_yaml)
    leads: dict[str, tuple[Card, Way]] = {}
    events = dict[tuple[str, str, str], Happened]()
    for told in log:
        if isinstance(told, Answered):
            _answer(told, *leads[told.lead_id])
            continue
        event = read(told, book)
        identity_of_it = (event.lead_id, event.source, event.id)
        if identity_of_it in events:
            continue
        events[identity_of_it] = event
        card, way = leads.setdefault(event.lead_id, (Card(book), Way(book, event.lead_id)))
        way.pass_time(card, until=max(card.time, event.time))
        card.add(event)
        way.after(event, card)
        way.pass_time(card, until=card.time)  # what the event itself has taken away
    if until is not None:
        for card, way in leads.values():
            way.pass_time(card, until=until)
    links = _links(events.values())
    joined = identity.leads(links, book)
    found = {lead_id: _told(lead_id, card, way) for lead_id, (card, way) in leads.items()}
    found |= _merged(events.values(), joined, book)
    apart = {id for one, other, _ in links if _are_apart(one, other, joined) for id in (one, other)}
    return {id: replace(lead, was_several=id in apart) for id, lead in found.items()}


def _answer(told: Answered, card: Card, way: Way) -> None:
    way.pass_time(card, until=told.at)
    if told.rejected is None:
        way.accept(told.at)
    else:
        way.reject(told.rejected, card, told.at)


def _are_apart(one: str, other: str, joined: Mapping[str, str]) -> bool:
    return identity.root(one, joined) != identity.root(other, joined)


def _merged(events: Iterable[Happened], joined: Mapping[str, str], book: Book) -> dict[str, ExpectedLead]:
    """The leads with members, and the members."""
    cards: dict[str, Card] = {}
    members: dict[str, set[str]] = {}
    for event in events:
        lead = identity.root(event.lead_id, joined)
        cards.setdefault(lead, Card(book)).add(event)
        members.setdefault(lead, set()).add(event.lead_id)
    found = {}
    for lead, ids in members.items():
        if ids == {lead}:
            continue
        told = _told(lead, cards[lead], Way(book, lead))
        found[lead] = replace(told, stage="", members=tuple(sorted(ids - {lead})))
        found |= {id: replace(told, lead_id=id, members=(), merged_into=joined[id]) for id in ids - {lead}}
    return found


def _told(lead_id: str, card: Card, way: Way) -> ExpectedLead:
    return ExpectedLead(
        lead_id=lead_id,
        time=card.time,
        attribute=card.attribute,
        behaviour=card.behaviour,
        total=card.total,
        dimensions={name: points for name in card.book.dimensions if (points := card.dimension(name))},
        grade=card.grade,
        ignored=dict(card.ignored),
        level=card.level,
        list_kind=card.list_kind,
        fields=card.fields,
        signals=card.signals,
        stage=way.stage.id,
        stages=tuple(way.steps),
        handoffs=tuple(way.hands.handoffs),
        owner=way.hands.owner,
        epoch=card.epoch,
        told=tuple(way.told),
    )


def _links(events: Iterable[Happened]) -> list[identity.Link]:
    return [(event.lead_id, name, "undone" if event.undoes else event.kind) for event in events for name in event.names]


def split(log: Sequence[Told], playbook_yaml: str, parts: int) -> list[list[Told]]:
    """The log in so many parts, each with all that one lead's result depends on."""
    book = read_book(playbook_yaml)
    events = [read(sent, book) for sent in log]
    together = identity.together(_links(events))
    found: list[list[Told]] = [[] for _ in range(parts)]
    for event, sent in zip(events, log, strict=True):
        found[crc32(together.get(event.lead_id, event.lead_id).encode()) % parts].append(sent)
    return found
