"""What every score record changes must be in no index: Postgres would write all indexes of the lead anew each time."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import Index
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex

from services.router.tables import leads

CHANGED_BY_EACH_RECORD = {"score_seq", "total", "score_at", "score"}


def words_of(index: Index) -> set[str]:
    """Columns and those that its condition asks for."""
    statement = str(CreateIndex(index).compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
    return set(re.findall(r"\w+", statement.split(" ON ", 1)[1]))


@pytest.mark.parametrize("index", leads.indexes, ids=lambda index: index.name)
def test_no_index_of_leads_holds_what_each_record_changes(index: Index) -> None:
    assert set(leads.columns.keys()) >= CHANGED_BY_EACH_RECORD
    assert not words_of(index) & CHANGED_BY_EACH_RECORD
