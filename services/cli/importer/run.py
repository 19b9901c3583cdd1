"""The import itself: rows in, acknowledged batches out, everything that was refused on a list."""

from __future__ import annotations

import asyncio
import csv
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from services.cli.errors import CommandError
from services.cli.importer.journal import Journal
from services.cli.importer.mapping import Mapping
from services.cli.importer.rows import BadRow, ColumnsMissing, Row, RowError, calls_of, read_rows
from services.cli.progress import Progress
from services.cli.sending import Entry, IngestClient, Rejection, send_in_lanes
from services.cli.sending.lanes import encode
from shared.identity import routing_identity


@dataclass(frozen=True)
class Summary:
    """What became of the rows, earlier runs of the same import included."""

    rows: int
    events: int
    rejected: int
    resumed_after: int
    report: Path


@dataclass
class Import:
    """One run. `client` is open, `journal` belongs to this file, mapping and target."""

    file: Path
    mapping: Mapping
    client: IngestClient
    journal: Journal
    report: TextIO
    progress: Progress
    _pending: Counter[int] = field(default_factory=Counter)  # events of a row that are not yet answered
    _lines: dict[int, int] = field(default_factory=dict)

    async def run(self) -> None:
        """Send all rows that are not yet acknowledged. Raises `CommandError`; the journal then says how far it came."""
        try:
            await send_in_lanes(self.client, self._entries(), self._answered)
            self.journal.complete = True
        except ColumnsMissing as error:
            raise CommandError(f"{self.file}: {error}") from error
        except UnicodeDecodeError as error:
            raise CommandError(
                f"{self.file} is not {self.mapping.encoding} ({error.reason} at byte {error.start}); "
                "set encoding: in the mapping, cp932 for most Japanese Excel exports"
            ) from error
        finally:
            self.journal.save()

    async def _entries(self) -> AsyncIterator[Entry]:
        with self.file.open(encoding=self.mapping.encoding, newline="") as lines:
            for row in read_rows(lines, self.mapping):
                if self.journal.has(row.number):
                    continue
                for entry in self._entries_of(row):
                    yield entry
                await asyncio.sleep(0)  # a file of bad rows must not hold up the answers

    def _entries_of(self, row: Row | BadRow) -> list[Entry]:
        if isinstance(row, BadRow):
            return self._refuse(row, row.reason)
        try:
            calls = calls_of(row, self.mapping, self.file.name)
        except RowError as error:
            return self._refuse(row, str(error))
        if not calls:
            self._finish([row.number], events=0, rejected=0)
            return []
        self._pending[row.number], self._lines[row.number] = len(calls), row.line
        return [Entry(encode(call), routing_identity(call["userId"], None) or "", row.number) for call in calls]

    def _refuse(self, row: Row | BadRow, reason: str) -> list[Entry]:
        self._report(row.line, row.number, "not sent", reason)
        self._finish([row.number], events=0, rejected=1)
        return []

    def _answered(self, batch: Sequence[Entry], rejections: Sequence[Rejection]) -> None:
        for rejection in rejections:
            row = batch[rejection.index].origin
            self._report(self._lines[row], row, rejection.code, rejection.message)
        finished = []
        for entry in batch:
            self._pending[entry.origin] -= 1
            if not self._pending[entry.origin]:
                del self._pending[entry.origin], self._lines[entry.origin]
                finished.append(entry.origin)
        self._finish(finished, events=len(batch) - len(rejections), rejected=len(rejections))

    def _finish(self, rows: list[int], *, events: int, rejected: int) -> None:
        self.journal.done(rows, events=events, rejected=rejected)
        self.progress.advance(len(rows))

    def _report(self, line: int, row: int, code: str, reason: str) -> None:
        csv.writer(self.report).writerow([line, row, code, reason])
        self.report.flush()


@dataclass(frozen=True)
class Target:
    """Where the events go; `patience` in seconds as for `IngestClient`."""

    url: str
    write_key: str
    patience: float


async def import_rows(file: Path, mapping: Mapping, target: Target, state_dir: Path, progress: Progress) -> Summary:
    """Import `file`; raises `CommandError` where not everything could be sent."""
    digest = await asyncio.to_thread(_digest, file)
    journal = Journal.open(state_dir / f"{file.name}.import-state.json", f"{digest} {mapping.digest} {target.url}")
    report = state_dir / f"{file.name}.rejected.csv"
    resumed_after = journal.rows()
    with report.open("a" if resumed_after else "w", encoding="utf-8", newline="") as out:
        if out.tell() == 0:
            csv.writer(out).writerow(["line", "row", "code", "reason"])
        async with IngestClient(target.url, target.write_key, target.patience) as client:
            progress.start("importing", await asyncio.to_thread(_records, file, mapping), done=resumed_after)
            await Import(file, mapping, client, journal, out, progress).run()
    if not journal.rejected:
        report.unlink()
    return Summary(journal.rows(), journal.events, journal.rejected, resumed_after, report)


def _digest(file: Path) -> str:
    with file.open("rb") as source:
        return hashlib.file_digest(source, "blake2b").hexdigest()[:32]


def _records(file: Path, mapping: Mapping) -> int:
    """About how many: cells that span lines are counted as several."""
    with file.open("rb") as source:
        return max(sum(1 for _ in source) - (mapping.format == "csv"), 0)
