"""What is a report, and what is said of what is none."""

from __future__ import annotations

import json

import pytest

from shared.feedback import TYPES, ReportInvalid, encode_report, parse_report, type_of
from shared.playbook import load_playbook

MINIMAL: dict[str, dict[str, object]] = {
    "call": {"outcome": "answered"}, "bant": {"point": "needs"}, "points": {"benefit": "x"}, "appointment": {},
    "visit": {"result": "x"}, "proposal": {}, "deal": {"deal_id": "d", "amount": 0, "expected_date": "2027-01-31"},
    "quote": {"deal_id": "d"}, "won": {"deal_id": "d"}, "lost": {"deal_id": "d"},
    "renewal_due": {"amount": 1, "due_date": "2027-01-31"}, "renewed": {"amount": 1}, "churned": {},
    "upsold": {"amount": 1}, "nps": {"score": 0}, "usage": {"usage": 80}, "health": {"health": -1},
    "case_opened": {"case_id": "c"}, "case_closed": {"case_id": "c"}, "satisfaction": {"score": 5}, "onboarded": {},
    "suppress": {}, "excluded": {"reason": "student"}, "note": {"text": "x"},
}  # fmt: skip
WHO = {"by": "ito", "inside_sales": "ito", "field_sales": "sato", "partner": "p", "presales": "kato", "handoff_id": "h"}


@pytest.mark.parametrize("type", list(TYPES))
def test_every_type_names_who_took_part_and_survives_being_written(type: str) -> None:
    told = {"type": type, "report_id": "r", "at": "2026-11-16T10:00:00+09:00", "note": "x", **WHO, **MINIMAL[type]}
    report = parse_report(json.dumps(told).encode())
    assert (type_of(report), report.partner, report.presales) == (type, "p", "kato")
    assert parse_report(encode_report(report)) == report


def test_all_types_are_tried() -> None:
    assert set(MINIMAL) == set(TYPES)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({}, "expected one of call, bant"),
        ({"type": "visits"}, "Invalid value 'visits'.*expected one of call, bant"),
        ({"type": "call"}, "missing required field `outcome`"),
        ({"type": "call", "outcome": "maybe"}, r"'maybe' - at `\$.outcome`"),
        ({"type": "won", "deal_id": "d", "amout": 5}, "unknown field `amout`"),
        ({"type": "deal", "deal_id": "d", "amount": -1, "expected_date": "2027-01-31"}, r"at `\$.amount`"),
        ({"type": "deal", "deal_id": "d", "amount": "much", "expected_date": "2027-01-31"}, r"at `\$.amount`"),
        ({"type": "nps", "score": 11}, "<= 10"),
        ({"type": "points"}, "at least one of issue"),
        ({"type": "note", "text": "  "}, "text: blank"),
        ({"type": "note", "text": "a\0b"}, "text: blank, or with a NUL"),
        ({"type": "note", "text": "x", "at": "2026-11-16T10:00:00"}, "timezone"),
        ({"type": "note", "text": "x", "report_id": "i" * 201}, "length <= 200"),
    ],
)
def test_what_is_no_report_is_refused_in_words(told: dict[str, object], said: str) -> None:
    with pytest.raises(ReportInvalid, match=said):
        parse_report(json.dumps(told).encode())


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b"\xff", b'{"type":"note","text":"\\ud800"}'])
def test_bytes_that_are_no_object_are_refused(raw: bytes) -> None:
    with pytest.raises(ReportInvalid):
        parse_report(raw)


def test_what_signals_of_the_default_playbook_ask_for_sales_can_report() -> None:
    asked = {name for rule in load_playbook().signals.values() for match in rule.any for name in match.names}
    told = {kind.event for kind in TYPES.values()} | {"Call Unanswered"}
    assert {
        "Call Answered", "Call Unanswered", "BANT Confirmed", "Deal Points Told", "Appointment Made", "Visit Made",
        "Proposal Made", "Quote Made", "Deal Registered", "Deal Won", "Deal Lost", "Churned", "Usage Reported",
        "Contact Suppressed", "Lead Excluded", "Note Written", "Onboarding Completed",
    } <= asked & told  # fmt: skip
