"""Active leads: two hundred events of each over months, that touch all of the default playbook.

Deterministic. Message ids are such as the usual clients make: `ajs-next-<ms>-<uuid>` in browsers, UUIDs elsewhere.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from random import Random
from statistics import mean
from typing import Any

import msgspec

from services.scorer.scoring.state import STORED, decode_state
from shared.events import Event, Kind

MONTHS_IN_DAYS = 120
What = tuple[Kind, str, dict[str, Any]]
OFTEN: list[tuple[int, What]] = [
    (40, (Kind.PAGE, "", {"path": "/blog/kyogyo-01", "title": "ブログ 共業のすすめ 第1回"})),
    (20, (Kind.PAGE, "", {"path": "/product/features", "title": "機能一覧"})),
    (6, (Kind.PAGE, "", {"path": "/pricing", "title": "料金"})),
    (16, (Kind.TRACK, "Email Opened", {"campaign": "newsletter-2026-08-04"})),
    (8, (Kind.TRACK, "Email Link Clicked", {"campaign": "newsletter-2026-08-04"})),
    (3, (Kind.TRACK, "Document Downloaded", {"document": "THE MODELの実践"})),
    (2, (Kind.TRACK, "Webinar Attended", {"webinar": "商談化の基本"})),
]
"""How often of a hundred, and what."""
ONCE: list[tuple[str, dict[str, Any]]] = [
    ("Lead Acquired", {}),
    ("Newsletter Joined", {}),
    ("Exhibition Attended", {}),
    ("Booth Visited", {"talked_in_detail": True}),
    ("Download Mail Opened", {}),
    ("Catalogue Requested", {"medium": "search"}),
    ("Webinar Booked", {}),
    ("Webinar Missed", {}),
    ("Survey Answered", {"contact_requested": True}),
    ("Inquiry Submitted", {"subject": "見積もりの依頼"}),
    ("Call Answered", {"interested": True}),
    ("Lead Listed", {"list": "external_database"}),
    ("BANT Confirmed", {"point": "needs"}),
    ("BANT Confirmed", {"point": "authority"}),
    ("Appointment Made", {"inside_sales": "sato"}),
    (
        "Deal Registered",
        {"deal_id": "D-1042", "amount": 4_800_000, "expected_date": "2026-11-30", "field_sales": "ito"},
    ),
    ("Usage Reported", {"usage": 84}),
    ("Quote Calculated", {"amount": 100}),
]
TRAITS = {
    "name": "山田 太郎",
    "email": "taro.yamada@acme.example",
    "phone": "03-1234-5678",
    "title": "情報システム部長",
    "department": "情報システム部",
    "prefecture": "大阪府",
    "company": {"name": "株式会社アクメ", "industry": "製造", "employees": 1200},
}


def active_lead(lead: str, end: datetime, events: int = 200, share: float = 1.0) -> list[Event]:
    """The lead's events in the order of time, each received when it happened, the last a while before `end`. Of what is
    done once, it does a `share`."""
    random = Random(lead)
    begin = end - timedelta(days=MONTHS_IN_DAYS)
    visits = sorted(begin + (end - begin) * random.random() for _ in range(events // 4))
    # People come, look at some pages, and go.
    times = sorted(random.choice(visits) + timedelta(seconds=random.uniform(0, 900)) for _ in range(events))
    told: list[What] = [(Kind.TRACK, name, about) for name, about in ONCE if random.random() < share]
    told += [(Kind.IDENTIFY, "", TRAITS)] * 3
    weights = [often for often, _ in OFTEN]
    told += [what for _, what in random.choices(OFTEN, weights, k=events - len(told))]
    random.shuffle(told)
    return [_event(lead, random, at, what) for at, what in zip(times, told, strict=True)]


def _event(lead: str, random: Random, at: datetime, what: What) -> Event:
    kind, name, about = what
    id = str(uuid.UUID(int=random.getrandbits(128), version=4))
    of_browser = kind is Kind.PAGE
    return Event(
        kind=kind,
        id=f"ajs-next-{int(at.timestamp() * 1000)}-{id}" if of_browser else id,
        source="website" if of_browser else "ma",
        key=lead,
        time=at,
        received_at=at,
        name=name,
        user_id=lead,
        traits=about if kind is Kind.IDENTIFY else {},
        properties=about if kind is not Kind.IDENTIFY else {},
    )


def makeup(states: list[bytes]) -> dict[str, int]:
    """What states are made of, in bytes before they are squeezed; the largest parts first."""
    found = [decode_state(raw) for raw in states]
    sizes = {name: mean(len(msgspec.msgpack.encode(getattr(state, name))) for state in found) for name in STORED}
    return {name: round(size) for name, size in sorted(sizes.items(), key=lambda one: -one[1]) if size > 9}
