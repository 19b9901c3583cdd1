"""What holds of the files that `tasuki import` reads, whatever is in their cells."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from services.cli.importer.encodings import SHIFT_JIS, UTF_8, encoding_of
from services.cli.importer.lines import Lines
from services.cli.importer.mapping import parse_mapping
from services.cli.importer.rows import BadRow, Row, read_rows

MAPPING = parse_mapping('events: [{type: identify, userId: "{id}", timestamp: "{at}"}]', "map.yaml")
ONE_WAY = "¢£¬‖−〜"  # cp932 writes them, and reads them as their full-width twins
JAPANESE = st.text(
    alphabet=st.characters(codec=SHIFT_JIS, exclude_categories=("Cc", "Co", "Cs"), exclude_characters=ONE_WAY)
)
CELLS = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"))
TABLE = st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=8)
ENDS = st.sampled_from(["\n", "\r\n", "\r"])
NAMES = ["id", "at", "氏名"]


def written(text: str, codec: str) -> Path:
    with tempfile.NamedTemporaryFile(delete=False) as out:
        out.write(text.encode(codec))
    return Path(out.name)


def as_csv(table: list[tuple[str, str, str]], end: str) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator=end, quoting=csv.QUOTE_ALL).writerows([NAMES, *table])
    return out.getvalue()


@given(JAPANESE)
def test_text_with_everyday_japanese_in_it_is_read_as_it_was_written(text: str) -> None:
    # The first character decides that it is not UTF-8; enough kana that it is Japanese beyond doubt.
    text = "あ" + text + "あいう" * (len(text) + 1)
    file = written(text, SHIFT_JIS)
    assert encoding_of(file) == SHIFT_JIS
    assert "".join(Lines(file, SHIFT_JIS)) == text
    file.unlink()


@given(CELLS)
def test_utf_8_is_never_taken_for_anything_else(text: str) -> None:
    file = written(text.replace("\x1b", ""), "utf-8")  # which ISO-2022-JP is full of
    assert encoding_of(file) == UTF_8
    file.unlink()


@given(TABLE, ENDS, st.sampled_from(["utf-8", "utf-8-sig"]))
def test_every_row_is_read_with_the_cells_it_was_written_with(
    table: list[tuple[str, str, str]], end: str, codec: str
) -> None:
    file = written(as_csv(table, end), codec)
    rows = list(read_rows(Lines(file, UTF_8), MAPPING))
    file.unlink()
    filled = [cells for cells in table if any(cell.strip() for cell in cells)]
    assert [row.cells for row in rows if isinstance(row, Row)] == [
        dict(zip(NAMES, cells, strict=True)) for cells in filled
    ]


@given(TABLE, st.integers(min_value=0), ENDS)
@example([("a", "b", 'c"'), ("d", "e", "f")], 10, "\n")
def test_no_line_of_a_damaged_file_is_lost(table: list[tuple[str, str, str]], at: int, end: str) -> None:
    """A stray quotation mark somewhere: each line is in a row that is read, or in the record of one that is refused."""
    text = as_csv([(f"row{number}", *cells[1:]) for number, cells in enumerate(table)], end)
    header = text.index(end) + len(end)
    at = header + at % (len(text) - header + 1)
    file = written(text[:at] + '"' + text[at:], "utf-8")
    lines, seen = Lines(file, UTF_8), ""
    for row in read_rows(lines, MAPPING):
        seen += lines.since(row.line).decode() if isinstance(row, BadRow) else "\n".join(row.cells.values())
    file.unlink()
    assert all(f"row{number}" in seen.replace('"', "") for number in range(len(table)))
