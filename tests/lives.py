"""A lead that lives through records, answers, deadlines and the passing of time, in the router's pure code."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.router.batch import Decided, Hours, Known, Received, cool_until, decide_all, due_until
from services.router.lifecycle.answers import Refusal, accept, case_of, complete, reject
from services.router.lifecycle.case import Case
from services.router.lifecycle.model import Alert, Decision, HandOff, Lead
from services.router.lifecycle.rules import Rules
from shared.clock import EventClock
from shared.playbook import load_playbook
from shared.scores import ScoreRecord, encode_score
from tests.score_records import MONDAY, Story

RULES = Rules(load_playbook())


@dataclass
class Life:
    """A lead that lives through records, answers and the passing of time."""

    rules: Rules = RULES
    story: Story = field(default_factory=lambda: Story("l"))
    known: Known = field(default_factory=lambda: Known({}, {}))
    decided: list[Decided] = field(default_factory=list)
    now: datetime | None = None
    """When people answer; None: when the latest record was made."""

    def shows(self, signal: str | None = None, **given: Any) -> Life:
        return self.hears(self.story.record(signal, **given))

    def hears(self, record: ScoreRecord) -> Life:
        received = Received(0, record.seq, b"l", encode_score(record), [], record)
        self.decided += decide_all([received], self.known, self.rules, Hours(EventClock(MONDAY)))
        return self

    def waits_until(self, moment: datetime) -> Life:
        """Nothing happens but time, as the timer sees it."""
        self.decided += cool_until(moment, "l", self.known, self.rules)
        return self

    def is_due_until(self, moment: datetime) -> Life:
        """The same for deadlines."""
        self.decided += due_until(moment, "l", self.known, self.rules)
        return self

    def answered(self, decision: Decision) -> Life:
        self.known.follow(decision)
        return self

    def accepts(self, person: str | None = "佐藤") -> Life:
        return self._answers(accept(self.lead, self.opened, person, "tool", self._case))

    def rejects(self, reason: str = "no_need") -> Life:
        self._answers(reject(self.lead, self.opened, Refusal(reason, "x"), self._case))
        self.story.epoch = self.lead.epoch  # the scorer has begun its behaviour score anew
        return self

    def completes(self) -> Life:
        return self._answers(complete(self.lead, self.opened, "tool", self._case))

    def _answers(self, decision: Decision) -> Life:
        self.decided.append(Decided(decision, self.known.scores["l"]))
        return self.answered(decision)

    @property
    def _case(self) -> Case:
        record = self.known.scores["l"].record
        return case_of(self.lead, record, self.rules, self.now or self.story.at, self.known.around)

    @property
    def lead(self) -> Lead:
        return self.known.leads["l"]

    @property
    def opened(self) -> HandOff:
        return self.known.opened["l"]

    @property
    def way(self) -> list[str]:
        return [change.target for item in self.decided for change in item.decision.stages]

    @property
    def alerts(self) -> list[Alert]:
        return [alert for item in self.decided for alert in item.decision.alerts]

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(c.handoff.receiver, c.handoff.status.value) for item in self.decided for c in item.decision.handoffs]
