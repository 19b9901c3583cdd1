"""A dry run: what would be sent, and everything that is wrong with the file, without sending anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from services.cli.errors import CommandError
from services.cli.importer.encodings import encoding_of
from services.cli.importer.lines import Lines
from services.cli.importer.mapping import Mapping
from services.cli.importer.rows import ColumnsMissing, RowError, calls_of, read_rows
from services.cli.sending.lanes import encode

FIRST_ROWS = 3


@dataclass(frozen=True)
class Preview:
    """`problems` rows would be rejected; `skipped` ones make no event. ingest may reject more."""

    encoding: str
    rows: int
    events: int
    skipped: int
    problems: int


def preview(file: Path, mapping: Mapping, say: Callable[[str], None]) -> Preview:
    """Say the events of the first rows, and the problem of each row that has one. Raises `CommandError`."""
    codec = encoding_of(file, mapping.encoding)
    rows = events = skipped = problems = shown = 0
    try:
        for row in read_rows(Lines(file, codec), mapping):
            rows += 1
            try:
                calls = calls_of(row, mapping, file.name)
            except RowError as error:
                problems += 1
                say(f"line {row.line}: {error}")
                continue
            events, skipped = events + len(calls), skipped + (not calls)
            if calls and shown < FIRST_ROWS:
                shown += 1
                say(f"line {row.line} becomes")
                for call in calls:
                    say(msgspec.json.format(encode(call)).decode())
    except ColumnsMissing as error:
        raise CommandError(f"{file}: {error}") from error
    return Preview(codec, rows, events, skipped, problems)
