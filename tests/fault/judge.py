"""Compares what is left with what must be. Pure: every difference is a line that names the lead and both sides."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.dead_letters import retried
from tests.fault import deliveries
from tests.fault.cluster import SOURCE
from tests.fault.foreseeable import playbook_text
from tests.fault.oracle import (
    ExpectedLead,
    RouterTold,
    Sent,
    SignalShown,
    expected,
    pair,
    split,
)
from tests.fault.oracle.calls import EPOCH
from tests.fault.record import Left, Written
from tests.fault.stories import Stories
from tests.fault.ways import FORESEEABLE, MICRO, routed, way

_OWN, _ROUTERS = b'"source":"tasuki/scorer"', b'"source":"tasuki/router"'
PROCESSES = 2


@dataclass(frozen=True)
class Truth:
    """What the log and the sent calls say must be."""

    leads: dict[str, ExpectedLead]
    lost: set[tuple[str, str]]
    foreign: list[tuple[str, str]]
    copies: int


def truth(left: Left, stories: Stories, poison: Mapping[str, bytes], until: datetime) -> Truth:
    """By the oracle, from the calls as they were sent, in the order of the log. `poison`: origin → value of what was
    written into the topics otherwise; `until`: leads have cooled by then."""
    calls = {(SOURCE, id): call for id, call in stories.by_id.items()}
    # What the scorer tells itself is no call; whether it is right shows in the scores. What the router tells is taken
    # as it is: the scores follow from it, and whether it had to be told shows in the ways.
    told = [r for r in left.topics["events"] if origin(r) not in poison and _OWN not in (r.value or b"")]
    paired = pair(calls, [(record.key, record.value, record.timestamp) for record in told])
    playbook = playbook_text()
    parts = split(paired.log, playbook, PROCESSES)
    with ProcessPoolExecutor(PROCESSES) as pool:
        untils = [(until - EPOCH) // timedelta(milliseconds=1)] * PROCESSES
        told_apart = pool.map(expected, parts, [playbook] * PROCESSES, untils)
        leads = {id: lead for part in told_apart for id, lead in part.items()}
    sent = sum(isinstance(one, Sent) for one in paired.log)
    return Truth(leads, paired.lost, paired.foreign, sent - len(calls) + len(paired.lost))


def origin(record: Written) -> str:
    """As dead letters name it."""
    return f"{record.topic}/{record.partition}/{record.offset}"


def differences(left: Left, wanted: Truth, stories: Stories, poison: Mapping[str, bytes]) -> dict[str, list[str]]:
    """What is wrong, by the promise that it breaks; empty lists where all is well."""
    return {
        "events: acknowledged is stored, and nothing else": [
            *(f"{id} of {source} was acknowledged, and is not in the log" for source, id in sorted(wanted.lost)),
            *(f"{id} of {source} is in the log, and nobody sent it" for source, id in wanted.foreign),
        ],
        "scores equal the oracle's": list(
            _unequal(_scored(left, wanted), {id: _score(e) for id, e in wanted.leads.items()})
        ),
        "ids of one person are one lead": list(_merged(left, wanted)),
        "score records: in order, each once": list(deliveries.score_order(left)),
        "stages, owners and hand-offs equal the oracle's": list(
            _unequal(
                {id: found for id, found in routed(left, wanted.leads).items() if _has_its_own_way(id, wanted)},
                {id: way(lead) for id, lead in wanted.leads.items() if _has_its_own_way(id, wanted)},
            )
        ),
        "the router tells the log what it must, each once": list(_router_events(left, wanted, poison)),
        "the ledger numbers a lead's messages without holes": list(deliveries.holes(left)),
        "ledger and topics agree by id": list(deliveries.ids(left)),
        "messages: in order per lead": list(deliveries.message_order(left)),
        "deadlines: counted in working time": list(deliveries.deadlines(left, FORESEEABLE)),
        "nobody without or with two owners": [
            *(f"{row['lead_id']} has no owner" for row in left.rows["ownerless"]),
            *(
                f"{id} has {n} open hand-offs"
                for id, n in Counter(r["lead_id"] for r in left.rows["open"]).items()
                if n > 1
            ),
        ],
        "dead letters hold exactly the poison": list(_dead_letters(left, stories, poison)),
        "the ledger's offsets only go forward": [
            f"{row['topic']}[{row['partition']}] went from {row['before']} back to {row['after']}"
            for row in left.rows["moved_back"]
        ],
        "the outbox is empty": [f"row {row['id']} was never sent" for row in left.rows["outbox"]],
    }


def _unequal(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    for id in sorted(found.keys() | wanted.keys()):
        here, there = found.get(id), wanted.get(id)
        if here is None or there is None:
            yield f"{id}: {'missing' if here is None else 'unexpected'}"
        elif here != there:
            parts = [
                f"{name} is {here.get(name)!r}, must be {there[name]!r}"
                for name in there
                if here.get(name) != there[name]
            ]
            yield f"{id}: " + "; ".join(parts)


def _scored(left: Left, wanted: Truth) -> dict[str, dict[str, Any]]:
    """The newest public score of each lead. Ids under which nothing was done are left out, if they are no leads."""
    newest = {record.key: record for record in left.topics["scores"] if "ce_id" in record.headers}
    scores = {(key or b"").decode(): json.loads(record.value or b"") for key, record in newest.items()}
    return {
        id: _published(score)
        for id, score in scores.items()
        if id in wanted.leads or not (score.get("merged_into") or not score.get("contributions"))
    }


def _has_its_own_way(id: str, wanted: Truth) -> bool:
    """Whether the oracle knows it: no lead of several ids, even for a while, whose way depends on when their partitions
    meet."""
    lead = wanted.leads.get(id)
    return lead is not None and not (lead.members or lead.was_several) and lead.merged_into is None


def _merged(left: Left, wanted: Truth) -> Iterator[str]:
    rows = {row["lead_id"]: row for row in left.rows["leads"]}
    opened = {row["lead_id"] for row in left.rows["open"]}
    for id, lead in wanted.leads.items():
        row = rows.get(id)
        if row is None:
            yield f"{id} is not in the ledger"
        elif lead.merged_into is None:
            if row["merged_into"] is not None:
                yield f"{id} is part of {row['merged_into']}, and a lead of its own"
            if lead.members and round(row["total"] * MICRO) != lead.total:
                yield f"{id} has {row['total']} points, must have {lead.total / MICRO}"
        elif row["merged_into"] is None or row["department"] is not None or id in opened:
            yield f"{id} is part of {lead.merged_into}, and has {row['merged_into']}, {row['department']}"


def _published(score: dict[str, Any]) -> dict[str, Any]:
    if score.get("merged_into"):
        return {"merged_into": score["merged_into"]}
    return {
        "members": tuple(score.get("members", [])),
        "epoch": score["epoch"],
        "time": _ms(score["time"]),
        "attribute": round(score["attribute"] * MICRO),
        "behaviour": round(score["behaviour"] * MICRO),
        "total": round(score["total"] * MICRO),
        "dimensions": {name: round(points * MICRO) for name, points in score.get("dimensions", {}).items()},
        "grade": score.get("grade"),
        "ignored": score.get("ignored", {}),
        "level": score.get("level", 0),
        "list_kind": score.get("list_kind", "house"),
        "fields": score.get("attributes", {}),
        "signals": {name: _signal(signal) for name, signal in score.get("signals", {}).items()},
    }


def _signal(told: Mapping[str, Any]) -> SignalShown:
    recent = tuple(map(_ms, told.get("recent", ())))
    return SignalShown(
        _ms(told["first"]), _ms(told["last"]), told["times"], told["event_id"], told.get("kept", {}), recent
    )


def _score(lead: ExpectedLead) -> dict[str, Any]:
    if lead.merged_into is not None:
        return {"merged_into": lead.merged_into}
    worth = ("attribute", "behaviour", "total", "dimensions", "grade", "ignored", "level", "list_kind")
    return {name: getattr(lead, name) for name in ("members", "epoch", "time", *worth, "fields", "signals")}


def _router_events(left: Left, wanted: Truth, poison: Mapping[str, bytes]) -> Iterator[str]:
    """Each delivery of one is the same; its number is that of a stage change, by which its lead went back."""
    found: dict[str, dict[str, bytes | None]] = defaultdict(dict)
    for record in left.topics["events"]:
        if _ROUTERS not in (record.value or b"") or origin(record) in poison:
            continue
        lead_id, id = (record.key or b"").decode(), json.loads(record.value or b"")["id"]
        if found[lead_id].setdefault(id, record.value) != record.value:
            yield f"{id} is in the log twice, with different contents"
    numbered = {f"recycle:{row['lead_id']}:{row['seq']}" for row in left.rows["stages"]}
    for id in (id for of_lead in found.values() for id in of_lead if id.startswith("recycle:")):
        if id not in numbered:
            yield f"{id} names no stage change"
    ours = [id for id in wanted.leads if _has_its_own_way(id, wanted)]
    yield from _unequal(
        {id: {"told": [_told_by_router(value or b"") for value in found[id].values()]} for id in ours},
        {id: {"told": list(wanted.leads[id].told)} for id in ours},
    )
    yield from (f"{id} is no lead" for id in found.keys() - wanted.leads.keys())


def _told_by_router(value: bytes) -> RouterTold:
    event = json.loads(value)
    properties = event["properties"]
    kind = "recycle" if event["kind"] == "recycle" else "rejected"
    return RouterTold(kind, _ms(event["time"]), properties["reason"], properties.get("handoff_id", ""))


def _dead_letters(left: Left, stories: Stories, poison: Mapping[str, bytes]) -> Iterator[str]:
    from_topics: dict[str, list[bytes | None]] = defaultdict(list)
    refused = set()
    for record in left.topics["dead-letters"]:
        if retried(record.headers.items()) is not None:
            continue
        origin = record.headers.get("tasuki_origin", "")
        if origin == f"http:{SOURCE}":
            refused.add(json.loads(record.value or b"")["messageId"])
        else:
            from_topics[origin].append(record.value)
    yield from (f"{id} was rejected, and is no dead letter" for id in sorted(stories.bad - refused))
    yield from (f"{id} is a dead letter, and was none" for id in sorted(refused - stories.bad))
    for origin in sorted(poison.keys() | from_topics.keys()):
        copies = from_topics.get(origin, [])
        if origin not in poison:
            yield f"{origin} is a dead letter, and no poison: {copies[0]!r}"
        elif set(copies) != {poison[origin]}:
            yield f"{origin} is poison {poison[origin]!r}; the dead letters have {copies!r}"
        elif len(copies) > 1 and ".scores/" not in origin:
            # The scorer's are in its transactions; the router's are delivered at least once, as all its messages.
            yield f"{origin} is {len(copies)} dead letters"


def _ms(text: str) -> int:
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(milliseconds=1)


def summary(found: Mapping[str, Iterable[str]]) -> list[str]:
    """One line for each promise, and the first differences of those broken."""
    lines = []
    for promise, wrong in found.items():
        listed = list(wrong)
        lines.append(f"  {'holds ' if not listed else 'BROKEN'} {promise}" + (f": {len(listed)}" if listed else ""))
        lines += [f"         {line}" for line in listed[:8]]
    return lines
