"""Two ids turn out to be one lead: whose stage, owner and hand-off survive, whichever record comes first."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from services.router.batch import Decided, Hours, Known, Received, decide_all
from services.router.lifecycle.answers import accept, case_of
from services.router.lifecycle.model import HandOff, Lead, Status
from services.router.lifecycle.rules import Rules
from shared.clock import EventClock
from shared.playbook import load_playbook
from shared.scores import ScoreRecord, encode_score
from tests.score_records import MONDAY, Story

RULES = Rules(load_playbook())


@dataclass
class Lives:
    """Leads that live through records."""

    known: Known = field(default_factory=lambda: Known({}, {}))
    decided: list[Decided] = field(default_factory=list)
    stories: dict[str, Story] = field(default_factory=dict)

    def hears(self, lead_id: str, signal: str | None = None, *, into: str | None = None, **given: Any) -> Lives:
        members = given.pop("members", [])
        record = self.stories.setdefault(lead_id, Story(lead_id)).record(signal, **given)
        return self.takes(replace(record, merged_into=into, members=members))

    def takes(self, record: ScoreRecord) -> Lives:
        received = Received(0, record.seq, b"l", encode_score(record), [], record)
        self.decided += decide_all([received], self.known, RULES, Hours(EventClock(MONDAY)))
        return self

    def accepts(self, lead_id: str, person: str) -> Lives:
        lead, handoff = self.known.leads[lead_id], self.known.opened[lead_id]
        case = case_of(lead, self.known.scores[lead_id].record, RULES, MONDAY + timedelta(hours=1), self.known.around)
        self.known.follow(accept(lead, handoff, person, "test", case))
        return self

    def lead(self, lead_id: str) -> Lead:
        return self.known.leads[lead_id]

    @property
    def open(self) -> dict[str, HandOff]:
        return {id: handoff for id, handoff in self.known.opened.items() if handoff.is_open}

    def told_of(self, lead_id: str) -> list[tuple[str, str]]:
        """Hand-offs of a lead: number within the lead, and state."""
        changes = [change.handoff for item in self.decided for change in item.decision.handoffs]
        ids = list(dict.fromkeys(one.handoff_id for one in changes if one.lead_id == lead_id))
        return [(str(ids.index(one.handoff_id)), one.status.value) for one in changes if one.lead_id == lead_id]


def hot_visitor() -> Lives:
    """A visitor who asked for something by a form; inside sales has accepted them, person P."""
    return Lives().hears("anon:x", "contact_obtained").hears("anon:x", "inquiry_made").accepts("anon:x", "P")


@pytest.mark.parametrize("lead_first", [False, True])
def test_the_further_stage_and_its_owner_survive(lead_first: bool) -> None:
    lives = hot_visitor().hears("u", "contact_obtained")
    if lead_first:  # whose record says that the visitor is a member, before the visitor's own does
        lives.hears("u", members=["anon:x"]).hears("anon:x", into="u")
    else:
        lives.hears("anon:x", into="u").hears("u", members=["anon:x"])
    lead, member = lives.lead("u"), lives.lead("anon:x")
    assert (lead.stage, lead.department, lead.person, lead.taken) == ("hot", "inside-sales", "P", True)
    assert (member.merged_into, member.stage, member.department, member.acquired_at) == ("u", "awareness", None, None)
    assert [(id, one.status, one.person, one.lead_id) for id, one in lives.open.items()] == [
        ("u", Status.ACCEPTED, "P", "u")
    ]
    assert lives.told_of("anon:x")[-1] == ("0", "merged")
    assert lives.told_of("u") == [("0", "offered"), ("0", "accepted")]
    assert lead.sal_at is not None


def test_a_lead_that_is_further_keeps_what_it_has() -> None:
    lives = Lives().hears("u", "contact_obtained").hears("u", "inquiry_made").accepts("u", "Q")
    lives.hears("email:h", "contact_obtained")
    lives.hears("email:h", into="u").hears("u", members=["email:h"])
    assert (lives.lead("u").stage, lives.lead("u").person) == ("hot", "Q")
    assert [one.lead_id for one in lives.open.values()] == ["u"]
    assert lives.told_of("email:h") == []


def test_of_two_open_hand_offs_one_survives() -> None:
    lives = hot_visitor().hears("u", "contact_obtained").hears("u", "catalogue_requested")
    assert set(lives.open) == {"anon:x", "u"}
    lives.hears("anon:x", into="u")
    assert [one.lead_id for one in lives.open.values()] == ["u"]
    assert lives.told_of("anon:x")[-1] == ("0", "merged")


def test_whoever_is_asked_for_next_does_not_find_a_member_without_a_lead() -> None:
    """The lead has no row yet: the member keeps its owner until it has."""
    lives = hot_visitor().hears("anon:x", into="u")
    assert (lives.lead("anon:x").department, len(lives.open)) == ("inside-sales", 1)
    lives.hears("u", "inquiry_made", members=["anon:x"])
    assert (lives.lead("u").department, lives.lead("u").person) == ("inside-sales", "P")
    assert [one.lead_id for one in lives.open.values()] == ["u"]


def test_members_of_members() -> None:
    lives = hot_visitor().hears("email:h", "contact_obtained").hears("u", "contact_obtained")
    lives.hears("anon:x", into="email:h").hears("email:h", into="u")
    assert (lives.lead("u").stage, lives.lead("u").person) == ("hot", "P")
    assert (lives.lead("email:h").merged_into, lives.lead("email:h").department) == ("u", None)
    lives.hears("u", members=["anon:x", "email:h"])
    assert lives.lead("anon:x").merged_into == "u"


def test_a_split_goes_back_to_marketing_with_its_own_history() -> None:
    lives = hot_visitor().hears("u", "contact_obtained").hears("anon:x", into="u")
    lives.hears("anon:x")  # its signals are still in its own score
    member = lives.lead("anon:x")
    assert (member.merged_into, member.stage, member.department, member.taken) == (None, "hot", "marketing", False)
    assert set(lives.open) == {"u"}, "the lead keeps what it took over, and nothing new is offered"
    assert lives.lead("u").person == "P"


def test_a_member_heard_of_twice_changes_nothing_more() -> None:
    lives = hot_visitor().hears("u", "contact_obtained").hears("anon:x", into="u")
    before, told = lives.lead("u"), len(lives.told_of("u"))
    lives.hears("anon:x", into="u").hears("u", members=["anon:x"])
    assert lives.lead("u").seq == before.seq
    assert len(lives.told_of("u")) == told
