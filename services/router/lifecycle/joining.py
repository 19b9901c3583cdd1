"""Leads of one department of a company are one opportunity (domain A5): the first one's hand-off is for all of them.

Whoever would be offered to the same receiver while it is open joins it: the lead is attached to the first one, the
primary lead, and has the same owner. It is attached as long as the primary lead's hand-off is open. When that ends, the
colleagues follow: whoever has accepted keeps them all; with a rejected one they all go back; where only the primary
lead has dropped out (cooled, excluded, merged, erased), the best of the others is offered instead, and the rest joins
that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Protocol

from msgspec.structs import replace

from services.router.lifecycle.answers import case_of
from services.router.lifecycle.fading import faded
from services.router.lifecycle.handoffs import pass_on
from services.router.lifecycle.known import all_facts
from services.router.lifecycle.model import Decision, HandOff, HandOffChange, Lead, Status
from services.router.lifecycle.offers import Wanted, tell
from services.router.lifecycle.owning import share, take_over
from services.router.lifecycle.reasons import Leaf
from services.router.lifecycle.recycling import go_back, rejected_back, returned_back
from services.router.lifecycle.rules import LAST_PROSPECT_STAGE, Rules
from services.router.lifecycle.settling import settled, timed
from services.router.lifecycle.stages import held_back
from services.router.lifecycle.surroundings import Surroundings, joint_key
from shared.scores import ScoreRecord

_LABELS = {
    "joined": {"ja": "同じ部署の同僚が加わった", "en": "A colleague of the same department has joined"},
    "left": {"ja": "同僚が外れた", "en": "A colleague has left"},
}


class LeadsNeeded(Exception):
    """A decision concerns these leads, too, of which not everything is known: it must be made once more, with them."""

    def __init__(self, ids: Iterable[str]) -> None:
        super().__init__("leads of the same company are needed")
        self.ids = frozenset(ids)


class HasRecord(Protocol):
    @property
    def record(self) -> ScoreRecord: ...


class Group(Protocol):
    """Leads, their open hand-offs and latest scores, as they have been decided so far. Of what was `asked` for and is
    not among the leads, there is none."""

    @property
    def leads(self) -> Mapping[str, Lead]: ...
    @property
    def opened(self) -> Mapping[str, HandOff]: ...
    @property
    def scores(self) -> Mapping[str, HasRecord]: ...
    @property
    def around(self) -> Surroundings: ...
    @property
    def asked(self) -> frozenset[str]: ...

    def root(self, lead_id: str) -> str: ...
    def follow(self, decision: Decision) -> None: ...


def is_joint(was: Lead | None, had: HandOff | None, lead: Lead) -> bool:
    """Whether colleagues may be concerned by a decision."""
    return bool(lead.attached_to or (was is not None and was.attached_to) or (had is not None and had.attached))


def regroup(  # noqa: PLR0913, PLR0917 - a lead before and after, and what is around it
    was: Lead | None, had: HandOff | None, decision: Decision, group: Group, rules: Rules, now: datetime
) -> Iterator[Decision]:
    """What a decision about a lead means for its colleagues. `group` has followed it, and follows what is yielded;
    `was` and `had` are the lead and its open hand-off before. Raises `LeadsNeeded`."""
    lead = decision.lead
    before = None if was is None else was.attached_to
    if before is not None and before != lead.attached_to:
        yield from _leave(before, lead.lead_id, group, now)
    if lead.attached_to is not None and before != lead.attached_to:
        yield from _enter(lead, group, now)
    if lead.attached_to is not None and _tells_of_contact(group.scores[lead.lead_id].record, was, rules):
        yield from _contacted(lead, group, rules)
    if had is None or not had.attached or was is None:
        return
    if decision.handoffs or share(was, lead, now) is not was:
        yield from _Following(group, rules, now).follow(had, decision)


class _Following:
    """The colleagues who have joined a hand-off, after it has changed."""

    def __init__(self, group: Group, rules: Rules, now: datetime) -> None:
        self._group, self._rules, self._now = group, rules, now

    def follow(self, had: HandOff, decision: Decision) -> Iterator[Decision]:
        lead = decision.lead
        attached = _needed(had.attached, self._group)
        end = next(
            (c for c in decision.handoffs if c.handoff.handoff_id == had.handoff_id and not c.handoff.is_open), None
        )
        opened = self._group.opened.get(lead.lead_id)
        if end is None or (opened is not None and opened.previous == had.handoff_id):
            yield from (self._change(share(one, lead, self._now)) for one in attached)
        elif (heir := self._heir(end.handoff)) is not None:
            for one in attached:
                yield from self._move(one, heir)
        elif end.handoff.status in (Status.REJECTED, Status.RETURNED):
            yield from (self._go_back(one, lead, end) for one in attached)
        elif end.handoff.status is Status.COMPLETED or had.status is Status.ACCEPTED:
            yield from (self._keep(one, end.handoff) for one in attached)
        else:
            for one in sorted(attached, key=lambda one: (-self._points(one), one.lead_id)):
                yield from self._offer(one, end.reason)

    def _change(self, lead: Lead) -> Decision:
        """Nothing has happened but that the lead is so from now on."""
        opened, record = self._group.opened.get(lead.lead_id), self._group.scores[lead.lead_id].record
        return self._followed(Decision(lead=timed(lead, opened, record, self._rules)))

    def _followed(self, decision: Decision) -> Decision:
        self._group.follow(decision)
        return decision

    def _heir(self, ended: HandOff) -> HandOff | None:
        """The hand-off that goes on, where two leads were found to be one: to the same receiver, and for the same
        department of a company, as far as one was known."""
        heir = self._group.opened.get(self._group.root(ended.lead_id)) if ended.status is Status.MERGED else None
        if heir is None or heir.receiver != ended.receiver or joint_key(heir) not in (None, joint_key(ended)):
            return None
        return replace(heir, company=ended.company, company_part=ended.company_part)

    def _move(self, one: Lead, heir: HandOff) -> Iterator[Decision]:
        if one.lead_id == heir.lead_id:
            yield self._change(replace(one, attached_to=None))
            return
        moved = share(replace(one, attached_to=heir.lead_id), self._group.leads[heir.lead_id], self._now)
        yield self._change(moved)
        yield from _enter(moved, self._group, self._now, heir)

    def _keep(self, one: Lead, ended: HandOff) -> Decision:
        """Whoever has taken the primary lead has taken this one, too."""
        owner = (ended.receiver, ended.team, ended.person, True)
        if (one.department, one.team, one.person, one.taken) != owner:
            one = take_over(one, ended, ended.person, self._now)
        return self._change(replace(one, attached_to=None))

    def _go_back(self, one: Lead, primary: Lead, end: HandOffChange) -> Decision:
        """Together with the primary lead. Customers stay where they are, with the giver."""
        rules, record = self._rules, self._group.scores[one.lead_id].record
        if rules.stages[one.stage].stage.number > LAST_PROSPECT_STAGE:
            return self._change(replace(share(one, primary, self._now), attached_to=None))
        case = case_of(one, record, rules, self._now, self._group.around)
        back = rejected_back(rules) if end.handoff.status is Status.REJECTED else returned_back(rules)
        return self._followed(settled(go_back(one, back, end.reason, case), None, case))

    def _offer(self, one: Lead, reason: list[Leaf]) -> Iterator[Decision]:
        """To whom its own stage leads: as the next primary lead, or to join that."""
        free = replace(one, attached_to=None)
        stage = self._rules.stages[one.stage]
        owner = stage.stage.owner
        if owner in (None, one.department) or owner is None or stage.stage.excluded:
            yield self._change(free)
            return
        record = self._group.scores[one.lead_id].record
        if held_back(stage, all_facts(record, self._now), self._rules):
            yield self._change(free)  # to be left alone by now: it stays with the giver until it is recycled
            return
        case = case_of(free, record, self._rules, self._now, self._group.around)
        lead, changes = pass_on(free, Wanted(owner, stage, reason), case)
        yield self._followed(settled(Decision(lead=lead, handoffs=changes), None, case))
        if lead.attached_to is not None:
            yield from _enter(lead, self._group, self._now)

    def _points(self, lead: Lead) -> float:
        record = self._group.scores[lead.lead_id].record
        return faded(record, max(record.time, self._now)).total


def _needed(ids: Iterable[str], group: Group) -> list[Lead]:
    """These leads, without such as do not exist. Raises `LeadsNeeded`."""
    unknown = {id for id in ids if not (id in group.leads and id in group.scores)} - group.asked
    if unknown:
        raise LeadsNeeded(unknown)
    return [group.leads[id] for id in ids if id in group.leads]


def _enter(lead: Lead, group: Group, now: datetime, joint: HandOff | None = None) -> Iterator[Decision]:
    """The primary lead's hand-off names the lead from now on. `joint`: as that hand-off is to be, but for the names."""
    for primary in _needed([lead.attached_to or ""], group):
        opened = group.opened[primary.lead_id]
        if joint is not None:
            opened = replace(opened, company=joint.company, company_part=joint.company_part)
        if lead.lead_id not in opened.attached:
            yield _told(primary, opened, (*opened.attached, lead.lead_id), _leaf("joined", lead.lead_id), group, now)


def _leave(primary_id: str, lead_id: str, group: Group, now: datetime) -> Iterator[Decision]:
    """The primary lead's hand-off, if it is still open, names the lead no more."""
    for primary in _needed([primary_id], group):
        opened = group.opened.get(primary_id)
        if opened is not None and lead_id in opened.attached:
            rest = tuple(id for id in opened.attached if id != lead_id)
            yield _told(primary, opened, rest, _leaf("left", lead_id), group, now)


def _tells_of_contact(record: ScoreRecord, was: Lead | None, rules: Rules) -> bool:
    """Whether it is this record that says so. When the lead was contacted may be known already, from the report."""
    is_new = was is not None and was.score_seq < record.seq
    return is_new and rules.playbook.handoffs.first_contact in record.reported


def _contacted(lead: Lead, group: Group, rules: Rules) -> Iterator[Decision]:
    """Whoever has got in touch with a colleague has met the deadline for the first contact."""
    for primary in _needed([lead.attached_to or ""], group):
        if lead.contacted_at is not None and (primary.contacted_at is None or primary.contacted_at < lead.contacted_at):
            told = replace(primary, contacted_at=lead.contacted_at)
            record = group.scores[primary.lead_id].record
            decision = Decision(lead=timed(told, group.opened.get(primary.lead_id), record, rules))
            group.follow(decision)
            yield decision


def _told(  # noqa: PLR0913, PLR0917 - a lead, its hand-off, and what has changed
    primary: Lead, opened: HandOff, attached: tuple[str, ...], why: Leaf, group: Group, now: datetime
) -> Decision:
    joined = replace(opened, attached=attached)
    lead, change = tell(primary, HandOffChange(handoff=joined, seq=primary.seq + 1, at=now, reason=[why], joined=True))
    decision = Decision(lead=lead, handoffs=[change])
    group.follow(decision)
    return decision


def _leaf(what: str, lead_id: str) -> Leaf:
    return Leaf(condition=what, name=lead_id, met=True, label=_LABELS[what])
