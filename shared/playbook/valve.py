"""The part `valves` of a playbook: thresholds that follow how much a department has to do (domain D3, N8)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from shared.playbook.conditions import LeadCondition
from shared.playbook.points import Identifier
from shared.playbook.values import Duration, Strict


def parse_share(value: object) -> object:
    """`90%` as 0.9."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", value.strip()) if isinstance(value, str) else None
    if match is None and not isinstance(value, float):
        raise ValueError("expected a share such as 90%")
    return float(match[1]) / 100 if match else value


Share = Annotated[float, BeforeValidator(parse_share, json_schema_input_type=str)]


class Valve(Strict):
    """A valve between the departments `from` and `to`: into the stage `stage` lead those whose total is over `normal`,
    as that stage's `when` says. Each team of `to` that has a capacity moves this one number along `thresholds`: a step
    up when its open hand-offs are `high` or more of its capacity, a step down when they are `low` or less, one step in
    `every` at most, but above `normal` at once. Between the two marks nothing moves, so that it does not swing.

    Below `normal` leads enter the stage earlier. Above it they enter it as ever, and their hand-offs wait, the highest
    total first, `longest_wait` at most: then they go back as what nobody has taken. Whoever `never_holds` is true of
    does not wait, nor who enters the stage for something else than the total."""

    from_: Identifier = Field(alias="from")
    to: Identifier
    stage: Identifier
    normal: float
    thresholds: list[float] = Field(min_length=2, max_length=20)
    high: Share = 0.9
    low: Share = 0.5
    every: Duration = timedelta(hours=1)
    longest_wait: Duration = timedelta(days=30)
    never_holds: LeadCondition | None = None

    @model_validator(mode="after")
    def _is_a_valve(self) -> Valve:
        if self.thresholds != sorted(set(self.thresholds)):
            raise ValueError("expected 'thresholds' that grow")
        if self.normal not in self.thresholds:
            raise ValueError(f"expected 'normal' ({self.normal:g}) among the thresholds")
        if not 0 <= self.low < self.high:
            raise ValueError("expected 'low' to be less than 'high', or the valve would swing")
        if self.every < timedelta(minutes=1):
            raise ValueError("expected 'every' to be a minute or more: how often it moves by a step")
        if self.longest_wait < timedelta(hours=1):
            raise ValueError("expected 'longest_wait' to be an hour or more")
        return self

    @property
    def steps(self) -> tuple[int, int]:
        """How far it may be turned down and up from `normal`, in steps."""
        index = self.thresholds.index(self.normal)
        return -index, len(self.thresholds) - 1 - index

    def threshold(self, step: int) -> float:
        """Of so many steps from `normal`; beyond the last one, that of the last."""
        lowest, highest = self.steps
        return self.thresholds[min(max(step, lowest), highest) - lowest]
