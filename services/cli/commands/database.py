"""`tasuki db upgrade`."""

from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True)


@app.callback()
def database() -> None:
    """The router's database."""


@app.command()
def upgrade() -> None:
    """Bring the tables in TASUKI_DATABASE_URL to the version of this program."""
    from pydantic_settings import BaseSettings, SettingsConfigDict

    from services.router.migrate import upgrade as migrate
    from shared.settings import load_settings

    class DatabaseSettings(BaseSettings):
        model_config = SettingsConfigDict(env_prefix="TASUKI_", frozen=True, extra="ignore")
        database_url: str

    migrate(load_settings(DatabaseSettings).database_url)
    typer.echo("the database is up to date")
