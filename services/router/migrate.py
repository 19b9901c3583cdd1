"""The schema of the ledger: bring it up to date, or refuse to work with another one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import sqlalchemy.exc
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.router.canonical import derive_again
from shared.settings import ConfigurationError

_MIGRATIONS = Path(__file__).parents[2] / "deploy" / "migrations"


def upgrade(database_url: str) -> None:
    """Bring the tables, and what is derived in them, to this program's version.

    Raises `ConfigurationError` when Postgres cannot be reached."""
    try:
        command.upgrade(_config(database_url), "head")
        asyncio.run(derive_again(database_url))
    except (OSError, sqlalchemy.exc.SQLAlchemyError) as error:
        raise unreachable(database_url, error) from error


async def refuse_other_schema(engine: AsyncEngine) -> None:
    """Raises `ConfigurationError` unless the schema is exactly the one this program was written for."""
    expected = ScriptDirectory.from_config(_config("")).get_current_head()
    url = engine.url.render_as_string(hide_password=True)
    try:
        async with engine.connect() as connection:
            if await connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
                found = None
            else:
                found = await connection.scalar(text("SELECT version_num FROM alembic_version"))
    except (OSError, sqlalchemy.exc.SQLAlchemyError) as error:
        raise unreachable(url, error) from error
    if found != expected:
        state = f"is at version {found}" if found else "has no tables yet"
        raise ConfigurationError(f"the database {url} {state}, expected {expected}: run `tasuki db upgrade`")


def unreachable(database_url: str, error: Exception) -> ConfigurationError:
    """The one wording for a database that does not answer."""
    try:
        shown = sqlalchemy.make_url(database_url).render_as_string(hide_password=True)
    except sqlalchemy.exc.ArgumentError:
        shown = "(not a URL)"
    reason = str(getattr(error, "orig", None) or error).splitlines() or [type(error).__name__]
    return ConfigurationError(
        f"cannot work with the Postgres database {shown}: {reason[0]}\n"
        "start it, or set TASUKI_DATABASE_URL (postgresql+asyncpg://user:password@host:port/database)"
    )


def _config(database_url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["database_url"] = database_url
    return config
