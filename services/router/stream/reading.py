"""Reading the topics of the stream from Kafka, without a group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from services.router.interest import Addressed, Addressing, Interest
from services.router.stream.frames import message_frame
from services.router.stream.places import Places
from shared.cloudevents import structured

RECORDS_AT_ONCE = 500


@dataclass(frozen=True)
class Sources:
    """Which topics are told: by name without prefix their partitions."""

    options: dict[str, Any]
    prefix: str
    partitions: Mapping[str, int]
    addressing: Addressing

    def consumer(self, fetch_max_wait_ms: int = 200) -> AIOKafkaConsumer:
        """Not started. It begins where it is told to, and never commits."""
        return AIOKafkaConsumer(
            **self.options,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            fetch_max_wait_ms=fetch_max_wait_ms,
            max_poll_records=RECORDS_AT_ONCE,
        )

    @property
    def all(self) -> list[TopicPartition]:
        return [self.place(topic, number) for topic, count in self.partitions.items() for number in range(count)]

    def place(self, topic: str, partition: int) -> TopicPartition:
        return TopicPartition(self.prefix + topic, partition)

    def name(self, place: TopicPartition) -> str:
        return str(place.topic).removeprefix(self.prefix)

    def read(self, record: Any) -> Told | None:
        """None: not for subscribers. Somebody else may write to these topics as well; that is left out."""
        known = dict(record.headers)
        if "ce_type" not in known or record.value is None:
            return None
        type = known["ce_type"].decode("utf-8", "replace")
        try:
            addressed = self.addressing.read(record.topic, type, record.value)
        except msgspec.MsgspecError:
            return None
        return Told(addressed, record) if addressed else None


@dataclass(frozen=True)
class Told:
    """A record that subscribers may want."""

    addressed: Addressed
    record: Any

    def frame(self, places: Places) -> bytes:
        """`places`: how far the stream is with it."""
        return message_frame(places, self.addressed.type, structured(self.record.headers, self.record.value))

    def is_wanted(self, interest: Interest) -> bool:
        return interest.wants(self.addressed)
