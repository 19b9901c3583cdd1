"""What one request becomes in Kafka."""

from __future__ import annotations

import msgspec

from services.ingest.publishing import Record
from services.ingest.reading.model import Arrival, Envelope, Parsed, Rejection
from shared import dead_letters
from shared.cloudevents import Headers
from shared.topics import Topics

MAX_TIME_CHARACTERS = 64
TRUNCATES_IP = "http_truncates_ip"


def records_of(parsed: Parsed, envelope: Envelope, arrival: Arrival, topics: Topics) -> list[Record]:
    """Accepted events under their routing identity, in their order; rejected ones as they came."""
    pairs = zip(parsed.accepted, parsed.values, strict=True)
    events = [Record(topics.events, event.key.encode(), value) for event, value in pairs]
    if not parsed.rejected:
        return events
    received = _received(envelope, arrival)
    return events + [_dead_letter(rejection, received, arrival, topics) for rejection in parsed.rejected]


def _received(envelope: Envelope, arrival: Arrival) -> Headers:
    """What is needed to read an event of this request again (`reading.again`): a single event's kind is in its path
    only, a batch has one sentAt and one context, which may say whose its events are, or that they are history."""
    received: Headers = [("http_path", arrival.path.encode())]
    if envelope.sent_at:
        # A longer one is no time, and would be repeated in the headers of each rejected event.
        received.append(("http_sent_at", envelope.sent_at[:MAX_TIME_CHARACTERS].encode()))
    if context := {**arrival.told, **envelope.context}:  # as often as in accepted events: MAX_REPEATED_BYTES bounds it
        received.append(("http_context", msgspec.json.encode(context)))
    if arrival.truncates_ip:
        received.append((TRUNCATES_IP, b"1"))
    return received + [(f"http_{name}", value.encode()) for name, value in envelope.headers.items()]


def _dead_letter(rejection: Rejection, received: Headers, arrival: Arrival, topics: Topics) -> Record:
    headers = dead_letters.headers(
        reason=f"{rejection.code}: {rejection.message}",
        service="ingest",
        origin=f"{dead_letters.HTTP}{arrival.source}",
        at=arrival.received_at,
        received=received,
    )
    return Record(topics.dead_letters, None, rejection.raw, headers)
