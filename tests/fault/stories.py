"""What is sent: the sample's leads, made harder. Pure and seeded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any

from services.cli.sample import generate, identity_of

Call = dict[str, Any]

END = datetime(2025, 6, 30, 9, tzinfo=UTC)
CALLS_PER_LEAD = 16.4
LATE, LATE_BY = 0.05, 4_000
"""Share of calls that arrive later than they happened, and by how many places at most."""
BAD = 0.001
HISTORICAL_LEADS = 0.05


@dataclass(frozen=True)
class Stories:
    """`calls` in order of sending; `bad` are the message ids of those that ingest must reject."""

    calls: list[Call]
    bad: frozenset[str]

    @property
    def by_id(self) -> Mapping[str, Call]:
        """The calls that must become events."""
        return {call["messageId"]: call for call in self.calls if call["messageId"] not in self.bad}


def tell(seed: int, count: int) -> Stories:
    """Exactly `count` calls. Of some leads the first half is imported history; some calls come late, some are bad."""
    random = Random(f"stories:{seed}")
    sample = generate(seed=seed, leads=int(count / CALLS_PER_LEAD * 1.1) + 10, end=END).calls
    order = [(place + (random.randrange(LATE_BY) if random.random() < LATE else 0)) for place in range(len(sample))]
    calls = [sample[place] for _, place in sorted((at, place) for place, at in enumerate(order))][:count]
    if len(calls) < count:
        raise ValueError(f"the sample has only {len(calls)} calls for {count}: lower CALLS_PER_LEAD")
    imported = {lead for lead in sorted({lead_of(call) for call in calls}) if random.random() < HISTORICAL_LEADS}
    half = sorted(call["timestamp"] for call in calls)[count // 2]
    told = [_historical(call) if lead_of(call) in imported and call["timestamp"] < half else call for call in calls]
    bad = {call["messageId"] for call in told if random.random() < BAD}
    return Stories([_spoilt(call, random) if call["messageId"] in bad else call for call in told], frozenset(bad))


def lead_of(call: Call) -> str:
    """The lead that a call tells of; empty for a bad one without any id."""
    return identity_of(call) or ""


def _historical(call: Call) -> Call:
    return call | {"historical": True}


def _spoilt(call: Call, random: Random) -> Call:
    match random.randrange(3):
        case 0:
            return call | {"timestamp": "yesterday"}
        case 1:
            return call | {"type": "hug"}
    # Nor an address, which would do.
    return {name: value for name, value in call.items() if name not in ("userId", "anonymousId", "traits")}
