"""A flood of one key: another key's requests are all answered in time, and memory is bounded."""

from __future__ import annotations

from shared.parts import Parts
from tests.load.flood import measure

SENDERS_GIVE_UP_SECONDS = 5
MOST_MIB = 1000


def test_who_floods_does_not_starve_the_others(parts: Parts) -> None:
    kinds = ("batches of 5 MiB", "nested", "gzip of 5 MiB")
    found = measure(parts, 3, kinds)  # fails where the other key is answered anything but 200
    for kind in kinds:
        assert found[kind]["flood_answers"].get("200", 0) > 0, "nobody was flooded"
        assert found[kind]["polite_p99_ms"] < SENDERS_GIVE_UP_SECONDS * 1000 / 2, found
        assert found[kind]["most_memory_mib"] < MOST_MIB, found
