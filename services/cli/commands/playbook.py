"""`tasuki playbook validate|show|schema|gaps|activate`."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(no_args_is_help=True)

File = Annotated[Path | None, typer.Argument(help="playbook file; without it the built-in default")]


@app.command()
def validate(file: File = None) -> None:
    """Check a playbook; every problem is printed with file, line and what was expected (exit code 1).

    Of a valid one, what its author may not have meant is printed as notes."""
    from shared.playbook import PlaybookError, load_playbook
    from shared.playbook.remarks import remarks

    try:
        playbook = load_playbook(file)
    except PlaybookError as error:
        typer.echo(str(error), err=True)
        noun = "problem" if len(error.problems) == 1 else "problems"
        typer.echo(f"{len(error.problems)} {noun} in {error.file}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{file or 'the built-in default'}: valid, {playbook.id}")
    for path, remark in remarks(playbook):
        typer.echo(f"note: {'.'.join(map(str, path))}: {remark}")


@app.command()
def show(
    file: File = None,
    language: Annotated[str, typer.Option("--language", "-l", help="ja or en")] = "ja",
) -> None:
    """Print a playbook in words: stages, departments, levels, points."""
    from rich.console import Console

    from services.cli.playbook_in_words import tables
    from shared.playbook import load_playbook

    playbook = load_playbook(file)
    console = Console(width=None if sys.stdout.isatty() else 120)
    for table in tables(playbook, language):
        console.print(table)


@app.command()
def schema(file: Annotated[Path | None, typer.Argument(hidden=True)] = None) -> None:
    """Print the JSON Schema of playbooks, for editors. It is the same for every FILE."""
    from shared.playbook.schema import Playbook

    typer.echo(json.dumps(Playbook.model_json_schema(by_alias=True), ensure_ascii=False, indent=2))


@app.command()
def gaps(
    file: File = None,
    last: Annotated[int, typer.Option(min=1, help="how many of the latest events to look at")] = 100_000,
) -> None:
    """List the events of the log that no rule, signal or action of a playbook speaks of, with an example of each."""
    from rich.console import Console
    from rich.table import Table

    from services.cli.gaps import Gaps, latest_records
    from services.scorer.scoring import Scorer
    from shared.kafka import client_options
    from shared.playbook import load_playbook
    from shared.settings import CommonSettings, load_settings

    settings = load_settings(CommonSettings)
    playbook = load_playbook(file or settings.playbook)
    found = Gaps(Scorer(playbook))

    async def look() -> None:
        async for records in latest_records(client_options(settings), settings.topics.events, last):
            for record in records:
                found.look(record)

    asyncio.run(look())
    missing = found.most_frequent_first()
    table = Table("event", "source", "times", "last", "example", "its properties")
    for gap in missing:
        when = gap.last.isoformat(timespec="seconds") if gap.last else ""
        table.add_row(gap.name, gap.source, f"{gap.times:,}", when, gap.example, ", ".join(gap.properties))
    if missing:
        Console(width=None if sys.stdout.isatty() else 160).print(table)
    times = sum(gap.times for gap in missing)
    typer.echo(f"{found.read:,} events looked at by {playbook.id}: {times:,} are of no rule, signal or action")
    if found.refused:
        typer.echo(f"{found.refused:,} records are no events (see the topic {settings.topics.dead_letters})")


@app.command()
def activate(
    file: Annotated[Path, typer.Argument(help="playbook file", exists=True, dir_okay=False)],
    token: Annotated[str, typer.Option(envvar="TASUKI_TOKEN", help="of the API, with scope admin")],
    router: Annotated[str, typer.Option(envvar="TASUKI_ROUTER_URL", help="address")] = "http://127.0.0.1:8082",
) -> None:
    """Let a playbook hold from now on, for all scorers and routers, without restart. An earlier file takes it back."""
    from services.cli.router_client import RouterClient
    from shared.playbook import load_playbook

    load_playbook(file)  # its mistakes with file and line

    async def ask() -> dict[str, Any]:
        async with RouterClient(router, token) as client:
            return await client.activate(file.read_text("utf-8"))

    done = asyncio.run(ask())
    typer.echo(f"{done['playbook']} holds since {done['activated_at']} (activation {done['number']})")
    for note in done["notes"]:
        typer.echo(f"note: {note}")
