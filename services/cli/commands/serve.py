"""`tasuki serve ingest|scorer|router`: one service, configured by environment."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Service(StrEnum):
    INGEST = "ingest"
    SCORER = "scorer"
    ROUTER = "router"


def serve(
    service: Annotated[Service, typer.Argument(help="which one")],
    while_stdin_open: Annotated[
        bool, typer.Option("--while-stdin-open", hidden=True, help="end when standard input closes")
    ] = False,
) -> None:
    """Run one service until it is told to stop. Configured by TASUKI_* variables (deploy/settings.reference.env)."""
    if while_stdin_open:
        from services.cli.stack.lifeline import end_with_parent

        end_with_parent()
    # mypy knows each `serve` by its own import; importlib would hide a misspelt module until it is started.
    match service:
        case Service.INGEST:
            from services.ingest import bootstrap as ingest

            ingest.serve()
        case Service.SCORER:
            from services.scorer import bootstrap as scorer

            scorer.serve()
        case Service.ROUTER:
            from services.router import bootstrap as router

            router.serve()
