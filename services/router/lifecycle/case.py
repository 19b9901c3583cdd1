"""What a decision is made on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.router.lifecycle.known import Facts
from services.router.lifecycle.rules import Rules
from services.router.lifecycle.surroundings import Surroundings
from shared.scores import ScoreRecord


@dataclass(frozen=True, slots=True)
class Case:
    """The lead's latest record, the facts of it that count, and whether they are history: then nothing is offered, and
    no deadline begins. `at` is when it happens: the record's time, or when somebody answers or a deadline has passed;
    `now` is what deadlines are counted from."""

    record: ScoreRecord
    facts: Facts
    rules: Rules
    now: datetime
    at: datetime
    surroundings: Surroundings
    historical: bool = False
