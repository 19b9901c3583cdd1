"""One person under several identities, in several partitions: one score, whatever the order in which they tell each
other."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import resources
from random import Random
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.sample.generate import generate
from services.ingest.reading.model import Arrival
from services.ingest.reading.parse import parse
from services.ingest.reading.segment import read_batch
from services.scorer.scoring import LeadState, Scorer
from services.scorer.scoring.state import decode_state, encode_state
from shared.events import Event, Logged, decode_event, encode_event
from shared.playbook import load_playbook
from shared.points import to_micro
from shared.scores import ScoreRecord, decode_score, encode_score
from tests.fault.oracle import ExpectedLead, Recycled, Sent, SignalShown, Told, expected
from tests.fault.oracle.calls import EPOCH
from tests.property import mails, recyclings

PLAYBOOK = resources.files("shared.playbook").joinpath("default.yaml").read_text("utf-8")
SCORER = Scorer(load_playbook())
START = datetime(2026, 1, 5, tzinfo=UTC)
PARTITIONS = 3


@dataclass
class World:
    """Partitions of the log, each with the states of its leads; nothing happens but by `step`."""

    log: list[list[Event]] = field(default_factory=lambda: [[] for _ in range(PARTITIONS)])
    applied: list[int] = field(default_factory=lambda: [0] * PARTITIONS)
    states: dict[str, bytes] = field(default_factory=dict)
    records: defaultdict[str, list[ScoreRecord]] = field(default_factory=lambda: defaultdict(list))

    def append(self, event: Event) -> None:
        self.log[crc32(event.key.encode()) % PARTITIONS].append(decode_event(encode_event(event)))

    def step(self, partition: int, most: int) -> bool:
        """Apply so many events of a partition as one batch."""
        first = self.applied[partition]
        batch = self.log[partition][first : first + most]
        by_lead: dict[str, list[Logged]] = {}
        for offset, event in enumerate(batch, first):
            by_lead.setdefault(event.key, []).append(Logged(offset, 20_000, event))
        for lead_id, events in by_lead.items():
            state = decode_state(self.states[lead_id]) if lead_id in self.states else LeadState()
            found = {logged.offset: logged.event for logged in events}
            heard = [SCORER.hear(logged.event, logged.offset, logged.day) for logged in events]
            told = SCORER.score(state, heard, partition, found.__getitem__)
            self.states[lead_id] = encode_state(state)
            for one in told:
                if isinstance(one, Event):
                    self.append(one)
                else:
                    self.records[lead_id].append(decode_score(encode_score(one)))
        self.applied[partition] += len(batch)
        return bool(batch)

    def run(self) -> None:
        """Until nobody has anything to tell any more."""
        for _ in range(200):
            if sum(self.step(partition, 1000) for partition in range(PARTITIONS)) == 0:
                return
        raise AssertionError("they go on telling each other for ever")


def arrived(world: World, sent: Told) -> None:
    if isinstance(sent, Recycled):
        world.append(recyclings.event_of(sent))
        return
    arrival = Arrival(sent.source, sent.received_at, "/v1/batch", lambda: "unnamed")
    parsed = parse(read_batch(json.dumps({"batch": [dict(sent.call)]}).encode()), arrival)
    assert not parsed.rejected, parsed.rejected
    for event in parsed.accepted:
        world.append(event)


def found(records: list[ScoreRecord]) -> dict[str, Any]:
    last = records[-1]
    if last.merged_into is not None:
        return {"merged_into": last.merged_into}
    return {
        "time": ms(last.time),
        "attribute": to_micro(last.attribute),
        "behaviour": to_micro(last.behaviour),
        "total": to_micro(last.total),
        "dimensions": {name: to_micro(points) for name, points in last.dimensions.items()},
        "grade": last.grade,
        "ignored": last.ignored,
        "level": last.level,
        "fields": last.attributes,
        "signals": {
            name: SignalShown(
                ms(one.first), ms(one.last), one.times, one.event_id, one.kept, tuple(map(ms, one.recent))
            )
            for name, one in last.signals.items()
        },
        "epoch": last.epoch,
        "exact": last.exact,
    }


def wanted(lead: ExpectedLead) -> dict[str, Any]:
    if lead.merged_into is not None:
        return {"merged_into": lead.merged_into}
    names = ("time", "attribute", "behaviour", "total", "dimensions", "grade", "ignored", "level", "fields", "signals")
    return {name: getattr(lead, name) for name in names} | {"epoch": lead.epoch, "exact": True}


def ms(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(milliseconds=1)


TRACKED = ["Document Downloaded", "Booth Visited", "Email Clicked", "Newsletter Joined", "Usage Reported", "Deal Won"]
MOMENTS = st.integers(0, 60 * 24 * 90).map(lambda minutes: START + timedelta(minutes=minutes))
EMAILS = ["taro@acme.example", "Ｔaro@acme.example", "hanako@acme.example", "info@acme.example", "none"]


@st.composite
def calls(draw: st.DrawFn, number: int) -> dict[str, Any]:
    """Of people with two computers, three user ids, some addresses and a tool's id."""
    at = draw(MOMENTS)
    kind = draw(st.sampled_from(["track", "track", "page", "identify", "identify"]))
    call: dict[str, Any] = {"type": kind, "messageId": f"m{number:03d}", "timestamp": at.isoformat()}
    ids = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "userId": st.sampled_from(["u1", "u2", "u3", "taro@acme.example"]),
                "anonymousId": st.sampled_from(["home", "work"]),
            },
        )
    )
    call |= ids or {"anonymousId": "work"}
    if kind == "track":
        call["event"] = draw(st.sampled_from(TRACKED))
        call["properties"] = {"usage": draw(st.integers(1, 90))}
    if kind == "page":
        call["properties"] = {"path": draw(st.sampled_from(["/", "/pricing"]))}
    if kind == "identify":
        told = {"email": st.sampled_from(EMAILS), "title": st.sampled_from(["部長", "CEO", ""])}
        call["traits"] = draw(st.fixed_dictionaries({}, optional=told))
    context = {
        "externalIds": st.just([{"type": "mkto", "id": "7"}]),
        "userAgent": st.sampled_from(["Mozilla/5.0 (Windows NT 10.0) Chrome/126.0", "Googlebot/2.1"]),
    }
    if draw(st.integers(0, 3)) == 0:
        call["context"] = draw(st.fixed_dictionaries({}, optional=context))
    if draw(st.integers(0, 2)) == 0:
        name, at, properties = draw(mails.told())
        call |= {"type": "track", "event": name, "timestamp": at.isoformat(), "properties": properties}
        call |= {"userId": "u1"} if draw(st.integers(0, 3)) else {}
    if draw(st.integers(0, 7)) == 0:
        user, before = draw(st.sampled_from([("u1", "home"), ("u2", "work"), ("u1", "u2"), ("u2", "u3"), ("u1", "u3")]))
        call |= {"type": "alias", "userId": user, "previousId": before}
    elif draw(st.integers(0, 9)) == 0:
        call |= {"type": "track", "event": "Identity Unlinked"}
        call["properties"] = {"lead": draw(st.sampled_from(["anon:home", "anon:work", "ext:mkto:7"]))}
    return call


@st.composite
def logs(draw: st.DrawFn) -> list[Told]:
    sent = mails.kept([draw(calls(number)) for number in range(draw(st.integers(1, 25)))], mails.of_call)
    for copied in draw(st.lists(st.integers(0, len(sent) - 1), max_size=2)):
        sent.insert(draw(st.integers(copied, len(sent))), sent[copied])
    log = [Sent(call, START + timedelta(days=100, seconds=number), "web") for number, call in enumerate(sent)]
    return draw(recyclings.among(log, ["u1", "u2", "u3", "anon:home", "anon:work", "ext:mkto:7"], MOMENTS))


def test_ids_that_replace_each_other_in_a_circle() -> None:
    """Whoever says such things has one lead in the end, and they come to rest."""
    log = [
        Sent({"type": "alias", "userId": user, "previousId": before, "messageId": user}, START, "web")
        for user, before in (("u2", "u1"), ("u3", "u2"), ("u1", "u3"))
    ]
    log += [
        Sent({"type": "track", "event": "Booth Visited", "userId": user, "messageId": f"{user}-b"}, START, "web")
        for user in ("u1", "u2", "u3")
    ]
    world = World()
    for sent in log:
        arrived(world, sent)
        world.run()
    leads = {id: records[-1] for id, records in world.records.items() if not records[-1].merged_into}
    assert {id: lead.members for id, lead in leads.items()} == {"u1": ["u2", "u3"]}
    assert [part.times for part in leads["u1"].contributions] == [3]


def test_a_member_brings_its_new_start_and_takes_it_along_when_it_leaves() -> None:
    def told(number: int, event: str, **ids: str) -> Sent:
        at = START + timedelta(days=number)
        properties = {"lead": "anon:home"} if event == "Identity Unlinked" else {}
        call = {"type": "track", "event": event, "properties": properties, "timestamp": at.isoformat(), **ids}
        return Sent(call | {"messageId": f"m{number}"}, START + timedelta(days=100), "web")

    line = START + timedelta(days=2)
    both = {"userId": "u1", "anonymousId": "home"}
    log: list[Told] = [
        told(0, "Newsletter Joined", userId="u1"),
        told(1, "Booth Visited", userId="u1"),
        Recycled("anon:home", "r", ms(line)),
        told(3, "Newsletter Joined", userId="u1"),
        told(4, "Webinar Attended", **both),
    ]
    alone: list[Told] = [told(5, "Identity Unlinked", userId="u1")]
    world = World()
    for wanted_epoch, wanted_rules, part in (
        (ms(line), {"newsletter_joined", "webinar_attended"}, log),
        (0, {"newsletter_joined", "booth_visited", "webinar_attended"}, alone),
    ):
        for one in part:
            arrived(world, one)
            world.run()
        last = world.records["u1"][-1]
        assert last.epoch == wanted_epoch
        assert {part.rule for part in last.contributions} == wanted_rules
        agree(world, expected(log if part is log else log + alone, PLAYBOOK))


STEPS = st.lists(st.tuples(st.integers(0, PARTITIONS - 1), st.integers(1, 5)), max_size=30)


@pytest.mark.timeout(900)
@given(logs(), st.lists(STEPS, max_size=5))
def test_one_person_one_score(log: list[Told], stretches: list[list[tuple[int, int]]]) -> None:
    world = World()
    length = len(log) // (len(stretches) or 1) + 1
    for number in range(0, len(log), length):
        for sent in log[number : number + length]:
            arrived(world, sent)
        for partition, most in stretches[number // length] if stretches else []:
            world.step(partition, most)
    world.run()
    agree(world, expected(log, PLAYBOOK))


def agree(world: World, leads: dict[str, ExpectedLead]) -> None:
    for id, lead in leads.items():
        assert found(world.records[id]) == wanted(lead)
        assert lead.merged_into is not None or tuple(world.records[id][-1].members) == lead.members
    # Whoever has done nothing, and only stands between others, is no lead either.
    others = [world.records[id][-1] for id in world.records.keys() - leads.keys()]
    assert all(record.merged_into or not record.contributions for record in others)


def test_the_sample() -> None:
    end = datetime(2026, 11, 20, 9, tzinfo=UTC)
    random, world = Random(1), World()
    log = [
        Sent(call, end + timedelta(milliseconds=n), "demo")
        for n, call in enumerate(generate(seed=1, leads=200, end=end).calls)
    ]
    for sent in log:
        arrived(world, sent)
        if random.random() < 0.05:
            world.step(random.randrange(PARTITIONS), random.randrange(1, 200))
    world.run()
    leads = expected(log, PLAYBOOK)
    assert sum(bool(lead.members) for lead in leads.values()) > 30
    agree(world, leads)
