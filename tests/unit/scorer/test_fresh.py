"""Copies are told apart alike, however many events of a lead are looked at together."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from services.scorer.scoring.duplicates import DIGEST_BYTES, MAX_REMEMBERED, first_copy, fresh
from services.scorer.scoring.state import LeadState


class Taken(NamedTuple):
    digest: bytes
    day: int


def test_many_at_once_and_one_by_one() -> None:
    random = Random(7)
    ids = [random.randbytes(DIGEST_BYTES) for _ in range(MAX_REMEMBERED + 300)]
    log = [
        Taken(random.choice(ids), 20_000 + number // 2_000 + random.choice([0, 0, 0, 1, -2])) for number in range(9_000)
    ]
    alone, together = LeadState(), LeadState()
    counted = [one for one in log if first_copy(alone, one.digest, one.day)]
    found: list[Taken] = []
    rest = log
    while rest:
        most = random.choice([1, 2, 7, 400])
        found += fresh(together, rest[:most])
        rest = rest[most:]
    assert found == counted
    assert together.seen == alone.seen
    assert MAX_REMEMBERED < len(counted) < len(log)
