"""Whether a dead letter can be processed by now, and as which record. Pure.

Asked is what the service that comes next would ask: what it would bury again is left where it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from services.cli.dead_letters.letter import Letter, Record, own_headers
from services.ingest.errors import Refused
from services.ingest.reading.again import put_aside
from services.ingest.reading.model import Arrival
from services.ingest.reading.parse import parse
from services.ingest.records import TRUNCATES_IP
from services.ingest.webhooks.mapping import Mapping as WebhookMapping
from shared.acceptance import accepted
from shared.activation import activated
from shared.cloudevents import Headers
from shared.feedback import parse_report
from shared.scores import decode_score
from shared.topics import Topics

_ORIGIN = re.compile(r"([^/]+)/(-1|\d{1,9})/(-1|\d{1,18})")
NOWHERE = -1
"""As partition and offset: of what was acknowledged, and its topic never took."""


@dataclass(frozen=True)
class Again:
    """A record to send. `partition`: None where the key tells."""

    topic: str
    partition: int | None
    key: bytes | None
    value: bytes | None
    headers: Headers = field(default_factory=list)


@dataclass(frozen=True)
class Left:
    """Stays where it is, for this reason."""

    reason: str


@dataclass(frozen=True)
class Surroundings:
    """`partitions`: of each topic there is; `newest`: the offset of the latest score of a key, by partition and key;
    `now`: ms since 1970; `mappings`: of webhooks, by name."""

    topics: Topics
    partitions: Mapping[str, int]
    newest: Mapping[tuple[int, bytes | None], int]
    now: int
    mappings: Mapping[str, WebhookMapping] = field(default_factory=dict)


class _StillRefused(Exception):
    """Why."""


def again(letter: Letter, record: Record, around: Surroundings) -> list[Again] | Left:
    """`record` is the letter's own. What a webhook told may be several records."""
    try:
        if letter.source is not None:
            return _as_received(letter, record, letter.source, around)
        return [_as_read(letter, record, around)]
    except _StillRefused as refused:
        return Left(str(refused))


def _as_received(letter: Letter, record: Record, source: str, around: Surroundings) -> list[Again]:
    """Refused by ingest: received when it was received, and named by its place where its sender gave it no id, so that
    it counts once however often it is sent again."""
    told = {name: value.decode("utf-8", "replace") for name, value in own_headers(record)}
    name = f"{around.topics.dead_letters}/{letter.place}"
    arrival = Arrival(source, letter.at, told.get("http_path", ""), lambda: name, truncates_ip=TRUNCATES_IP in told)
    try:
        parsed = parse(put_aside(record.value or b"", told, around.mappings), arrival)
    except Refused as error:
        raise _StillRefused(f"{error.code}: {error.message}") from error
    except ValueError as error:
        raise _StillRefused(str(error)) from error
    for rejection in parsed.rejected:
        raise _StillRefused(f"{rejection.code}: {rejection.message}")
    if not parsed.accepted:
        raise _StillRefused("its mapping leaves such events out")
    pairs = zip(parsed.accepted, parsed.values, strict=True)
    return [Again(around.topics.events, None, event.key.encode(), value) for event, value in pairs]


def _as_read(letter: Letter, record: Record, around: Surroundings) -> Again:
    """Refused by whoever read it in a topic, or by the topic: back to there, to its partition, as it was."""
    origin = origin_in_log(letter)
    if origin is None:
        raise _StillRefused(f"nobody knows where it came from: its tasuki_origin is {letter.origin!r}")
    topic, partition, offset = origin
    if topic not in around.partitions:
        raise _StillRefused(f"there is no topic {topic} any more")
    if partition >= around.partitions[topic]:
        raise _StillRefused(f"{topic} has {around.partitions[topic]} partitions, and it came from number {partition}")
    _ask_readers(topic, record, around)
    if topic == around.topics.scores and around.newest.get((partition, record.key), NOWHERE) > offset:
        raise _StillRefused("its lead has a newer score, which this one would replace in the compacted topic")
    where = None if partition == NOWHERE else partition
    return Again(topic, where, record.key, record.value, own_headers(record))


def origin_in_log(letter: Letter) -> tuple[str, int, int] | None:
    """Topic, partition and offset; None where it came from no topic."""
    found = _ORIGIN.fullmatch(letter.origin)
    return (found[1], int(found[2]), int(found[3])) if found else None


def _ask_readers(topic: str, record: Record, around: Surroundings) -> None:
    """Raises `_StillRefused` as those would who read the topic."""
    value = record.value or b""
    try:
        if topic == around.topics.events:
            accepted(record.key, record.value, around.now)
            if activated(record.key, value) is not None:
                raise _StillRefused("it would make an old playbook hold again: use `tasuki playbook activate`")
        elif topic == around.topics.scores:
            decode_score(value)
        elif topic == around.topics.feedback:
            parse_report(value)
        else:
            raise _StillRefused(f"nobody reads {topic}")
    except (msgspec.MsgspecError, ValueError) as error:
        raise _StillRefused(str(error)) from error
