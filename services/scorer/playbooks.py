"""Which playbook a partition is scored by: the one that the log says holds there, or before any was activated, the one
that the worker was started with."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping

from services.scorer.apply import Applying
from shared.playbook import Playbook, PlaybookError
from shared.playbook.loader import parse_playbook

log = logging.getLogger(__name__)

Texts = Callable[[], Awaitable[Mapping[str, str]]]
"""All playbooks that were ever activated, by id."""

FOUND_WITHIN_SECONDS = 60.0
"""An activation in the log may be read before the text, which comes by another way; it is asked for every second."""
AGAIN_SECONDS = 1.0


class PlaybookMissing(Exception):
    """The log activates a playbook that cannot be had."""


class Playbooks:
    """`own`: by the playbook of this worker's settings. `make` makes the same of others; without it, and `texts`, none
    can be activated."""

    def __init__(
        self, own: Applying, texts: Texts | None = None, make: Callable[[Playbook], Applying] | None = None
    ) -> None:
        self.own = own
        self._texts, self._make = texts, make
        self._made: dict[str, Applying] = {}
        self._making = asyncio.Lock()

    async def applying(self, id: str) -> Applying:
        """By the playbook of this id; empty: by the worker's own. Raises `PlaybookMissing`."""
        if not id:
            return self.own
        async with self._making:  # all partitions come to it at the same time
            if id not in self._made:
                self._made[id] = await self._find(id)
        return self._made[id]

    async def _find(self, id: str) -> Applying:
        began = time.monotonic()
        while self._texts is not None and self._make is not None:
            found = await self._texts()
            if id in found:
                return self._read(id, found[id], self._make)
            if time.monotonic() - began > FOUND_WITHIN_SECONDS:
                break
            log.info("waiting for the text of the playbook %s, which the log activates", id)
            await asyncio.sleep(AGAIN_SECONDS)
        raise PlaybookMissing(f"the log activates the playbook {id}, whose text is not in the topic of playbooks")

    def _read(self, id: str, text: str, make: Callable[[Playbook], Applying]) -> Applying:
        try:
            applying = make(parse_playbook(text, f"playbook {id}"))
        except PlaybookError as error:
            raise PlaybookMissing(
                f"the log activates the playbook {id}, which this version cannot read: {error}"
            ) from error
        if applying.scoring.playbook_id == self.own.scoring.playbook_id:
            return self.own
        log.info("from now on the playbook %s holds, instead of this worker's own %s", id, self.own.scoring.playbook_id)
        return applying
