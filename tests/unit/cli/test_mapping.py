"""Mapping files: what a row becomes, and errors that name file and line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.cli.importer.mapping import Mapping, MappingError, parse_mapping
from services.cli.importer.rows import BadRow, ColumnsMissing, Row, RowError, calls_of, read_rows
from shared.playbook import load_playbook

MAPPINGS = Path(__file__).parents[3] / "deploy" / "mappings"
TRACK = """
events:
  - type: track
    event: Booth Visited
    userId: "{mail}"
    timestamp: "{at}"
    properties: {medium: "{medium}", rank: {column: rank, as: number}, hot: {column: hot, as: boolean}, fair: EXPO}
"""

LIST = """
list: {kind: outside, name: 製造業データベース, obtained: 2026-11-01}
events:
  - {type: identify, userId: "{mail}", traits: {email: "{mail}"}}
  - {type: track, event: Booth Visited, userId: "{mail}", timestamp: "{at}", when: {hot: ["1"]}}
"""
LISTED = {"list": "external_database", "kind": "outside", "name": "製造業データベース", "obtained": "2026-11-01"}


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


def test_rows_of_nothing_but_commas_are_none() -> None:
    found = rows("mail,at,medium,rank,hot\n,,,,\na,2026-01-01,,,\n, ,,,\n", mapping())
    assert [(row.number, row.line) for row in found] == [(1, 3)]


def test_an_open_quotation_mark_swallows_no_rows_in_silence() -> None:
    found = rows('mail,at,medium,rank,hot\na,1,,,"x\nb,2,,,\nc,3,"y",,\nd,4,,,\ne,5,,,"\n', mapping())
    refused, read, last = found
    assert isinstance(refused, BadRow)
    assert (refused.line, read.number, read.line, last.line) == (2, 2, 5, 6)
    assert "quotation mark" in refused.reason
    assert isinstance(read, Row)
    assert isinstance(last, BadRow)


def test_semicolons_and_tabs_separate_if_the_mapping_says_so_and_are_hinted_at_otherwise() -> None:
    for mark, name in ((";", ";"), ("\t", "\\t")):
        text = mark.join(["mail", "at", "medium", "rank", "hot"]) + "\n" + mark.join(["a,b", "2026-01-01", "", "", ""])
        (row,) = rows(text, mapping(f'delimiter: "{name}"\n' + TRACK))
        assert isinstance(row, Row)
        assert row.cells["mail"] == "a,b"
        with pytest.raises(ColumnsMissing, match=r"is delimiter: .* meant"):
            rows(text, mapping())


def test_a_column_that_is_there_twice_is_refused_if_it_is_meant() -> None:
    with pytest.raises(ColumnsMissing, match="more than one column hot"):
        rows("mail,at,medium,rank,hot,hot\n", mapping())
    assert len(rows("mail,at,medium,rank,hot,x,x\na,2026-01-01,,,,1,2\n", mapping())) == 1


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
        ("encoding: utf-16\n" + TRACK, r"map.yaml:1: encoding: files in utf-16 are not read"),
        ("list: {kind: outside, name: x, obtained: 2026-11-01}\n" + TRACK, "list: needs an event of type identify"),
        (LIST.replace("kind: outside", "kind: bought"), r"map.yaml:2: list.kind: Input should be 'house' or 'outside'"),
        (LIST.replace("2026-11-01", "autumn"), r"map.yaml:2: list.obtained: .*date"),
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
    attended, booth = calls_of(visited, meaning, "f")
    assert attended["event"] == "Exhibition Attended"
    assert attended["traits"]["company"] == {"name": "株式会社霧ノ宮精工", "industry": "製造", "employees": 1200}
    assert booth["properties"]["talked_in_detail"] is True
    assert [call["event"] for call in calls_of(passed, meaning, "f")] == ["Exhibition Attended"]


def test_what_a_list_tells_of_a_person_is_that_they_are_on_it() -> None:
    row = Row(1, 2, {"mail": "a@b.example", "at": "2026-11-20", "hot": "1"})
    listed, visited = calls_of(row, mapping(LIST), "list.csv")
    assert listed.pop("messageId").startswith("import-")
    assert listed == {
        "type": "track",
        "event": "Lead Listed",
        "userId": "a@b.example",
        "timestamp": "2026-11-01T00:00:00+09:00",
        "properties": LISTED,
        "traits": {"email": "a@b.example"},
    }
    assert (visited["event"], visited["timestamp"]) == ("Booth Visited", "2026-11-20T00:00:00+09:00")


@pytest.mark.parametrize(
    ("said", "channel"),
    [("kind: house", "house_list"), ("kind: outside, channel: bdr_research", "bdr_research")],
)
def test_a_list_is_of_a_channel_of_the_playbook(said: str, channel: str) -> None:
    row = Row(1, 2, {"mail": "a@b.example", "at": "2026-11-20", "hot": ""})
    (listed,) = calls_of(row, mapping(LIST.replace("kind: outside", said)), "list.csv")
    assert listed["properties"]["list"] == channel


def test_message_ids_do_not_depend_on_what_the_encoding_was_called() -> None:
    row = Row(1, 2, {"mail": "m", "at": "2026-01-01", "medium": "", "rank": "", "hot": ""})
    ids = {calls_of(row, mapping(said + TRACK), "f")[0]["messageId"] for said in ("", "encoding: cp932\n")}
    assert len(ids) == 1


@pytest.mark.parametrize("file", sorted(MAPPINGS.glob("*.yaml")), ids=lambda file: file.name)
def test_the_lists_of_the_example_mappings_are_of_channels_that_the_default_playbook_has(file: Path) -> None:
    meaning = parse_mapping(file.read_text("utf-8"), file.name)
    if meaning.list_ is not None:
        channel = load_playbook().channels[str(meaning.list_.properties["list"])]
        assert (channel.list, "listed" in channel.actions) == (meaning.list_.kind, True)
