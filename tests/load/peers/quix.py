"""The job in Quix Streams: two values per lead in its RocksDB state with changelog, a score for every event.

Bytes in and out, because its own JSON would decode every event into untyped dicts and the state likewise.
"""

from __future__ import annotations

from typing import Any

from leads import (
    Days,
    Lead,
    Now,
    Scoring,
    decode_earlier,
    decode_event,
    decode_now,
    encode_score,
    encode_state,
    options,
)
from quixstreams import Application, State


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
        processing_guarantee=given.guarantee,
        state_dir=given.state_dir,
        loglevel="WARNING",
        producer_extra_config={"linger.ms": 20, "batch.size": 512 * 1024},
    )

    def score(raw: bytes, state: State[Any, Any]) -> bytes | None:
        def earlier() -> Days:
            known = state.get_bytes("earlier")
            return decode_earlier(known) if known else {}

        event = decode_event(raw)
        known = state.get_bytes("now")
        lead = Lead(decode_now(known) if known else Now(), earlier)
        if not scoring.book(lead, event):
            return None
        state.set_bytes("now", encode_state(lead.now))
        if lead.loaded:
            state.set_bytes("earlier", encode_state(lead.earlier))
        return encode_score(scoring.score(event.key, lead.now))

    events = app.topic(given.events, key_deserializer="bytes", value_deserializer="bytes")
    scores = app.topic(given.scores, key_serializer="bytes", value_serializer="bytes")
    frame: Any = app.dataframe(events)
    frame = frame.apply(score, stateful=True)
    frame = frame.filter(lambda value: value is not None)
    frame.to_topic(scores)
    app.run()


if __name__ == "__main__":
    main()
