"""The browsers of one person, and the one of several people."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random

from services.cli.sample.acquisition import Story
from services.cli.sample.calls import Diary
from services.cli.sample.website import visit
from services.cli.sample.words import BROWSERS, PHONES

SECOND_DEVICES = 0.08
PEOPLE_AT_A_SHARED_COMPUTER = 3
LEADS_PER_SHARED_COMPUTER = 2_000


def browser_of(number: int) -> str:
    """What the browser of a person, by the person's number, says that it is."""
    return BROWSERS[number % len(BROWSERS)]


def other_devices(story: Story, acquired: datetime) -> list[Diary]:
    """What the lead does elsewhere than at its own desk: some on a phone, a few in a meeting room."""
    person, random = story.person, Random(f"{story.seed}:devices:{story.person.number}")
    found = []
    if random.random() < SECOND_DEVICES:
        prefix, agent = f"s{story.seed}-p{person.number:05d}", random.choice(PHONES)
        phone = Diary(prefix, f"phone-{person.number:05d}", person.user_id, agent)
        _look_around(story, phone, random, acquired)
        found.append(phone)
    room, seat = divmod(person.number, LEADS_PER_SHARED_COMPUTER)
    if seat < PEOPLE_AT_A_SHARED_COMPUTER:
        prefix = f"s{story.seed}-m{person.number:05d}"
        shared = Diary(prefix, f"meeting-room-{room:02d}", person.user_id, browser_of(room))
        _look_around(story, shared, random, acquired)
        found.append(shared)
    return found


def _look_around(story: Story, diary: Diary, random: Random, acquired: datetime) -> None:
    """Visits as nobody in particular, logs in, and goes on."""
    interest = story.person.interest
    login = acquired + max(story.calendar.end - acquired, timedelta(0)) * random.random()
    for _ in range(random.randint(1, 2)):
        visit(diary, random, login - timedelta(minutes=random.randint(30, 9_000)), interest)
    diary.identify(login, {"email": story.person.traits["email"]})
    visit(diary, random, login + timedelta(seconds=20), interest)
