"""The `tasuki` command. What a command needs is imported when it runs: `tasuki playbook validate` starts at once."""

from __future__ import annotations

import sys

import typer

from services.cli.commands import (
    database,
    dead_letters,
    demo,
    explain,
    import_file,
    keys,
    playbook,
    serve,
    topics,
    up,
)
from services.cli.errors import CommandError
from shared.playbook import PlaybookError
from shared.settings import ConfigurationError

INTERRUPTED = 130

app = typer.Typer(
    name="tasuki",
    help="Real-time lead scoring and hand-offs for B2B sales.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve.serve)
app.command("up")(up.up)
app.command("demo")(demo.demo)
app.command("import")(import_file.import_file)
app.command("explain")(explain.explain)
app.add_typer(playbook.app, name="playbook", help="Check and read playbooks.")
app.add_typer(topics.app, name="topics", help="Kafka topics.")
app.add_typer(dead_letters.app, name="dead-letters", help="What could not be processed: list, show, send again.")
app.add_typer(database.app, name="db", help="The router's database.")
app.add_typer(keys.app, name="keys", help="Write keys of senders, tokens of API users.")


def main() -> None:
    """Entry point: what a user can mend is a message on stderr with exit code 2, never a traceback."""
    try:
        app()
    except (CommandError, ConfigurationError, PlaybookError) as error:
        print(f"tasuki: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
