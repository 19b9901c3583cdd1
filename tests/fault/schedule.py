"""Faults as data: a schedule that a seed makes anew, and a person can read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

SESSION_SECONDS = 10.0
"""After so long without a sign of life a worker's partitions go to others (the services' default)."""

FIRST, LAST = 0.06, 0.92  # share of the events before the first fault, and after which none begins


@dataclass(frozen=True)
class Fault:
    """`at`: after so many acknowledged events. `target`: worker, service or topic; empty where there is only one.
    `seconds`: how long; `amount`: seconds of delay or of a clock's jump, bytes, or records, as the kind has it."""

    kind: str
    at: int
    target: str = ""
    seconds: float = 0.0
    amount: float = 0.0

    def __str__(self) -> str:
        told = [self.kind, self.target]
        told += [f"{self.seconds:g} s"] if self.seconds else []
        told += [f"({self.amount:g})"] if self.amount else []
        return " ".join(part for part in told if part)


@dataclass(frozen=True)
class Kind:
    """`targets` to choose from, and the range of `seconds`."""

    name: str
    targets: Sequence[str] = ("",)
    seconds: tuple[float, float] = (0.0, 0.0)
    amounts: Sequence[float] = (0.0,)


INGEST, SCORER, ROUTER = (("ingest-0", "ingest-1"), ("scorer-0", "scorer-1"), ("router-0", "router-1"))
LONGER_THAN_SESSION = (SESSION_SECONDS + 3, SESSION_SECONDS + 6)

# In this order of rank the first so many are in a schedule; the order in time is the seed's.
KINDS: Sequence[Kind] = (
    Kind("kill", SCORER),
    Kind("kill", ROUTER),
    Kind("broker", seconds=(0.5, 5.0)),
    Kind("zombie", SCORER, LONGER_THAN_SESSION),
    Kind("zombie", ROUTER, LONGER_THAN_SESSION),
    Kind("postgres", seconds=(0.5, 5.0)),
    Kind("kill", INGEST),
    Kind("poison", amounts=(5.0, 20.0)),
    Kind("hanging-transaction", SCORER),
    Kind("produce-latency", seconds=(8.0, 15.0), amounts=(0.15, 0.25)),
    Kind("broker-in-rebalance", seconds=(0.5, 3.0)),
    Kind("rejected-records", ("scores", "scorer-state", "stages", "events"), (4.0, 8.0), (200.0,)),
    Kind("frozen", (*SCORER, *ROUTER), LONGER_THAN_SESSION),
    Kind("cut", (*SCORER, *ROUTER, *INGEST), (2.0, 15.0)),
    Kind("killed-in-restore", SCORER, (4.0, 8.0), (0.2,)),
    Kind("rolling", ("scorer", "router", "ingest")),
    Kind("join-and-leave", ("scorer", "router"), (4.0, 10.0)),
    Kind("clock", (*SCORER, *ROUTER, *INGEST), (8.0, 12.0), (-5e6, -90_000.0, 3_700.0, 1e8)),
    Kind("state-directory", SCORER, amounts=(0.0, 1.0)),
    Kind("term", (*SCORER, *ROUTER, *INGEST)),
    Kind("kill-all", ("scorer", "router")),
    Kind("zombie", INGEST, LONGER_THAN_SESSION),
    Kind("kafka-away", seconds=(60.0, 60.0)),
    Kind("killed-in-drain", INGEST, (8.0, 15.0)),
    Kind("spool-disk-full", INGEST, (5.0, 10.0)),
)


def generate(seed: int, events: int, count: int) -> list[Fault]:
    """`count` faults in order of time; the same for the same arguments. Each kind comes before any comes twice."""
    random = Random(f"faults:{seed}")
    chosen = [KINDS[number % len(KINDS)] for number in range(count)]
    random.shuffle(chosen)
    places = sorted(random.uniform(FIRST, LAST) for _ in chosen)
    # Drawn together with the places they would often be close to each other: half chance, half evenly spread.
    spread = [FIRST + (LAST - FIRST) * (number + 0.5) / count for number in range(count)]
    return [
        Fault(
            kind.name,
            int(events * (place + even) / 2),
            random.choice(kind.targets),
            round(random.uniform(*kind.seconds), 1),
            random.choice(kind.amounts),
        )
        for kind, place, even in zip(chosen, places, spread, strict=True)
    ]


SHORT: Sequence[Fault] = (
    Fault("kill", 1_500, "scorer-0"),
    Fault("poison", 2_500, amount=3.0),
    Fault("kill", 4_000, "router-0"),
    Fault("broker", 6_000, seconds=1.0),
    Fault("zombie", 9_000, "scorer-1", 13.0),
    Fault("postgres", 12_000, seconds=1.0),
    Fault("hanging-transaction", 14_000, "scorer-0"),
)
"""The schedule of continuous integration, for 18,000 events."""
