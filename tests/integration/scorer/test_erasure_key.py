"""A scorer that cannot know erased people again says what is missing, and does not go on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from services.scorer.denied import DENIED_PREFIX
from shared.erasure import Erasure, ErasureKey, erase_event
from shared.events import encode_event
from tests.integration.scorer.conftest import Installation

SECRET = "a secret of the tests, 32 characters"
MISCONFIGURED = 78


def refusal(installation: Installation, **environment: str) -> str:
    """What a worker says that ends by itself."""
    with installation.worker_output(**environment) as process:
        _, said = process.communicate(timeout=60)
        assert process.returncode == MISCONFIGURED, said.decode()
    return str(said.decode())


async def test_a_worker_without_the_key_ends_at_an_erasure_and_at_a_deny_list(install: Callable[..., Any]) -> None:
    installation: Installation = await install(partitions=1)
    now, key = datetime.now(UTC), ErasureKey(SECRET)
    event = erase_event("u-1", "erase:1", now, Erasure(now + timedelta(minutes=1), key.check))
    await installation.produce([(b"u-1", encode_event(event))])
    assert "without TASUKI_ERASURE_KEY" in refusal(installation)
    with installation.worker(TASUKI_ERASURE_KEY=SECRET) as worker:
        await worker.ready()
        await installation.until_scored()
        assert worker.end() == 0
    kept = {record.key for record in await installation.read(installation.topics.scorer_state)}
    assert DENIED_PREFIX + key.hash("u-1") in kept
    assert "not the key" in refusal(installation, TASUKI_ERASURE_KEY=SECRET.upper())
