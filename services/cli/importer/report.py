"""The list of what was rejected, as a CSV file in the encoding of the input: where, why, and the record as it was."""

from __future__ import annotations

import codecs
import csv
import io
from pathlib import Path
from types import TracebackType

from services.cli.importer.encodings import UTF_8
from services.cli.importer.rows import BadRow, Row

HEADER = ("line", "row", "code", "reason", "record")
NOT_SENT = "not_sent"
"""The code of rows that have no meaning; others are of ingest."""


class Report:
    """A context manager. What was written after the first `size` bytes is of rows whose answers an interrupted import
    had not yet kept: they are sent once more, so it is cut off. Without any rejections there is no file."""

    def __init__(self, path: Path, codec: str, size: int) -> None:
        self.path, self._codec = path, "utf-8" if codec == UTF_8 else codec
        self._mark = codecs.BOM_UTF8 if codec == UTF_8 else b""  # Excel takes it for Shift_JIS otherwise
        self.size = size if path.exists() and path.stat().st_size >= size else 0
        self._out = path.open("r+b" if self.size else "wb")
        self._out.truncate(self.size)
        self._out.seek(self.size)

    def __enter__(self) -> Report:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._out.close()
        if not self.size:
            self.path.unlink()

    def write(self, row: Row | BadRow, code: str, reason: str, record: bytes) -> None:
        """In the operating system's hands afterwards."""
        if not self.size:
            self._put(self._mark + ",".join(HEADER).encode() + b"\r\n")
        told = io.StringIO()
        csv.writer(told, lineterminator="").writerow([row.line, row.number, code, reason])
        # The record is not decoded: several bytes may stand for one character, and these were the file's.
        quoted = b'"' + record.replace(b'"', b'""') + b'"'
        self._put(told.getvalue().encode(self._codec, "backslashreplace") + b"," + quoted + b"\r\n")
        self._out.flush()

    def _put(self, line: bytes) -> None:
        self.size += self._out.write(line)
