"""From rows to Segment calls: pure."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from services.cli.importer.mapping import Cell, EventTemplate, Mapping, Value, columns_of

Call = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """`number` counts records from 1, `line` is where it begins in the file."""

    number: int
    line: int
    cells: dict[str, Any]


@dataclass(frozen=True)
class BadRow:
    """A record that has no meaning, with the reason."""

    number: int
    line: int
    reason: str


class RowError(ValueError):
    """The row cannot be turned into calls; the message says which column and what was expected."""


class ColumnsMissing(ValueError):
    """The mapping names columns that the file does not have, or has twice."""


def read_rows(lines: Iterable[str], mapping: Mapping) -> Iterator[Row | BadRow]:
    """The records of a file. Raises `ColumnsMissing` for a CSV file whose header lacks columns of the mapping."""
    return _csv_rows(lines, mapping) if mapping.format == "csv" else _json_rows(lines)


def _csv_rows(lines: Iterable[str], mapping: Mapping) -> Iterator[Row | BadRow]:
    """As Excel writes it: quotes, line breaks within them, and rows of nothing but commas, which are none."""
    reader = csv.reader(lines, delimiter=mapping.delimiter, strict=True)  # or an open quote would swallow what follows
    header = _header(reader, mapping)
    number, line = 0, reader.line_num
    while True:
        problem = None
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            cells, problem = [], f"is no CSV: {error} (is a quotation mark not closed, or not doubled?)"
        line, begins = reader.line_num, line + 1
        if problem is None and not any(cell.strip() for cell in cells):
            continue
        number += 1
        if problem is None and len(cells) != len(header):
            problem = f"has {len(cells)} columns, the header has {len(header)}"
        if problem is not None:
            yield BadRow(number, begins, problem)
        else:
            yield Row(number, begins, dict(zip(header, cells, strict=True)))


def _header(reader: Iterator[list[str]], mapping: Mapping) -> list[str]:
    try:
        header = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise ColumnsMissing(f"the header is no CSV: {error}") from None
    missing = sorted(mapping.columns - set(header))
    if missing:
        other = next((mark for mark in ",;\t" if mark != mapping.delimiter and mark in "".join(header)), None)
        hint = f" (is delimiter: {other!r} meant?)" if other else ""
        raise ColumnsMissing(
            f"the file has no column {', '.join(missing)}; it has {', '.join(header) or 'no header'}{hint}"
        )
    if twice := sorted(name for name in mapping.columns if header.count(name) > 1):
        raise ColumnsMissing(f"the file has more than one column {', '.join(twice)}; name them differently")
    return header


def _json_rows(lines: Iterable[str]) -> Iterator[Row | BadRow]:
    number = 0
    for line, text in enumerate(lines, start=1):
        if not text.strip():
            continue
        number += 1
        try:
            cells = json.loads(text)
        except ValueError as error:
            yield BadRow(number, line, f"is no JSON: {error}")
            continue
        if isinstance(cells, dict):
            yield Row(number, line, cells)
        else:
            yield BadRow(number, line, "is no JSON object")


def calls_of(row: Row | BadRow, mapping: Mapping, file_name: str) -> list[Call]:
    """The row's calls. Raises `RowError`.

    A messageId is made of file name, mapping, row number and content: an import that is repeated, or resumed after
    rows were appended to the file, counts once; two files of the same form do not swallow each other's rows.
    """
    if isinstance(row, BadRow):
        raise RowError(row.reason)
    content = json.dumps(row.cells, sort_keys=True, ensure_ascii=False)
    calls = []
    for index, template in enumerate(mapping.templates):
        if _applies(template, row.cells):
            key = "\0".join((file_name, mapping.digest, str(row.number), content, str(index)))
            message_id = "import-" + hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
            calls.append(_call(template, row.cells, mapping, message_id))
    return calls


def _applies(template: EventTemplate, cells: dict[str, Any]) -> bool:
    if any(_text(cells.get(column)) == "" for column in template.skip_when_empty):
        return False
    return all(_text(cells.get(column)) in values for column, values in template.when.items())


def _call(template: EventTemplate, cells: dict[str, Any], mapping: Mapping, message_id: str) -> Call:
    user_id = _filled(template.user_id, cells)
    if user_id is None:
        raise RowError(f"userId {template.user_id!r} is empty, so nobody could be told whose event it is")
    call: Call = {
        "type": template.type,
        "messageId": message_id,
        "timestamp": _timestamp(template, cells, mapping),
        "userId": user_id,
    }
    if template.event is not None:
        call["event"] = template.event
    if template.group_id is not None:
        group_id = _filled(template.group_id, cells)
        if group_id is None:
            raise RowError(f"groupId {template.group_id!r} is empty")
        call["groupId"] = group_id
    for part, values in (("properties", template.properties), ("traits", template.traits)):
        if values:
            call[part] = _nested(values, cells)
    if mapping.historical:
        call["context"] = {"historical": True}
    return call


def _timestamp(template: EventTemplate, cells: dict[str, Any], mapping: Mapping) -> str:
    zone = ZoneInfo(mapping.time_zone)
    if isinstance(template.timestamp, date):
        return datetime.combine(template.timestamp, time(), zone).isoformat()
    column, pattern = template.timestamp.column, template.timestamp.format
    text = _text(cells.get(column))
    try:
        told = datetime.strptime(text, pattern) if pattern else datetime.fromisoformat(text)
    except ValueError:
        expected = pattern or "a time such as 2026-11-21 09:30:00"
        raise RowError(f"column {column}: {text!r} is no time; expected {expected}") from None
    return (told if told.tzinfo else told.replace(tzinfo=zone)).isoformat()


def _nested(values: dict[str, Value], cells: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in values.items():
        found = _value(value, cells)
        if found is None:
            continue
        *parents, last = name.split(".")
        target = result
        for parent in parents:
            target = target.setdefault(parent, {})
        target[last] = found
    return result


def _value(value: Value, cells: dict[str, Any]) -> Any:
    if isinstance(value, Cell):
        return _cell(value, cells)
    return _filled(value, cells) if isinstance(value, str) else value


def _cell(cell: Cell, cells: dict[str, Any]) -> Any:
    raw = cells.get(cell.column)
    text = _text(raw)
    if text == "":
        return None
    if cell.as_ == "number":
        try:
            number = float(text.replace(",", ""))
        except ValueError:
            number = math.nan
        if not math.isfinite(number):  # JSON has no word for infinity
            raise RowError(f"column {cell.column}: {text!r} is no number")
        return int(number) if number.is_integer() else number
    if cell.as_ == "boolean":
        return raw if isinstance(raw, bool) else text.casefold() in {word.casefold() for word in cell.true_when}
    return text


def _filled(template: str, cells: dict[str, Any]) -> str | None:
    """The text with its cells; None where every cell in it is empty."""
    texts = {name: _text(cells.get(name)) for name in columns_of(template)}
    if texts and not any(texts.values()):
        return None
    # Not str.format: a column may be called "a.b" or "[c]".
    parts = string.Formatter().parse(template)
    return "".join(text + (texts[name] if name is not None else "") for text, name, _, _ in parts).strip()


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).strip()
