"""`python -m shared.parts`: start a Kafka and a Postgres, print their addresses, keep them until Ctrl-C.

The addresses are printed to standard output as `export` lines, all else to standard error.
"""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from pathlib import Path

from shared.parts.choice import BY_PREFERENCE, PartsKind
from shared.parts.errors import PartsError
from shared.parts.launch import Parts, start_parts


def main() -> int:
    arguments = _arguments()
    # `kill` ends it like Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with start_parts(arguments.kind, data_dir=arguments.data_dir, say=_say) as parts:
            sys.stdout.write(exports(parts))
            sys.stdout.flush()
            _say("Ctrl-C ends them")
            signal.pause()
    except PartsError as error:
        _say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        _say("ended")
    return 0


def exports(parts: Parts) -> str:
    """Shell lines that make our services use these parts."""
    variables = {"TASUKI_KAFKA_BOOTSTRAP": parts.kafka_bootstrap, "TASUKI_DATABASE_URL": parts.database_url}
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m shared.parts", description=start_parts.__doc__)
    parser.add_argument("--kind", type=PartsKind, choices=BY_PREFERENCE, help="force one, as TASUKI_PARTS does")
    parser.add_argument("--data-dir", type=Path, help="keep the data here")
    return parser.parse_args()


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    raise SystemExit(main())
