"""Each lead's way through stages and hand-offs: as the ledger has it, and as the oracle expects it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from shared.playbook.loader import parse_playbook
from tests.fault import deliveries
from tests.fault.foreseeable import playbook_text
from tests.fault.oracle import ExpectedLead, HandOffStep, StageStep
from tests.fault.oracle.calls import EPOCH
from tests.fault.record import Left

MICRO = 1_000_000
FORESEEABLE = parse_playbook(playbook_text(), "foreseeable.yaml")
SILENT = {rule.silent for rule in FORESEEABLE.recycling.values()}
"""Signals for whose silence leads are recycled: not a rule is named as the reason then, but the signal."""


def routed(left: Left, wanted: Mapping[str, ExpectedLead]) -> dict[str, dict[str, Any]]:
    """Each lead's way as the ledger has it; which event led to a step is in its message only."""
    found = _ways(left)
    for id, teams in _of_colleagues(left).items():
        if id in wanted:
            _place_by_territory(found[id], wanted[id], teams)
    return found


def _of_colleagues(left: Left) -> dict[str, set[tuple[str, str]]]:
    """By lead, the teams that have taken a colleague, a lead of the same company. Whoever has one gets the next one as
    well, which depends on who comes first: the oracle knows territories only."""
    takers: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    asked: dict[str, set[tuple[str, str, str]]] = defaultdict(set)
    for row in left.rows["changes"]:
        place = (row["company"] or "", row["receiver"], row["team"])
        asked[row["lead_id"]].add(place)
        if row["status"] in ("accepted", "completed"):
            takers[place].add(row["lead_id"])
    found = {id: {place[1:] for place in places if place[0] and takers[place] - {id}} for id, places in asked.items()}
    return {id: teams for id, teams in found.items() if teams}


def _place_by_territory(way: dict[str, Any], lead: ExpectedLead, teams: set[tuple[str, str]]) -> None:
    """Where nothing but the team is different from what the territory says, and that is a colleague's: as the
    territory says."""
    steps = way["handoffs"]
    if len(steps) != len(lead.handoffs):
        return
    pairs = list(zip(steps, lead.handoffs, strict=True))
    if all(is_.team == must_be.team or (is_.receiver, is_.team) in teams for is_, must_be in pairs):
        way["handoffs"] = [
            replace(
                is_,
                team=must_be.team,
                giver_team=must_be.giver_team if (is_.giver, is_.giver_team) in teams else is_.giver_team,
            )
            for is_, must_be in pairs
        ]
        if way["owner"] is not None and way["owner"] in teams:
            way["owner"] = lead.owner


def _ways(left: Left) -> dict[str, dict[str, Any]]:
    triggers = {id: _trigger(json.loads(record.value or b"")) for id, record in deliveries.messages(left).items()}
    found: dict[str, dict[str, Any]] = {
        row["lead_id"]: {
            "stage": row["stage"],
            "total": round(row["total"] * MICRO),
            "score_at": (row["score_at"] - EPOCH) // timedelta(milliseconds=1),
            "owner": (row["department"], row["team"]) if row["department"] and row["team"] else None,
            "stages": [],
            "handoffs": [],
        }
        for row in left.rows["leads"]
    }
    for row in left.rows["stages"]:
        trigger = triggers.get(f"stage:{row['lead_id']}:{row['seq']}", "no message")
        at = (row["at"] - EPOCH) // timedelta(milliseconds=1)
        found[row["lead_id"]]["stages"].append(StageStep(row["source"], row["target"], at, trigger, row["historical"]))
    for row in left.rows["changes"]:
        names = ("handoff_id", "status", "giver", "giver_team", "receiver", "team", "stage")
        trigger = triggers.get(f"handoff:{row['handoff_id']}:{row['status']}", "no message")
        found[row["lead_id"]]["handoffs"].append(_told(HandOffStep(**{n: row[n] for n in names}, event_id=trigger)))
    return found


def _trigger(message: dict[str, Any]) -> str:
    """The event that led to it; empty where time did."""
    reason = message.get("change_reason", message["reason"])  # a hand-off's, or a stage change's
    by_time = any(
        part["condition"] in ("cooled", "waited", "let_go")
        or (part["condition"] == "recycled" and part["name"] in SILENT)
        for part in reason
    )
    return "" if by_time else str(message["trigger"]["event_id"])


def way(lead: ExpectedLead) -> dict[str, Any]:
    return {
        "stage": lead.stage,
        "total": lead.total,
        "score_at": lead.time,
        "owner": lead.owner,
        "stages": list(lead.stages),
        "handoffs": [_told(step) for step in lead.handoffs],
    }


def _told(step: HandOffStep) -> HandOffStep:
    """A message says which event led to the offer, also when it tells of what became of it."""
    return step if step.status == "offered" else replace(step, event_id="")
