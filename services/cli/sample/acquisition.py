"""How a lead is obtained: one way per channel of the default playbook."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from services.cli.sample import words
from services.cli.sample.calendar import Calendar
from services.cli.sample.calls import Diary
from services.cli.sample.people import Person
from services.cli.sample.website import visit

DOCUMENTS = ["導入事例集", "業界動向レポート", "比較チェックリスト", "はじめての業務改善ガイド"]


@dataclass
class Story:
    """A lead in the making. `hot_at` is the first moment at which sales would want to know."""

    seed: int
    person: Person
    random: Random
    calendar: Calendar
    diary: Diary
    medium: str
    hot_at: datetime | None = None

    def heat(self, at: datetime) -> None:
        self.hot_at = min(at, self.hot_at or at)

    def become_known(self, at: datetime, extra: dict[str, Any] | None = None) -> None:
        person = self.person
        self.diary.identify(at, person.traits | (extra or {}))
        if person.relation != "student":
            company = person.company
            traits = {"name": company.name, "industry": company.industry, "employees": company.employees}
            self.diary.group(at + timedelta(milliseconds=5), company.id, traits)

    def fill_form(self, at: datetime) -> None:
        """One of ten gives an address and no more, a while before logging in."""
        if self.random.random() < 0.1:
            person, in_browser = self.person, self.random.random() < 0.6
            traits = {name: person.traits[name] for name in ("name", "email")}
            self.diary.form(self.earlier(at, 60, 12_000), traits, in_browser=in_browser)

    def earlier(self, at: datetime, low_minutes: int, high_minutes: int) -> datetime:
        return at - timedelta(milliseconds=self.random.randint(low_minutes * 60_000, high_minutes * 60_000))

    def later(self, at: datetime, low_minutes: int, high_minutes: int) -> datetime:
        return at + timedelta(milliseconds=self.random.randint(low_minutes * 60_000, high_minutes * 60_000))


def download(story: Story) -> datetime:
    at = story.calendar.moment(story.random)
    visit(story.diary, story.random, at, story.person.interest, medium=story.medium)
    at = story.later(at, 2, 9)
    story.fill_form(at)
    story.become_known(at)
    document = story.random.choice(DOCUMENTS)
    story.diary.track(at + timedelta(seconds=1), "Document Downloaded", {"document": document, "medium": story.medium})
    if story.random.random() < 0.02 + 0.25 * story.person.interest:
        opened = story.later(at, 3, 600)
        story.diary.track(opened, "Download Mail Opened", {"document": document})
        story.heat(opened)
    return at


def webinar(story: Story) -> datetime:
    held = story.random.choice(story.calendar.webinars)
    booked = story.calendar.in_office_hours(held - timedelta(days=story.random.randint(1, 13)), story.random)
    about = {"webinar": f"活用セミナー {held:%m/%d}", "medium": story.medium}
    visit(story.diary, story.random, booked - timedelta(minutes=6), story.person.interest, medium=story.medium)
    story.fill_form(booked)
    story.become_known(booked)
    ends_at = held + timedelta(hours=1)
    story.diary.track(booked + timedelta(seconds=1), "Webinar Booked", about | {"ends_at": ends_at.isoformat()})
    if story.random.random() > 0.15 + 0.4 * story.person.interest:
        story.diary.track(held + timedelta(hours=2), "Webinar Missed", about)
        return booked
    attended = held + timedelta(minutes=55, milliseconds=story.random.randrange(600_000))
    story.diary.track(attended, "Webinar Attended", about)
    story.heat(attended)
    if story.random.random() < 0.45:
        wants_contact = story.random.random() < 0.2
        story.diary.track(story.later(attended, 4, 40), "Survey Answered", about | {"contact_requested": wants_contact})
    return booked


def exhibition(story: Story) -> datetime:
    day = story.random.choice(story.random.choice(story.calendar.exhibitions))
    at = day + timedelta(milliseconds=story.random.randrange(7 * 3_600_000))
    about: dict[str, Any] = {"exhibition": f"業務改善EXPO {day:%m月}", "medium": "exhibition"}
    story.become_known(at)
    story.diary.track(at + timedelta(seconds=1), "Exhibition Attended", about)
    if story.random.random() < 0.05 + 0.45 * story.person.interest:
        visited = story.later(at, 5, 60)
        talked = story.random.random() < 0.25
        story.diary.track(visited, "Booth Visited", about | {"talked_in_detail": talked})
        story.heat(visited)
    return at


def contact_form(story: Story) -> datetime:
    at = story.calendar.moment(story.random)
    visit(story.diary, story.random, at, story.person.interest, medium=story.medium)
    at = story.later(at, 3, 12)
    story.fill_form(at)
    story.become_known(at)
    wants_answer = story.random.random() < 0.2 + 0.5 * story.person.interest
    if wants_answer:
        about = {"subject": "導入について相談したい", "medium": story.medium}
        story.diary.track(at + timedelta(seconds=1), "Inquiry Submitted", about)
        story.heat(at)
    else:
        story.diary.track(at + timedelta(seconds=1), "Lead Acquired", {"form": "会員登録", "medium": story.medium})
    return at


def mail(story: Story) -> datetime:
    at = story.calendar.moment(story.random)
    visit(story.diary, story.random, at, story.person.interest, medium=story.medium)
    at = story.later(at, 1, 5)
    story.fill_form(at)
    story.become_known(at)
    story.diary.track(at + timedelta(seconds=1), "Newsletter Joined", {"medium": story.medium})
    return at


def phone(story: Story) -> datetime:
    at = story.calendar.moment(story.random)
    story.become_known(at)
    interested = story.random.random() < 0.4 * story.person.interest
    story.diary.track(at + timedelta(seconds=1), "Call Answered", {"interested": interested, "medium": "phone"})
    if interested:
        story.heat(at)
    return at


def listed(name: str) -> Callable[[Story], datetime]:
    """An outside list: the lead itself has done nothing yet."""

    def obtain(story: Story) -> datetime:
        at = story.calendar.moment(story.random)
        story.become_known(at)
        story.diary.track(at + timedelta(seconds=1), "Lead Listed", {"list": name, "medium": name})
        return at

    return obtain


CHANNELS: list[tuple[Callable[[Story], datetime], int]] = [
    (download, 32),
    (exhibition, 20),
    (webinar, 16),
    (mail, 9),
    (contact_form, 7),
    (listed("external_database"), 6),
    (phone, 5),
    (listed("bdr_research"), 5),
]


def choose_medium(random: Random) -> str:
    return random.choices([name for name, _ in words.MEDIUMS], [weight for _, weight in words.MEDIUMS])[0]
