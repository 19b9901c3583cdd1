"""In which encoding a file is, decided on all of it before anything is sent: a name read wrongly is nobody's.

Shift_JIS means cp932 here, as Excel on Japanese Windows writes it: with ①, 髙, 﨑 and ～, which the standard of that
name does not have.
"""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import NamedTuple

from services.cli.errors import CommandError
from services.cli.importer.lines import raw_lines

AUTO = "auto"
UTF_8, SHIFT_JIS = "utf-8-sig", "cp932"  # of UTF-8 with or without a byte order mark
_MEANT = {
    **dict.fromkeys(("utf8", "utf-8", "utf-8-sig"), UTF_8),
    **dict.fromkeys(("shift_jis", "shift-jis", "sjis", "ms932", "windows-31j", "cp932"), SHIFT_JIS),
}
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_SWITCHES = (b"\x1b$", b"\x1b(")
_NO_CHARACTERS = frozenset("\x80\uf8f0\uf8f1\uf8f2\uf8f3")
"""What Python makes of bytes that are no character in Shift_JIS."""
_EVERYDAY = frozenset(
    letter
    for lead in range(0x81, 0x99)  # signs, kana, and the kanji of the first level
    for trail in (*range(0x40, 0x7F), *range(0x80, 0xFD))
    if "\ufffd" not in (letter := bytes((lead, trail)).decode(SHIFT_JIS, "replace"))
)


class Undecodable(CommandError):
    """The file is in another encoding than was said, or in one that cannot be told for certain."""


class Place(NamedTuple):
    """Of a byte that is not in an encoding; both count from 1, `byte` within the line."""

    line: int
    byte: int
    value: int

    def __str__(self) -> str:
        return f"line {self.line}, byte {self.byte} (0x{self.value:02X})"


def codec_of(name: str) -> str:
    """The codec for what people call an encoding. Raises `ValueError`."""
    codec = _MEANT.get(name.lower(), name)
    try:
        encoded = "\nあ".encode(codec, "replace")
    except LookupError:
        raise ValueError(f"'{name}' is no encoding; expected auto, or one such as utf-8, shift_jis or euc_jp") from None
    if b"\0" in encoded or b"\x1b" in encoded:  # UTF-16, ISO-2022-JP: a byte of a character may look like a line feed
        raise ValueError(f"files in {name} are not read; save the file as CSV UTF-8")
    return codec


def encoding_of(file: Path, wanted: str = AUTO) -> str:
    """The codec of the whole file. `auto`: UTF-8 if that reads all of it, else Shift_JIS if that does and makes sense.
    Raises `Undecodable`, `OSError`."""
    if wanted != AUTO:
        codec = codec_of(wanted)
        if (place := _unreadable(file, codec)) is not None:
            raise Undecodable(f"{file} is not {wanted}: {place}; leave encoding out, or name another one")
        return codec
    with file.open("rb") as source:
        if source.read(2) in _WIDE:
            raise Undecodable(f"{file} is UTF-16 (Excel's Unicode Text); save it as CSV UTF-8")
    if (line := _switches(file)) is not None:
        raise Undecodable(f"{file} looks like JIS (ISO-2022-JP, line {line}); save it as CSV UTF-8")
    not_utf_8 = _unreadable(file, UTF_8)
    if not_utf_8 is None:
        return UTF_8
    not_shift_jis = _unreadable(file, SHIFT_JIS)
    if not_shift_jis is not None:
        raise Undecodable(
            f"{file} is neither UTF-8 ({not_utf_8}) nor Shift_JIS ({not_shift_jis}); "
            "name its encoding with --encoding, such as euc_jp, or mend these bytes"
        )
    if (doubt := _doubt(file)) is not None:
        raise Undecodable(
            f"{file} is not UTF-8 ({not_utf_8}), and {doubt}; say so with --encoding shift_jis or another"
        )
    return SHIFT_JIS


def _switches(file: Path) -> int | None:
    """The first line that switches to another set of characters: to all that reads ASCII it is plain text."""
    found = (number for number, line in enumerate(raw_lines(file), start=1) if any(mark in line for mark in _SWITCHES))
    return next(found, None)


def _unreadable(file: Path, codec: str) -> Place | None:
    """The first byte that `codec` cannot read. No character of an encoding that is read has a line end in it."""
    for number, line in enumerate(raw_lines(file), start=1):
        try:
            text = line.decode(codec)
        except UnicodeDecodeError as error:
            return Place(number, error.start + 1, line[error.start])
        if codec == SHIFT_JIS and not _NO_CHARACTERS.isdisjoint(text):
            before = next(index for index, letter in enumerate(text) if letter in _NO_CHARACTERS)
            byte = len(text[:before].encode(codec))
            return Place(number, byte + 1, line[byte])
    return None


def _doubt(file: Path) -> str | None:
    """Why a file that Shift_JIS can read may yet be something else: it reads much of EUC-JP and of Western encodings
    too, as rare kanji and half-width kana."""
    everyday = other = 0
    is_euc = True
    for line in raw_lines(file):
        letters = [letter for letter in line.decode(SHIFT_JIS) if not letter.isascii()]
        known = sum(letter in _EVERYDAY for letter in letters)
        everyday, other = everyday + known, other + len(letters) - known
        is_euc = is_euc and _reads(line, "euc_jp")
    if is_euc:
        return "it may be Shift_JIS or EUC-JP"
    if other > everyday:
        return "as Shift_JIS it would hold mostly rare kanji and half-width kana"
    return None


def _reads(line: bytes, codec: str) -> bool:
    try:
        line.decode(codec)
    except UnicodeDecodeError:
        return False
    return True
