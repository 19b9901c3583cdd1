"""A company's way of working, as one file: `Playbook` and its parts. `default.yaml` is the one of the articles."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import timedelta
from functools import cached_property
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from shared.playbook.channels import Channel, TargetAccounts
from shared.playbook.conditions import EventMatch, LeadCondition, ShownOften, SignalIs, leaves, thresholds
from shared.playbook.handoffs import Alerts, FollowUp, HandOffs, RecyclingRule, Rejection, ResponseRule
from shared.playbook.identity import Identity
from shared.playbook.people import NotPeople
from shared.playbook.points import AttributeScore, BehaviourScore, Bounds, Dimension, Identifier
from shared.playbook.privacy import Privacy
from shared.playbook.staffing import Department
from shared.playbook.values import Duration, Label, Strict
from shared.playbook.valve import Valve

CONTACT_FIELDS = ("name", "email", "phone", "title", "department", "company.name", "prefecture")
"""Fields that a caller needs (domain D5). Their values are personal or not, but the router knows them."""


class LeadField(Strict):
    """Where a field of the lead is found in the traits that clients send; the first path present wins. Of the kind
    `target_account` it is true where that is a company or an address of one, else empty; of the kind `country` the ISO
    code, where the country is known by its name."""

    label: Label
    paths: list[str] = Field(alias="from", min_length=1)
    personal: bool = False  # only its presence is kept in scores and state
    kind: Literal["text", "prefecture", "country", "target_account"] = "text"


class SignalRule(Strict):
    """A named, dated fact drawn from events; `keep` names properties of the latest event to carry along."""

    label: Label
    any: list[EventMatch] = Field(min_length=1)
    keep: list[str] = Field(default_factory=list)


class Levels(Strict):
    """How long an action keeps its level."""

    valid_for: Duration = timedelta(days=90)


class Stage(Strict):
    """A stage of the revenue model. A lead enters when `when` holds and it has been at `after`; one without `when` is
    entered by recycling only. `respond`: by when the receiver of a hand-off must answer; `contact`: by when whoever has
    accepted it must get in touch with the lead."""

    id: Identifier
    number: int = Field(ge=1, le=8)
    label: Label
    owner: Identifier | None = None
    after: Identifier | None = None
    when: LeadCondition | None = None
    guarded: bool = False  # closed to non-targets and to people who are to be left alone
    excluded: bool = False  # outside the way: entered and left as its condition says
    respond: list[ResponseRule] = Field(default_factory=list)
    contact: list[ResponseRule] = Field(default_factory=list)


class Guard(Strict):
    """Why a lead must not reach sales, with the reason that people are shown."""

    id: Identifier
    label: Label
    when: LeadCondition


class Role(Strict):
    """A role of the buying group. `when` may ask for the values of contact fields, such as the department."""

    label: Label
    when: LeadCondition


class BuyingGroup(Strict):
    """Who takes part in a company's decision to buy."""

    roles: dict[Identifier, Role] = Field(default_factory=dict)


class Companies(Strict):
    """How leads make a company. `personal_domains` are mail domains that are no company's, beside those known anyway;
    its score is the highest of its leads and this `share_of_others` of the other leads' points."""

    personal_domains: list[Annotated[str, Field(pattern=r"^[^\s@.]+(\.[^\s@.]+)+$")]] = Field(default_factory=list)
    share_of_others: float = Field(default=0.1, ge=0, le=1)


class Playbook(Strict):
    """Everything that decides. `id` names version and content: decisions carry it."""

    name: Identifier = Field(alias="playbook")
    version: str
    title: Label
    time_zone: str = "Asia/Tokyo"
    fields: dict[str, LeadField]
    signals: dict[Identifier, SignalRule]
    channels: dict[Identifier, Channel]
    levels: Levels = Levels()
    target_accounts: TargetAccounts = TargetAccounts()
    attribute: AttributeScore
    behaviour: BehaviourScore
    dimensions: dict[Identifier, Dimension] = Field(default_factory=dict)
    total: Bounds = Bounds()
    identity: Identity = Identity()
    not_people: NotPeople = NotPeople()
    privacy: Privacy = Privacy()
    departments: dict[Identifier, Department]
    stages: list[Stage] = Field(min_length=1)
    guards: list[Guard] = Field(default_factory=list)
    milestones: dict[Literal["mql", "sql"], LeadCondition] = Field(default_factory=dict)
    handoffs: HandOffs = HandOffs()
    rejection: Rejection
    recycling: dict[Identifier, RecyclingRule] = Field(default_factory=dict)
    valves: dict[Identifier, Valve] = Field(default_factory=dict)
    follow_ups: dict[Identifier, FollowUp] = Field(default_factory=dict)
    alerts: Alerts = Alerts()
    companies: Companies = Companies()
    buying_group: BuyingGroup = BuyingGroup()
    effective: LeadCondition | None = None  # what makes a lead effective (有効リード); none: contact data is enough

    @field_validator("version", mode="before")
    @classmethod
    def _text(cls, value: object) -> object:
        return str(value) if isinstance(value, int | float) else value

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"'{value}' is no time zone; expected one such as Asia/Tokyo") from None
        return value

    @cached_property
    def id(self) -> str:
        """`name@version#digest`: two files that differ never share an id, even with the same version."""
        digest = hashlib.blake2b(self.model_dump_json(by_alias=True).encode(), digest_size=4).hexdigest()
        return f"{self.name}@{self.version}#{digest}"

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    def stage(self, id: Identifier) -> Stage:
        """The stage of this id; `KeyError` when there is none."""
        for stage in self.stages:
            if stage.id == id:
                return stage
        raise KeyError(id)

    def awaited_signals(self) -> set[Identifier]:
        """Those of which it matters when they were shown last: each showing has a score record of its own, or what
        silence leads to, and what a recycled lead shows anew, would depend on how the log was cut into batches."""
        silent = {rule.silent for rule in self.recycling.values() if rule.silent is not None}
        compared = {name for leaf in self._signals_compared() for name in (leaf.signal, leaf.later_than) if name}
        contact = {self.handoffs.first_contact} if self.handoffs.first_contact is not None else set()
        since = {rule.since for rule in self.follow_ups.values()}
        return silent | compared | contact | since | self.counted_signals()

    def counted_signals(self) -> set[Identifier]:
        """Those of which a guard asks how often they were shown lately."""
        asked = (leaf for guard in self.guards for leaf in leaves(guard.when))
        return {leaf.often for leaf in asked if isinstance(leaf, ShownOften)}

    def _signals_compared(self) -> Iterator[SignalIs]:
        stages = self._stages_entered_again()
        due = [rule.when for stage in stages for rule in (*stage.respond, *stage.contact)]
        again = [*(rule.when for rule in self.recycling.values()), *(stage.when for stage in stages), *due]
        yield from _signals(again)
        for leaf in _signals(self.lead_conditions()):
            if leaf.later_than is not None:
                yield leaf

    def _stages_entered_again(self) -> list[Stage]:
        """Those that leads are recycled from, by what they show there, and those that they may come to afterwards."""
        rules = self.recycling.values()
        left = {stage for rule in rules if rule.when is not None for stage in rule.from_}
        targets = {self.rejection.to, *(rule.to for rule in rules), *(rule.through for rule in rules)}
        ranks = {stage.id: (stage.number, index) for index, stage in enumerate(self.stages)}
        lowest = min((rank for id, rank in ranks.items() if id in targets), default=(0, 0))
        return [stage for stage in self.stages if stage.id in left or ranks[stage.id] > lowest]

    def totals_that_matter(self) -> set[float]:
        """Whenever a lead's total passes one of these it has a score record."""
        return thresholds(self.lead_conditions()).union(*(valve.thresholds for valve in self.valves.values()))

    def lead_conditions(self) -> list[LeadCondition]:
        """Every condition that a score record is decided by. `effective` and roles are not: they are asked when
        somebody wants to know, and passing a total that only they name needs no record of its own."""
        stages = [
            condition
            for stage in self.stages
            for condition in (stage.when, *(rule.when for rule in (*stage.respond, *stage.contact)))
        ]
        back = [*(rule.when for rule in self.recycling.values()), *(rule.when for rule in self.follow_ups.values())]
        back += [valve.never_holds for valve in self.valves.values()]
        others = [*(guard.when for guard in self.guards), *self.milestones.values(), *back]
        return [condition for condition in (*stages, *others) if condition is not None]


def _signals(conditions: Iterable[LeadCondition | None]) -> Iterator[SignalIs]:
    for condition in conditions:
        for leaf in () if condition is None else leaves(condition):
            if isinstance(leaf, SignalIs):
                yield leaf
