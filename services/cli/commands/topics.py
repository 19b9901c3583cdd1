"""`tasuki topics create`."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True)


@app.callback()
def topics() -> None:
    """Kafka topics."""


@app.command()
def create(
    partitions: Annotated[
        int, typer.Option(envvar="TASUKI_PARTITIONS", min=1, max=1000, help="of events, scores and hand-offs")
    ] = 6,
) -> None:
    """Create the topics that are missing; refuses existing ones with another number of partitions."""
    from shared.kafka import client_options, create_topics
    from shared.playbook import load_playbook
    from shared.settings import CommonSettings, load_settings

    settings = load_settings(CommonSettings)
    specs = settings.topics.specs(load_playbook(settings.playbook).departments, partitions)
    created = asyncio.run(create_topics(client_options(settings), specs))
    for name in created:
        typer.echo(f"created {name}")
    typer.echo(f"{len(created)} topics created, {len(specs) - len(created)} were there already")
