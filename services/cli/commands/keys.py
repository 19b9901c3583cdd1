"""`tasuki keys create|list|revoke`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.cli.errors import CommandError
from shared.keys import KeyKind, append_key, create_key, read_keys, remove_key

app = typer.Typer(no_args_is_help=True)

KeysFileOption = Annotated[Path, typer.Option(envvar="TASUKI_KEYS_FILE", help="keys file; create makes it")]


@app.callback()
def keys() -> None:
    """Write keys of senders, tokens of API users."""


@app.command()
def create(
    kind: Annotated[KeyKind, typer.Option(help="write: lets a website or tool send events. token: for the API")],
    name: Annotated[
        str, typer.Option("--name", "--source", help="who uses it; for a write key, the source of its events")
    ],
    file: KeysFileOption,
    scopes: Annotated[str, typer.Option(help="of a token: read,write,erase,admin")] = "",
    origins: Annotated[str, typer.Option(help="of a write key: websites that may use it, with commas")] = "",
    events_per_second: Annotated[float | None, typer.Option(help="of a write key: its rate in the long run")] = None,
    burst: Annotated[int | None, typer.Option(help="of a write key: events that it may send at once")] = None,
) -> None:
    """Make a key, add its digest to the keys file and print the secret. It is shown only now."""
    limits = {"origins": tuple(_parts(origins)), "events_per_second": events_per_second, "burst": burst}
    try:
        secret, entry = create_key(kind, name, _parts(scopes), **limits)
    except ValueError as error:
        raise CommandError(str(error)) from error
    append_key(file, entry)
    typer.echo(f"added {entry.kind} key {entry.name!r} to {file}; its secret, shown only now:", err=True)
    typer.echo(secret)


@app.command("list")
def show(file: KeysFileOption) -> None:
    """Whose keys there are, and what they may do. Secrets are kept nowhere."""
    for entry in read_keys(file):
        created = f"{entry.created:%Y-%m-%d}" if entry.created else "-"
        may = [*entry.scopes, *entry.origins]
        if entry.events_per_second is not None:
            may.append(f"{entry.events_per_second:g}/s" + (f" (burst {entry.burst})" if entry.burst else ""))
        typer.echo(f"{entry.kind:<6} {entry.name:<24} {created:<11} {entry.sha256[:12]} {' '.join(may)}".rstrip())


@app.command()
def revoke(
    name: Annotated[str, typer.Argument(help="its name, or the beginning of its digest as `list` shows it")],
    file: KeysFileOption,
) -> None:
    """Take a key away. Whatever runs knows within a second."""
    entries = read_keys(file)
    found = [entry for entry in entries if entry.name == name or (len(name) >= 8 and entry.sha256.startswith(name))]
    if not found:
        raise CommandError(f"{file} has no key {name!r}: `tasuki keys list` shows all")
    if len(found) > 1:
        raise CommandError(
            f"{file} has {len(found)} keys {name!r}: name one by its digest, as `tasuki keys list` shows it"
        )
    remove_key(file, found[0])
    typer.echo(f"revoked {found[0].kind} key {found[0].name!r}", err=True)


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
