"""Who of a team gets a hand-off: weighted fair rotation, by start-time fair queueing (Goyal, Vin and Cheng, 1996).

A person's start tag is the later of the team's virtual time and of the person's own finish tag; whoever has the least
is next, and a turn moves the own finish tag on by `TURN / weight`. Virtual time is the least start tag of those who
could have been next. So whoever was away begins where the others are: neither flooded with what was missed, nor
punished. Whole numbers: nothing is rounded, and nothing depends on how long a team has existed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fractions import Fraction

import msgspec
from msgspec.structs import replace

from services.router.lifecycle.teams import PersonRule, TeamRule

TURN = 720_720
"""A turn at weight 1; every weight from 1 to 16 divides it."""

Absence = tuple[datetime, datetime]
"""From when, and until when; at its end the person is back."""


class PersonState(msgspec.Struct, frozen=True):
    """`finish`: the finish tag of the latest turn. `load`: open hand-offs."""

    finish: int = 0
    load: int = 0


class TeamState(msgspec.Struct, frozen=True, kw_only=True):
    """What the rotation of one team goes on from. `load`: all open hand-offs of the team, also those that nobody has
    yet. Who is missing in `people` has had no turn and has nothing open; who is not in the playbook is passed over.
    `valve_step`: so many thresholds from the normal one its valve stands, since `valve_at`."""

    department: str
    team: str
    virtual: int = 0
    people: dict[str, PersonState] = {}
    load: int = 0
    absences: dict[str, tuple[Absence, ...]] = {}
    valve_step: int = 0
    valve_at: datetime | None = None


class Why(StrEnum):
    """Why this person, or why nobody. `all_…` is what the last of those were left out for, in this order: refused or
    let it expire, away, has enough."""

    ROTATION = "rotation"
    PREFERRED = "preferred"
    NO_PEOPLE = "no_people"
    ALL_EXCLUDED = "all_excluded"
    ALL_ABSENT = "all_absent"
    ALL_AT_MAX_LOAD = "all_at_max_load"


@dataclass(frozen=True, slots=True)
class Choice:
    """`person` None: the team's queue. `counts_from`: when working time begins for whoever has to answer; `state`: the
    team's with this hand-off counted."""

    person: str | None
    why: Why
    counts_from: datetime
    state: TeamState


@dataclass(frozen=True, slots=True)
class _Candidate:
    person: PersonRule
    order: int
    state: PersonState
    begins: datetime
    tag: int
    is_absent: bool

    @property
    def is_full(self) -> bool:
        return self.person.max_load is not None and self.state.load >= self.person.max_load

    @property
    def turn(self) -> tuple[datetime, int, int, int, int]:
        """Least is next: who is there first, then whose turn it is, then who has least to do or waits longest."""
        return self.begins, self.tag, self.state.load, self.state.finish, self.order


def choose(
    rule: TeamRule,
    state: TeamState,
    now: datetime,
    excluded: frozenset[str] = frozenset(),
    preferred: str | None = None,
) -> Choice:
    """Who gets a hand-off offered at `now`.

    Whoever works now comes before those who do not; at night it is one of those who begin first. Left out are the
    `excluded`, those absent at the moment when they would begin, and those at their maximum. `preferred` (who works
    this company already) gets it before all others if not left out, also with weight 0 and while others are at work.
    The team's capacity is not asked: holding back is the valve's affair.
    """
    # Most of a team share one calendar, and when it begins is the slow part.
    begins = {calendar: calendar.next_work(now) for calendar in {person.calendar for person in rule.people}}
    candidates = [_candidate(order, one, state, begins[one.calendar]) for order, one in enumerate(rule.people)]
    able = [one for one in candidates if not one.is_absent and not one.is_full]
    rota = [one for one in able if one.person.weight]
    waiting = [one for one in rota if one.begins == now] or rota
    virtual = min((one.tag for one in waiting), default=state.virtual)  # whoever is excluded does not lose a turn
    chosen = next((one for one in able if one.person.id == preferred and preferred not in excluded), None)
    why = Why.PREFERRED
    if chosen is None:
        chosen = min((one for one in rota if one.person.id not in excluded), key=lambda one: one.turn, default=None)
        why = Why.ROTATION
    if chosen is None:
        queued = replace(state, load=state.load + 1)
        return Choice(None, _why_nobody(candidates, excluded), rule.calendar.next_work(now), queued)
    after = replace(taken(chosen.person, state), virtual=virtual, load=state.load + 1)
    return Choice(chosen.person.id, why, chosen.begins, after)


def taken(person: PersonRule, state: TeamState) -> TeamState:
    """The team's state after `person` has taken a hand-off that the team has already, as from its queue: it is one more
    of the person's load and counts as a turn."""
    before = state.people.get(person.id, PersonState())
    cost = TURN // person.weight if person.weight else 0
    after = PersonState(finish=max(state.virtual, before.finish) + cost, load=before.load + 1)
    return replace(state, people={**state.people, person.id: after})


def team_is_full(rule: TeamRule, state: TeamState) -> bool:
    """Whether it has all the open hand-offs that it can take."""
    return rule.capacity is not None and state.load >= rule.capacity


def load_share(rule: TeamRule, state: TeamState) -> Fraction | None:
    """Open hand-offs by capacity; over 1 where it has more than it can take, None where it is unbounded."""
    return None if rule.capacity is None else Fraction(state.load, rule.capacity)


def _candidate(order: int, person: PersonRule, state: TeamState, begins: datetime) -> _Candidate:
    own = state.people.get(person.id, PersonState())
    return _Candidate(
        person=person,
        order=order,
        state=own,
        begins=begins,
        tag=max(state.virtual, own.finish),
        is_absent=any(start <= begins < end for start, end in state.absences.get(person.id, ())),
    )


def _why_nobody(candidates: list[_Candidate], excluded: frozenset[str]) -> Why:
    rota = [one for one in candidates if one.person.weight]
    if not rota:
        return Why.NO_PEOPLE
    asked = [one for one in rota if one.person.id not in excluded]
    if not asked:
        return Why.ALL_EXCLUDED
    return Why.ALL_AT_MAX_LOAD if any(not one.is_absent for one in asked) else Why.ALL_ABSENT
