"""How a request's records lie in a file. Pure.

An entry is its length and CRC-32 (4 bytes each, big-endian), and then MessagePack: the time in milliseconds, and of
each record topic, key, value and headers. A request is one entry: after a crash it is there as a whole or not at all.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from services.ingest.publishing import Record

_FRAME = struct.Struct(">II")


class _Stored(msgspec.Struct, array_like=True):
    at_ms: int
    records: list[tuple[str, bytes | None, bytes, list[tuple[str, bytes]]]]


@dataclass(frozen=True)
class Entry:
    """What was read: `at_ms` since 1970, and where the next entry begins."""

    at_ms: int
    records: list[Record]
    end: int


class Damaged(ValueError):
    """These bytes were never written like this."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Stored)


def encode_entry(records: Sequence[Record], at_ms: int) -> bytes:
    """One entry."""
    stored = [(record.topic, record.key, record.value, record.headers) for record in records]
    payload = _encoder.encode(_Stored(at_ms, stored))
    return _FRAME.pack(len(payload), zlib.crc32(payload)) + payload


def size_of(data: bytes | memoryview, offset: int = 0) -> int:
    """Of the entry at `offset`, as its first 8 bytes say; 0 where none was begun."""
    if len(data) - offset < _FRAME.size:
        return 0
    length, _ = _FRAME.unpack_from(data, offset)
    return _FRAME.size + int(length) if length else 0


def entries_in(data: bytes, base: int = 0) -> Iterator[Entry]:
    """The whole entries of `data`, which begins at offset `base` of its file. What is cut off at the end is not there:
    nobody was told that it is. Raises `Damaged`."""
    view, offset = memoryview(data), 0
    while (size := size_of(view, offset)) and offset + size <= len(view):
        _, crc = _FRAME.unpack_from(view, offset)
        payload = view[offset + _FRAME.size : offset + size]
        if zlib.crc32(payload) != crc:
            raise Damaged(f"the entry at byte {base + offset} is not as it was written")
        stored = _decoder.decode(payload)
        offset += size
        records = [Record(topic, key, value, headers) for topic, key, value, headers in stored.records]
        yield Entry(stored.at_ms, records, base + offset)
