"""Whoever is erased leaves no state and no score, only a hash, and is not brought back by what comes late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.scorer.apply import Applied, Applying, Codec
from services.scorer.denied import DENIED_PREFIX, Denied
from services.scorer.metrics import ScorerMetrics
from services.scorer.scoring import Scorer
from services.scorer.scoring.state import decode_state, encode_state, playbook_of
from shared.erasure import Erasure, ErasureKey, ErasureKeyError, erase_event
from shared.events import Event, Kind, decode_event, encode_event
from shared.playbook import load_playbook
from shared.scores import decode_score
from tests.unit.scorer.test_apply import TOPICS, Record

KEY = ErasureKey("k" * 32)
APPLYING = Applying(TOPICS, Scorer(load_playbook()), Codec(encode_state, decode_state, playbook_of), KEY)
MONDAY = datetime(2026, 10, 5, 1, 0, tzinfo=UTC)
UNTIL = MONDAY + timedelta(minutes=1)


def visit(lead: str, at: datetime, received_at: datetime | None = None, **more: Any) -> Event:
    given = {"kind": Kind.TRACK, "source": "web", "name": "Document Downloaded"} | more
    return Event(key=lead, id=f"{lead}{at}", time=at, received_at=received_at or at, **given)


def erased(lead: str, key: ErasureKey = KEY, until: datetime = UNTIL) -> Event:
    return erase_event(lead, "erase:1", MONDAY, Erasure(until, key.check))


BEFORE, LATER = MONDAY - timedelta(days=3), MONDAY + timedelta(days=1)


class Partition:
    """One partition: its states, its deny-list and what was written to its topics."""

    def __init__(self) -> None:
        self.states: dict[str, bytes] = {}
        self.denied = APPLYING.denied({})
        self.stored: dict[bytes, bytes] = {}
        self.scores: dict[str, bytes | None] = {}
        self.told: list[Event] = []
        self.next = 0

    def apply(self, *events: Event, applying: Applying = APPLYING) -> Applied:
        records = [Record(self.next + n, one.key.encode(), encode_event(one)) for n, one in enumerate(events)]
        self.next += len(records)
        applied = applying.apply(records, self.states.get, MONDAY, self.denied)
        for lead, state in applied.changes.items():
            self.states.pop(lead, None)
            if state is not None:
                self.states[lead] = state
        for output in applied.outputs:
            assert output.key is not None
            if output.topic == TOPICS.scorer_state:
                self.stored[output.key] = output.value or b""
            elif output.topic == TOPICS.scores:
                self.scores[output.key.decode()] = output.value
            else:
                assert output.topic == TOPICS.events, output
                self.told.append(decode_event(output.value or b""))
        return applied

    def restart(self) -> None:
        self.denied = APPLYING.denied(self.stored)

    def total(self, lead: str) -> float:
        return decode_score(self.scores[lead] or b"").total


def test_state_and_score_are_gone_and_a_hash_is_kept() -> None:
    partition = Partition()
    partition.apply(visit("a", BEFORE), visit("b", BEFORE))
    applied = partition.apply(visit("a", MONDAY), erased("a"))
    assert partition.states.keys() == {"b"}
    assert partition.scores["a"] is None
    assert applied.outputs[-1].partition == 3
    assert partition.stored.keys() == {DENIED_PREFIX + KEY.hash("a")}
    assert b"a" != KEY.hash("a") != ErasureKey("another secret of 32 characters!").hash("a")
    assert (applied.erased, applied.events, applied.dead_letters) == (1, 0, 0)


@pytest.mark.parametrize("restarted", [False, True])
def test_what_is_of_before_is_dropped_and_what_comes_later_is_a_new_lead(restarted: bool) -> None:
    partition = Partition()
    partition.apply(visit("a", BEFORE), erased("a"))
    if restarted:
        partition.restart()
    late = [
        visit("a", BEFORE - timedelta(days=1), LATER),
        visit("a", LATER, UNTIL),
        visit("a", UNTIL, LATER, historical=True),
    ]
    applied = partition.apply(*late)
    assert (applied.denied, applied.events, applied.dead_letters, applied.outputs) == (3, 0, 0, [])
    assert not partition.states
    partition.apply(visit("a", LATER))
    once = partition.total("a")
    applied = partition.apply(visit("a", BEFORE, LATER))
    assert applied.denied == 1, "of before, although the lead has begun anew"
    fresh = Partition()
    fresh.apply(visit("a", LATER))
    assert once == partition.total("a") == fresh.total("a") > 0
    assert decode_score(partition.scores["a"] or b"").seq == decode_score(fresh.scores["a"] or b"").seq


def test_erasure_in_the_middle_of_a_batch_is_in_the_order_of_the_log() -> None:
    partition = Partition()
    partition.apply(visit("a", BEFORE), erased("a"), visit("a", BEFORE, LATER), visit("a", LATER), visit("b", BEFORE))
    fresh = Partition()
    fresh.apply(visit("a", LATER), visit("b", BEFORE))
    assert {id: partition.total(id) for id in "ab"} == {id: fresh.total(id) for id in "ab"}


def test_dropped_and_erased_events_are_counted() -> None:
    partition, metrics = Partition(), ScorerMetrics()
    link = visit("a", BEFORE, kind=Kind.TRACK, user_id="a", anonymous_id="x")
    for events in ([link, visit("a", BEFORE, name="Unheard Of"), erased("a")], [visit("a", BEFORE)]):
        metrics.committed(partition.apply(*events), 0.1, MONDAY)
    value = metrics.registry.get_sample_value
    assert value("tasuki_scorer_erased_leads_total") == 1
    assert value("tasuki_scorer_ignored_events_total", {"reason": "erased"}) == 1
    assert value("tasuki_scorer_events_total") == 0


def identified(user: str, visitor: str, at: datetime) -> Event:
    return visit(user, at, user_id=user, anonymous_id=visitor)


def test_whoever_knows_of_the_lead_is_told_to_forget_it_and_does() -> None:
    """The visitor is not erased: it was the user's, and is a lead of its own again."""
    users, visitors = Partition(), Partition()
    visitors.apply(visit("anon:v", BEFORE))
    users.apply(identified("a", "v", BEFORE))
    visitors.apply(*taken(users))
    users.apply(*taken(visitors))
    assert decode_score(users.scores["a"] or b"").members == ["anon:v"]
    users.apply(erased("a"))
    visitors.apply(*taken(users))
    state = decode_state(visitors.states["anon:v"])
    assert state.links is not None
    assert (state.links.lead, state.links.claims, taken(visitors)) == ("", {}, [])
    assert decode_score(visitors.scores["anon:v"] or b"").merged_into is None
    users.apply(identified("a", "v", LATER))
    visitors.apply(*taken(users))
    users.apply(*taken(visitors))
    assert decode_score(users.scores["a"] or b"").members == ["anon:v"]


def test_the_lead_forgets_an_erased_member_and_what_it_brought() -> None:
    users, visitors = Partition(), Partition()
    visitors.apply(visit("anon:v", BEFORE))
    users.apply(identified("a", "v", BEFORE - timedelta(hours=1)))
    alone = users.total("a")
    visitors.apply(*taken(users))
    users.apply(*taken(visitors))
    assert users.total("a") > alone
    visitors.apply(erased("anon:v"))
    users.apply(*taken(visitors))
    assert users.total("a") == alone
    assert decode_score(users.scores["a"] or b"").members == []
    assert b"anon:v" not in users.states["a"]


def test_an_id_that_only_the_lead_spoke_of_is_dropped_with_it() -> None:
    users, visitors = Partition(), Partition()
    users.apply(identified("a", "v", BEFORE))
    visitors.apply(*taken(users))
    assert visitors.states.keys() == {"anon:v"}
    users.apply(erased("a"))
    visitors.apply(*taken(users))
    assert visitors.states == {}
    assert visitors.scores == {"anon:v": None}


def test_messages_of_partitions_that_were_on_their_way_are_dropped() -> None:
    users, visitors = Partition(), Partition()
    visitors.apply(visit("anon:v", BEFORE))
    users.apply(identified("a", "v", BEFORE))
    visitors.apply(*taken(users))
    users.apply(erased("a"))
    applied = users.apply(*taken(visitors))
    assert applied.denied == 1
    assert users.states == {}
    assert users.scores["a"] is None


def taken(partition: Partition) -> list[Event]:
    told, partition.told = partition.told, []
    return told


def test_without_the_key_or_with_another_one_nobody_goes_on() -> None:
    keyless = Applying(TOPICS, APPLYING.scoring, APPLYING.codec)
    partition = Partition()
    partition.denied = keyless.denied({})
    with pytest.raises(ErasureKeyError, match="without TASUKI_ERASURE_KEY"):
        partition.apply(erased("a"), applying=keyless)
    partition.denied = Denied(ErasureKey("another secret of 32 characters!"), {})
    with pytest.raises(ErasureKeyError, match="not the key"):
        partition.apply(erased("a"))
    whole = Partition()
    whole.apply(erased("a"))
    with pytest.raises(ErasureKeyError, match="without TASUKI_ERASURE_KEY"):
        keyless.denied(whole.stored)


@pytest.mark.parametrize(
    "change",
    [{"source": "web"}, {"properties": {}}, {"properties": {"until": "2026-10-05T01:00:00", "key": ""}}],
    ids=["somebody else's", "without a moment", "without a zone"],
)
def test_only_the_router_erases(change: dict[str, Any]) -> None:
    given = {"source": "tasuki/router", "properties": {"until": "2026-10-05T01:00:00Z", "key": KEY.check}} | change
    partition = Partition()
    partition.apply(visit("a", BEFORE))
    records = [Record(1, b"a", encode_event(visit("a", MONDAY, kind=Kind.ERASE, **given)))]
    applied = APPLYING.apply(records, partition.states.get, MONDAY, partition.denied)
    assert (applied.dead_letters, applied.changes, applied.erased) == (1, {}, 0)
