"""The backlog of the job, made from a seed: the same arguments give the same bytes."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any
from uuid import UUID

import msgspec

from shared.events import Event, Kind, encode_event

BEGIN = datetime(2026, 9, 1, tzinfo=UTC)
DAYS = 60
COPIES = 0.01
"""The share of records that repeat a message of the hours before."""
LATE = 0.02
"""The share of events told of hours or days after they happened."""
MAX_LATE = timedelta(days=3)
COPIED_WITHIN = timedelta(hours=20)
"""Well within the same or the following day, where ours promises to know a copy."""
REMEMBERED = 2000
"""Records back from which a copy is drawn."""

IDENTIFY = ""
"""The name of an event that tells what the lead is: a call `identify` has none."""
ACTIONS: list[tuple[float, str, str, str]] = [
    # weight, event, property, value: the first twelve are those of the rules, the others score nothing
    (10, "Page Viewed", "section", "pricing"),
    (20, "Page Viewed", "section", "product"),
    (8, "Page Viewed", "section", "cases"),
    (3, "Page Viewed", "section", "careers"),
    (2, "Document Downloaded", "document", "catalogue"),
    (3, "Document Downloaded", "document", "whitepaper"),
    (14, "Mail Opened", "campaign", "newsletter"),
    (5, "Mail Clicked", "campaign", "newsletter"),
    (3, "Mail Clicked", "campaign", "invitation"),
    (2, "Webinar", "action", "booked"),
    (1, "Webinar", "action", "watched"),
    (1, "Form Submitted", "form", "demo"),
    (15, "Page Viewed", "section", "blog"),
    (4, "Mail Opened", "campaign", "invitation"),
    (3, "Video Played", "section", "product"),
    (3, "Session Started", "section", "product"),
    (3, IDENTIFY, "", ""),
]
LONGEST_WEBINAR = 120
"""Minutes: those who watch tell how long, and that gives the points."""
STILL_ANONYMOUS = 0.05
"""The share of what a known visitor does that comes by the visitor's id all the same."""
EMPLOYEES = (8, 40, 120, 280, 450, 2500)
UNKNOWN: dict[str, Any] = {"id": "", "source": "website", "key": "", "time": BEGIN, "received_at": BEGIN}
"""Who did it and when comes later."""
TITLES = ("営業部長", "情報システム課長", "担当", "代表取締役社長", "Marketing Manager", "Engineer")


@dataclass(frozen=True)
class Size:
    """`skew` is the exponent of Zipf's law: the n-th busiest lead has n^-skew times the events of the busiest.
    `visitors` is the share of the leads who begin as anonymous visitors."""

    events: int = 1_000_000
    leads: int = 100_000
    skew: float = 1.0
    seed: int = 1
    visitors: float = 0.1


@dataclass
class Visitor:
    """A lead who begins as anonymous visitor `id`: with the first event received from `until` on an `identify` says who
    it is, which happens at `identified`. What happened before stays the visitor's, also where it is told of late, and
    so does what is done later on pages that do not know the user."""

    id: str
    until: datetime
    identified: datetime | None = None

    def is_named(self, time: datetime, dice: random.Random) -> bool:
        """Whether what is done at that time comes under the user's id."""
        return self.identified is not None and time >= self.identified and dice.random() >= STILL_ANONYMOUS


def backlog(size: Size) -> Iterator[tuple[bytes, bytes]]:
    """(key, value) of `size.events` records in the order of reception, evenly spread over `DAYS`."""
    dice = random.Random(size.seed)
    names = [f"lead-{number:06d}" for number in range(size.leads)]
    dice.shuffle(names)  # a lead's name, and so its partition, says nothing about how busy it is
    visitors = {name: _visitor(dice) for name in names if dice.random() < size.visitors}
    weights = list(accumulate((rank + 1) ** -size.skew for rank in range(size.leads)))
    action_weights = list(accumulate(weight for weight, *_ in ACTIONS))
    recent: deque[Event] = deque(maxlen=REMEMBERED)
    step = timedelta(days=DAYS) / size.events
    for number in range(size.events):
        received = _whole_ms(BEGIN + step * number)
        if recent and dice.random() < COPIES:
            original = dice.choice(recent)
            if received - original.received_at < COPIED_WITHIN:
                event = _copied(original, received)
                yield event.key.encode(), encode_event(event)
                continue
        lead = dice.choices(names, cum_weights=weights)[0]
        action = dice.choices(ACTIONS, cum_weights=action_weights)[0]
        event = _event(dice, received, lead, visitors.get(lead), action)
        recent.append(event)
        yield event.key.encode(), encode_event(event)


def _event(
    dice: random.Random, received: datetime, lead: str, visitor: Visitor | None, action: tuple[float, str, str, str]
) -> Event:
    _, name, key, value = action
    late = MAX_LATE * dice.random() if dice.random() < LATE else timedelta(seconds=dice.uniform(0.05, 2))
    time = _whole_ms(received - late)
    if visitor is not None and visitor.identified is None and received >= visitor.until:
        visitor.identified = time
        event, who = _identify(dice), {"key": lead, "user_id": lead, "anonymous_id": visitor.id}
    else:
        event = _identify(dice) if name == IDENTIFY else _track(dice, name, {key: value})
        if visitor is None or visitor.is_named(time, dice):
            who = {"key": lead, "user_id": lead}
        else:
            who = {"key": f"anon:{visitor.id}", "anonymous_id": visitor.id}
    return msgspec.structs.replace(event, id=_uuid(dice), time=time, received_at=received, **who)


def _visitor(dice: random.Random) -> Visitor:
    return Visitor(_uuid(dice), BEGIN + timedelta(days=DAYS) * dice.random())


def _track(dice: random.Random, name: str, told: dict[str, Any]) -> Event:
    article = dice.randrange(500)
    if told.get("action") == "watched":
        told["minutes"] = dice.randrange(1, LONGEST_WEBINAR)
    return Event(
        kind=Kind.TRACK,
        **UNKNOWN,
        name=name,
        properties=told | {"path": f"/articles/{article}", "title": "導入ガイド", "position": dice.randrange(100)},
        context={"locale": "ja-JP", "page": {"referrer": f"https://www.example.jp/topics/{article}"}},
    )


def _identify(dice: random.Random) -> Event:
    """Forms ask for different things, and people answer differently: one of the two fields may be missing."""
    told = dice.choice([("company",), ("title",), ("company", "title"), ("company", "title")])
    traits = {"company": {"employees": dice.choice(EMPLOYEES)}, "title": dice.choice(TITLES)}
    return Event(
        kind=Kind.IDENTIFY,
        **UNKNOWN,
        traits={name: traits[name] for name in told} | {"interests": ["クラウド", "セキュリティ"], "plan": "trial"},
        context={"locale": "ja-JP", "page": {"referrer": f"https://www.example.jp/forms/{dice.randrange(500)}"}},
    )


def _uuid(dice: random.Random) -> str:
    return str(UUID(int=dice.getrandbits(128), version=4))


def _copied(event: Event, received: datetime) -> Event:
    """The same message again: only the moment of reception is another."""
    return msgspec.structs.replace(event, received_at=received)


def _whole_ms(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
