"""In which encoding a list is: nothing is guessed that could be something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.cli.importer.encodings import SHIFT_JIS, UTF_8, Undecodable, encoding_of
from services.cli.importer.lines import Lines

LIST = "会社名,氏名\r\n㈱髙島①,山﨑 花子～\r\n"


def written(folder: Path, content: bytes) -> Path:
    file = folder / "list.csv"
    file.write_bytes(content)
    return file


def text(file: Path, codec: str) -> str:
    return "".join(Lines(file, codec))


@pytest.mark.parametrize(
    ("codec", "expected"), [("utf-8", UTF_8), ("utf-8-sig", UTF_8), ("cp932", SHIFT_JIS), ("ascii", UTF_8)]
)
def test_utf_8_and_what_excel_calls_shift_jis_are_told_apart(tmp_path: Path, codec: str, expected: str) -> None:
    content = LIST if codec != "ascii" else "company,name\r\n"
    file = written(tmp_path, content.encode(codec))
    assert encoding_of(file) == expected
    assert text(file, expected) == content


def test_one_character_decides_however_late_it_comes(tmp_path: Path) -> None:
    file = written(tmp_path, b"company,name\r\n" * 100_000 + "山﨑".encode("cp932"))
    assert encoding_of(file) == SHIFT_JIS


@pytest.mark.parametrize("said", ["shift_jis", "Shift-JIS", "sjis", "cp932", "windows-31j"])
def test_shift_jis_has_the_characters_of_excel(tmp_path: Path, said: str) -> None:
    assert encoding_of(written(tmp_path, LIST.encode("cp932")), said) == SHIFT_JIS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a\r\n\x82\xa0\x81\n", r"neither UTF-8 \(line 2, byte 1 \(0x82\)\) nor Shift_JIS \(line 2, byte 3 \(0x81\)"),
        (b"\x82\xa0\r\n\x82\xa0,\xa0\r\n", r"nor Shift_JIS \(line 2, byte 4 \(0xA0\)\)"),
        (LIST.replace("～", "").replace("①", "").replace("髙", "高").replace("﨑", "崎").replace("㈱", "")
         .encode("euc_jp"), "neither UTF-8|may be Shift_JIS or EUC-JP|mostly rare kanji"),
        ("ｶ)ﾔﾏﾀﾞ\r\n".encode("cp932"), "mostly rare kanji and half-width kana|may be Shift_JIS or EUC-JP"),
        ("résumé,crèche\r\n".encode("latin-1"), "neither UTF-8|mostly rare kanji"),
        ("naïve,Zoë Müller,Köln\r\n".encode("latin-1"), "neither UTF-8|mostly rare kanji"),
        ("氏名\r\n".encode("utf-16"), "UTF-16"),
        ("氏名\r\n".encode("iso2022_jp"), r"looks like JIS \(ISO-2022-JP, line 1\)"),
    ],
)  # fmt: skip
def test_what_is_not_certain_is_asked(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(Undecodable, match=message):
        encoding_of(written(tmp_path, content))


def test_what_was_said_holds_or_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    file = written(tmp_path, "ｶ)ﾔﾏﾀﾞ\r\n".encode("cp932"))
    assert encoding_of(file, "shift_jis") == SHIFT_JIS
    with pytest.raises(Undecodable, match=r"is not utf-8: line 1, byte 1 \(0xB6\)"):
        encoding_of(file, "utf-8")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_bytes_of_a_record_are_kept(tmp_path: Path, end: str) -> None:
    # Two byte sequences stand for 髙: decoded and encoded again it would be the other one.
    record = b'"\xfb\xfc' + end.encode() + b'x",1'
    lines = Lines(written(tmp_path, b"name,n" + end.encode() * 3 + record + end.encode()), SHIFT_JIS)
    assert "".join(lines) == f'name,n{end * 3}"髙{end}x",1{end}'
    assert lines.since(4) == record
