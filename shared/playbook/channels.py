"""The catalogue of channels × actions with certainty levels (確度): the parts `channels` and `target_accounts`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from shared.company import company_name, corporate_domain
from shared.playbook.conditions import EventMatch, LeadCondition
from shared.playbook.points import Identifier
from shared.playbook.values import Label, Strict


class Action(Strict):
    """What a lead can do in a channel, with its certainty level (確度)."""

    label: Label
    level: int = Field(ge=1, le=4)
    when: EventMatch


class LevelByAttributes(Strict):
    """The level of a lead on an outside list that is so: of its fields, attribute score or grade."""

    label: Label
    level: int = Field(ge=1, le=4)
    when: LeadCondition


class Together(Strict):
    """The level of a lead that has done all these in one campaign."""

    label: Label
    level: int = Field(ge=1, le=4)
    all: list[Identifier] = Field(min_length=2)


class Absence(Strict):
    """Concluded when the campaign has ended: whoever did `of` and nothing of `without` has done the action `is_`."""

    of: Identifier
    without: list[Identifier] = Field(min_length=1)
    is_: Identifier = Field(alias="is")


class Campaign(Strict):
    """Which exhibition, webinar, … an event of the channel belongs to, and when that ends: properties of the event, the
    first path that has a value. An end is a time (without an offset: of the playbook's time zone) or a day, which ends
    with its last moment; of several that were told the one told last counts."""

    paths: list[str] = Field(alias="from", min_length=1)
    ends: list[str] = Field(default_factory=list)
    absence: Absence | None = None

    @model_validator(mode="after")
    def _can_end(self) -> Campaign:
        if self.absence is not None and not self.ends:
            raise ValueError("expected ends beside absence: properties that tell when the campaign is over")
        return self


class Channel(Strict):
    """The last way (経路) by which a lead was obtained. Leads of `outside` lists have done nothing yet: they get a
    level from what they are (domain A4), the highest of `by_attributes` that holds, and at least the action's."""

    label: Label
    list: Literal["house", "outside"] = "house"
    actions: dict[Identifier, Action]
    by_attributes: tuple[LevelByAttributes, ...] = ()
    campaign: Campaign | None = None
    together: tuple[Together, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Channel:
        if self.by_attributes and self.list == "house":
            raise ValueError("expected by_attributes only with list: outside; leads of one's own have done something")
        return self

    @property
    def levels(self) -> tuple[Action | LevelByAttributes | Together, ...]:
        """Everything that gives a level."""
        return (*self.actions.values(), *self.by_attributes, *self.together)


class Accounts(Strict):
    """Named companies, by name or by mail domain. Legal forms (株式会社), width and case do not matter."""

    names: list[str] = Field(default_factory=list)
    domains: list[str] = Field(default_factory=list)

    @field_validator("names")
    @classmethod
    def _companies(cls, names: list[str]) -> list[str]:
        for name in names:
            if not company_name(name):
                raise ValueError(f"'{name}' names no company")
        return names

    @field_validator("domains")
    @classmethod
    def _corporate(cls, domains: list[str]) -> list[str]:
        for domain in domains:
            if corporate_domain(f"name@{domain}") != domain:
                raise ValueError(f"'{domain}' is no company's mail domain; expected one such as acme.co.jp")
        return domains

    @property
    def are_given(self) -> bool:
        return bool(self.names or self.domains)


class TargetAccounts(Accounts):
    """Companies that are wanted as customers. Fields of the kind `target_account` tell who is of them."""
