"""The broker from a wheel (noida-db): one static binary that speaks Kafka's protocol, for where there is no Java.

Good for a demo, never for a guarantee: it is not Kafka. What it acknowledged in the last moments before a SIGKILL is
lost, because it saves its memory later; and its group coordinator can hang when a member is killed. Whoever measures or
promises something uses Apache Kafka.
"""

from __future__ import annotations

from importlib.metadata import version

from shared.parts.guarded import Command, Guard, GuardedProcess
from shared.parts.ports import free_ports
from shared.parts.readiness import kafka_answers
from shared.parts.wheels import BROKER_WHEEL, package_directory


class EmbeddedBroker(GuardedProcess):
    """A noida-db broker on 127.0.0.1."""

    def __init__(self, guard: Guard) -> None:
        (port,) = free_ports(1)
        self.bootstrap = f"127.0.0.1:{port}"
        self.description = f"noida-db {version('noida-db')} (embedded broker, wheel; not Apache Kafka)"
        binary, data = package_directory(BROKER_WHEEL) / "noida-db", guard.directory / "noida"
        super().__init__(
            name=self.description,
            guard=guard,
            command=Command(
                [str(binary), "start", "--only", "kafka", "--kafka-port", str(port), "--data-dir", str(data)],
                log=guard.directory / "kafka.log",
            ),
            probe=lambda: kafka_answers({"bootstrap_servers": self.bootstrap}),
            patience_s=15.0,
        )
