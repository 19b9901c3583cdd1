"""A simulation in words and figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from services.router.lifecycle.model import HandOffChange, Lead, StageChange, Status
from services.router.lifecycle.reasons import Leaf
from services.router.lifecycle.recycling import RECYCLED
from services.router.lifecycle.rules import Rules
from services.router.lifecycle.surroundings import TeamKey
from services.router.lifecycle.valves import Said
from tests.simulation.audit import audit
from tests.simulation.business import Business
from tests.simulation.chronicle import Chronicle, Week

_BARS, _OVER = " ▁▂▃▄▅▆▇█", "▲"


def summary(chronicle: Chronicle) -> Iterator[str]:
    """What came into the log, and what became of the hand-offs."""
    business, ledger, laws = chronicle.business, chronicle.business.ledger, chronicle.business.laws
    yield f"{business.events:,} events, {business.records:,} score records, {laws.looked_at:,} transactions looked at"
    offered = ledger.handoffs.values()
    ended = {status: sum(one.status is status for one in offered) for status in Status}
    told = ", ".join(f"{number} {status.value}" for status, number in ended.items() if number)
    yield f"{len(offered):,} hand-offs: {told}"
    said = {what: sum(one.valve == what for one in offered) for what in Said}
    yield "at the valve: " + ", ".join(f"{number} {what.value}" for what, number in said.items())
    own = [lead for lead in ledger.leads.values() if lead.merged_into is None]
    yield (
        f"{len(own):,} leads; {sum(lead.recycled for lead in own):,} times one was recycled; "
        f"{len(ledger.leads) - len(own):,} browsers turned out to be a lead; {chronicle.joined} times "
        "one joined a colleague's hand-off"
    )


def audited(business: Business) -> Iterator[str]:
    """As `GET /v1/audit` says it."""
    for name, found in audit(business.ledger, business.now).items():
        yield f"  {name:<20}{len(found):>5}  {', '.join(found[:3])}".rstrip()


def conversion(business: Business) -> Iterator[str]:
    """How many leads have come how far, and what share of those who were a stage before."""
    before = sum(1 for _ in _own(business))
    for stage in business.rules.playbook.stages:
        if stage.excluded or stage.id in {"recycled", "lost"}:
            continue
        further = sum(lead.furthest >= stage.number for lead in _own(business))
        share = f"{further / before:.1%}" if before else "-"
        yield f"  {stage.number} {stage.label.en:<24}{further:>6,}{share:>8}"
        before = further


def load(chronicle: Chronicle) -> Iterator[str]:
    """A column for each week, full where the team has all that it can take; of one that takes any number, as much as it
    ever had."""
    for key, weeks in chronicle.weeks.items():
        most, can = max((week.load for week in weeks), default=0), chronicle.business.rules.teams[key].capacity
        bars = "".join(_bar(week.load, most if can is None else can) for week in weeks)
        held = max((week.of_valve for week in weeks), default=0)
        by_total = f", {held} for nothing but their total" if key in _behind_valves(chronicle.valves) else ""
        yield f"  {key[1]:<18}{bars}  at most {most} of {'any number' if can is None else can}{by_total}"


def _behind_valves(rules: Rules) -> set[TeamKey]:
    return {
        key for key, team in rules.teams.items() for rule in rules.valves.values() if team.department == rule.valve.to
    }


def _bar(load: int, full: int) -> str:
    return _OVER if load > full else _BARS[-(-8 * load // full) if full else 0]


def load_csv(weeks: dict[TeamKey, list[Week]]) -> Iterator[str]:
    """One line for each team and week."""
    yield "week_ends,department,team,load,of_valve,waiting,offered"
    for (department, team), of_team in weeks.items():
        for week in of_team:
            yield f"{week.ends:%Y-%m-%d},{department},{team},{week.load},{week.of_valve},{week.waiting},{week.offered}"


def whole_way(chronicle: Chronicle) -> str | None:
    """The lead that went through all eight stages in the fewest steps, and was rejected once and recycled once more
    before it was a customer. None: there is none."""
    ways = [lead.lead_id for lead in _own(chronicle.business) if _is_whole_way(lead, chronicle)]
    return min(ways, key=lambda id: (len(chronicle.steps[id]), id), default=None)


def timeline(chronicle: Chronicle, lead_id: str) -> Iterator[str]:
    """What was told of one lead, in order."""
    for step in chronicle.steps[lead_id]:
        if not isinstance(step, StageChange | HandOffChange) or (isinstance(step, HandOffChange) and step.joined):
            continue
        words = f"  {_local(step.at, chronicle)}  {_in_words(step, chronicle)}"
        yield f"{words}  ({_reasons(step.reason)})" if step.reason else words


def _in_words(step: StageChange | HandOffChange, chronicle: Chronicle) -> str:
    if isinstance(step, StageChange):
        return f"{step.source} → {step.target}"
    one = step.handoff
    words = f"    {one.giver} → {one.receiver} {one.status.value}: {one.team}, {one.person or 'queue'}"
    if one.status is not Status.OFFERED or one.respond_by is None:
        return words
    return f"{words}, to be answered by {_local(one.respond_by, chronicle)}"


def _reasons(reason: Sequence[Leaf]) -> str:
    return "; ".join(dict.fromkeys(_label(leaf) for leaf in reason))


def _label(leaf: Leaf) -> str:
    label = leaf.label
    return str(label.get("en", leaf.name)) if isinstance(label, dict) else str(label or leaf.name)


def _is_whole_way(lead: Lead, chronicle: Chronicle) -> bool:
    playbook, steps = chronicle.business.rules.playbook, chronicle.steps[lead.lead_id]
    way = {stage.id for stage in playbook.stages if stage.when is not None and not stage.excluded}
    won = next((n for n, step in enumerate(steps) if isinstance(step, StageChange) and step.target == "onboarding"), 0)
    ended = [step.handoff.status for step in steps[:won] if isinstance(step, HandOffChange)]
    reasons = [leaf.condition for step in steps[:won] if isinstance(step, StageChange) for leaf in step.reason]
    return way <= set(lead.reached) and Status.REJECTED in ended and RECYCLED in reasons


def _own(business: Business) -> Iterable[Lead]:
    return (lead for lead in business.ledger.leads.values() if lead.merged_into is None)


def _local(moment: datetime, chronicle: Chronicle) -> str:
    return f"{moment.astimezone(chronicle.business.rules.playbook.zone):%Y-%m-%d %H:%M}"


def section(title: str, lines: Iterable[str]) -> str:
    return "\n".join(["", title, *lines])
