"""What one request becomes in Kafka."""

from __future__ import annotations

from services.ingest.publisher import Record
from services.ingest.segment import Arrival, Envelope, Parsed, Rejection
from shared import dead_letters
from shared.cloudevents import Headers
from shared.events import encode_event
from shared.topics import Topics


def records_of(parsed: Parsed, envelope: Envelope, arrival: Arrival, topics: Topics) -> list[Record]:
    """Accepted events under their routing identity, in their order; rejected ones as they came."""
    events = [Record(topics.events, event.key.encode(), encode_event(event)) for event in parsed.accepted]
    return events + [_dead_letter(rejection, envelope, arrival, topics) for rejection in parsed.rejected]


def _dead_letter(rejection: Rejection, envelope: Envelope, arrival: Arrival, topics: Topics) -> Record:
    """With what is needed to send it again: a single event's kind is in its path only, a batch has one sentAt."""
    received: Headers = [("http_path", arrival.path.encode())]
    if envelope.sent_at:
        received.append(("http_sent_at", envelope.sent_at.encode()))
    headers = dead_letters.headers(
        reason=f"{rejection.code}: {rejection.message}",
        service="ingest",
        origin=f"http:{arrival.source}",
        at=arrival.received_at,
        received=received,
    )
    return Record(topics.dead_letters, None, rejection.raw, headers)
