"""`tasuki keys create`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.cli.errors import CommandError
from shared.keys import KeyKind, append_key, create_key

app = typer.Typer(no_args_is_help=True)


@app.callback()
def keys() -> None:
    """Write keys of senders, tokens of API users."""


@app.command()
def create(
    kind: Annotated[KeyKind, typer.Option(help="write: lets a website or tool send events. token: for the API")],
    name: Annotated[
        str, typer.Option("--name", "--source", help="who uses it; for a write key, the source of its events")
    ],
    file: Annotated[Path, typer.Option(envvar="TASUKI_KEYS_FILE", help="keys file; made when missing")],
    scopes: Annotated[str, typer.Option(help="of a token: read,write,erase,admin")] = "",
) -> None:
    """Make a key, add its digest to the keys file and print the secret. It is shown only now."""
    try:
        secret, entry = create_key(kind, name, [scope.strip() for scope in scopes.split(",") if scope.strip()])
    except ValueError as error:
        raise CommandError(str(error)) from error
    append_key(file, entry)
    typer.echo(f"added {entry.kind} key {entry.name!r} to {file}; its secret, shown only now:", err=True)
    typer.echo(secret)
