"""What sales tools read: complete, valid by its schema, and the same however often it is made."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from services.router.batch import Hours, Known, Received, decide_all
from services.router.interest import Addressing, Interest
from services.router.lifecycle.rules import Rules
from services.router.message_schemas import DIRECTORY, FILES, schema_text
from services.router.outbox import decode_headers
from services.router.scribe import Scribe
from shared.clock import EventClock
from shared.playbook import load_playbook
from shared.scores import encode_score
from shared.topics import Topics
from tests.described import refuse_undescribed
from tests.score_records import MONDAY, Story

RULES = Rules(load_playbook())
CONTRACT = {
    "handoff_id", "lead_id", "attached", "status", "from", "to", "team", "person", "reason", "trigger", "stage",
    "score", "level", "bant", "points", "contact", "company", "respond_by", "offered_at", "priority", "playbook",
}  # fmt: skip


def messages() -> list[tuple[str, dict[str, str], dict[str, Any]]]:
    """Topic, headers and value of what an inquiry and an appointment lead to."""
    story = Story("l", attributes={"company.employees": 300})
    records = [
        story.record("contact_obtained"),
        story.record("bant_needs"),
        story.record("inquiry_made", total=60.0, level=3),
        story.record("appointment_made", total=60.0, level=3),
    ]
    received = [Received(0, n, b"l", encode_score(record), [], record) for n, record in enumerate(records)]
    scribe = Scribe(RULES, Topics(), {})
    for item in decide_all(received, Known({}, {}), RULES, Hours(EventClock(MONDAY))):
        scribe.write_scored(item, {"name": "山田", "email": "y@a.example", "company.name": "株式会社アクメ"})
    return [
        (topic, {name: value.decode() for name, value in decode_headers(headers)}, json.loads(value or b""))
        for _, topic, _, headers, value, _ in scribe.rows.outbox
    ]


@pytest.mark.parametrize("name", list(FILES))
def test_the_schemas_beside_the_project_are_those_of_the_code(name: str) -> None:
    assert (DIRECTORY / name).read_text("utf-8") == schema_text(FILES[name]), (
        "run `python -m services.router.message_schemas`"
    )


def test_messages_are_valid_by_their_schemas() -> None:
    schemas = {name: json.loads((DIRECTORY / name).read_text("utf-8")) for name in FILES}
    for topic, headers, value in messages():
        refuse_undescribed(topic.removeprefix("tasuki."), headers, value)
        name = "stage-changed.json" if topic == "tasuki.stages" else "handoff.json"
        jsonschema.Draft202012Validator(schemas[name]).validate(value)


def test_a_handoff_carries_what_the_contract_promises() -> None:
    offer = next(value for _, headers, value in messages() if headers["ce_type"] == "tasuki.handoff.offered")
    assert set(offer) >= CONTRACT
    assert offer["contact"]["name"] == "山田"
    assert offer["company"] == {"name": "株式会社アクメ", "industry": None, "employees": 300}
    assert (offer["bant"]["needs"] is None, offer["bant"]["budget"]) == (False, None)
    assert offer["points"] == {"issue": None, "problem": None, "solution": None, "benefit": None}
    assert sum(part["points"] for part in offer["score"]["contributions"]) == offer["score"]["total"] == 60.0
    assert offer["score"]["contributions"][0]["label"]["ja"] == "問い合わせ"
    assert offer["reason"]["met"][0]["label"]["ja"] == "問い合わせ"


def test_outcomes_reach_the_giver_too() -> None:
    told = [(topic, headers["ce_type"]) for topic, headers, _ in messages() if topic != "tasuki.stages"]
    assert told == [
        ("tasuki.handoffs.inside-sales", "tasuki.handoff.offered"),
        ("tasuki.handoffs.inside-sales", "tasuki.handoff.completed"),
        ("tasuki.handoffs.marketing", "tasuki.handoff.completed"),
        ("tasuki.handoffs.field-sales", "tasuki.handoff.offered"),
    ]


def test_whom_messages_are_for_can_be_read_from_them() -> None:
    addressing = Addressing(Topics())
    read = [
        addressing.read(topic, headers["ce_type"], json.dumps(value).encode()) for topic, headers, value in messages()
    ]
    told = [(one.type, one.side.department, one.receiver and one.receiver.department) for one in read if one]
    assert [one for one in told if one[0].startswith("tasuki.handoff")] == [
        ("tasuki.handoff.offered", "inside-sales", None),
        ("tasuki.handoff.completed", "inside-sales", None),
        ("tasuki.handoff.completed", "marketing", "inside-sales"),
        ("tasuki.handoff.offered", "field-sales", None),
    ]
    ids = {(topic, headers["ce_id"]) for topic, headers, _ in messages()}
    for one, (_, headers, _) in zip(read, messages(), strict=True):
        # Who wants both gets the receiver's copy: so there must be one.
        assert (
            not one or not one.receiver or (Topics().handoffs(one.receiver.department or ""), headers["ce_id"]) in ids
        )
    assert told[0] == ("tasuki.stage.changed", "marketing", None)
    assert {one.lead_id for one in read if one} == {"l"}
    assert addressing.read(Topics().events, "", b"{}") is None


def test_what_only_the_giver_is_told_reaches_whoever_wants_everything() -> None:
    value = json.dumps({"lead_id": "l", "from": {"department": "marketing"}, "to": {"department": "inside-sales"}})
    for type, wanted in (("tasuki.handoff.reported", True), ("tasuki.handoff.completed", False)):
        addressed = Addressing(Topics()).read(Topics().handoffs("marketing"), type, value.encode())
        assert addressed is not None
        assert (Interest().wants(addressed), addressed.side.department) == (wanted, "marketing")


def test_ids_are_the_same_whenever_they_are_made() -> None:
    assert [headers["ce_id"] for _, headers, _ in messages()] == [headers["ce_id"] for _, headers, _ in messages()]
