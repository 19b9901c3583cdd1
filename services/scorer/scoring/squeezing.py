"""Large states in fewer bytes, without loss: they stay in memory, and are written with each batch that touches them.

A third of the bytes of an active lead are message ids, which are random and nearly always end like a UUID: these ends
are taken out, each once, as 12 bytes instead of 28 characters. What is left, mostly names of the playbook, days and
times, is deflated; and days, where there are many, are written as steps from one to the next before that.
"""

from __future__ import annotations

import re
import zlib
from itertools import accumulate, pairwise

import msgspec

SQUEEZED = b"\xc1"
"""No MessagePack begins with this byte."""
# Without a UUID's first eight digits: to look for a dash takes a fifth of the time.
_ENDS = re.compile(rb"(-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")
_END_BYTES = 12
_DAY_BYTES = 4
_LEVEL, _WINDOW_BITS = 2, -12


class Squeezed(msgspec.Struct, frozen=True, array_like=True):
    """`playbook` can be read without undoing the rest. `ends` are 12 bytes each; `rest` is a deflated `_Rest`."""

    playbook: str
    ends: bytes
    rest: bytes


class _Rest(msgspec.Struct, frozen=True, array_like=True):
    """What stands before, between and behind the ends of ids; and which of them, by number, stands in each place."""

    texts: list[bytes]
    places: list[int]


_encode = msgspec.msgpack.Encoder().encode
_read_squeezed = msgspec.msgpack.Decoder(Squeezed).decode
_read_rest = msgspec.msgpack.Decoder(_Rest).decode


def squeeze(raw: bytes, playbook: str) -> bytes:
    """A state in fewer bytes."""
    parts = _ENDS.split(raw)
    found = parts[1::2]
    numbers = {end: number for number, end in enumerate(dict.fromkeys(found))}
    ends = bytes.fromhex(b"".join(numbers).replace(b"-", b"").decode())
    deflating = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW_BITS)
    rest = deflating.compress(_encode(_Rest(parts[::2], [numbers[end] for end in found]))) + deflating.flush()
    return SQUEEZED + _encode(Squeezed(playbook, ends, rest))


def is_squeezed(raw: bytes) -> bool:
    return raw[:1] == SQUEEZED


def head(raw: bytes) -> Squeezed:
    """Raises `msgspec.MsgspecError`."""
    return _read_squeezed(memoryview(raw)[1:])


def unsqueeze(raw: bytes) -> bytes:
    """What was squeezed. Raises `msgspec.MsgspecError` or `zlib.error`."""
    squeezed = head(raw)
    rest = _read_rest(zlib.decompress(squeezed.rest, _WINDOW_BITS))
    digits, width = squeezed.ends.hex(), 2 * _END_BYTES
    ends = [_written(digits[at : at + width]) for at in range(0, len(digits), width)]
    parts = [b""] * (2 * len(rest.texts) - 1)
    parts[::2] = rest.texts
    parts[1::2] = [ends[number] for number in rest.places]
    return b"".join(parts)


def _written(digits: str) -> bytes:
    """The last 24 digits of a UUID as they are written."""
    return f"-{digits[:4]}-{digits[4:8]}-{digits[8:12]}-{digits[12:]}".encode()


def pack_days(days: dict[int, int]) -> bytes | None:
    """How often by day, in some two bytes a day: the first day, the steps to the next ones, how often on each. None
    where a number needs more than one byte, as of rules that count by a property."""
    ordered = sorted(days)
    try:
        steps = bytes([later - earlier for earlier, later in pairwise(ordered)])
        return ordered[0].to_bytes(_DAY_BYTES) + steps + bytes([days[day] for day in ordered])
    except ValueError:
        return None


def unpack_days(packed: bytes) -> dict[int, int]:
    """What was packed."""
    first, behind = int.from_bytes(packed[:_DAY_BYTES]), (len(packed) + _DAY_BYTES - 1) // 2
    return dict(zip(accumulate(packed[_DAY_BYTES:behind], initial=first), packed[behind:], strict=True))
