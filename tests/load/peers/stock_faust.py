"""The job in Faust as its documentation has it: an agent, a table with changelog, a topic to send to. At-least-once,
its default; on uvloop, with orjson.

With the table in memory `take` hands over up to 2,000 events at once, so that it is set once per lead and slice: the
fastest documented form. A table in RocksDB (rocksdict) cannot be set from within `take`, which has no current event
that would tell the partition: there it is set for every event.
"""

from __future__ import annotations

import asyncio
from typing import Any

import faust
import msgspec
import uvloop
from faust.serializers import codecs
from leads import Scoring, decode_message, key_of, link_of, options
from state import Days, Lead, Link, Now, Parts, encode_score, encode_state

TAKEN = 2000
PARTITIONS = 4


class Whole(msgspec.Struct, array_like=True):
    """A table's value: all parts of a lead's state."""

    now: Now
    earlier: Days
    parts: Parts


_decode = msgspec.msgpack.Decoder(Whole).decode


class WholeCodec(codecs.Codec):
    """A table's values as compact bytes instead of Faust's JSON."""

    def _dumps(self, obj: Whole) -> bytes:
        return encode_state(obj)

    def _loads(self, raw: bytes) -> Whole:
        return _decode(raw)


class LeadTable(faust.Table[Any, Any]):
    """A table whose values have that codec: the constructor takes none, and set afterwards it would not restore."""

    def _serializer_from_type(self, typ: Any) -> Any:
        return "raw" if typ is bytes else "lead"


def make_app(given: Any) -> Any:
    """`given` is the command line."""
    scoring = Scoring(given.playbook)
    codecs.register("lead", WholeCodec())
    app = faust.App(
        given.group,
        broker=f"kafka://{given.bootstrap}",
        store=given.store,
        Table=LeadTable,
        datadir=given.state_dir,
        topic_partitions=PARTITIONS,
        topic_replication_factor=1,
        topic_disable_leader=True,
        web_enabled=False,
        broker_commit_interval=0.1,
        broker_max_poll_records=4000,
        stream_buffer_maxsize=16_384,
        producer_linger=0.02,
        producer_max_batch_size=512 * 1024,
    )
    raw: Any = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw"}
    scores, between = app.topic(given.scores, **raw), app.topic(given.between, **raw)
    sources = app.topic(given.events, given.between, **raw)
    slices = given.store == "memory://"
    # Keys are raw, so that the partitioner puts a lead's state where its events are.
    states = app.Table("leads", partitions=PARTITIONS, key_type=bytes, use_partitioner=slices)

    async def score(taken: list[bytes]) -> None:
        touched: dict[str, Lead] = {}
        links: dict[str, Link] = {}
        for value in taken:
            message = decode_message(value)
            key = key_of(message)
            if (lead := touched.get(key)) is None:
                lead = touched[key] = _lead(states.get(key.encode()))
            scoring.apply(lead, message)
            if link := link_of(message):
                links[link.visitor] = link
        for key, lead in touched.items():
            states[key.encode()] = Whole(lead.now, lead.earlier, lead.parts)
            if shown := scoring.shown(key, lead):
                await scores.send(key=key.encode(), value=encode_score(shown))
            if told := scoring.told(key, lead):
                await between.send(key=told.user.encode(), value=encode_state(told))
        for link in links.values():
            await between.send(key=link.visitor.encode(), value=encode_state(link))

    async def in_slices(stream: Any) -> None:
        async for taken in stream.take(TAKEN, within=0.1):
            await score(taken)

    async def one_by_one(stream: Any) -> None:
        async for value in stream:
            await score([value])

    app.agent(sources, name="score")(in_slices if slices else one_by_one)
    return app


def _lead(known: Whole | None) -> Lead:
    whole = known or Whole(Now(), {}, {})
    return Lead(whole.now, lambda: whole.earlier, lambda: whole.parts)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--store", choices=["memory://", "rocksdb://"], required=True)
    given = parser.parse_args()
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    faust.Worker(make_app(given), loop=loop, loglevel="WARN").execute_from_commandline()


if __name__ == "__main__":
    main()
