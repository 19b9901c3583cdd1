"""What an error of Postgres means, and that its text stays out of logs and answers."""

from __future__ import annotations

import logging

import httpx
import pytest
from asyncpg import exceptions as pg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from services.router.api.app import build_app
from services.router.failures import PostgresAway, described, is_about_values, is_away, told_apart, traced
from services.router.ledger import Ledger
from services.router.lifecycle.rules import Rules
from services.router.status import Watch
from shared.clock import SystemClock
from shared.key_file import ReloadingKeyRing
from shared.keys import tokens_from
from shared.playbook import load_playbook
from shared.topics import Topics

PRIVATE = "yamada@example.co.jp"


class Orig(Exception):
    """As the driver's adapter wraps asyncpg's errors."""

    def __init__(self, cause: pg.PostgresError) -> None:
        super().__init__(str(cause))
        self.sqlstate, self.__cause__ = cause.sqlstate, cause


def failed(kind: type[pg.PostgresError]) -> DBAPIError:
    cause = kind(f"value {PRIVATE} is wrong")
    return DBAPIError("INSERT", {"email": PRIVATE}, Orig(cause))


@pytest.mark.parametrize(
    ("kind", "away", "values"),
    [
        (pg.CharacterNotInRepertoireError, False, True),
        (pg.UniqueViolationError, False, True),
        (pg.ProgramLimitExceededError, False, True),
        (pg.UndefinedTableError, False, False),
        (pg.AdminShutdownError, True, False),
        (pg.DeadlockDetectedError, True, False),
    ],
)
def test_classes(kind: type[pg.PostgresError], away: bool, values: bool) -> None:
    assert (is_away(failed(kind)), is_about_values(failed(kind))) == (away, values)


def test_only_the_engines_oserror_is_postgres() -> None:
    with pytest.raises(PostgresAway, match="ConnectionRefusedError"), told_apart():
        raise ConnectionRefusedError
    with pytest.raises(DBAPIError), told_apart():
        raise failed(pg.UndefinedTableError)


def test_the_text_is_not_told() -> None:
    try:
        try:
            raise failed(pg.UndefinedTableError)
        except DBAPIError as error:
            raise RuntimeError(f"because {error}") from error
    except RuntimeError as outer:
        told = traced(outer)
    assert PRIVATE not in told
    assert "test_the_text_is_not_told" in told, "the place is"
    assert "UndefinedTableError (SQLSTATE 42P01)" in told
    assert described(failed(pg.UndefinedTableError)) == "UndefinedTableError (SQLSTATE 42P01)"
    assert "because" in traced(ValueError("because")), "other errors are told as ever"


@pytest.mark.parametrize(
    ("error", "status", "code", "logged"),
    [
        (failed(pg.CharacterNotInRepertoireError), 422, "invalid_request", False),
        (failed(pg.AdminShutdownError), 503, "database_away", False),
        (ConnectionRefusedError(), 503, "database_away", False),
        (failed(pg.UndefinedTableError), 500, "internal_error", True),
    ],
)
async def test_what_the_api_answers(
    error: Exception, status: int, code: str, logged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    engine = create_async_engine("postgresql+asyncpg://nobody@127.0.0.1:1/none")
    ledger = Ledger(engine, Rules(load_playbook()), Topics("t."), SystemClock())
    app = build_app(ledger, ReloadingKeyRing(tokens_from("t=t:read")), Watch())

    @app.get("/failing/{id}")
    async def failing(id: str) -> None:
        raise error

    with caplog.at_level(logging.WARNING):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://router") as http:
            answer = await http.get(f"/failing/{PRIVATE}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert PRIVATE not in answer.text + caplog.text
    assert ("GET /failing/{id} failed in the database: UndefinedTableError (SQLSTATE 42P01)" in caplog.text) == logged
