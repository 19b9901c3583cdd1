"""What messages must keep, whatever they tell: their ids, their numbers, their order."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta

from shared.playbook import Playbook
from tests.fault.record import Left, Written
from tests.working_time import day_length, worked


def messages(left: Left) -> dict[str, Written]:
    """Of stages and hand-offs, by id."""
    topics = (records for name, records in left.topics.items() if name == "stages" or name.startswith("handoffs."))
    return {record.headers["ce_id"]: record for records in topics for record in records}


def holes(left: Left) -> Iterator[str]:
    """Alerts have numbers as well, and are in their topic only."""
    numbers: dict[str, list[int]] = defaultdict(list)
    for row in [*left.rows["stages"], *left.rows["changes"]]:
        numbers[row["lead_id"]].append(row["seq"])
    for record in {record.headers["ce_id"]: record for record in left.topics["alerts"]}.values():
        numbers[(record.key or b"").decode()].append(json.loads(record.value or b"")["seq"])
    for row in left.rows["leads"]:
        if sorted(numbers[row["lead_id"]]) != list(range(1, row["seq"] + 1)):
            yield f"{row['lead_id']} stands at {row['seq']}, and has the numbers {sorted(numbers[row['lead_id']])}"


def ids(left: Left) -> Iterator[str]:
    wanted = {("stages", f"stage:{row['lead_id']}:{row['seq']}") for row in left.rows["stages"]}
    for row in left.rows["changes"]:
        id = f"handoff:{row['handoff_id']}:{row['status']}"
        if row["status"] == "joined":  # more than once, by one colleague after the other
            id = f"{id}:{row['seq']}"
        told = [row["receiver"]] if row["status"] == "offered" else [row["receiver"], row["giver"]]
        wanted |= {(f"handoffs.{department}", id) for department in told}
    found: dict[tuple[str, str], bytes | None] = {}
    for name, records in left.topics.items():
        for record in records if name == "stages" or name.startswith("handoffs.") else []:
            place = (name, record.headers["ce_id"])
            if place in found and found[place] != record.value:
                yield f"{place[1]} was sent to {name} twice, with different contents"
            found[place] = record.value
    yield from (f"{id} is in the ledger, and not in {name}" for name, id in sorted(wanted - found.keys()))
    yield from (f"{id} is in {name}, and not in the ledger" for name, id in sorted(found.keys() - wanted))


def score_order(left: Left) -> Iterator[str]:
    latest: dict[bytes | None, int] = defaultdict(int)
    for record in left.topics["scores"]:
        if "ce_id" in record.headers:
            seq = json.loads(record.value or b"")["seq"]
            if seq <= latest[record.key]:
                yield f"{record.headers['ce_id']} comes after number {latest[record.key]}"
            latest[record.key] = seq


def message_order(left: Left) -> Iterator[str]:
    """In each topic a lead's first deliveries come in order of seq, and so do the last ones.

    After a crash a relay repeats what it may have sent already, but all of it: so an old message that comes again is
    followed by all newer ones. A relay that had lost its lane would send it alone."""
    for name, records in left.topics.items():
        if name in ("stages", "alerts") or name.startswith("handoffs."):
            told = [(record.key, record.headers["ce_id"], json.loads(record.value or b"")["seq"]) for record in records]
            yield from (f"{id} came to {name} {late}" for id, late in _late(told, "after a newer one"))
            again = _late(list(reversed(told)), "and then an older one came again", descending=True)
            yield from (f"{id} came to {name} {late}" for id, late in again)


def _late(told: list[tuple[bytes | None, str, int]], what: str, descending: bool = False) -> Iterator[tuple[str, str]]:
    """Of the first appearance of each id in `told`, those that are out of order within their lead."""
    seen: set[str] = set()
    latest: dict[bytes | None, int] = {}
    for key, id, seq in told:
        if id in seen:
            continue
        seen.add(id)
        if key in latest and (seq > latest[key] if descending else seq < latest[key]):
            yield id, f"{what} ({seq}, {latest[key]})"
        latest[key] = seq


def deadlines(left: Left, playbook: Playbook) -> Iterator[str]:
    """Each offer is to be answered when the working time that its stage gives is over, measured in another way."""
    for id, record in messages(left).items():
        told = json.loads(record.value or b"") if id.endswith(":offered") else {}
        if not told:
            continue
        department, stage = playbook.departments[told["to"]["department"]], playbook.stage(told["stage"]["id"])
        hours = department.hours_of(told["team"], None)
        allowed = {rule.within.days * day_length(hours) + timedelta(hours=rule.within.hours) for rule in stage.respond}
        if (due := told["respond_by"]) is None:
            if allowed:
                yield f"{id} may be answered at any time"
            continue
        given = worked(playbook, hours, *map(datetime.fromisoformat, (told["offered_at"], due)))
        if given not in allowed:
            yield f"{id} is to be answered by {due}, after {given} of working time instead of {allowed}"
