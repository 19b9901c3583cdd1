"""Bodies are read by their content."""

from __future__ import annotations

import gzip
import tracemalloc

import pytest

from services.ingest.bodies import MAX_BODY_BYTES, unpack
from services.ingest.errors import Refused

JSON = b'{"event":"x"}'


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (JSON, ""),
        (JSON, "gzip"),
        (gzip.compress(JSON), "gzip"),
        (gzip.compress(JSON), ""),
        (gzip.compress(JSON[:5]) + gzip.compress(JSON[5:]), "gzip"),
        (b"\xef\xbb\xbf" + JSON, "identity"),
    ],
)
def test_plain_and_gzip(body: bytes, encoding: str) -> None:
    assert unpack(body, encoding) == JSON


@pytest.mark.parametrize(
    ("body", "encoding", "status", "says"),
    [
        (b"...", "br", 415, "br"),
        (gzip.compress(JSON)[:-9], "", 400, "ends early"),
        (b"\x1f\x8bnot gzip at all", "", 400, "is not"),
        (gzip.compress(JSON) + b"rest", "", 400, "is not"),
        (gzip.compress(b"") * 200_000, "", 400, "more than 64 members"),
    ],
)
def test_what_cannot_be_unpacked(body: bytes, encoding: str, status: int, says: str) -> None:
    with pytest.raises(Refused) as refused:
        unpack(body, encoding)
    assert refused.value.status == status
    assert says in refused.value.message


def test_a_bomb_is_refused_without_being_unpacked() -> None:
    bomb = gzip.compress(b"0" * 200_000_000)
    tracemalloc.start()
    with pytest.raises(Refused) as refused:
        unpack(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert refused.value.status == 413
    assert peak < 4 * MAX_BODY_BYTES


def test_many_small_members_count_together() -> None:
    with pytest.raises(Refused) as refused:
        unpack(gzip.compress(b"0" * 600) * 2, limit=1000)
    assert refused.value.status == 413
