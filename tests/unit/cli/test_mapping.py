"""Mapping files: what a row becomes, and errors that name file and line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.cli.importer.mapping import Mapping, MappingError, parse_mapping
from services.cli.importer.rows import BadRow, ColumnsMissing, Row, RowError, calls_of, read_rows

MAPPINGS = Path(__file__).parents[3] / "deploy" / "mappings"
TRACK = """
events:
  - type: track
    event: Booth Visited
    userId: "{mail}"
    timestamp: "{at}"
    properties: {medium: "{medium}", rank: {column: rank, as: number}, hot: {column: hot, as: boolean}, fair: EXPO}
"""


def mapping(text: str = TRACK) -> Mapping:
    return parse_mapping(text, "map.yaml")


def rows(text: str, meaning: Mapping) -> list[Row | BadRow]:
    return list(read_rows(text.splitlines(keepends=True), meaning))


def call(cells: dict[str, Any], text: str = TRACK) -> dict[str, Any]:
    defaults = {"mail": "a@b.example", "at": "2026-11-20 10:00", "medium": "", "rank": "", "hot": ""}
    (only,) = calls_of(Row(1, 2, defaults | cells), mapping(text), "list.csv")
    return only


def test_a_row_becomes_a_call() -> None:
    result = call({"medium": "search", "rank": "1,200", "hot": "はい"})
    assert result.pop("messageId").startswith("import-")
    assert result == {
        "type": "track",
        "event": "Booth Visited",
        "userId": "a@b.example",
        "timestamp": "2026-11-20T10:00:00+09:00",
        "properties": {"medium": "search", "rank": 1200, "hot": True, "fair": "EXPO"},
    }


def test_an_empty_cell_leaves_its_property_out() -> None:
    assert call({})["properties"] == {"fair": "EXPO"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-20T10:00:00Z", "2026-11-20T10:00:00+00:00"),
        ("2026-11-20", "2026-11-20T00:00:00+09:00"),
        ("2026-11-20 10:00:00+05:00", "2026-11-20T10:00:00+05:00"),
    ],
)
def test_times_with_and_without_zone(text: str, expected: str) -> None:
    assert call({"at": text})["timestamp"] == expected


def test_a_format_of_its_own_for_times() -> None:
    text = TRACK.replace('timestamp: "{at}"', 'timestamp: {column: at, format: "%Y/%m/%d %H時"}')
    assert call({"at": "2026/11/20 9時"}, text)["timestamp"] == "2026-11-20T09:00:00+09:00"


def test_dotted_names_nest_and_history_is_marked() -> None:
    text = """
historical: true
events:
  - {type: identify, userId: "{mail}", timestamp: "{at}", traits: {company.name: "{medium}", company.size: 5}}
"""
    result = call({"medium": "アクメ"}, text)
    assert result["traits"] == {"company": {"name": "アクメ", "size": 5}}
    assert result["context"] == {"historical": True}


def test_rows_choose_their_events() -> None:
    text = TRACK + '    when: {rank: ["A", "B"]}\n    skip_when_empty: [hot]\n'
    text = text.replace("rank: {column: rank, as: number}", 'rank: "{rank}"')
    chosen = {"mail": "m", "at": "2026-01-01", "medium": "", "rank": "A", "hot": "x"}
    assert len(calls_of(Row(1, 2, chosen), mapping(text), "f")) == 1
    assert calls_of(Row(1, 2, chosen | {"rank": "C"}), mapping(text), "f") == []
    assert calls_of(Row(1, 2, chosen | {"hot": " "}), mapping(text), "f") == []


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"at": "yesterday"}, "column at: 'yesterday' is no time"),
        ({"at": ""}, "column at: '' is no time"),
        ({"rank": "many"}, "column rank: 'many' is no number"),
        ({"rank": "inf"}, "column rank: 'inf' is no number"),
        ({"mail": " "}, "userId"),
    ],
)
def test_a_row_without_meaning_says_why(cells: dict[str, Any], message: str) -> None:
    with pytest.raises(RowError, match=message):
        call(cells)


def test_message_ids_repeat_for_the_same_row_and_differ_otherwise() -> None:
    cells = {"mail": "m", "at": "2026-01-01", "medium": "", "rank": "", "hot": ""}

    def message_id(number: int = 1, file: str = "a.csv", text: str = TRACK, **other: str) -> str:
        return str(calls_of(Row(number, 2, cells | other), mapping(text), file)[0]["messageId"])

    assert message_id() == message_id(text="# a comment\n" + TRACK)
    others = [
        message_id(2),
        message_id(file="b.csv"),
        message_id(medium="x"),
        message_id(text=TRACK.replace("EXPO", "FAIR")),
    ]
    assert len({message_id(), *others}) == 5


def test_csv_rows_know_their_lines() -> None:
    text = 'mail,at,medium,rank,hot\na,2026-01-01,,,\n"b\nc",2026-01-01,,,\n\nd,2026-01-01\ne,2026-01-01,,,\n'
    found = rows(text, mapping())
    assert [(row.number, row.line) for row in found] == [(1, 2), (2, 3), (3, 6), (4, 7)]
    assert isinstance(found[2], BadRow)
    assert found[2].reason == "has 2 columns, the header has 5"


def test_missing_columns_are_named() -> None:
    with pytest.raises(ColumnsMissing, match="no column hot, rank; it has at, mail, medium"):
        rows("at,mail,medium\n", mapping())


def test_jsonl_rows() -> None:
    found = rows('{"a": 1}\n\nnonsense\n[1]\n', mapping("format: jsonl" + TRACK))
    assert found[0] == Row(1, 1, {"a": 1})
    assert [(row.number, row.line) for row in found[1:]] == [(2, 3), (3, 4)]
    assert all(isinstance(row, BadRow) for row in found[1:])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TRACK + "    colour: red\n", r"map.yaml:8: events.0.colour: unknown key"),
        (TRACK.replace("    event: Booth Visited\n", ""), r"map.yaml:3: events.0: event: is needed for type track"),
        (TRACK.replace('    timestamp: "{at}"\n', ""), r"map.yaml:3: events.0.timestamp: is missing"),
        ("time_zone: Asia/Nowhere\n" + TRACK, r"map.yaml:1: time_zone: 'Asia/Nowhere' is no time zone"),
        ("encoding: sjis9\n" + TRACK, r"map.yaml:1: encoding: 'sjis9' is no encoding"),
        (TRACK.replace("{mail}", "{mail"), r"map.yaml:5: events.0.userId: .* is no template"),
        ("events: [", r"map.yaml:1: YAML"),
        ("- 1", r"map.yaml:1: file"),
        (TRACK + "    when: {rank: [yes]}\n", r"map.yaml:8: events.0.when.rank"),
    ],
)
def test_a_broken_mapping_names_file_and_line(text: str, message: str) -> None:
    with pytest.raises(MappingError, match=message):
        mapping(text)


@pytest.mark.parametrize("file", sorted(MAPPINGS.glob("*.yaml")), ids=lambda file: file.name)
def test_the_example_mappings_are_valid(file: Path) -> None:
    assert parse_mapping(file.read_text("utf-8"), file.name).events


def test_the_exhibition_example_reads_its_columns() -> None:
    meaning = parse_mapping((MAPPINGS / "exhibition.yaml").read_text("utf-8"), "exhibition.yaml")
    text = (
        "来場日時,会社名,部署,役職,氏名,メール,電話,都道府県,従業員数,業種,ブース訪問,商談希望\n"
        '2026/11/18 10:30,株式会社霧ノ宮精工,製造部,部長,田中 誠,tanaka@kirinomiya.example,,大阪府,"1,200",製造,○,○\n'
        "2026/11/18 11:00,,,,林 愛,hayashi@kirinomiya.example,,,,,,\n"
    )
    visited, passed = rows(text, meaning)
    assert isinstance(visited, Row)
    assert isinstance(passed, Row)
    identify, attended, booth = calls_of(visited, meaning, "f")
    assert identify["traits"]["company"] == {"name": "株式会社霧ノ宮精工", "industry": "製造", "employees": 1200}
    assert attended["event"] == "Exhibition Attended"
    assert booth["properties"]["talked_in_detail"] is True
    assert [call["type"] for call in calls_of(passed, meaning, "f")] == ["identify", "track"]
