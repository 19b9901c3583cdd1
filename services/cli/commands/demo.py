"""`tasuki demo`: a sample company end to end."""

from __future__ import annotations

from typing import Annotated

import typer


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="print the summary, end; exit code 1 if anything was lost")
    ] = False,
    leads: Annotated[int, typer.Option(min=10, help="people who may become leads")] = 5000,
    seed: Annotated[int, typer.Option(help="the same seed gives the same people and deeds")] = 1,
    rate: Annotated[float, typer.Option(min=1, help="events per second while latency is measured")] = 200.0,
    seconds: Annotated[float, typer.Option(min=1, help="how long that is")] = 30.0,
    partitions: Annotated[int, typer.Option(envvar="TASUKI_PARTITIONS", min=1, help="of the topics")] = 4,
) -> None:
    """Start everything, stream a sample company through it, show a hand-off and the numbers."""
    import asyncio
    import json
    import threading
    from datetime import UTC, datetime

    from rich.console import Console

    from services.cli.demo.run import Demo, Pace
    from services.cli.demo.summary import as_json, as_table
    from services.cli.sample import generate
    from services.cli.stack import StackOptions, start_stack
    from shared.playbook import load_playbook
    from shared.settings import CommonSettings

    console = Console()
    # Today's morning, so that a repeated run on the same day streams the same bytes.
    end = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with start_stack(StackOptions(partitions=partitions, clock="events", own_names=True), typer.echo) as stack:
        urls = stack.access.urls
        typer.echo(f"ingest {urls['ingest']}/docs  write key {stack.access.write_key}")
        typer.echo(f"router {urls['router']}/docs  token {stack.access.token}")
        typer.echo(f"logs   {stack.logs}")
        playbook = load_playbook(CommonSettings(kafka_bootstrap="-").playbook)
        sample = generate(seed=seed, leads=leads, end=end)
        facts = asyncio.run(Demo(stack, playbook, partitions, console).run(sample, Pace(rate, seconds)))
        console.print(as_table(facts))
        for problem in facts.problems():
            typer.echo(f"PROBLEM: {problem}", err=True)
        if not once:
            typer.echo(f"try: tasuki explain {{LEAD}} --router {urls['router']} --token {stack.access.token}")
            typer.echo("running; Ctrl-C ends everything")
            threading.Event().wait()
    typer.echo(json.dumps(as_json(facts), ensure_ascii=False))
    if facts.problems():
        raise typer.Exit(1)
