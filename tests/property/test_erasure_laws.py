"""Whoever is erased does not come back, in whatever order partitions hear of it and whatever comes late."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zlib import crc32

from hypothesis import given
from hypothesis import strategies as st

from services.scorer.apply import Applying, Codec
from services.scorer.scoring import Scorer
from services.scorer.scoring.state import decode_state, encode_state, playbook_of
from shared.erasure import Erasure, ErasureKey, erase_event
from shared.events import Event, Kind, decode_event, encode_event
from shared.playbook import load_playbook
from shared.scores import ScoreRecord, decode_score
from shared.topics import Topics
from tests.unit.scorer.test_apply import Record

KEY = ErasureKey("k" * 32)
TOPICS = Topics("t.")
APPLYING = Applying(TOPICS, Scorer(load_playbook()), Codec(encode_state, decode_state, playbook_of), KEY)
START = datetime(2026, 10, 5, 1, 0, tzinfo=UTC)
ERASED = START + timedelta(days=30)
UNTIL = ERASED + timedelta(minutes=1)
PARTITIONS = 3
IDS = ["u1", "u2", "anon:home", "anon:work", "ext:mkto:7"]


@dataclass
class World:
    """Partitions with their states, deny-lists and scores; a batch begins with what the topics hold."""

    log: list[list[Event]] = field(default_factory=lambda: [[] for _ in range(PARTITIONS)])
    applied: list[int] = field(default_factory=lambda: [0] * PARTITIONS)
    states: dict[str, bytes] = field(default_factory=dict)
    denied: list[dict[bytes, bytes]] = field(default_factory=lambda: [{} for _ in range(PARTITIONS)])
    scores: dict[str, ScoreRecord | None] = field(default_factory=dict)

    def append(self, event: Event) -> None:
        self.log[crc32(event.key.encode()) % PARTITIONS].append(event)

    def step(self, partition: int, most: int) -> bool:
        first = self.applied[partition]
        events = self.log[partition][first : first + most]
        records = [Record(first + n, one.key.encode(), encode_event(one)) for n, one in enumerate(events)]
        for record in records:
            record.partition = partition
        if not records:
            return False
        applied = APPLYING.apply(records, self.states.get, ERASED, APPLYING.denied(self.denied[partition]))
        assert applied.dead_letters == 0
        self.applied[partition] += len(records)
        for lead, state in applied.changes.items():
            self.states.pop(lead, None)
            self.states |= {} if state is None else {lead: state}
        for output in applied.outputs:
            key = output.key or b""
            if output.topic == TOPICS.scorer_state:
                self.denied[partition][key] = output.value or b""
            elif output.topic == TOPICS.scores:
                self.scores[key.decode()] = decode_score(output.value) if output.value else None
            else:
                self.append(decode_event(output.value or b""))
        return True

    def run(self) -> None:
        for _ in range(200):
            if sum(self.step(partition, 1000) for partition in range(PARTITIONS)) == 0:
                return
        raise AssertionError("they go on telling each other for ever")


@st.composite
def events(draw: st.DrawFn, number: int, ids: list[str]) -> Event:
    """Of a person with some ids, some of which they tell together."""
    key = draw(st.sampled_from(ids))
    at = START + timedelta(minutes=draw(st.integers(0, 60 * 24 * 20)))
    more: dict[str, Any] = {}
    if not key.startswith(("anon:", "ext:")):
        more["user_id"] = key
        if draw(st.booleans()):
            more["anonymous_id"] = draw(st.sampled_from(["home", "work"]))
        if draw(st.integers(0, 3)) == 0:
            more["context"] = {"externalIds": [{"type": "mkto", "id": "7"}]}
        if draw(st.integers(0, 5)) == 0:
            more |= {"kind": Kind.ALIAS, "previous_id": draw(st.sampled_from(["u1", "u2"]))}
    given = {"kind": Kind.TRACK, "name": draw(st.sampled_from(["Document Downloaded", "Booth Visited"]))} | more
    return Event(key=key, id=f"m{number}", source="web", time=at, received_at=at, **given)


@st.composite
def lives(draw: st.DrawFn) -> list[Event]:
    return [draw(events(number, IDS)) for number in range(draw(st.integers(1, 20)))]


STEPS = st.lists(st.tuples(st.integers(0, PARTITIONS - 1), st.integers(1, 4)), max_size=12)


def whole_group(world: World, id: str) -> set[str]:
    """All ids that are one person with this one, as their scores say."""
    into = {lead: record.merged_into for lead, record in world.scores.items() if record is not None}
    group, before = {id}, set[str]()
    while group != before:
        before = set(group)
        group |= {lead for lead, root in into.items() if root in group} | {into[one] for one in group if into.get(one)}
    return group


@given(lives(), st.sampled_from(IDS), STEPS, st.lists(st.integers(0, 19)), STEPS, st.booleans())
def test_nothing_of_an_erased_person_is_left_or_comes_back(  # noqa: PLR0913, PLR0917 - each is drawn
    life: list[Event],
    whom: str,
    steps: list[tuple[int, int]],
    late: list[int],
    more_steps: list[tuple[int, int]],
    is_at_rest: bool,
) -> None:
    """Partitions hear of the erasure one after the other, while they tell each other of the person; afterwards some of
    what the person did is told once more."""
    world = World()
    for event in life:
        world.append(event)
    world.run()
    gone = whole_group(world, whom)
    if not is_at_rest:
        for number, event in enumerate(life):  # all are still telling each other of these
            if event.key in gone:
                world.append(Event(**fields(event) | {"id": f"again{number}", "received_at": ERASED}))
        for partition, most in steps:
            world.step(partition, most)
        gone |= whole_group(world, whom)
    for id in sorted(gone):
        world.append(erase_event(id, "erase:1", ERASED, Erasure(UNTIL, KEY.check)))
    for partition, most in more_steps:
        world.step(partition, most)
    for number in late:
        event = life[number % len(life)]
        if event.key in gone:
            world.append(Event(**fields(event) | {"id": f"late{number}", "received_at": UNTIL + timedelta(days=1)}))
    world.run()
    assert not gone & world.states.keys()
    assert all(world.scores.get(id) is None for id in gone)
    for id, state in world.states.items():
        links = decode_state(state).links
        if links is not None:
            named = {*links.told, *links.claims, *links.members, *links.parts, *links.passed_on, links.lead}
            assert not named & gone, id
    for record in world.scores.values():
        assert record is None or not gone & {*record.members, record.merged_into}


def fields(event: Event) -> dict[str, Any]:
    return {name: getattr(event, name) for name in event.__struct_fields__}


@given(lives(), STEPS, st.data())
def test_others_are_as_if_the_erased_person_had_never_been(
    life: list[Event], steps: list[tuple[int, int]], data: st.DataObject
) -> None:
    """Somebody else, with ids of their own, in the same partitions."""
    other = [data.draw(events(100 + number, ["v1", "v2", "v3"])) for number in range(data.draw(st.integers(1, 6)))]
    other = [Event(**fields(one) | {"anonymous_id": None, "context": {}, "previous_id": "v1"}) for one in other]
    alone, both = World(), World()
    for event in other:
        alone.append(event)
    for event in sorted([*life, *other], key=lambda event: event.id):
        both.append(event)
    for id in IDS:
        both.append(erase_event(id, "erase:1", ERASED, Erasure(UNTIL, KEY.check)))
    for partition, most in steps:
        both.step(partition, most)
    for world in (alone, both):
        world.run()
    assert both.states.keys() == alone.states.keys()
    assert totals(both) == totals(alone)


def totals(world: World) -> dict[str, Any]:
    found: defaultdict[str, Any] = defaultdict(None)
    for id, record in world.scores.items():
        if record is not None:
            found[id] = (record.total, record.behaviour, record.level, sorted(record.members), record.merged_into)
    return dict(found)
