"""What every engine must arrive at: the formula of README.md over the plain list of events.

Shares no code with any engine, nor with Tasuki: neither decoding nor calendar nor decay.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

MICRO = 1_000_000


class Reference:
    """Takes the records of the backlog one by one; `scores` gives the end."""

    def __init__(self, playbook: Path) -> None:
        self._book = yaml.safe_load(playbook.read_text("utf-8"))
        self._zone = ZoneInfo(self._book["time_zone"])
        self._messages: set[tuple[str, str]] = set()
        self._times: dict[str, datetime] = {}
        self._sums: dict[str, dict[tuple[int, Any], int]] = defaultdict(lambda: defaultdict(int))
        self.records = 0

    def add(self, value: bytes) -> None:
        """One record. Of a message only the first counts."""
        self.records += 1
        event = json.loads(value)
        if (event["source"], event["id"]) in self._messages:
            return
        self._messages.add((event["source"], event["id"]))
        time, lead = datetime.fromisoformat(event["time"]), event["key"]
        self._times[lead] = max(time, self._times.get(lead, time))
        day = time.astimezone(self._zone).date()
        for number, rule in enumerate(self._book["behaviour"]["rules"]):
            when = rule["when"]
            if when["event"] == event["name"] and all(
                event["properties"].get(name) == value for name, value in when["where"].items()
            ):
                self._sums[lead][number, day] += round(rule["points"] * MICRO)

    @property
    def copies(self) -> int:
        """Records that count for nothing."""
        return self.records - len(self._messages)

    def scores(self) -> dict[str, int]:
        """Micro-points of each lead at the time of its newest event."""
        return {lead: self._score(self._sums[lead].items(), time) for lead, time in self._times.items()}

    def _score(self, sums: Iterable[tuple[tuple[int, Any], int]], at: datetime) -> int:
        total = 0
        half_life = timedelta(days=int(self._book["behaviour"]["half_life"].removesuffix("d")))
        for (number, day), micro in sums:
            capped = min(micro, round(self._book["behaviour"]["rules"][number]["cap_per_day"] * MICRO))
            next_day = day + timedelta(days=1)
            over = datetime(next_day.year, next_day.month, next_day.day, tzinfo=self._zone)
            age = max(timedelta(0), at - over)
            total += round(capped * 0.5 ** (age / half_life))
        return total
