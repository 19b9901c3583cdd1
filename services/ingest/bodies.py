"""From bytes as they came to bytes that are JSON: by content, since clients' Content-Type cannot be trusted."""

from __future__ import annotations

import re
import zlib
from typing import TypeVar

import msgspec

from services.ingest.errors import Refused, too_large, unparsable

MAX_BODY_BYTES = 5 * 1024 * 1024
MAX_GZIP_MEMBERS = 64  # what is left is copied with each of them
_GZIP_MAGIC = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_PLAIN_ENCODINGS = {"", "identity", "gzip", "x-gzip"}  # gzip too: proxies unpack a body and leave the header
T = TypeVar("T")


def unpack(body: bytes, content_encoding: str = "", limit: int = MAX_BODY_BYTES) -> bytes:
    """Gunzips what begins like gzip, whatever the header says, to no more than `limit` bytes."""
    if body.startswith(_GZIP_MAGIC):
        body = _gunzip(body, limit)
    elif content_encoding.strip().lower() not in _PLAIN_ENCODINGS:
        raise Refused(415, "unsupported_encoding", f"Content-Encoding {content_encoding!r}: send gzip or plain JSON")
    return body.removeprefix(_BYTE_ORDER_MARK)


def _gunzip(body: bytes, limit: int) -> bytes:
    unpacked = b""
    members = 0
    try:
        while body:  # a gzip file may have several members
            members += 1
            if members > MAX_GZIP_MEMBERS:
                raise unparsable(f"the gzip body has more than {MAX_GZIP_MEMBERS} members")
            member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
            # One byte more than allowed is enough to know: a bomb is never unpacked.
            unpacked += member.decompress(body, limit + 1 - len(unpacked))
            if len(unpacked) > limit:
                raise too_large(limit)
            if not member.eof:
                raise unparsable(f"the gzip body ends early, at byte {len(body)}")
            body = member.unused_data
    except zlib.error as error:
        raise unparsable(f"the body begins like gzip but is not: {error}") from error
    return unpacked


def decode_json(decoder: msgspec.json.Decoder[T], data: bytes | msgspec.Raw) -> T:
    """Decodes, with half surrogate pairs (a browser cut an emoji in two) replaced by U+FFFD as browsers do.

    Raises `msgspec.ValidationError` (well-formed, but not the shape) or `ValueError` naming the byte."""
    try:
        return decoder.decode(data)
    except msgspec.ValidationError:
        raise
    except RecursionError as error:
        raise ValueError("JSON is nested too deeply") from error
    except (msgspec.DecodeError, UnicodeDecodeError):
        raw = bytes(data)
        repaired = _ESCAPE.sub(_without_half_pair, raw)
        try:
            return decoder.decode(repaired)
        except UnicodeDecodeError:
            raise ValueError(_invalid_utf8(repaired)) from None
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError as error:
            if "byte" in str(error):
                raise
            raise ValueError(f"{error} (byte {len(raw)})") from error


_ESCAPE = re.compile(
    rb"\\(?:(u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)"
)


def _without_half_pair(escape: re.Match[bytes]) -> bytes:
    return b"\\ufffd" if escape[2] else escape[0]


def _invalid_utf8(data: bytes) -> str:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return f"JSON is malformed: invalid UTF-8 (byte {error.start})"
    return "JSON is malformed: invalid UTF-8"
