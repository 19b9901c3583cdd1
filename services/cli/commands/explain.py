"""`tasuki explain LEAD`: where a lead's points come from, in words."""

from __future__ import annotations

from typing import Annotated, Any

import typer


def explain(
    lead: Annotated[str, typer.Argument(help="lead id, user id or e-mail address")],
    token: Annotated[str, typer.Option(envvar="TASUKI_TOKEN", help="of the API, with scope read")],
    router: Annotated[str, typer.Option(envvar="TASUKI_ROUTER_URL", help="address")] = "http://127.0.0.1:8082",
    language: Annotated[str, typer.Option("--language", "-l", help="ja or en")] = "ja",
) -> None:
    """Explain a lead's score: every point, and what is missing for the next stage."""
    import asyncio

    from services.cli.errors import CommandError
    from services.cli.explanation import WORDS, explain_lead
    from services.cli.router_client import RouterClient

    if language not in WORDS:
        raise CommandError(f"the language {language!r} is unknown; expected one of {', '.join(WORDS)}")

    async def ask() -> tuple[dict[str, Any], dict[str, str]]:
        async with RouterClient(router, token) as client:
            funnel = await client.get("/v1/kpi/funnel")
            return await client.lead(lead), {row["stage"]: row["label"][language] for row in funnel}

    found, stages = asyncio.run(ask())
    for line in explain_lead(found, language, stages):
        typer.echo(line)
