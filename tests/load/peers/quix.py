"""The job in Quix Streams: three values per lead in its RocksDB state with changelog, a score for every event.

Bytes in and out, because its own JSON would decode every event into untyped dicts and the state likewise.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from leads import Scoring, decode_message, key_of, link_of, options
from quixstreams import Application, State
from quixstreams.models.serializers import Serializer
from state import Days, Lead, Now, Parts, decode_earlier, decode_now, decode_parts, encode_score, encode_state


class Sent(NamedTuple):
    """A record for one of two topics."""

    is_score: bool
    key: bytes
    value: bytes


class SentSerializer(Serializer):
    """Writes what such a record has for its value."""

    def __call__(self, value: Sent, ctx: Any) -> bytes:
        return value.value


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--guarantee", choices=["at-least-once", "exactly-once"], required=True)
    given = parser.parse_args()
    scoring = Scoring(given.playbook)
    app = Application(
        broker_address=given.bootstrap,
        consumer_group=given.group,
        auto_offset_reset="earliest",
        commit_interval=0.1,
        # Of two topics it waits for a whole batch that long, each time that it has worked off the last one.
        consumer_poll_timeout=0.02,
        processing_guarantee=given.guarantee,
        state_dir=given.state_dir,
        loglevel="WARNING",
        producer_extra_config={"linger.ms": 20, "batch.size": 512 * 1024},
    )

    def score(raw: bytes, state: State[Any, Any]) -> list[Sent]:
        message = decode_message(raw)
        key, lead = key_of(message), _lead(state)
        if not scoring.apply(lead, message):
            return []
        state.set_bytes("now", encode_state(lead.now))
        if lead.earlier_loaded:
            state.set_bytes("earlier", encode_state(lead.earlier))
        if lead.parts_loaded:
            state.set_bytes("parts", encode_state(lead.parts))
        sent = []
        if shown := scoring.shown(key, lead):
            sent.append(Sent(True, key.encode(), encode_score(shown)))
        if told := scoring.told(key, lead):
            sent.append(Sent(False, told.user.encode(), encode_state(told)))
        if link := link_of(message):
            sent.append(Sent(False, link.visitor.encode(), encode_state(link)))
        return sent

    read: Any = {"key_deserializer": "bytes", "value_deserializer": "bytes"}
    written: Any = {"key_serializer": "bytes", "value_serializer": SentSerializer()}
    events = app.topic(given.events, **read)
    between = app.topic(given.between, **read, **written)
    scores = app.topic(given.scores, **written)
    frame: Any = app.dataframe(events).concat(app.dataframe(between))
    frame = frame.apply(score, stateful=True, expand=True)
    frame.to_topic(lambda sent, *_: scores if sent.is_score else between, key=lambda sent: sent.key)
    app.run()


def _lead(state: State[Any, Any]) -> Lead:
    def earlier() -> Days:
        known = state.get_bytes("earlier")
        return decode_earlier(known) if known else {}

    def parts() -> Parts:
        known = state.get_bytes("parts")
        return decode_parts(known) if known else {}

    known = state.get_bytes("now")
    return Lead(decode_now(known) if known else Now(), earlier, parts)


if __name__ == "__main__":
    main()
