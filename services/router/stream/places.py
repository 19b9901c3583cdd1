"""How far a stream is: the next offset of each partition, as the `id` of its events.

`stages:120,98;alerts:4,0` are partitions 0 and 1 of two topics. An id tells all of them, so that whoever comes back
with the last one misses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

LONGEST_ID = 20_000
_LONGEST_NUMBER = 18


class PlacesInvalid(ValueError):
    """The text is no id of a stream."""


class Places:
    """By topic (without prefix) the next offset of each partition."""

    def __init__(self, offsets: Mapping[str, list[int]]) -> None:
        self.offsets = {topic: list(numbers) for topic, numbers in offsets.items()}
        self._parts = {topic: _part(topic, numbers) for topic, numbers in self.offsets.items()}

    def __str__(self) -> str:
        return ";".join(self._parts.values())

    def pass_record(self, topic: str, partition: int, offset: int) -> None:
        """The record at `offset` has been told or left out."""
        self.offsets[topic][partition] = offset + 1
        self._parts[topic] = _part(topic, self.offsets[topic])

    def copy(self) -> Places:
        return Places(self.offsets)


def read_places(text: str, partitions: Mapping[str, int]) -> Places:
    """From an id. Topics and partitions that it does not name are new, and begin at 0; those that there are no more are
    left out. Raises `PlacesInvalid`."""
    offsets = {topic: [0] * count for topic, count in partitions.items()}
    if len(text) > LONGEST_ID:
        raise PlacesInvalid("it is too long")
    for part in text.split(";"):
        topic, colon, numbers = part.partition(":")
        told = numbers.split(",")
        if not topic or not colon or not all(_is_number(number) for number in told):
            raise PlacesInvalid(f"'{part[:100]}' is not of the form topic:offset,offset")
        if topic in offsets:
            offsets[topic][: len(told)] = [int(number) for number in told][: len(offsets[topic])]
    return Places(offsets)


def _part(topic: str, numbers: list[int]) -> str:
    return f"{topic}:{','.join(map(str, numbers))}"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER
