"""What can go wrong with a partition's store. None of it can be mended in place: close, and open again."""

from __future__ import annotations

from aiokafka.errors import InvalidProducerEpoch, ProducerFenced


class StoreError(Exception):
    """The store may no longer be used; the topic holds the truth."""


class StoreFenced(StoreError):
    """Another worker has opened this partition since: it owns it now, and Kafka refuses our writes."""


class StoreFailed(StoreError):
    """Kafka did not take the transaction, or not in time; whether it was committed only the topic can tell."""


class StoreMismatch(StoreError):
    """State, source topic and group do not belong together; going on would lose or repeat events."""


def named(error: BaseException, doing: str) -> StoreError:
    """The domain error for what a Kafka client raised while `doing`."""
    if isinstance(error, StoreError):
        return error
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ProducerFenced | InvalidProducerEpoch):
            return StoreFenced(f"{doing}: another worker owns this partition now ({type(seen).__name__})")
        seen = seen.__cause__
    detail = "no answer from Kafka in time" if isinstance(error, TimeoutError) else f"{type(error).__name__}: {error}"
    return StoreFailed(f"{doing}: {detail}")
