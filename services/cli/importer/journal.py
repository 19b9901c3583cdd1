"""Which rows are acknowledged: a small file beside the input, so that an interrupted import goes on where it was."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

SAVE_EVERY_ROWS = 2000


class JournalFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`all_until`: rows up to this number are acknowledged, and those of `beyond` too. `report_bytes`: what the report
    holds about them."""

    about: str  # content of the input, mapping and target: for another import the journal says nothing
    all_until: int = 0
    beyond: list[int] = []
    events: int = 0
    rejected: int = 0
    report_bytes: int = 0
    complete: bool = False


@dataclass
class Journal:
    """Row numbers count from 1. A row is done when all of its events are acknowledged or reported as rejected."""

    path: Path
    about: str
    all_until: int = 0
    events: int = 0
    rejected: int = 0
    report_bytes: int = 0
    complete: bool = False
    _beyond: set[int] = field(default_factory=set)
    _unsaved: int = 0

    @classmethod
    def open(cls, path: Path, about: str) -> Journal:
        """What an earlier run left, or an empty one where it left nothing about this very import."""
        try:
            kept = msgspec.json.decode(path.read_bytes(), type=JournalFile)
        except FileNotFoundError:
            return cls(path, about)
        except msgspec.MsgspecError:
            # Cut short by a crash: rows sent again carry the same ids and count once.
            return cls(path, about)
        if kept.about != about:
            return cls(path, about)
        counts = (kept.all_until, kept.events, kept.rejected, kept.report_bytes)
        return cls(path, about, *counts, kept.complete, set(kept.beyond))

    def has(self, row: int) -> bool:
        return row <= self.all_until or row in self._beyond

    def rows(self) -> int:
        return self.all_until + len(self._beyond)

    def done(self, rows: Iterable[int], *, events: int, rejected: int) -> None:
        """What is rejected of them is in the report by now."""
        self.events += events
        self.rejected += rejected
        for row in rows:
            self._beyond.add(row)
            self._unsaved += 1
        while self.all_until + 1 in self._beyond:
            self.all_until += 1
            self._beyond.remove(self.all_until)
        if self._unsaved >= SAVE_EVERY_ROWS:
            self.save()

    def save(self) -> None:
        """Replace the file as a whole: half a journal would be none."""
        kept = JournalFile(
            about=self.about,
            all_until=self.all_until,
            beyond=sorted(self._beyond),
            events=self.events,
            rejected=self.rejected,
            report_bytes=self.report_bytes,
            complete=self.complete,
        )
        temporary = self.path.with_name(self.path.name + ".new")
        temporary.write_bytes(msgspec.json.encode(kept))
        os.replace(temporary, self.path)
        self._unsaved = 0
