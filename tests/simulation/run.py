"""Two years of business in simulated time, with every invariant asked at every step: the audit, the load of the teams
with and without the valve, and one lead's way.

    python -m tests.simulation.run [--leads 3000] [--days 730] [--seed 1] [--csv build/loads.csv]
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random

from services.router.batch import Decided
from services.router.lifecycle.model import Status
from services.router.lifecycle.rotation import load_share
from services.router.valve_keeper import valves_of
from tests.simulation.business import DAY, Business
from tests.simulation.people import Market, Sales
from tests.simulation.staff import company

START = datetime(2026, 1, 5, 0, tzinfo=UTC)
BUSY = (timedelta(days=270), timedelta(days=300))
"""A month in which five times as many leads come."""
IDLE = ((115, 130), (355, 372), (480, 495))
"""Weeks in which nobody comes, by days from the start."""


@dataclass
class Story:
    """What came of it. `loads`: by week and team its load by capacity; `waiting`: hand-offs before a valve then."""

    business: Business
    loads: list[tuple[int, str, float, int]] = field(default_factory=list)
    longest_wait: timedelta = timedelta(0)
    decisions: int = 0

    def hears(self, decided: Sequence[Decided]) -> None:
        self.decisions += len(decided)

    def note(self) -> None:
        """How busy field sales is."""
        business = self.business
        for (department, team), rule in business.rules.teams.items():
            share = load_share(rule, business.memory.team((department, team), business.now))
            if department == "field-sales" and share is not None:
                waiting = [
                    one for one in business.memory.opened.values() if one.status is Status.WAITING and one.team == team
                ]
                self.longest_wait = max([self.longest_wait, *(business.now - one.offered_at for one in waiting)])
                self.loads.append(((business.now - START) // (7 * DAY), team, float(share), len(waiting)))


def simulate(leads: int, days: int, seed: int, *, with_valve: bool = True) -> Story:
    """Raises `AssertionError` as soon as something is not as it must be."""
    business, chance = Business(company(with_valve=with_valve), START), Random(seed)
    market, sales, story = Market(business, chance), Sales(business, chance), Story(business)
    business.heard += [sales.hears, story.hears]
    for number in range(leads):
        business.at(START + _arrival(chance, days), partial(market.comes, number))
    people = [person.id for rule in business.rules.teams.values() for person in rule.people]
    for day in range(days):
        if chance.random() < 0.2:
            who, span = chance.choice(people), (START + day * DAY, START + (day + chance.randint(1, 10)) * DAY)
            business.at(span[0], partial(business.memory.absences[who].append, span))
        business.at(START + day * DAY, business.check_everything)
        if day % 7 == 6:
            business.at(START + day * DAY, story.note)
        for hour in range(24):
            business.at(START + day * DAY + timedelta(hours=hour), business.look_at_valves)
    business.run(START + days * DAY)
    business.check_everything()
    return story


def _arrival(chance: Random, days: int) -> timedelta:
    while True:
        at = timedelta(days=chance.uniform(0, days))
        if any(first <= at.days < last for first, last in IDLE):
            continue
        if BUSY[0] <= at < BUSY[1] or chance.random() < 0.2:
            return at


def audit(story: Story) -> dict[str, int]:
    """As GET /v1/audit has it."""
    business, memory = story.business, story.business.memory
    now = business.now
    opened = memory.opened.values()
    return {
        "leads": len(memory.leads),
        "without_owner": sum(1 for lead in memory.leads.values() if lead.acquired_at and not lead.department),
        "with_two_handoffs": sum(
            1 for n in Counter(one.lead_id for one in memory.handoffs.values() if one.is_open).values() if n > 1
        ),
        "with_two_owners": sum(
            1
            for one in opened
            if one.status is Status.ACCEPTED
            and (memory.leads[one.lead_id].department, memory.leads[one.lead_id].person) != (one.receiver, one.person)
        ),
        "overdue": sum(1 for one in opened if one.status is Status.OFFERED and one.respond_by and one.respond_by < now),
        "waiting": sum(1 for one in opened if one.status is Status.WAITING),
        "recycled": sum(lead.recycled for lead in memory.leads.values()),
    }


def way_of(story: Story) -> list[str]:
    """Everything about the lead that has been furthest, rejected and recycled."""
    memory = story.business.memory
    rejected = {change.handoff.lead_id for change in memory.changes if change.handoff.status is Status.REJECTED}
    known = [lead for lead in memory.leads.values() if lead.lead_id in rejected and lead.recycled] or list(
        memory.leads.values()
    )
    lead = max(known, key=lambda one: (one.furthest, len(one.reached), -one.seq))
    lines = [
        (change.at, change.seq, f"stage {change.source} → {change.target}: {_why(change.reason)}")
        for change in memory.stages
        if change.lead_id == lead.lead_id
    ]
    for change in memory.changes:
        one = change.handoff
        if one.lead_id == lead.lead_id and not change.joined:
            who = f"{one.giver} → {one.receiver}/{one.person or one.team}"
            lines.append((change.at, change.seq, f"hand-off {who}: {one.status.value} {_why(change.reason)}"))
    return [f"{at:%Y-%m-%d %H:%M} {text}" for at, _, text in sorted(lines, key=lambda line: line[1])]


def _why(reason: Sequence[object]) -> str:
    return "; ".join(part.label["en"] for part in reason)  # type: ignore[attr-defined]


def _chart(story: Story, team: str) -> str:
    """A character a week: the load in tenths of the capacity, + for more than all of it."""
    shares = [share for _, one, share, _ in story.loads if one == team]
    return "".join("+" if share > 1 else str(min(9, int(share * 10))) for share in shares)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leads", type=int, default=3000)
    parser.add_argument("--days", type=int, default=730)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--csv", type=Path, help="loads by week and team")
    given = parser.parse_args()
    stories = {}
    for name, with_valve in (("with the valve", True), ("without", False)):
        began = time.perf_counter()
        story = stories[name] = simulate(given.leads, given.days, given.seed, with_valve=with_valve)
        took = time.perf_counter() - began
        _say(f"{name}: {given.days} days, {story.decisions:,} decisions in {took:.0f} s; every invariant held")
        _say("  audit: " + ", ".join(f"{what} {number}" for what, number in audit(story).items()))
        states = Counter(change.handoff.status.value for change in story.business.memory.changes if not change.joined)
        _say("  hand-offs: " + ", ".join(f"{status} {number}" for status, number in sorted(states.items())))
        stages = Counter(lead.stage for lead in story.business.memory.leads.values())
        _say("  stages: " + ", ".join(f"{stage} {number}" for stage, number in stages.most_common()))
        _say(f"  longest wait at a valve, as seen weekly: {story.longest_wait}")
        for valve in {valve.team.id: valve for valve in valves_of(stories["with the valve"].business.rules)}.values():
            shares = [share for _, team, share, _ in story.loads if team == valve.team.id]
            over = sum(1 for share in shares if share > 1)
            _say(f"  {valve.team.id:>14} {_chart(story, valve.team.id)}  most {max(shares):.0%}, full in {over} weeks")
    _say("one lead's way:")
    _say("\n".join(f"  {line}" for line in way_of(stories["with the valve"])))
    if given.csv:
        with given.csv.open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(("valve", "week", "team", "share", "waiting"))
            table.writerows((name, *row) for name, story in stories.items() for row in story.loads)
    return 0


if __name__ == "__main__":
    sys.exit(main())
