"""The playbooks that were activated, one after the other, and the one that holds (domain D6).

They are rows in Postgres, in the order of their activation; before the first one holds the router's own. A score is
decided by the playbook that it was made with, everything else by the last one."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.router.failures import PostgresAway, told_apart
from services.router.lifecycle.rules import Rules
from services.router.status import Watch
from shared.playbook import Playbook, PlaybookError
from shared.playbook.loader import Problem, parse_playbook

log = logging.getLogger(__name__)

LOOK_EVERY_SECONDS = 1.0

_newer = text("SELECT number, playbook, text FROM playbooks WHERE number > :number ORDER BY number")


class Playbooks:
    """Rules by playbook. `current` are those that hold; it changes when another router or this one activates others."""

    def __init__(self, engine: AsyncEngine, own: Rules) -> None:
        self._engine, self.own, self.current = engine, own, own
        self._rules = {own.playbook.id: own}
        self._number = 0
        self._asked_at: dict[str, float] = {}

    def rules(self, id: str) -> Rules | None:
        """Those of a playbook that was activated, or is the router's own."""
        return self._rules.get(id)

    async def deciding(self, ids: Iterable[str]) -> None:
        """Know those by which scores are to be decided, also if they were activated a moment ago. Those of a scorer
        that was started with another file are nowhere to be found."""
        now = time.monotonic()
        wanted = [id for id in ids if id not in self._rules]
        if all(now - self._asked_at.get(id, -LOOK_EVERY_SECONDS) < LOOK_EVERY_SECONDS for id in wanted):
            return
        self._asked_at = dict.fromkeys(wanted, now)
        async with self._engine.connect() as connection:
            await self.refresh(connection)

    async def refresh(self, connection: AsyncConnection) -> None:
        """Follow what has been activated since. Raises `PlaybookError` for one that this version cannot read."""
        for number, id, written in await connection.execute(_newer, {"number": self._number}):
            if number <= self._number:
                continue  # another task has followed meanwhile
            rules = self._rules.get(id) or rules_of(parse_playbook(written, f"playbook {id}"))
            # Under the id of its activation as well: another version of this program may have named it otherwise.
            self._rules[id] = self._rules[rules.playbook.id] = rules
            self.current, self._number = rules, number
            log.info("the playbook %s holds (activation %d)", rules.playbook.id, number)


def rules_of(playbook: Playbook) -> Rules:
    """Raises `PlaybookError` for one that cannot be used."""
    try:
        return Rules(playbook)
    except ValueError as error:
        raise PlaybookError(playbook.id, [Problem(1, "playbook", str(error))]) from error


class PlaybookKeeper:
    """Follows activations; runs until cancelled."""

    def __init__(self, playbooks: Playbooks, engine: AsyncEngine, watch: Watch) -> None:
        self._playbooks, self._engine, self._status = playbooks, engine, watch.status

    async def run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            try:
                with told_apart():
                    async with self._engine.connect() as connection:
                        await self._playbooks.refresh(connection)
                self._status.playbooks = None
            except PostgresAway as away:
                self._status.playbooks = f"playbooks: {away}"
            except PlaybookError as error:
                self._status.playbooks = f"playbooks: {error}; start a version of the router that can read it"
                log.error("%s", self._status.playbooks)
