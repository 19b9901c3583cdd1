"""Settings of a Kafka broker that is alone, small, and meant to be up quickly; for the local JVM and the container."""

from __future__ import annotations

from collections.abc import Mapping

ALONE: dict[str, str] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",
    # Nothing can be replicated.
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    # 50 partitions each by default: making and loading them would take longer than the rest of the start.
    "offsets.topic.num.partitions": "8",
    "transaction.state.log.num.partitions": "8",
    # The first member of a group need not wait 3 s for others.
    "group.initial.rebalance.delay.ms": "0",
    # Tests wait out the session of a member that they have killed; 6 s would be the shortest allowed.
    "group.min.session.timeout.ms": "1000",
    # After a SIGKILL the new broker may not register before the old one's session has ended (9 s by default).
    "broker.heartbeat.interval.ms": "500",
    "broker.session.timeout.ms": "3000",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "log.cleaner.dedupe.buffer.size": str(32 * 1024 * 1024),
}


def local_settings(
    port: int, controller_port: int, data: str, proxied: Mapping[int, int] | None = None
) -> dict[str, str]:
    """For a broker on 127.0.0.1.

    `proxied`: further ports to listen at → the port it tells the clients of each to use instead, where somebody stands
    between them and the broker. A client follows what the broker advertises, so each way needs a listener of its own.
    """
    names = {f"PROXIED_{number}": ports for number, ports in enumerate((proxied or {}).items())}
    ways = {"PLAINTEXT": (port, port), **names}
    listeners = [f"{name}://127.0.0.1:{listens}" for name, (listens, _) in ways.items()]
    return ALONE | {
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "listeners": ",".join([*listeners, f"CONTROLLER://127.0.0.1:{controller_port}"]),
        "advertised.listeners": ",".join(f"{name}://127.0.0.1:{told}" for name, (_, told) in ways.items()),
        "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in [*ways, "CONTROLLER"]),
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": data,
    }


def container_settings(advertised: str) -> dict[str, str]:
    """For a broker whose port 9092 is reached from outside at `advertised`.

    It has a listener of its own for itself: transaction markers go over the network even to the same broker, and
    the address for the outside does not lead back into the container.
    """
    return ALONE | {
        "controller.quorum.voters": "1@localhost:9093",
        "listeners": "PLAINTEXT://:9092,INTERNAL://localhost:9094,CONTROLLER://localhost:9093",
        "advertised.listeners": f"PLAINTEXT://{advertised},INTERNAL://localhost:9094",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "INTERNAL",
    }


def as_properties(settings: dict[str, str]) -> str:
    """The text of a Java properties file."""
    return "".join(f"{name}={_escaped(value)}\n" for name, value in settings.items())


def _escaped(value: str) -> str:
    """Such a file is Latin-1: whatever is not ASCII is written as UTF-16 code units."""
    escaped = ""
    for letter in value.replace("\\", "\\\\"):
        units = letter.encode("utf-16-be")
        escaped += (
            letter if letter.isascii() else f"\\u{units[:2].hex()}" + (f"\\u{units[2:].hex()}" * (len(units) > 2))
        )
    return escaped


def as_environment(settings: dict[str, str]) -> dict[str, str]:
    """The variables from which the image `apache/kafka` writes its properties."""
    return {"KAFKA_" + name.upper().replace(".", "_"): value for name, value in settings.items()}
