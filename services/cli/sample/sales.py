"""What sales reports about hot leads, as the CRM's events."""

from __future__ import annotations

from datetime import datetime

from services.cli.sample.acquisition import Story
from services.cli.sample.words import FIELD_SALES, INSIDE_SALES

DAY = 24 * 60
BANT = ["needs", "authority", "budget", "timeframe"]


def sell(story: Story) -> None:
    """From the first call to the finished onboarding; at each step most leads go no further."""
    person, random = story.person, story.random
    if story.hot_at is None or person.relation != "prospect" or person.company.industry == "官公庁":
        return
    inside, field = random.choice(INSIDE_SALES), random.choice(FIELD_SALES)
    if random.random() > 0.7:
        return
    called = _reached(story, story.hot_at, inside)
    if random.random() > 0.55:
        return
    made = story.later(called, 10, 3 * DAY)
    story.diary.track(
        made, "Appointment Made", {"inside_sales": inside, "place": random.choice(["訪問", "オンライン"])}
    )
    if random.random() > 0.6:
        return
    registered = story.later(made, 5 * DAY, 12 * DAY)
    deal = {
        "deal_id": f"deal-{person.number:05d}",
        "amount": max(300_000, round(person.company.employees * random.uniform(800, 2600), -4)),
        "inside_sales": inside,
        "field_sales": field,
    }
    expected = story.later(registered, 20 * DAY, 60 * DAY)
    story.diary.track(registered, "Deal Registered", deal | {"expected_date": f"{expected:%Y-%m-%d}"})
    if random.random() > 0.5:
        return
    won = story.later(registered, 7 * DAY, 40 * DAY)
    for point in BANT:  # sales creates the missing ones before the order
        story.diary.track(story.later(registered, 60, 6 * DAY), "BANT Confirmed", {"point": point})
    product = "enterprise" if person.company.employees >= 1000 else "standard"
    story.diary.track(won, "Deal Won", deal | {"product": product, "segment": person.company.industry})
    if random.random() < 0.7:
        story.diary.track(story.later(won, 10 * DAY, 25 * DAY), "Onboarding Completed", {"deal_id": deal["deal_id"]})


def _reached(story: Story, hot_at: datetime, inside: str) -> datetime:
    called = story.calendar.in_office_hours(story.later(hot_at, 90, 2 * DAY), story.random)
    called = max(called, story.later(hot_at, 20, 60))
    story.diary.track(called, "Call Answered", {"interested": story.random.random() < 0.5, "inside_sales": inside})
    for point in story.random.sample(BANT, story.random.choices([0, 1, 2, 3], [30, 30, 25, 15])[0]):
        story.diary.track(story.later(called, 1, 9), "BANT Confirmed", {"point": point, "inside_sales": inside})
    return called
