"""All diaries together, in order of time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from random import Random

from services.cli.sample.acquisition import CHANNELS, Story, choose_medium
from services.cli.sample.calendar import Calendar
from services.cli.sample.calls import Call, Diary, identities_in, identity_of
from services.cli.sample.crawlers import LEADS_PER_CRAWL, crawl
from services.cli.sample.devices import browser_of, other_devices
from services.cli.sample.nurturing import nurture
from services.cli.sample.people import make_person
from services.cli.sample.sales import sell
from services.cli.sample.website import visit

LEADS_PER_COMPANY = 1.7
VISITORS_PER_LEAD = 0.7  # people who look around and never say who they are


@dataclass(frozen=True)
class Sample:
    """Segment calls in order of their timestamps."""

    calls: list[Call]

    @cached_property
    def identities(self) -> set[str]:
        """Every lead id that a call is of by itself: several of one person, visitors who stayed anonymous included."""
        return {identity for identity in map(identity_of, self.calls) if identity is not None}

    @cached_property
    def mentioned(self) -> set[str]:
        """Every lead id that a call speaks of: also addresses and browsers of which no call is by itself."""
        return set[str]().union(*map(identities_in, self.calls))


def generate(*, seed: int, leads: int, end: datetime) -> Sample:
    """Four months up to `end` (timezone-aware), with so many people who may become known leads.

    Leads obtained near the end have done little yet; a few (booked webinars, say) not even been obtained.
    """
    if end.tzinfo is None:
        raise ValueError("end needs a time zone")
    calendar = Calendar(end)
    calls: list[Call] = []
    for number in range(leads):
        calls += _lead(seed, number, max(1, int(leads / LEADS_PER_COMPANY)), calendar)
    for number in range(int(leads * VISITORS_PER_LEAD)):
        calls += _visitor(seed, number, calendar)
    for number in range(max(1, leads // LEADS_PER_CRAWL)):
        calls += crawl(seed, number, calendar)
    calls.sort(key=lambda call: (call["timestamp"], call["messageId"]))
    return Sample(calls)


def _lead(seed: int, number: int, companies: int, calendar: Calendar) -> list[Call]:
    person, random = make_person(seed, number, companies), Random(f"{seed}:journey:{number}")
    diary = Diary(f"s{seed}-l{number:05d}", person.anonymous_id, person.user_id, browser_of(number))
    story = Story(seed, person, random, calendar, diary, choose_medium(random))
    obtain = random.choices([way for way, _ in CHANNELS], [weight for _, weight in CHANNELS])[0]
    acquired = obtain(story)
    nurture(story, acquired)
    sell(story)
    diaries = [diary, *other_devices(story, acquired)]
    return [call for one in diaries for call in one.calls(calendar.end)]


def _visitor(seed: int, number: int, calendar: Calendar) -> list[Call]:
    random = Random(f"{seed}:visitor:{number}")
    diary = Diary(f"s{seed}-v{number:05d}", f"visitor-{number:05d}", agent=browser_of(number))
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        visit(diary, random, calendar.moment(random), random.random() ** 4, medium=choose_medium(random))
    return diary.calls(calendar.end)
