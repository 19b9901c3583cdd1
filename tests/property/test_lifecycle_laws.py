"""Laws of the lifecycle, for any sequence of records and answers (domain D2, N7)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.router.batch import Decided, Hours, Known, Received, decide_all
from services.router.lifecycle import decide as lifecycle
from services.router.lifecycle.answers import Refusal, accept, case_of, complete, reject
from services.router.lifecycle.model import OPEN, Decision, HandOff, HandOffChange, Status
from services.router.lifecycle.rules import Rules
from services.router.scribe import Scribe
from shared.clock import EventClock
from shared.playbook import load_playbook
from shared.scores import encode_score
from shared.topics import Topics
from tests.score_records import MONDAY, Story

RULES = Rules(load_playbook())
SIGNALS = [None, *RULES.playbook.signals]
ATTRIBUTES = [{}, {"occupation": "学生"}, {"occupation": ""}, {"do_not_call": True}, {"do_not_call": False}]

steps = st.lists(
    st.fixed_dictionaries(
        {
            "lead": st.sampled_from("abc"),
            "signal": st.sampled_from(SIGNALS),
            "total": st.sampled_from([0.0, 100.0, 100.5]),
            "level": st.integers(0, 4),
            "attributes": st.sampled_from(ATTRIBUTES),
            "historical": st.booleans(),
        }
    ),
    max_size=25,
)


def records(given_steps: list[dict[str, Any]]) -> list[Received]:
    stories = {name: Story(name) for name in "abc"}
    made = []
    for offset, step in enumerate(given_steps):
        given_step = dict(step)
        record = stories[given_step.pop("lead")].record(given_step.pop("signal"), **given_step)
        made.append(Received(0, offset, record.lead_id.encode(), encode_score(record), [], record))
    return made


def run(received: list[Received], cuts: list[int]) -> tuple[list[Decided], Known]:
    """Decide in batches cut at `cuts`; each batch begins with what a database would give back."""
    known, clock, decided = Known({}, {}), EventClock(MONDAY), []
    bounds = [0, *sorted(cut % (len(received) + 1) for cut in cuts), len(received)]
    for start, end in pairwise(bounds):
        known = Known(dict(known.leads), dict(known.opened), dict(known.scores))
        decided += decide_all(received[start:end], known, RULES, Hours(clock))
    return decided, known


@given(steps, st.lists(st.integers(0, 25), max_size=5))
def test_how_batches_are_cut_does_not_matter(given_steps: list[dict[str, Any]], cuts: list[int]) -> None:
    received = records(given_steps)
    (whole, one), (cut, other) = run(received, []), run(received, cuts)
    assert (whole, one.leads, one.opened, one.scores) == (cut, other.leads, other.opened, other.scores)


@given(steps)
def test_without_a_stage_or_handoff_a_record_changes_only_what_is_counted(given_steps: list[dict[str, Any]]) -> None:
    """Of such a lead the router writes nothing else."""
    before = {}
    for item in run(records(given_steps), [])[0]:
        lead = item.decision.lead
        if item.counts_only and lead.lead_id in before:
            changed = {
                name for name in lead.__struct_fields__ if getattr(lead, name) != getattr(before[lead.lead_id], name)
            }
            assert changed <= {"score_seq", *lifecycle.COUNTED}
        before[lead.lead_id] = lead


@given(steps, st.integers(0, 25))
def test_records_read_twice_change_nothing(given_steps: list[dict[str, Any]], again: int) -> None:
    received = records(given_steps)
    once, known = run(received, [])
    twice, known_twice = run(received[:again] + received, [again])
    assert (once, known.leads, known.opened) == (twice, known_twice.leads, known_twice.opened)


@given(steps)
def test_one_owner_one_open_handoff_and_no_gap_in_seq(given_steps: list[dict[str, Any]]) -> None:
    opened: dict[str, HandOff] = {}
    seqs: dict[str, int] = {}
    for item in run(records(given_steps), [])[0]:
        lead = item.decision.lead
        assert (lead.department is None) == (lead.acquired_at is None)
        told = (*item.decision.stages, *item.decision.handoffs, *item.decision.alerts)
        for seq in sorted(change.seq for change in told):
            assert seq == seqs.get(lead.lead_id, 0) + 1
            seqs[lead.lead_id] = seq
        for change in item.decision.handoffs:
            _follow(opened, change)
        if lead.lead_id in opened:
            handoff = opened[lead.lead_id]
            assert lead.department == (handoff.giver if handoff.status is Status.OFFERED else handoff.receiver)
            assert handoff.giver != handoff.receiver


def _follow(opened: dict[str, HandOff], change: HandOffChange) -> None:
    handoff = change.handoff
    if handoff.status is Status.OFFERED:
        assert handoff.lead_id not in opened
        opened[handoff.lead_id] = handoff
    else:
        assert opened[handoff.lead_id].handoff_id == handoff.handoff_id
        if handoff.status not in OPEN:
            del opened[handoff.lead_id]


@given(steps)
def test_history_offers_nothing(given_steps: list[dict[str, Any]]) -> None:
    for step in given_steps:
        step["historical"] = True
    assert [change for item in run(records(given_steps), [])[0] for change in item.decision.handoffs] == []


@given(steps, st.data())
def test_answers_keep_the_laws(given_steps: list[dict[str, Any]], data: st.DataObject) -> None:
    """People accept, reject and complete between records, as they like."""
    opened: dict[str, HandOff] = {}
    known, clock = Known({}, {}), EventClock(MONDAY)
    for received in records(given_steps):
        for item in decide_all([received], known, RULES, Hours(clock)):
            for change in item.decision.handoffs:
                _follow(opened, change)
        for decision in _answers(known, data, clock):
            lead = known.leads[decision.lead.lead_id] = decision.lead
            for change in decision.handoffs:
                _follow(opened, change)
                if change.handoff.status in OPEN:
                    known.opened[lead.lead_id] = change.handoff
                else:
                    known.opened.pop(lead.lead_id)
            assert lead.department is not None


def _answers(known: Known, data: st.DataObject, clock: EventClock) -> Iterator[Decision]:
    for lead_id, handoff in list(known.opened.items()):
        lead = known.leads[lead_id]
        case = case_of(lead, known.scores[lead_id].record, RULES, clock.now(), known.around)
        verbs = ["wait", "accept", "reject"] if handoff.status is Status.OFFERED else ["wait", "complete"]
        match data.draw(st.sampled_from(verbs)):
            case "accept":
                yield accept(lead, handoff, None, "x", case)
            case "reject":
                yield reject(lead, handoff, Refusal("other", "x"), case)
            case "complete":
                yield complete(lead, handoff, "x", case)


@given(steps)
def test_messages_leave_in_order_of_seq_with_ids_of_their_own(given_steps: list[dict[str, Any]]) -> None:
    scribe = Scribe(RULES, Topics(), {})
    changes = 0
    for item in run(records(given_steps), [])[0]:
        scribe.write_scored(item, {})
        changes += len(item.decision.stages) + len(item.decision.handoffs)
    headers = [row[3] for row in scribe.rows.outbox]
    assert len(set(headers)) == changes  # the copy for the giver carries the same id
