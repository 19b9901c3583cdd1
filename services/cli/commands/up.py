"""`tasuki up`: all of it embedded, in one terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def up(
    data_dir: Annotated[Path | None, typer.Option(help="keep data here; without it everything is temporary")] = None,
    partitions: Annotated[int, typer.Option(envvar="TASUKI_PARTITIONS", min=1, help="of the topics")] = 4,
) -> None:
    """Start Kafka, Postgres and the three services, and keep them running until Ctrl-C."""
    import threading

    from services.cli.stack import StackOptions, start_stack

    with start_stack(StackOptions(data_dir=data_dir, partitions=partitions), typer.echo) as stack:
        urls = stack.access.urls
        typer.echo(f"ingest   {urls['ingest']}/docs   write key {stack.access.write_key}")
        typer.echo(f"scorer   {urls['scorer']}/metrics")
        typer.echo(f"router   {urls['router']}/docs   token {stack.access.token}")
        typer.echo(f"Kafka    {stack.settings.kafka_bootstrap}   topics {stack.settings.topic_prefix}*")
        typer.echo(f"Postgres {stack.database_url}")
        typer.echo(f"logs     {stack.logs}")
        typer.echo("running; Ctrl-C ends everything")
        threading.Event().wait()
