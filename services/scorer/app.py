"""The Faust app: group membership and the stream. State and offsets are the lanes' business, not Faust's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import faust

from services.scorer import batching
from services.scorer.lanes import Lanes
from services.scorer.settings import ScorerSettings


def create_app(
    settings: ScorerSettings,
    client_options: dict[str, Any],
    lanes: Lanes,
    data_dir: Path,
    on_failure: Callable[[BaseException], None],
) -> Any:
    """An app that feeds `lanes`. Must be called inside the event loop that is to run it."""
    app = faust.App(
        settings.group,
        broker=[f"kafka://{address}" for address in settings.kafka_bootstrap.split(",")],
        store="memory://",
        datadir=data_dir,
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        # Counts batches: more would only hold memory, and be thrown away at the next rebalance.
        stream_buffer_maxsize=4,
        # Faust would wait for acknowledgements that never come, because the topic has none; the lanes wait instead.
        stream_wait_empty=False,
        broker_max_poll_records=settings.scorer_batch_events,
        broker_session_timeout=settings.scorer_session_timeout_seconds,
        broker_heartbeat_interval=settings.scorer_session_timeout_seconds / 4,
        broker_request_timeout=max(40.0, settings.scorer_session_timeout_seconds + 10.0),
        # Everybody waits so long for a member that does not join anew. Its batch in hand takes less, unless it hangs;
        # and then the next owner fences it.
        broker_rebalance_timeout=settings.scorer_session_timeout_seconds,
        consumer_max_fetch_size=4 * 1024 * 1024,
    )
    source = settings.topics.events
    batching.install(app, frozenset({source}), client_options, lanes.feed)
    # acks=False: Faust commits no offsets. They are in the transactions.
    events = app.topic(source, value_serializer="raw", key_serializer="raw", acks=False)

    @app.agent(events, name="score")
    async def score(stream: Any) -> None:
        async for event in stream.events():
            await lanes.submit(event.message.value)

    @app.on_partitions_revoked.connect
    async def revoked(_app: Any, /, *args: Any, **_kwargs: Any) -> None:
        await reporting(lanes.revoke(partitions(args[0])))

    @app.on_partitions_assigned.connect
    async def assigned(_app: Any, /, *args: Any, **_kwargs: Any) -> None:
        await reporting(lanes.assign(partitions(args[0])))

    def partitions(tps: Any) -> list[int]:
        return [tp.partition for tp in tps if tp.topic == source]

    async def reporting(step: Any) -> None:
        # aiokafka logs what a rebalance callback raises, and goes on without it.
        try:
            await step
        except Exception as error:
            on_failure(error)
            raise

    return app
