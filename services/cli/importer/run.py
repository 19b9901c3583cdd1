"""The import itself: rows in, acknowledged batches out, everything that was refused on a list."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from services.cli.errors import CommandError
from services.cli.importer.encodings import encoding_of
from services.cli.importer.journal import Journal
from services.cli.importer.lines import Lines, raw_lines
from services.cli.importer.mapping import Mapping
from services.cli.importer.report import NOT_SENT, Report
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
class Sent:
    """A row that is on its way: how many of its `events` are not yet answered, and which were refused."""

    row: Row
    record: bytes
    events: int
    pending: int
    refused: list[Rejection] = field(default_factory=list)


@dataclass
class Import:
    """One run. `client` is open, `journal` and `report` belong to this file, mapping and target."""

    file: Path
    codec: str
    mapping: Mapping
    client: IngestClient
    journal: Journal
    report: Report
    progress: Progress
    _sent: dict[int, Sent] = field(default_factory=dict)

    async def run(self) -> None:
        """Send all rows that are not yet acknowledged. Raises `CommandError`; the journal then says how far it came."""
        try:
            await send_in_lanes(self.client, self._entries(), self._answered)
            self.journal.complete = True
        except ColumnsMissing as error:
            raise CommandError(f"{self.file}: {error}") from error
        finally:
            self.journal.save()

    async def _entries(self) -> AsyncIterator[Entry]:
        lines = Lines(self.file, self.codec)
        for row in read_rows(lines, self.mapping):
            record = lines.since(row.line)
            if self.journal.has(row.number):
                continue
            for entry in self._entries_of(row, record):
                yield entry
            await asyncio.sleep(0)  # a file of bad rows must not hold up the answers

    def _entries_of(self, row: Row | BadRow, record: bytes) -> list[Entry]:
        try:
            calls = calls_of(row, self.mapping, self.file.name)
        except RowError as error:
            self.report.write(row, NOT_SENT, str(error), record)
            self._finish([row.number], events=0, rejected=1)
            return []
        if not calls:
            self._finish([row.number], events=0, rejected=0)
            return []
        assert isinstance(row, Row)
        self._sent[row.number] = Sent(row, record, len(calls), len(calls))
        return [Entry(encode(call), routing_identity(call["userId"], None) or "", row.number) for call in calls]

    def _answered(self, batch: Sequence[Entry], rejections: Sequence[Rejection]) -> None:
        for rejection in rejections:
            self._sent[batch[rejection.index].origin].refused.append(rejection)
        finished = []
        for entry in batch:
            sent = self._sent[entry.origin]
            sent.pending -= 1
            if not sent.pending:
                finished.append(self._sent.pop(entry.origin))
        # All answers of a row are kept together: what an interrupted run has half of is sent, and reported, once more.
        for sent in finished:
            for rejection in sent.refused:
                self.report.write(sent.row, rejection.code, rejection.message, sent.record)
        rejected = sum(len(sent.refused) for sent in finished)
        events = sum(sent.events for sent in finished) - rejected
        self._finish([sent.row.number for sent in finished], events=events, rejected=rejected)

    def _finish(self, rows: list[int], *, events: int, rejected: int) -> None:
        self.journal.report_bytes = self.report.size
        self.journal.done(rows, events=events, rejected=rejected)
        self.progress.advance(len(rows))


@dataclass(frozen=True)
class Target:
    """Where the events go; `patience` in seconds as for `IngestClient`."""

    url: str
    write_key: str
    patience: float


async def import_rows(file: Path, mapping: Mapping, target: Target, state_dir: Path, progress: Progress) -> Summary:
    """Import `file`; raises `CommandError` where not everything could be sent."""
    codec = await asyncio.to_thread(encoding_of, file, mapping.encoding)
    digest = await asyncio.to_thread(_digest, file)
    about = f"{digest} {codec} {mapping.digest} {target.url}"
    journal = Journal.open(state_dir / f"{file.name}.import-state.json", about)
    resumed_after = journal.rows()
    with Report(state_dir / f"{file.name}.rejected.csv", codec, journal.report_bytes) as report:
        async with IngestClient(target.url, target.write_key, target.patience) as client:
            progress.start("importing", await asyncio.to_thread(_records, file, mapping), done=resumed_after)
            await Import(file, codec, mapping, client, journal, report, progress).run()
    return Summary(journal.rows(), journal.events, journal.rejected, resumed_after, report.path)


def _digest(file: Path) -> str:
    with file.open("rb") as source:
        return hashlib.file_digest(source, "blake2b").hexdigest()[:32]


def _records(file: Path, mapping: Mapping) -> int:
    """About how many: cells that span lines are counted as several."""
    return max(sum(1 for _ in raw_lines(file)) - (mapping.format == "csv"), 0)
