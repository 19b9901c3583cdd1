"""The list of what an import has rejected."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from services.cli.importer.encodings import SHIFT_JIS, UTF_8
from services.cli.importer.report import NOT_SENT, Report
from services.cli.importer.rows import BadRow


def told(path: Path, codec: str) -> list[dict[str, str]]:
    with path.open(encoding=codec, newline="") as report:
        return list(csv.DictReader(report))


@pytest.mark.parametrize("codec", [UTF_8, SHIFT_JIS])
def test_what_an_interrupted_import_had_not_yet_kept_is_reported_anew(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "list.csv.rejected.csv"
    with Report(path, codec, 0) as report:
        report.write(BadRow(1, 2, "why"), NOT_SENT, "why", '"山田, 花子",x'.encode(codec))
        kept = report.size
        report.write(BadRow(3, 4, "why"), NOT_SENT, "why", b"c")
    with Report(path, codec, kept) as report:
        report.write(BadRow(2, 3, "why"), "event_too_large", 'no "é" here', b"b\r\nb")
    first, second = told(path, codec)
    assert first["record"].endswith('"山田, 花子",x')
    assert (second["line"], second["row"], second["code"], second["record"]) == ("3", "2", "event_too_large", "b\r\nb")
    assert second["reason"] == ('no "é" here' if codec == UTF_8 else 'no "\\xe9" here')


def test_the_bytes_of_a_record_are_in_it_as_they_were(tmp_path: Path) -> None:
    with Report(tmp_path / "r.csv", SHIFT_JIS, 0) as report:
        report.write(BadRow(1, 2, "why"), NOT_SENT, "why", b"\xfb\xfc,\xff")
    assert (tmp_path / "r.csv").read_bytes().endswith(b',"\xfb\xfc,\xff"\r\n')


def test_without_rejections_there_is_no_file_and_one_that_is_gone_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    with Report(path, UTF_8, 0):
        pass
    assert not path.exists()
    with Report(path, UTF_8, 500) as report:
        report.write(BadRow(1, 2, "why"), NOT_SENT, "why", b"a")
    assert [row["record"] for row in told(path, "utf-8-sig")] == ["a"]
