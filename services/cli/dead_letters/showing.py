"""Dead letters for people and for programs. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from typing import Any

from services.cli.dead_letters.letter import Letter, Place, Record
from services.cli.dead_letters.selecting import by_code
from shared.cloudevents import rfc3339

HEX_BYTES = 32
"""In a line."""


def line(letter: Letter, *, retried: bool) -> str:
    """One line."""
    mark = "  (retried)" if retried else ""
    told = (str(letter.place), rfc3339(letter.at), letter.service, letter.origin, f"{letter.size:,} bytes")
    return printable("  ".join((*told, letter.reason))) + mark


def as_json(letter: Letter, *, retried: bool) -> str:
    """One line of ASCII, for programs."""
    told: dict[str, Any] = {
        "place": str(letter.place),
        "time": rfc3339(letter.at),
        "service": letter.service,
        "reason": letter.reason,
        "origin": letter.origin,
        "size": letter.size,
        "retried": retried,
    }
    return json.dumps(told)


def counts(letters: Sequence[Letter], retried: Collection[Place]) -> Iterator[str]:
    """What a list ends with."""
    yield f"{len(letters):,} dead letter{'s' if len(letters) != 1 else ''}"
    for code, count in by_code(letters):
        yield printable(f"{count:>9,}  {code or '(no reason)'}")
    if again := sum(letter.place in retried for letter in letters):
        yield f"{again:,} of them were sent again"


def whole(record: Record) -> Iterator[str]:
    """Headers, key and content."""
    for name, value in record.headers:
        yield printable(f"{name}: {_text(value)}")
    if record.key is not None:
        yield printable(f"key: {_text(record.key)}")
    yield ""
    yield from content(record.value)


def content(value: bytes | None) -> Iterator[str]:
    """JSON indented, other text as it is, anything else in hexadecimal digits."""
    if value is None:
        yield "(no value)"
        return
    try:
        text = value.decode()
    except UnicodeDecodeError:
        yield from (value[start : start + HEX_BYTES].hex(" ") for start in range(0, len(value), HEX_BYTES))
        return
    with suppress(ValueError, RecursionError):  # no JSON: as it is
        text = json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    yield from map(printable, text.split("\n"))


def printable(text: str) -> str:
    """What a sender wrote may hold sequences that would control the terminal: they are shown, and not sent to it."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one == "\t" else ascii(one)[1:-1] for one in text)


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return f"0x{value.hex()}"
