"""Leads of one office, who join each other's hand-offs, in the router's pure code."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from services.router.batch import Decided, Hours, Known, Received, cool_until, decide_all, due_until, follow
from services.router.lifecycle.answers import Refusal, accept, case_of, complete, reject
from services.router.lifecycle.case import Case
from services.router.lifecycle.model import Decision, HandOff, Lead, Status
from services.router.lifecycle.rules import Rules
from services.router.lifecycle.surroundings import Colleagues, Joint, Surroundings, joint_key
from shared.clock import EventClock
from shared.playbook import load_playbook
from shared.scores import ScoreRecord, encode_score
from tests.score_records import MONDAY, Story

RULES = Rules(load_playbook())
COLLEAGUES = "abcd"
PARTS = {**dict.fromkeys(COLLEAGUES, "営業部"), "e": "総務部"}


@dataclass
class Office:
    """Leads `a` to `d` of one department, `e` of another one, and `f` of no company."""

    known: Known = field(default_factory=lambda: Known({}, {}))
    stories: dict[str, Story] = field(default_factory=lambda: {id: Story(id) for id in "abcdef"})
    decided: list[Decided] = field(default_factory=list)
    now: datetime = MONDAY
    asked: frozenset[str] = frozenset("abcdef")

    def begin(self) -> None:
        """As a transaction does: what the database would give back, and colleagues asked."""
        joints = {
            key: Joint(self.known.leads[one.lead_id], one)
            for one in self.known.opened.values()
            if (key := joint_key(one)) is not None
        }
        around = Surroundings(companies=dict(COMPANIES), joints_loaded=joints)
        self.known = Known(self.known.leads, self.known.opened, self.known.scores, around, self.asked)

    def hears(self, record: ScoreRecord) -> None:
        self.begin()
        received = Received(0, record.seq, b"l", encode_score(record), [], record)
        self.decided += decide_all([received], self.known, RULES, Hours(EventClock(self.now)))

    def does(self, step: dict[str, Any]) -> None:
        self.now += timedelta(minutes=1)
        match step:
            case {"hours": hours}:
                self.wait(self.now + timedelta(hours=hours))
            case {"answer": answer, "lead": id}:
                self.answer(id, answer)
            case {"into": into, "lead": id}:
                self.merge(id, into)
            case {"lead": id, **shown}:
                if not self.is_merged(id):
                    self.hears(self.story(id).record(shown.pop("signal"), **shown))

    def story(self, id: str) -> Story:
        story = self.stories[id]
        if story.seq == 0:
            self.hears(story.record("contact_obtained"))
        story.at = max(story.at, self.now - timedelta(minutes=1))
        story.epoch = self.known.leads[id].epoch if id in self.known.leads else 0
        return story

    def is_merged(self, id: str) -> bool:
        return id in self.known.leads and self.known.leads[id].merged_into is not None

    def merge(self, id: str, into: str) -> None:
        """As the scorer tells it: the member's record, and one of the lead that names it."""
        if id == into or self.is_merged(id) or self.is_merged(into) or self.stories[into].seq == 0:
            return
        self.hears(replace(self.story(id).record(), merged_into=into))
        self.hears(replace(self.story(into).record(), members=[id]))

    def wait(self, until: datetime) -> None:
        """Whatever is due until then, in the order of its moments."""
        while True:
            leads = self.known.leads.values()
            due = [(at, lead.lead_id) for lead in leads if (at := _next(lead)) is not None and at <= until]
            if not due:
                break
            at, id = min(due)
            self.now = max(self.now, at)
            self.begin()
            self.decided += cool_until(at, id, self.known, RULES)
            self.begin()
            self.decided += due_until(at, id, self.known, RULES)
            self.check()
        self.now = until

    def answer(self, id: str, answer: str) -> None:
        self.begin()
        opened = self.known.opened.get(id)
        if opened is None or (opened.status is Status.ACCEPTED) != (answer == "complete"):
            return
        lead, score = self.known.leads[id], self.known.scores[id]
        case = case_of(lead, score.record, RULES, self.now, self.known.around)
        self.decided += follow(Decided(_answered(lead, opened, answer, case), score), self.known, RULES, self.now)

    def check(self) -> None:
        leads, opened = self.known.leads, self.known.opened
        keys = Counter(key for one in opened.values() if (key := joint_key(one)) is not None)
        assert all(times == 1 for times in keys.values()), "offered twice"
        for one in opened.values():
            attached = {lead.lead_id for lead in leads.values() if lead.attached_to == one.lead_id}
            assert set(one.attached) == attached
            assert len(one.attached) == len(attached)
            owner = one.receiver if one.status is Status.ACCEPTED else one.giver
            assert leads[one.lead_id].department == owner
        for lead in leads.values():
            assert (lead.department is None) == (lead.acquired_at is None)
            if lead.attached_to is None:
                continue
            primary = leads[lead.attached_to]
            assert primary.attached_to is None
            assert lead.lead_id not in opened
            assert lead.lead_id in opened[primary.lead_id].attached
            assert _owner(lead) == _owner(primary)
            assert PARTS[lead.lead_id] == opened[primary.lead_id].company_part


COMPANIES = {id: Colleagues(key="domain:acme.jp", part=part) for id, part in PARTS.items()} | {"f": Colleagues()}


def _next(lead: Lead) -> datetime | None:
    return min((at for at in (lead.cools_at, lead.due_at) if at is not None), default=None)


def _owner(lead: Lead) -> tuple[str | None, str | None, str | None, bool]:
    return lead.department, lead.team, lead.person, lead.taken


def _answered(lead: Lead, opened: HandOff, answer: str, case: Case) -> Decision:
    match answer:
        case "accept":
            return accept(lead, opened, "佐藤", "tool", case)
        case "complete":
            return complete(lead, opened, "tool", case)
    reason = "wrong_territory" if answer == "reassign" else "no_need"
    return reject(lead, opened, Refusal(reason, "tool"), case)
