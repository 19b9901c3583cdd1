"""Many rows of many tables in one statement: INSERT or UPDATE from `unnest(…)`, one array parameter per column.

A multi-row VALUES list would hit Postgres's 32,767 parameters and be parsed anew for each batch size. One statement for
all tables, because each is a round trip: at 1,000 events/s a transaction takes 9.0 ms so instead of 12.8.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import ARRAY, Column, Table, TextClause, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

_BETWEEN = "\x1f"  # an array column travels as text: unnest would flatten an array of arrays
_dialect = postgresql.dialect()  # type: ignore[no-untyped-call]


class Bulk:
    """What rows, given in the order of `columns`, do to a table: `sql`, with `values` as its parameters. `name` tells
    it from another one in the same statement that does the same to that table."""

    verb: str
    sql: str

    def __init__(self, table: Table, columns: Sequence[str], name: str = "") -> None:
        arrays = [isinstance(table.c[name].type, ARRAY) for name in columns]
        prefix = f"{self.verb}_{name or table.name}"
        self._parameters = [(f"{prefix}_{column}", a) for column, a in zip(columns, arrays, strict=True)]
        self._names = ", ".join(f'"{name}"' for name in columns)
        types = (_array_type(table.c[name]) for name in columns)
        given = (f"CAST(:{name} AS {kind})" for (name, _), kind in zip(self._parameters, types, strict=True))
        self._given = f"unnest({', '.join(given)}) AS r ({self._names})"
        self._read = {
            name: f"string_to_array(r.\"{name}\", E'\\x1f')" if is_array else f'r."{name}"'
            for name, is_array in zip(columns, arrays, strict=True)
        }

    def values(self, rows: Sequence[Sequence[Any]]) -> dict[str, list[Any]]:
        columns = zip(*rows, strict=True)
        return {
            parameter: [_BETWEEN.join(row) for row in column] if is_array else list(column)
            for (parameter, is_array), column in zip(self._parameters, columns, strict=True)
        }


class BulkInsert(Bulk):
    """New rows, or what `on_conflict` makes of those that exist."""

    verb = "insert"

    def __init__(self, table: Table, columns: Sequence[str], on_conflict: str = "") -> None:
        super().__init__(table, columns)
        selected = ", ".join(self._read.values())
        self.sql = f'INSERT INTO "{table.name}" ({self._names}) SELECT {selected} FROM {self._given} {on_conflict}'


class BulkUpdate(Bulk):
    """Some columns of rows that exist; the first of `columns` is the primary key."""

    verb = "update"

    def __init__(self, table: Table, columns: Sequence[str], name: str = "") -> None:
        super().__init__(table, columns, name)
        key, *others = columns
        updates = ", ".join(f'"{name}" = {self._read[name]}' for name in others)
        self.sql = f'UPDATE "{table.name}" SET {updates} FROM {self._given} WHERE "{table.name}"."{key}" = r."{key}"'


async def write(connection: AsyncConnection, *parts: tuple[Bulk, Sequence[Sequence[Any]]]) -> None:
    """Write the rows of each part, in their order. Two parts must not touch the same row; no rows: no statement.

    Foreign keys between the parts are looked at when all are written."""
    given = [(bulk, rows) for bulk, rows in parts if rows]
    if given:
        values = {name: column for bulk, rows in given for name, column in bulk.values(rows).items()}
        await connection.execute(_together(*(bulk for bulk, _ in given)), values)


@cache
def _together(*parts: Bulk) -> TextClause:
    *first, last = (bulk.sql for bulk in parts)
    names = ", ".join(f"w{place} AS ({sql})" for place, sql in enumerate(first))
    return text(f"WITH {names} {last}" if names else last)


def replace_on(key: str, columns: Sequence[str]) -> str:
    """The clause that overwrites an existing row."""
    updates = ", ".join(f'"{name}" = EXCLUDED."{name}"' for name in columns if name not in key.split(", "))
    return f"ON CONFLICT ({key}) DO UPDATE SET {updates}"


def _array_type(column: Column[Any]) -> str:
    kind = column.type
    return "TEXT[]" if isinstance(kind, ARRAY) else f"{kind.compile(dialect=_dialect)}[]"
