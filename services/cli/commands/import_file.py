"""`tasuki import FILE --mapping MAP.yaml --to URL`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from services.cli.errors import CommandError


def import_file(
    file: Annotated[Path, typer.Argument(help="CSV or JSONL", exists=True, dir_okay=False)],
    mapping: Annotated[Path, typer.Option(help="what the columns mean (examples: deploy/mappings)")],
    to: Annotated[str, typer.Option(help="address of ingest, such as http://127.0.0.1:8080")],
    write_key: Annotated[str, typer.Option(envvar="TASUKI_WRITE_KEY", help="a key made by tasuki keys create")],
    state_dir: Annotated[
        Path | None, typer.Option(help="for the files that remember progress and list rejected rows; else beside FILE")
    ] = None,
    patience: Annotated[float, typer.Option(min=1, help="seconds without any answer before it gives up")] = 120.0,
) -> None:
    """Import a list, a CRM export or an event log through the ingest API.

    Can be interrupted and repeated: what is acknowledged is not sent again, and what is sent twice counts once.
    Exit code 0: everything was sent (rejected rows are listed in a file); 2: not everything, repeat the command.
    """
    from rich.console import Console

    from services.cli.importer.mapping import parse_mapping
    from services.cli.importer.run import Target, import_rows
    from services.cli.progress import Progress

    try:
        meaning = parse_mapping(mapping.read_text("utf-8"), str(mapping))
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{mapping} cannot be read: {error}") from error
    folder = state_dir or file.parent
    folder.mkdir(parents=True, exist_ok=True)
    with Progress(Console(stderr=True), "rows") as progress:
        summary = asyncio.run(import_rows(file, meaning, Target(to, write_key, patience), folder, progress))
    if summary.resumed_after:
        typer.echo(f"{summary.resumed_after:,} rows had been acknowledged before")
    typer.echo(f"{summary.rows:,} rows, {summary.events:,} events accepted, {summary.rejected:,} rejected")
    if summary.rejected:
        typer.echo(f"rejected rows and reasons: {summary.report}")
