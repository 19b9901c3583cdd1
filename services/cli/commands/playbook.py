"""`tasuki playbook validate|show|schema`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True)

File = Annotated[Path | None, typer.Argument(help="playbook file; without it the built-in default")]


@app.command()
def validate(file: File = None) -> None:
    """Check a playbook; every problem is printed with file, line and what was expected (exit code 1)."""
    from shared.playbook import PlaybookError, load_playbook

    try:
        playbook = load_playbook(file)
    except PlaybookError as error:
        typer.echo(str(error), err=True)
        noun = "problem" if len(error.problems) == 1 else "problems"
        typer.echo(f"{len(error.problems)} {noun} in {error.file}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{file or 'the built-in default'}: valid, {playbook.id}")


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
