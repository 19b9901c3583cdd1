"""What an error of Postgres means, and how it may be told: its text can hold names and addresses of people."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy.exc
from sqlalchemy.exc import DBAPIError

ERRORS = (OSError, DBAPIError, sqlalchemy.exc.TimeoutError)
"""What comes out of the engine. An `OSError` is the connection that could not be made."""


class PostgresAway(Exception):
    """Postgres cannot be asked now; again later. The text is fit for a log."""


@contextmanager
def told_apart() -> Iterator[None]:
    """Around the engine's work: raises `PostgresAway` where Postgres is away; other errors pass.

    An `OSError` of anything else than the engine must not be taken for one of Postgres."""
    try:
        yield
    except ERRORS as error:
        if not is_away(error):
            raise
        raise PostgresAway(f"Postgres is away: {described(error)}") from error


def is_away(error: BaseException) -> bool:
    """The connection, not what was asked for. SQLSTATE classes: 08 connection, 40 rollback (deadlock), 53 resources,
    55 lock, 57 operator intervention (shutdown, starting up)."""
    if not isinstance(error, DBAPIError):
        return isinstance(error, ERRORS)
    state = sqlstate(error)
    return error.connection_invalidated or not state or state[:2] in ("08", "40", "53", "55", "57")


def is_about_values(error: BaseException) -> bool:
    """SQLSTATE classes 22 (data), 23 (constraints) and 54 (limits, such as a key too long for its index): the same
    row would be refused again."""
    return not _is_cut_off(error) and sqlstate(error)[:2] in ("22", "23", "54")


def is_data(error: BaseException) -> bool:
    """SQLSTATE class 22: a value that Postgres cannot take, such as a NUL character."""
    return not _is_cut_off(error) and sqlstate(error)[:2] == "22"


def sqlstate(error: BaseException) -> str:
    """Empty: there is none."""
    return str(getattr(getattr(error, "orig", error), "sqlstate", "") or "")


def described(error: BaseException) -> str:
    """Type and SQLSTATE. Never the text: Postgres quotes the values that it refuses."""
    orig = getattr(error, "orig", None) or error
    name = type(orig.__cause__ if isinstance(error, DBAPIError) and orig.__cause__ else orig).__name__
    state = sqlstate(error)
    return f"{name} (SQLSTATE {state})" if state else name


def traced(error: BaseException) -> str:
    """An error for the log: the traceback as ever, but no text where an error of Postgres had a part in it."""
    if not any(isinstance(part, DBAPIError) or sqlstate(part) for part in _chain(error)):
        return "".join(traceback.format_exception(error)).rstrip()
    told = [*traceback.format_tb(error.__traceback__), *(f"{described(part)}\n" for part in _chain(error))]
    return "".join(told).rstrip()


def _is_cut_off(error: BaseException) -> bool:
    return isinstance(error, DBAPIError) and error.connection_invalidated


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
