"""The router's load: of a hundred updates five change a stage, two of them with a hand-off; the others count points.

Each update comes with the event that it includes, as in production: the router reads both. Leads of the same number are
of the same company, one in each partition; or all of a few companies, to find out what that costs.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from shared.events import Event, Kind
from shared.scores import Contribution, DecayTerm, ScoreRecord
from tests.score_records import Story

STAGE_CHANGES_IN_100, HANDOFFS_IN_100 = 5, 2
TRAITS = {
    "name": "山田太郎",
    "phone": "03-1234-5678",
    "title": "部長",
    "prefecture": "大阪府",
}
FIELDS = {"prefecture": "大阪府", "title": "部長", "company.industry": "製造", "company.employees": 450}
RULES = ("page_viewed", "product_viewed", "mail_opened", "mail_link_clicked", "webinar_booked")


class Mix:
    """The leads of one partition, and what they do. An event's offset is the number of records made before it."""

    def __init__(self, leads: int, partition: int) -> None:
        self._dice = random.Random(partition)
        self._partition, self._made, self._leads = partition, 0, 0
        self._lives: list[Story] = []
        self._still: deque[Story] = deque()
        """Leads that have only given their contact data, in random order: those who go further are taken from here."""
        self._beginning = leads

    def beginning(self) -> Iterator[ScoreRecord]:
        """Every lead once: contact data obtained."""
        records = [self._obtained() for _ in range(self._beginning)]
        self._dice.shuffle(self._still)
        yield from records

    def updates(self, hundreds: int) -> Iterator[ScoreRecord]:
        """`hundreds` × 100 updates, in random order within each hundred."""
        for _ in range(hundreds):
            acts = [self._obtained] * 2 + [self._clicked] + [self._inquired] * 2
            acts += [self._seen] * (100 - len(acts))
            self._dice.shuffle(acts)
            yield from (act() for act in acts)

    def _obtained(self) -> ScoreRecord:
        life = Story(f"lead-{self._partition}-{self._leads}", self._partition, attributes=dict(FIELDS))
        self._leads += 1
        self._lives.append(life)
        self._still.append(life)
        return self._record(life, "contact_obtained")

    def _clicked(self) -> ScoreRecord:
        return self._record(self._still.popleft(), "mail_clicked")

    def _inquired(self) -> ScoreRecord:
        return self._record(self._still.popleft(), "inquiry_made")

    def _seen(self) -> ScoreRecord:
        return self._record(self._dice.choice(self._lives), None)

    def _record(self, life: Story, signal: str | None) -> ScoreRecord:
        total = self._dice.uniform(1, 90)
        record = life.record(signal, total=total, offset=self._made, channel="webinar" if signal else None)
        self._made += 1
        return msgspec.structs.replace(
            record,
            contributions=[
                Contribution(rule=rule, dimension="behaviour", points=total / len(RULES), times=3, last=record.time)
                for rule in RULES
            ],
            decay=[
                DecayTerm(points=total / 3, since=record.time - timedelta(days=day), half_life_seconds=2_592_000)
                for day in range(3)
            ],
        )


def events_of(records: Iterable[ScoreRecord], companies: int) -> Iterator[Event]:
    """What the records include, in their order: traits where contact data was obtained, pages and clicks elsewhere."""
    now = datetime.now(UTC)
    for record in records:
        obtained = record.trigger.name == "contact_obtained"
        yield Event(
            kind=Kind.IDENTIFY if obtained else Kind.PAGE,
            id=record.trigger.event_id,
            source="web",
            key=record.lead_id,
            time=now,
            received_at=now,
            traits=_traits(record.lead_id, companies) if obtained else {},
            properties={} if obtained else {"path": "/product/tour", "referrer": "https://example.com/search"},
            context={"userAgent": "Mozilla/5.0 (X11; Linux x86_64)", "library": {"name": "analytics.js"}},
        )


def _traits(lead_id: str, companies: int) -> dict[str, Any]:
    company = int(lead_id.rsplit("-", 1)[1]) % companies
    return TRAITS | {"email": f"{lead_id}@acme{company}.co.jp", "company": f"株式会社アクメ{company}"}
