"""The lines of a file as text, and as the bytes that they were: what is refused is shown as it stood there."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path


def raw_lines(file: Path) -> Iterator[bytes]:
    """With their ends: LF, CRLF, or the CR alone of Excel's "CSV (Macintosh)"."""
    with file.open("rb") as source:
        for line in source:
            yield from line.splitlines(keepends=True)


class Lines:
    """Iterates over the text of a file once, and keeps the bytes of what was read last."""

    def __init__(self, file: Path, codec: str) -> None:
        self._file, self._codec = file, codec
        self._read = 0
        self._recent: list[bytes] = []

    def __iter__(self) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder(self._codec)()  # not line by line: only the first may begin with a mark
        for line in raw_lines(self._file):
            self._read += 1
            self._recent.append(line)
            yield decoder.decode(line)

    def since(self, line: int) -> bytes:
        """The bytes from the line of this number to the latest one, without its end; earlier ones are forgotten."""
        self._recent = self._recent[len(self._recent) - (self._read - line + 1) :]
        return b"".join(self._recent).rstrip(b"\r\n")
