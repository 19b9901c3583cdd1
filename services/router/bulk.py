"""Many rows in one statement: INSERT or UPDATE from `unnest(…)`, one array parameter per column.

A multi-row VALUES list would hit Postgres's 32,767 parameters and be parsed anew for each batch size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ARRAY, Column, Table, TextClause, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

_BETWEEN = "\x1f"  # an array column travels as text: unnest would flatten an array of arrays
_dialect = postgresql.dialect()  # type: ignore[no-untyped-call]


class _Bulk:
    """Rows are given in the order of `columns`."""

    def __init__(self, table: Table, columns: Sequence[str]) -> None:
        self.columns = tuple(columns)
        self._arrays = frozenset(name for name in columns if isinstance(table.c[name].type, ARRAY))
        given = ", ".join(f"CAST(:{name} AS {_array_type(table.c[name])})" for name in columns)
        self._names = ", ".join(f'"{name}"' for name in columns)
        self._given = f"unnest({given}) AS r ({self._names})"
        self._statement: TextClause

    def _value(self, name: str) -> str:
        return f"string_to_array(r.\"{name}\", E'\\x1f')" if name in self._arrays else f'r."{name}"'

    async def run(self, connection: AsyncConnection, rows: Sequence[Sequence[Any]]) -> None:
        """Write `rows` in their order; none: no statement."""
        if not rows:
            return
        values = dict(zip(self.columns, (list(column) for column in zip(*rows, strict=True)), strict=True))
        for name in self._arrays:
            values[name] = [_BETWEEN.join(row) for row in values[name]]
        await connection.execute(self._statement, values)


class BulkInsert(_Bulk):
    """New rows, or what `on_conflict` makes of those that exist."""

    def __init__(self, table: Table, columns: Sequence[str], on_conflict: str = "") -> None:
        super().__init__(table, columns)
        selected = ", ".join(map(self._value, columns))
        self._statement = text(
            f'INSERT INTO "{table.name}" ({self._names}) SELECT {selected} FROM {self._given} {on_conflict}'
        )


class BulkUpdate(_Bulk):
    """Some columns of rows that exist; the first of `columns` is the primary key."""

    def __init__(self, table: Table, columns: Sequence[str]) -> None:
        super().__init__(table, columns)
        key, *others = columns
        updates = ", ".join(f'"{name}" = {self._value(name)}' for name in others)
        self._statement = text(
            f'UPDATE "{table.name}" SET {updates} FROM {self._given} WHERE "{table.name}"."{key}" = r."{key}"'
        )


def replace_on(key: str, columns: Sequence[str]) -> str:
    """The clause that overwrites an existing row."""
    updates = ", ".join(f'"{name}" = EXCLUDED."{name}"' for name in columns if name not in key.split(", "))
    return f"ON CONFLICT ({key}) DO UPDATE SET {updates}"


def _array_type(column: Column[Any]) -> str:
    kind = column.type
    return "TEXT[]" if isinstance(kind, ARRAY) else f"{kind.compile(dialect=_dialect)}[]"
