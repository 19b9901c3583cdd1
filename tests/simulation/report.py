"""A simulation in words and figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from services.router.lifecycle.criteria import Leaf
from services.router.lifecycle.model import HandOffChange, Lead, StageChange, Status
from services.router.lifecycle.rules import LAST_PROSPECT_STAGE
from services.router.lifecycle.surroundings import TeamKey
from tests.simulation.audit import audit
from tests.simulation.business import Business
from tests.simulation.chronicle import Chronicle, Week

_BARS = " ▁▂▃▄▅▆▇█"


def summary(chronicle: Chronicle) -> Iterator[str]:
    """What came into the log, and what became of the hand-offs."""
    business, ledger, laws = chronicle.business, chronicle.business.ledger, chronicle.business.laws
    yield f"{business.events:,} events, {business.records:,} score records, {laws.looked_at:,} transactions looked at"
    offered = ledger.handoffs.values()
    ended = {status: sum(one.status is status for one in offered) for status in Status}
    told = ", ".join(f"{number} {status.value}" for status, number in ended.items() if number)
    yield f"{len(offered):,} hand-offs: {told}"
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
    """A column for each week, as high as the team's load in its busiest one."""
    for key, weeks in chronicle.weeks.items():
        most = max((week.load for week in weeks), default=0)
        bars = "".join(_BARS[round(8 * week.load / most)] if most else " " for week in weeks)
        can = chronicle.business.rules.teams[key].capacity
        yield f"  {key[1]:<18}{bars}  at most {most} of {'any number' if can is None else can}"


def load_csv(weeks: dict[TeamKey, list[Week]]) -> Iterator[str]:
    """One line for each team and week."""
    yield "week_ends,department,team,load,waiting,offered"
    for (department, team), of_team in weeks.items():
        for week in of_team:
            yield f"{week.ends:%Y-%m-%d},{department},{team},{week.load},{week.waiting},{week.offered}"


def whole_way(chronicle: Chronicle) -> str | None:
    """The lead that went through all eight stages, one by one, with a rejection and a recycling before it was a
    customer, in the fewest steps. None: there is none."""
    ways = [lead for lead in _own(chronicle.business) if _is_whole_way(lead, chronicle)]
    return min((lead.lead_id for lead in ways), key=lambda id: (len(chronicle.steps[id]), id), default=None)


def timeline(chronicle: Chronicle, lead_id: str) -> Iterator[str]:
    """What was told of one lead, in order."""
    for step in chronicle.steps[lead_id]:
        if not isinstance(step, StageChange | HandOffChange) or (isinstance(step, HandOffChange) and step.joined):
            continue
        yield f"  {_local(step.at, chronicle)}  {_in_words(step)}  ({_reasons(step.reason)})".replace("  ()", "")


def _in_words(step: StageChange | HandOffChange) -> str:
    if isinstance(step, StageChange):
        return f"{step.source} → {step.target}"
    one = step.handoff
    who = f"{one.team}, {one.person or 'queue'}"
    return f"    {one.giver} → {one.receiver} {one.status.value}: {who}" + (
        f", to be answered by {one.respond_by:%m-%d %H:%M} UTC"
        if one.status is Status.OFFERED and one.respond_by
        else ""
    )


def _reasons(reason: Sequence[Leaf]) -> str:
    return "; ".join(dict.fromkeys(_label(leaf) for leaf in reason))


def _label(leaf: Leaf) -> str:
    label = leaf.label
    return str(label.get("en", leaf.name)) if isinstance(label, dict) else str(label or leaf.name)


def _is_whole_way(lead: Lead, chronicle: Chronicle) -> bool:
    steps = chronicle.steps[lead.lead_id]
    stages = {stage.id for stage in chronicle.business.rules.playbook.stages if stage.owner and stage.number != 3}
    statuses = [step.handoff.status for step in steps if isinstance(step, HandOffChange)]
    recycled = [step for step in steps if isinstance(step, StageChange) and step.target in {"recycled", "lost"}]
    is_before = any(_number(step.source, chronicle) <= LAST_PROSPECT_STAGE for step in recycled)
    was_everywhere = stages <= set(lead.reached) and "nurturing" in lead.reached
    return was_everywhere and Status.REJECTED in statuses and is_before


def _number(stage: str, chronicle: Chronicle) -> int:
    return chronicle.business.rules.stages[stage].stage.number


def _own(business: Business) -> Iterable[Lead]:
    return (lead for lead in business.ledger.leads.values() if lead.merged_into is None)


def _local(moment: datetime, chronicle: Chronicle) -> str:
    return f"{moment.astimezone(chronicle.business.rules.playbook.zone):%Y-%m-%d %H:%M}"


def section(title: str, lines: Iterable[str]) -> str:
    return "\n".join(["", title, *lines])
