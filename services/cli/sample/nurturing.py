"""What known leads do afterwards: newsletters, further visits, leaving the list, changing jobs."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random

from services.cli.sample.acquisition import DOCUMENTS, Story
from services.cli.sample.website import visit

LINKS = ["/product", "/product/cases", "/blog/kyogyo-01", "/seminar"]
"""Of each newsletter."""
SCANNING_COMPANIES = 0.015


def nurture(story: Story, acquired: datetime) -> None:
    """Everything between acquisition and the end of the period."""
    left_list = _newsletters(story, acquired)
    _visits(story, acquired)
    _second_steps(story, acquired)
    if left_list is None and story.random.random() < 0.01:
        story.diary.track(story.later(acquired, 10_000, 140_000), "Contact Retired")


def _newsletters(story: Story, acquired: datetime) -> datetime | None:
    """When the lead left the list, if it did."""
    random, interest = story.random, story.person.interest
    scans = _is_scanned(story)
    for sent in story.calendar.newsletters:
        if sent < acquired:
            continue
        campaign = f"newsletter-{sent:%Y-%m-%d}"
        about = {"campaign": campaign, "mail_id": f"{campaign}-{story.person.number:05d}"}
        if scans:
            _scan(story, sent, about)
        opened = story.later(sent, 1, 2000)
        if random.random() > 0.12 + 0.55 * interest:
            continue
        story.diary.track(opened, "Email Opened", about)
        if random.random() < 0.004:
            story.diary.track(opened + timedelta(seconds=40), "Email Unsubscribed", about)
            story.diary.identify(opened + timedelta(seconds=41), {"unsubscribed": True})
            return opened
        if random.random() < 0.08 + 0.4 * interest:
            clicked = about | {"link": random.choice(LINKS)}
            for number in range(random.choice([1, 1, 1, 1, 2, 2, 3, 6])):  # impatient people
                story.diary.track(opened + timedelta(seconds=20 + 2 * number), "Email Link Clicked", clicked)
            visit(story.diary, random, opened + timedelta(seconds=45), interest, medium="email")
    return None


def _is_scanned(story: Story) -> bool:
    """Whether the company has a gateway that looks at mail before its people do."""
    seed, company = story.seed, story.person.company
    return Random(f"{seed}:gateway:{company.number}").random() < SCANNING_COMPANIES


def _scan(story: Story, sent: datetime, about: dict[str, str]) -> None:
    """Every link at once, seconds after the mail was sent."""
    arrived = sent + timedelta(milliseconds=story.random.randint(2_000, 20_000))
    for number, link in enumerate(LINKS):
        story.diary.track(arrived + timedelta(milliseconds=150 * number), "Email Link Clicked", about | {"link": link})


def _visits(story: Story, acquired: datetime) -> None:
    weeks = max((story.calendar.end - acquired).days / 7, 0)
    for _ in range(int(weeks * story.person.interest * story.random.uniform(0.2, 1.4))):
        at = acquired + (story.calendar.end - acquired) * story.random.random()
        at = max(story.calendar.in_office_hours(at, story.random), acquired + timedelta(minutes=30))
        visit(story.diary, story.random, at, story.person.interest)


def _second_steps(story: Story, acquired: datetime) -> None:
    """Interested leads download more, ask for the catalogue, write to us."""
    random, interest = story.random, story.person.interest
    if random.random() < 0.7 * interest:
        story.diary.track(story.later(acquired, 1_000, 60_000), "Document Downloaded", {"document": DOCUMENTS[0]})
    if random.random() < 0.16 * interest:
        asked = story.later(acquired, 2_000, 70_000)
        story.diary.track(asked, "Catalogue Requested", {"medium": story.medium})
        story.heat(asked)
    if random.random() < 0.1 * interest:
        asked = story.later(acquired, 3_000, 80_000)
        story.diary.track(asked, "Inquiry Submitted", {"subject": "見積もりの依頼"})
        story.heat(asked)
