"""Activating a playbook: what it would strand, and telling scorer and routers, all in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.router import repository
from services.router.lifecycle.rules import Rules
from services.router.outbox import OutboxRow, log_row, text_row
from services.router.repository import OUTBOX_CHANNEL
from services.router.tables import OPEN_STATUSES, playbooks
from shared.activation import Activation, activation_event
from shared.topics import Topics

_one_at_a_time = text("LOCK TABLE playbooks IN EXCLUSIVE MODE")
_stages = text(
    "SELECT stage, count(*) FROM (SELECT stage FROM leads WHERE merged_into IS NULL UNION ALL "
    f"SELECT stage FROM handoffs WHERE status IN ({OPEN_STATUSES})) AS used "
    "WHERE stage <> ALL(CAST(:stages AS text[])) GROUP BY stage ORDER BY stage"
)
_teams = text(
    f"SELECT receiver, team, count(*) FROM handoffs WHERE status IN ({OPEN_STATUSES}) "
    "AND (receiver, team) NOT IN (SELECT * FROM unnest(CAST(:departments AS text[]), CAST(:teams AS text[]))) "
    "GROUP BY receiver, team ORDER BY receiver, team"
)


class Stranded(Exception):
    """Leads would be where the new playbook has no place for them; the message says how many and where."""


@dataclass(frozen=True, slots=True)
class Activated:
    """`number`: the how manieth activation it is; `notes`: what its author should know."""

    number: int
    playbook: str
    at: datetime
    notes: tuple[str, ...] = ()


async def activate(  # noqa: PLR0913, PLR0917 - a playbook, who wants it, and whom to tell
    connection: AsyncConnection, written: str, rules: Rules, current: Rules, by: str, now: datetime, told: Told
) -> Activated:
    """The playbook holds from now on, for all scorers and routers. The same as the one that holds is only told once
    more, for partitions that have come since. Raises `Stranded`."""
    await connection.execute(_one_at_a_time)
    latest = (await connection.execute(select(playbooks).order_by(playbooks.c.number.desc()).limit(1))).one_or_none()
    playbook = rules.playbook
    if latest is not None and latest.playbook == playbook.id:
        again = told.rows(Activation(latest.playbook, latest.number), latest.text, now)
        await repository.save_outbox(connection, again)
        await connection.execute(text(f"NOTIFY {OUTBOX_CHANNEL}"))
        return Activated(latest.number, latest.playbook, latest.activated_at, ("it holds already, and is told again",))
    await _refuse_stranding(connection, rules, current)
    row = {"playbook": playbook.id, "text": written, "activated_at": now, "activated_by": by}
    number = await connection.scalar(insert(playbooks).values(row).returning(playbooks.c.number))
    assert number is not None
    await repository.save_outbox(connection, told.rows(Activation(playbook.id, number), written, now))
    await connection.execute(text(f"NOTIFY {OUTBOX_CHANNEL}"))
    return Activated(number, playbook.id, now, tuple(await _notes(connection, rules)))


@dataclass(frozen=True, slots=True)
class Told:
    """Where an activation is told: every partition of `events`, and the topic of playbooks."""

    topics: Topics
    partitions: int

    def rows(self, activation: Activation, written: str, now: datetime) -> list[OutboxRow]:
        event = activation_event(activation, now)
        markers = [log_row(event, lane, self.topics) for lane in range(self.partitions)]
        return [text_row(self.topics.playbooks, activation.playbook, written), *markers]


async def _refuse_stranding(connection: AsyncConnection, rules: Rules, current: Rules) -> None:
    had, has = set(current.playbook.departments), set(rules.playbook.departments)
    if had != has:
        raise Stranded(
            f"the departments differ ({', '.join(sorted(had ^ has))}): each has a topic that subscribers read, so that "
            "they cannot change while it runs. Make the topics, and start scorer and router with the new file"
        )
    found = (await connection.execute(_stages, {"stages": list(rules.stages)})).all()
    if found:
        where = ", ".join(f"{stage} ({count})" for stage, count in found)
        raise Stranded(
            f"leads or open hand-offs are at stages that {rules.playbook.id} does not have: {where}. Keep these stages "
            "until no lead is there any more: without `when` nobody comes to them"
        )


async def _notes(connection: AsyncConnection, rules: Rules) -> list[str]:
    """Hand-offs of teams that are no more: they go on, and are offered to others when their deadline passes."""
    keys: list[Any] = list(rules.teams)
    named = {"departments": [key[0] for key in keys], "teams": [key[1] for key in keys]}
    return [
        f"team '{team}' of {department} is no more, and has {count} open hand-offs: they are offered to others when "
        "their deadlines pass"
        for department, team, count in await connection.execute(_teams, named)
    ]
