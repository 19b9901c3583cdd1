"""Leads of one department of a company are one opportunity: what becomes of those who joined."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from services.router.lifecycle.joining import LeadsNeeded
from services.router.lifecycle.model import HandOff, Lead
from tests.offices import Office


def office(*asking: str) -> Office:
    """These have made an inquiry, one after the other."""
    made = Office()
    for number, id in enumerate(asking):
        made.does({"lead": id, "signal": "inquiry_made", "total": 10.0 * number, "level": 0, "attributes": {}})
    return made


def lead(of: Office, id: str) -> Lead:
    return of.known.leads[id]


def opened(of: Office, id: str) -> HandOff:
    return of.known.opened[id]


def test_colleagues_join_and_others_do_not() -> None:
    one = office("a", "b", "e", "f", "c")
    assert opened(one, "a").attached == ("b", "c")
    assert sorted(one.known.opened) == ["a", "e", "f"]
    b = lead(one, "b")
    assert (b.stage, b.attached_to, b.department, b.taken) == ("hot", "a", "marketing", False)


def test_whoever_accepts_has_them_all_and_keeps_them_afterwards() -> None:
    one = office("a", "b")
    one.does({"lead": "a", "answer": "accept"})
    b = lead(one, "b")
    assert (b.department, b.person, b.taken, b.attached_to) == ("inside-sales", "佐藤", True, "a")
    assert b.sal_at == one.now
    one.does({"lead": "c", "signal": "inquiry_made", "total": 0.0, "level": 0, "attributes": {}})
    assert (lead(one, "c").person, lead(one, "c").attached_to) == ("佐藤", "a")
    one.does({"lead": "a", "answer": "complete"})
    assert {(lead(one, id).department, lead(one, id).person, lead(one, id).attached_to) for id in "abc"} == {
        ("inside-sales", "佐藤", None)
    }


def test_who_is_to_be_left_alone_is_not_offered_in_place_of_the_first() -> None:
    one = office("a", "b", "c")
    one.does({"lead": "c", "signal": "suppressed", "total": 200.0, "level": 0, "attributes": {}})
    one.does({"lead": "a", "signal": "retired", "total": 0.0, "level": 0, "attributes": {}})
    assert list(one.known.opened) == ["b"]
    assert (lead(one, "c").attached_to, lead(one, "c").department, lead(one, "c").handoffs) == (None, "marketing", 0)


@pytest.mark.parametrize("answer", ["reject", "nothing"])
def test_they_all_go_back_when_nobody_takes_the_first(answer: str) -> None:
    one = office("a", "b")
    one.does({"hours": 300} if answer == "nothing" else {"lead": "a", "answer": answer})
    for id in "ab":
        assert (lead(one, id).stage, lead(one, id).department, lead(one, id).recycled) == ("recycled", "marketing", 1)
        assert lead(one, id).attached_to is None
    told = [event.id.split(":")[:2] for item in one.decided for event in item.decision.events]
    assert [event for event in told if event[0] == "recycle"] == [["recycle", "a"], ["recycle", "b"]]
    assert one.known.opened == {}


def test_an_offer_to_the_next_is_for_all_of_them() -> None:
    one = office("a", "b")
    first = opened(one, "a")
    assert first.respond_by is not None
    one.wait(first.respond_by)
    again = opened(one, "a")
    assert (again.previous, again.attached, again.company_part) == (first.handoff_id, ("b",), "営業部")
    assert lead(one, "b").attached_to == "a"


def test_when_the_first_drops_out_the_best_of_the_others_is_offered_and_the_rest_joins() -> None:
    one = office("a", "b", "c", "d")
    one.does({"lead": "a", "signal": None, "total": 0.0, "level": 0, "attributes": {"occupation": "学生"}})
    assert lead(one, "a").stage == "excluded"
    assert list(one.known.opened) == ["d"]
    assert opened(one, "d").attached == ("c", "b")
    assert {lead(one, id).attached_to for id in "bc"} == {"d"}


def test_who_is_excluded_leaves() -> None:
    one = office("a", "b")
    one.does({"lead": "b", "signal": None, "total": 0.0, "level": 0, "attributes": {"occupation": "学生"}})
    assert (lead(one, "b").stage, lead(one, "b").attached_to) == ("excluded", None)
    assert opened(one, "a").attached == ()


def test_who_is_led_further_than_the_receiver_has_a_hand_off_of_their_own() -> None:
    one = office("a", "b")
    one.does({"lead": "b", "signal": "appointment_made", "total": 0.0, "level": 0, "attributes": {}})
    assert (opened(one, "b").receiver, lead(one, "b").attached_to) == ("field-sales", None)
    assert (opened(one, "a").receiver, opened(one, "a").attached) == ("inside-sales", ())
    one.does({"lead": "a", "signal": "appointment_made", "total": 0.0, "level": 0, "attributes": {}})
    assert list(one.known.opened) == ["b"]
    assert opened(one, "b").attached == ("a",)


def test_who_cools_leaves() -> None:
    one = office("a")
    one.does({"lead": "b", "signal": None, "total": 101.0, "level": 0, "attributes": {}})
    assert lead(one, "b").attached_to == "a"
    cools = lead(one, "b").cools_at
    assert cools is not None
    assert cools - one.now < timedelta(days=1)
    one.now = cools - timedelta(minutes=1)
    one.does({"lead": "b", "signal": None, "total": 50.0, "level": 0, "attributes": {}})
    assert (lead(one, "b").attached_to, lead(one, "b").stage) == (None, "acquired")
    assert opened(one, "a").attached == ()


def test_two_ids_of_one_person_are_not_each_others_colleagues() -> None:
    one = office("a", "b", "c")
    one.does({"lead": "a", "into": "b"})
    assert lead(one, "a").merged_into == "b"
    ((id, handoff),) = one.known.opened.items()
    assert {id, *handoff.attached} == {"b", "c"}


def test_what_is_not_known_of_a_colleague_is_asked_for() -> None:
    one = office("a", "b")
    del one.known.scores["a"]
    one.asked = frozenset()
    with pytest.raises(LeadsNeeded) as needed:
        one.does({"lead": "c", "signal": "inquiry_made", "total": 0.0, "level": 0, "attributes": {}})
    assert needed.value.ids == {"a"}


def test_a_contact_with_any_of_them_is_the_first_contact() -> None:
    one = office("a", "b")
    one.does({"lead": "a", "answer": "accept"})
    contact_by = opened(one, "a").contact_by
    assert contact_by is not None
    one.does({"lead": "b", "signal": "sales_activity", "total": 0.0, "level": 0, "attributes": {}})
    assert lead(one, "a").contacted_at == lead(one, "b").contacted_at is not None
    one.wait(contact_by)
    assert opened(one, "a").status == "accepted"


def test_it_is_so_too_when_a_report_was_faster_than_its_event() -> None:
    one = office("a", "b")
    one.does({"lead": "a", "answer": "accept"})
    at = one.now + timedelta(minutes=1)
    one.known.leads["b"] = replace(lead(one, "b"), contacted_at=at)
    one.does({"lead": "b", "signal": "sales_activity", "total": 0.0, "level": 0, "attributes": {}})
    assert lead(one, "a").contacted_at == at
