"""The partition store on a real Kafka: restored, fenced, all or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from services.scorer.store import Output, PartitionStore, StoreFailed, StoreFenced, StoreMismatch
from services.scorer.store.records import POSITION_KEY

Opened = Callable[..., Awaitable[PartitionStore]]


@pytest.fixture
async def opened(installation: Any) -> AsyncIterator[Opened]:
    """Opens stores of the installation's topics; closes them when the test is over, however it ends."""
    stores: list[PartitionStore] = []

    async def open_store(partition: int = 0, **kwargs: Any) -> PartitionStore:
        names = {
            "source_topic": installation.topics.events,
            "state_topic": installation.topics.scorer_state,
            "group": installation.group,
        }
        given = names | kwargs
        stores.append(await PartitionStore.open(partition, options=installation.options, **given))
        return stores[-1]

    yield open_store
    for store in stores:
        await store.close()


def score(installation: Any, key: bytes, value: bytes = b"1") -> Output:
    return Output(installation.topics.scores, key, value, [("h", b"x")], 0)


@pytest.fixture
async def filled(installation: Any) -> Any:
    """An installation whose partition 0 has 100 events."""
    await installation.produce([(b"a", b"%d" % number) for number in range(100)], partition=0)
    return installation


async def test_a_new_store_is_empty_and_what_it_commits_is_there_after_opening_again(
    filled: Any, opened: Opened
) -> None:
    store = await opened()
    assert (store.position, store.get("a"), len(store)) == (-1, None, 0)
    await store.commit({"a": b"1", "b": b"2", "ü": b"3"}, [score(filled, b"a")], 9)
    await store.commit({"a": b"5", "b": None}, [], 19)
    assert (store.position, store.get("a"), store.get("b"), len(store)) == (19, b"5", None, 2)
    assert await filled.committed(0) == 10  # a moment ago
    await store.tell_group()
    await store.close()

    again = await opened()
    assert (again.position, again.get("a"), again.get("b"), again.get("ü"), len(again)) == (19, b"5", None, b"3", 2)
    assert await filled.committed(0) == 20


async def test_what_no_source_record_has_led_to_is_committed_and_leaves_the_position(
    filled: Any, opened: Opened
) -> None:
    store = await opened()
    await store.commit({"a": b"1"}, [], 9)
    await store.commit({"a": b"2"}, [score(filled, b"a")])
    assert store.position == 9
    with pytest.raises(ValueError, match="applied already"):
        await store.commit({"a": b"3"}, [], 9)
    again = await opened()
    assert (again.position, again.get("a")) == (9, b"2")
    assert [record.key for record in await filled.read(filled.topics.scores)] == [b"a"]


async def test_partitions_do_not_share_anything(filled: Any, opened: Opened) -> None:
    first, second = await opened(0), await opened(1)
    await first.commit({"a": b"1"}, [], 0)
    assert second.get("a") is None
    await first.commit({"a": b"2"}, [], 1)


async def test_opening_fences_the_previous_owner(filled: Any, opened: Opened) -> None:
    old = await opened()
    await old.commit({"a": b"1"}, [], 0)
    new = await opened()
    assert (new.position, new.get("a")) == (0, b"1")
    with pytest.raises(StoreFenced, match="another worker owns"):
        await old.commit({"a": b"666"}, [score(filled, b"zombie")], 1)
    assert (old.position, old.get("a")) == (0, b"1")
    await new.commit({"a": b"2"}, [], 1)
    assert [record.key for record in await filled.read(filled.topics.scores)] == []
    with pytest.raises(StoreFailed, match="open it again"):
        await old.commit({"a": b"667"}, [], 2)


async def test_a_store_fenced_between_two_of_its_batches_says_so(filled: Any, opened: Opened) -> None:
    """Each topic that the producer has not met costs it a look at Kafka, and meanwhile it learns that it is fenced."""
    old = await opened()
    await opened()
    topics = (filled.topics.scores, filled.topics.feedback, filled.topics.stages, filled.topics.dead_letters)
    outputs = [Output(topic, b"zombie", b"1", [], 0) for topic in topics]
    with pytest.raises(StoreFenced, match="another worker owns"):
        await old.commit({"a": b"1"}, outputs, 1)


async def test_what_a_zombie_left_in_an_open_transaction_is_never_seen(filled: Any, opened: Opened) -> None:
    zombie = AIOKafkaProducer(**filled.options, transactional_id=f"{filled.group}-0")
    await zombie.start()
    await zombie.begin_transaction()
    await zombie.send_and_wait(filled.topics.scorer_state, b"666", key=b"a", partition=0)
    await zombie.send_offsets_to_transaction({TopicPartition(filled.topics.events, 0): 50}, filled.group)
    store = await opened()
    assert (store.position, store.get("a")) == (-1, None)
    assert await filled.committed(0) is None
    await store.commit({"a": b"1"}, [], 0)
    assert await filled.committed(0) == 1
    await asyncio.wait_for(zombie.stop(), 5)


async def test_a_transaction_is_all_or_nothing(filled: Any, opened: Opened) -> None:
    store = await opened()
    await store.commit({"a": b"1"}, [score(filled, b"good")], 0)
    too_large = score(filled, b"bad", b"x" * 2_000_000)
    with pytest.raises(StoreFailed, match="MessageSizeTooLarge"):
        await store.commit({"a": b"2", "b": b"2"}, [score(filled, b"half"), too_large], 5)
    assert (store.position, store.get("a"), store.get("b")) == (0, b"1", None)
    await store.close()

    again = await opened()
    assert (again.position, again.get("a"), again.get("b")) == (0, b"1", None)
    assert await filled.committed(0) == 1
    assert [record.key for record in await filled.read(filled.topics.scores)] == [b"good"]
    assert b"half" in {record.key for record in await filled.read(filled.topics.scores, "read_uncommitted")}
    await again.commit({"a": b"2"}, [], 1)


async def test_large_transactions_are_cut_into_requests_and_keep_their_order(filled: Any, opened: Opened) -> None:
    store = await opened()
    states: dict[str, bytes | None] = {f"lead-{number}": b"%d" % number for number in range(2_000)}
    outputs = [score(filled, b"lead-%d" % number, b"x" * 2_000) for number in range(2_000)]
    await store.commit(states, outputs, 99)
    await store.close()
    scores = await filled.read(filled.topics.scores)
    assert [record.key for record in scores] == [output.key for output in outputs]
    assert scores[0].headers == (("h", b"x"),)
    again = await opened()
    assert {key: again.get(key) for key in states} == states


async def test_a_position_is_applied_once(filled: Any, opened: Opened) -> None:
    store = await opened()
    await store.commit({"a": b"1"}, [], 7)
    for applied in (7, 3):
        with pytest.raises(ValueError, match="applied already"):
            await store.commit({"a": b"2"}, [], applied)


async def test_a_topic_made_anew_is_noticed(filled: Any, opened: Opened) -> None:
    store = await opened()
    await store.commit({"a": b"1"}, [], 150)
    await store.close()
    with pytest.raises(StoreMismatch, match="made anew"):
        await opened()


async def test_a_lost_state_topic_is_noticed(filled: Any, opened: Opened) -> None:
    store = await opened()
    await store.commit({"a": b"1"}, [], 50)
    await store.close()
    with pytest.raises(StoreMismatch, match="scorer-state lost records"):
        # scores stands for a state topic that was deleted and made anew.
        await opened(state_topic=filled.topics.scores)


async def test_the_state_of_another_source_is_refused(filled: Any, opened: Opened) -> None:
    store = await opened()
    await store.commit({"a": b"1"}, [], 50)
    await store.close()
    with pytest.raises(StoreMismatch, match="made from topic"):
        await opened(source_topic=filled.topics.feedback)


async def test_no_lead_can_be_taken_for_the_position(filled: Any, opened: Opened) -> None:
    with pytest.raises(UnicodeDecodeError):
        POSITION_KEY.decode()
    store = await opened()
    await store.commit({"ÿposition": b"1", "\udcffposition".encode("utf-8", "replace").decode(): b"2"}, [], 4)
    await store.close()
    again = await opened()
    assert (again.position, again.get("ÿposition")) == (4, b"1")
