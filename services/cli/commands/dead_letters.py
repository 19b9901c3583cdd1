"""`tasuki dead-letters list|show|retry`."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.errors import CommandError

if TYPE_CHECKING:
    from services.cli.dead_letters.letter import Place
    from services.cli.dead_letters.selecting import Filters, Index

app = typer.Typer(no_args_is_help=True)

LEFT = 1
"""Exit code: something cannot be processed yet."""
SERVICES = ("ingest", "scorer", "router")

Service = Annotated[str | None, typer.Option(help=f"who could not process it: {', '.join(SERVICES)}")]
Reason = Annotated[str | None, typer.Option(metavar="PREFIX", help="how the reason begins, such as event_too_large")]
Since = Annotated[str | None, typer.Option(metavar="TIME", help="put aside since then, such as 2026-11-21T09:30+09:00")]
Source = Annotated[str | None, typer.Option(metavar="NAME", help="whose write key, of what ingest refused")]
Limit = Annotated[int | None, typer.Option(min=1, help="the latest so many at most")]


@app.command("list")
def list_(
    service: Service = None,
    reason: Reason = None,
    since: Since = None,
    source: Source = None,
    limit: Limit = None,
    all: Annotated[bool, typer.Option("--all", help="also those that were sent again")] = False,
    json: Annotated[bool, typer.Option("--json", help="a JSON object in each line, and no counts")] = False,
) -> None:
    """List what could not be processed, and how much of it for which reason."""
    from services.cli.dead_letters import showing

    filters = _filters(service, reason, since, source, limit)
    index = asyncio.run(_index())
    letters = index.matching(filters, with_retried=all)
    for letter in letters:
        show_one = showing.as_json if json else showing.line
        typer.echo(show_one(letter, retried=letter.place in index.retried))
    if not json:
        for line in showing.counts(letters, index.retried):
            typer.echo(line)


@app.command()
def show(
    place: Annotated[str, typer.Argument(help="partition/offset, as `list` prints it")],
    raw: Annotated[bool, typer.Option("--raw", help="its bytes alone, as they are")] = False,
) -> None:
    """Show a dead letter as it came, with its headers."""
    from services.cli.dead_letters.letter import Place, Record
    from services.cli.dead_letters.reading import open_reader
    from services.cli.dead_letters.showing import whole
    from shared.kafka import client_options
    from shared.settings import CommonSettings, load_settings

    wanted, settings = Place.parse(place), load_settings(CommonSettings)

    async def read() -> Record:
        async with open_reader(client_options(settings), settings.topics.dead_letters) as reader:
            (record,) = [record async for record in reader.at([wanted])]
        found: Record = record
        return found

    found = asyncio.run(read())
    if raw:
        sys.stdout.buffer.write(found.value or b"")
        return
    for line in whole(found):
        typer.echo(line)


@app.command()
def retry(
    places: Annotated[list[str] | None, typer.Argument(metavar="PLACE...", help="partition/offset of each")] = None,
    all: Annotated[bool, typer.Option("--all", help="all that the options below choose")] = False,
    service: Service = None,
    reason: Reason = None,
    since: Since = None,
    source: Source = None,
    limit: Limit = None,
    again: Annotated[bool, typer.Option("--again", help="also those that were sent again before")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would be done, and do nothing")] = False,
) -> None:
    """Send dead letters again that can be processed by now; the others stay, and are listed with the reason.

    Exit code 0: all were sent, now or before; 1: some are still refused; 2: nothing could be done, or not all of it."""
    from services.cli.dead_letters.letter import Place
    from services.cli.dead_letters.selecting import Filters

    filters = _filters(service, reason, since, source, limit)
    wanted = [Place.parse(place) for place in places or []]
    if all is bool(wanted):
        raise CommandError("name the places of dead letters, or say --all")
    if wanted and filters != Filters():
        raise CommandError("--service, --reason, --since, --source and --limit choose among --all, not among places")
    lines: list[str] = []
    try:
        left = asyncio.run(_retry(wanted, filters, again, dry_run, lines))
    finally:  # also what was done before Kafka went away
        for line in lines:
            typer.echo(line)
    if left:
        raise typer.Exit(LEFT)


def _filters(
    service: str | None, reason: str | None, since: str | None, source: str | None, limit: int | None
) -> Filters:
    from services.cli.dead_letters.selecting import Filters
    from services.ingest.timestamps import parse_time

    if service is not None and service not in SERVICES:
        raise CommandError(f"--service {service!r}: expected one of {', '.join(SERVICES)}")
    try:
        moment = parse_time(since) if since is not None else None
    except ValueError as error:
        raise CommandError(f"--since {since!r} is no ISO 8601 time such as 2026-11-21T09:30+09:00") from error
    return Filters(service, reason, moment, source, limit)


async def _index() -> Index:
    from rich.console import Console

    from services.cli.dead_letters.reading import open_reader
    from services.cli.progress import Progress
    from shared.kafka import client_options
    from shared.settings import CommonSettings, load_settings

    settings = load_settings(CommonSettings)
    with Progress(Console(stderr=True), "records") as progress:
        async with open_reader(client_options(settings), settings.topics.dead_letters) as reader:
            return await reader.index(progress)


async def _retry(places: list[Place], filters: Filters, again: bool, dry_run: bool, lines: list[str]) -> int:
    """How many are left; `lines` receives what is to be said."""
    from rich.console import Console

    from services.cli.dead_letters.reading import open_reader
    from services.cli.dead_letters.retrying import Retry
    from services.cli.dead_letters.sending import open_sender
    from services.cli.progress import Progress
    from services.ingest.settings import WebhookSettings
    from services.ingest.webhooks.loading import load_webhooks
    from shared.kafka import client_options
    from shared.settings import load_settings

    settings = load_settings(WebhookSettings)
    options, topic = client_options(settings), settings.topics.dead_letters
    async with AsyncExitStack() as stack:
        progress = stack.enter_context(Progress(Console(stderr=True), "records"))
        reader = await stack.enter_async_context(open_reader(options, topic))
        index = await reader.index(progress)
        letters = index.at(places) if places else index.matching(filters, with_retried=again)
        before = set() if again else index.retried
        lines += [f"{one.place}  already retried; repeat with --again" for one in letters if one.place in before]
        sender = None if dry_run else await stack.enter_async_context(open_sender(options, topic))
        webhooks = load_webhooks(settings.webhooks, os.environ)
        mappings = {name: webhook.mapping for name, webhook in webhooks.items()}
        run = Retry(settings.topics, reader, sender, progress, mappings)
        try:
            await run.run([one for one in letters if one.place not in before])
        finally:
            lines += run.told(every=bool(places) or dry_run)
    return run.left
