"""`python -m tests.fault.stock GUARANTEE`: the same scoring in a stock Faust app, states in a Faust table.

The control of the fault suite: what Faust's own means keep of the promises. GUARANTEE is Faust's setting
`processing_guarantee`. Configured by the scorer's environment.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import tempfile
from base64 import b85decode, b85encode
from typing import Any

import faust
import msgspec
from faust.web import Request, View

from services.cli.stack.lifeline import end_with_parent
from services.scorer.scoring import Scorer
from services.scorer.scoring.state import decode_state, encode_state
from services.scorer.settings import ScorerSettings
from shared import cloudevents
from shared.events import Logged, decode_event
from shared.playbook import load_playbook
from shared.scores import CLOUD_EVENT_TYPE, encode_score
from shared.settings import load_settings
from tests.fault.cluster import PARTITIONS


def make_app(settings: ScorerSettings, guarantee: str, directory: str) -> Any:
    """As Faust's documentation does it: an agent, a table, a topic to send to."""
    topics, scorer = settings.topics, Scorer(load_playbook(settings.playbook))
    app = faust.App(
        settings.group,  # the group that the suite measures the lag of
        broker=f"kafka://{settings.kafka_bootstrap}",
        store="memory://",
        datadir=directory,
        processing_guarantee=guarantee,
        topic_partitions=PARTITIONS,
        topic_replication_factor=1,
        web_bind=settings.host,
        web_port=settings.scorer_port,
        broker_session_timeout=settings.scorer_session_timeout_seconds,
        broker_heartbeat_interval=settings.scorer_session_timeout_seconds / 4,
    )
    events = app.topic(topics.events, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
    scores = app.topic(topics.scores, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
    # As JSON, which is Faust's own way with tables: what is raw it cannot restore.
    states = app.Table("states", partitions=PARTITIONS, key_type=str, value_type=str)

    @app.agent(events)
    async def score(stream: Any) -> None:
        async for item in stream.events():
            message = item.message
            try:
                event = decode_event(item.value or b"")
            except msgspec.MsgspecError:
                continue
            key = event.key.encode()
            if key != message.key:
                continue
            known = states.get(event.key)
            state = decode_state(b85decode(known)) if known else scorer.new_state()
            logged = Logged(message.offset, int(message.timestamp) // 86_400, event)
            records = scorer.apply(state, [logged], message.partition)
            states[event.key] = b85encode(encode_state(state)).decode()
            for record in records:
                headers = cloudevents.headers(
                    id=record.id, type=CLOUD_EVENT_TYPE, source="stock", subject=record.lead_id, time=record.time
                )
                await scores.send(key=key, value=encode_score(record), headers=headers, partition=message.partition)

    @app.page("/readyz")
    async def readyz(view: View, request: Request) -> Any:
        return view.json({"status": "running"})

    return app


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("guarantee", choices=["at_least_once", "exactly_once"])
    given = parser.parse_args()
    end_with_parent()
    logging.basicConfig(level="WARNING", format="%(asctime)s %(levelname)s %(name)s %(message)s")
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    with tempfile.TemporaryDirectory(prefix="tasuki-stock-") as directory:
        app = make_app(load_settings(ScorerSettings), given.guarantee, directory)
        faust.Worker(app, loop=loop, loglevel="WARN").execute_from_commandline()


if __name__ == "__main__":
    main()
