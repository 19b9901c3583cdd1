"""`tasuki import FILE --mapping MAP.yaml --to URL`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.errors import CommandError

if TYPE_CHECKING:
    from services.cli.importer.mapping import Mapping
    from services.cli.importer.run import Target

REJECTED = 1


def import_file(
    file: Annotated[Path, typer.Argument(help="CSV or JSONL", exists=True, dir_okay=False)],
    mapping: Annotated[Path, typer.Option(help="what the columns mean (examples: deploy/mappings)")],
    to: Annotated[str, typer.Option(help="address of ingest, such as http://127.0.0.1:8080")] = "",
    write_key: Annotated[str, typer.Option(envvar="TASUKI_WRITE_KEY", help="a key made by tasuki keys create")] = "",
    encoding: Annotated[
        str | None, typer.Option(help="auto, utf-8, shift_jis, …: instead of what the mapping says")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="show the first events and all problems, and send nothing")
    ] = False,
    state_dir: Annotated[
        Path | None, typer.Option(help="for the files that remember progress and list rejected rows; else beside FILE")
    ] = None,
    patience: Annotated[float, typer.Option(min=1, help="seconds without any answer before it gives up")] = 120.0,
) -> None:
    """Import a list, a CRM export or an event log through the ingest API.

    Can be interrupted and repeated: what is acknowledged is not sent again, and what is sent twice counts once.
    Exit code 0: all rows were accepted; 1: all were sent, but some were rejected, which a file lists (of a dry run:
    some would be); 2: not everything was sent, repeat the command.
    """
    from services.cli.importer.run import Target

    meaning = _meaning(mapping, encoding)
    if dry_run:
        rejected = _preview(file, meaning)
    elif not to or not write_key:
        raise CommandError("expected --to and --write-key (or TASUKI_WRITE_KEY), or else --dry-run")
    else:
        rejected = _import(file, meaning, Target(to, write_key, patience), state_dir or file.parent)
    if rejected:
        raise typer.Exit(REJECTED)


def _meaning(file: Path, encoding: str | None) -> Mapping:
    from services.cli.importer.encodings import AUTO, codec_of
    from services.cli.importer.mapping import parse_mapping

    try:
        meaning = parse_mapping(file.read_text("utf-8"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{file} cannot be read: {error}") from error
    if encoding is None:
        return meaning
    try:
        if encoding != AUTO:
            codec_of(encoding)
    except ValueError as error:
        raise CommandError(f"--encoding: {error}") from None
    return meaning.model_copy(update={"encoding": encoding})


def _preview(file: Path, meaning: Mapping) -> int:
    """How many rows would be rejected."""
    from services.cli.importer.preview import preview

    found = preview(file, meaning, typer.echo)
    typer.echo(
        f"{found.rows:,} rows ({found.encoding}), {found.events:,} events, {found.skipped:,} rows without any, "
        f"{found.problems:,} would be rejected; nothing was sent"
    )
    return found.problems


def _import(file: Path, meaning: Mapping, target: Target, folder: Path) -> int:
    """How much was rejected."""
    from rich.console import Console

    from services.cli.importer.run import import_rows
    from services.cli.progress import Progress

    folder.mkdir(parents=True, exist_ok=True)
    with Progress(Console(stderr=True), "rows") as progress:
        summary = asyncio.run(import_rows(file, meaning, target, folder, progress))
    if summary.resumed_after:
        typer.echo(f"{summary.resumed_after:,} rows had been acknowledged before")
    typer.echo(f"{summary.rows:,} rows, {summary.events:,} events accepted, {summary.rejected:,} rejected")
    if summary.rejected:
        typer.echo(f"rejected rows and reasons: {summary.report}")
    return summary.rejected
