"""What becomes of hand-offs, and of leads that come back: the parts `handoffs`, `rejection`, `recycling`, `follow_ups`
and `alerts` of a playbook."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, model_validator

from shared.playbook.conditions import LeadCondition
from shared.playbook.points import Identifier
from shared.playbook.values import Deadline, Duration, Label, Strict


class ResponseRule(Strict):
    """By when something is due; the first rule whose condition holds applies."""

    when: LeadCondition | None = None
    within: Deadline


class HandOffs(Strict):
    """What happens when nobody answers in time, or accepts and then does not get in touch. The n-th deadline that is
    missed takes the n-th step of `on_expiry`: `next` offers the lead to the next person of the team, `escalate` to the
    one that the team or department escalates to. After the last step the lead goes back to the giver, to the stage that
    `rejection` names, and its score counts again after `returned_hold`: so nothing circles for ever.

    `remind_before` so long before a deadline its person is reminded. `first_contact` is the signal by which it is seen
    that somebody has got in touch with the lead."""

    on_expiry: tuple[Literal["next", "escalate"], ...] = Field(default=("next", "escalate"), max_length=10)
    remind_before: Duration = timedelta(minutes=30)
    returned_hold: Duration = timedelta(0)
    first_contact: Identifier | None = None


class RejectionReason(Label):
    """`then`: `recycle`, or `reassign` to another team or person, as often as `handoffs.on_expiry` has steps."""

    then: Literal["recycle", "reassign"] = "recycle"

    @property
    def label(self) -> dict[str, str]:
        """Without what follows."""
        return {"ja": self.ja, "en": self.en}


class Rejection(Strict):
    """What follows when a hand-off is rejected: the lead goes back to the stage `to`, begins its behaviour score anew
    (`behaviour`), and its total does not count for `hold`."""

    to: Identifier
    hold: Duration
    behaviour: Literal["restart", "keep"] = "restart"
    reasons: dict[Identifier, RejectionReason] = Field(min_length=1)


class RecyclingRule(Strict):
    """Leads that go back into consideration (domain C5): from one of the stages `from_`, when `when` holds, or when
    `silent` has not been shown for `silent_for` and nobody has been offered the lead meanwhile.

    They go to the stage `to`; if `through` is given, to that one first, for `hold`. Until `hold` is over their total
    does not count. What they show themselves meanwhile does: whoever makes an inquiry does not wait."""

    label: Label
    from_: Annotated[list[Identifier], Field(alias="from", min_length=1)]
    when: LeadCondition | None = None
    silent: Identifier | None = None
    silent_for: Duration | None = None
    through: Identifier | None = None
    to: Identifier
    hold: Duration = timedelta(0)
    behaviour: Literal["restart", "keep"] = "restart"

    @model_validator(mode="after")
    def _has_one_reason(self) -> RecyclingRule:
        if (self.when is None) == (self.silent is None):
            raise ValueError("expected either 'when' or 'silent': by what a lead is recycled")
        if (self.silent is None) != (self.silent_for is None):
            raise ValueError(
                "expected 'silent' and 'silent_for' together: which signal, and for how long it is missing"
            )
        return self


class FollowUp(Strict):
    """Customers are followed up (domain C8): `at` so long after the signal `since`, and then `every` so often. The
    first rule whose `when` holds counts, so that what was bought decides; the `since` signal's latest time counts."""

    label: Label
    stages: list[Identifier] = Field(min_length=1)
    since: Identifier
    when: LeadCondition | None = None
    at: list[Duration] = Field(default_factory=list)
    every: Duration | None = None
    within: Deadline

    @model_validator(mode="after")
    def _has_a_time(self) -> FollowUp:
        if not self.at and self.every is None:
            raise ValueError("expected 'at' or 'every': when customers are followed up")
        if self.at != sorted(set(self.at)):
            raise ValueError("expected times in 'at' that grow")
        if self.every is not None and self.every < timedelta(days=1):
            raise ValueError("expected 'every' to be a day or more")
        return self


class VisitAlert(Strict):
    """A lead that somebody works shows `signal`: its owner is told at once, no more than once in `at_most_every`, and
    not of what happened longer than `fresh_for` ago."""

    signal: Identifier
    at_most_every: Duration = timedelta(minutes=30)
    fresh_for: Duration = timedelta(minutes=10)


class Alerts(Strict):
    """What is told to the owner of a lead at once (domain B5)."""

    visit: VisitAlert | None = None
