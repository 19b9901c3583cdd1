"""The journal of an import."""

from __future__ import annotations

from pathlib import Path

from services.cli.importer.journal import Journal


def test_remembers_rows_acknowledged_in_any_order(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "state", "about")
    journal.done([1, 2, 5], events=3, rejected=0)
    journal.done([4, 9], events=1, rejected=1)
    journal.save()

    again = Journal.open(tmp_path / "state", "about")
    assert [row for row in range(1, 11) if again.has(row)] == [1, 2, 4, 5, 9]
    assert (again.rows(), again.events, again.rejected, again.complete) == (5, 4, 1, False)
    again.done([3], events=1, rejected=0)
    assert again.all_until == 5


def test_says_nothing_about_another_import(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "state", "one file")
    journal.done([1], events=1, rejected=0)
    journal.save()
    assert Journal.open(tmp_path / "state", "another file").rows() == 0


def test_a_journal_cut_short_is_no_journal(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b'{"about":"abo')
    assert Journal.open(tmp_path / "state", "about").rows() == 0
