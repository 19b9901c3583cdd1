"""Apache Kafka itself: one KRaft node, broker and controller in one JVM, its jars from Maven."""

from __future__ import annotations

import base64
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

from shared.parts.broker_settings import as_properties, local_settings
from shared.parts.errors import PartsError
from shared.parts.guarded import Command, Guard, GuardedProcess
from shared.parts.maven import Say, kafka_jars
from shared.parts.ports import free_ports
from shared.parts.readiness import kafka_answers

JVM = ["-Xms256m", "-Xmx1g"]
"""The JVM's own choice of collector and compilers: others start at most 0.3 s sooner and cost throughput."""
QUICK_JVM = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
"""For the storage tool, which runs for half a second."""

LOGGING = [
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
    "-Dorg.slf4j.simpleLogger.log.state.change.logger=error",
    "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.config.AbstractConfig=warn",
    # Repeats itself a thousand times a second where a coordinator has failed: 870 MB in four minutes.
    "-Dorg.slf4j.simpleLogger.log.kafka.coordinator.transaction.TransactionMarkerRequestCompletionHandler=warn",
]


class ApacheBroker(GuardedProcess):
    """An Apache Kafka broker on 127.0.0.1. Speaks plaintext, creates no topics by itself.

    `proxied`: see `local_settings`."""

    def __init__(self, guard: Guard, version: str, say: Say, proxied: Mapping[int, int] | None = None) -> None:
        jars = kafka_jars(guard, version, say)
        port, controller_port = free_ports(2)
        self.bootstrap = f"127.0.0.1:{port}"
        self.description = f"Apache Kafka {version} (KRaft, from Maven)"
        settings = guard.directory / "server.properties"
        data = guard.directory / "kafka"
        settings.write_text(as_properties(local_settings(port, controller_port, str(data), proxied)))
        if not (data / "meta.properties").exists():
            _format(guard, jars, settings)
        super().__init__(
            name=self.description,
            guard=guard,
            command=Command(
                [java(), *JVM, *LOGGING, "-cp", f"{jars}/*", "kafka.Kafka", str(settings)],
                log=guard.directory / "kafka.log",
            ),
            probe=lambda: kafka_answers({"bootstrap_servers": self.bootstrap}),
        )


def java() -> str:
    """The path of a Java; `surroundings` has seen that it is new enough."""
    found = shutil.which("java")
    if found is None:
        raise PartsError("Apache Kafka needs Java 17 or newer, and there is no java on the PATH")
    return found


def _format(guard: Guard, jars: Path, settings: Path) -> None:
    """Prepare an empty data directory, as KRaft demands before the first start."""
    # The first byte is 0, because a leading "-" would be read as an option.
    cluster = base64.urlsafe_b64encode(b"\0" + uuid.uuid4().bytes[1:]).decode().rstrip("=")
    tool = [java(), *QUICK_JVM, "-cp", f"{jars}/*", "kafka.tools.StorageTool"]
    guard.run(Command([*tool, "format", "-t", cluster, "-c", str(settings)], log=guard.directory / "format.log"))
