"""Teams and people in a playbook: what is refused with a line, and what is only noted."""

from __future__ import annotations

from datetime import date

import pytest

from shared.countries import country, country_code
from shared.playbook import PlaybookError
from shared.playbook.loader import parse_playbook
from shared.playbook.remarks import remarks
from shared.playbook.staffing import Closed
from tests.staffed import FIELD_SALES, staffed, staffed_text


@pytest.mark.parametrize(
    ("right", "wrong", "expected"),
    [
        ("territory: {prefecture: [大阪府", "territory: {prefecture: [大坂県", "'大坂県' is no prefecture"),
        ("country: [日本]", "country: [日本, エルボニア]", "'エルボニア' is no country that is known by this name"),
        ("territory: {company.employees", "territory: {company.size", "unknown field 'company.size'"),
        ("{at_least: 1000}", "{at_least: 1000, under: 300}", "no number is over 1000 and under 300"),
        ("territory: {company.employees: {at", "territory: {company.name: {at", "name companies under 'accounts'"),
        ("country: [日本]", "country: {present: false}", "what is not known lies in no territory"),
        ("country: [日本]", "target_company: [false]", "the field is true or empty"),
        ("names: [株式会社アクメ]", "names: [個人]", "'個人' names no company"),
        ("domains: [beta.example]", "domains: [gmail.com]", "'gmail.com' is no company's mail domain"),
        ("weight: 2", "weight: 17", "less than or equal to 16"),
        (
            "suzuki: {label: 鈴木 一郎, max_load: 3}",
            "suzuki: {label: 鈴木 一郎, max_load: 0}",
            "greater than or equal to 1",
        ),
        ("people: {ito: {}}", "people: {sato: {}}", "'sato' is in the team 'osaka-branch' already"),
        ("people: {ito: {}}", "people: {enterprise: {}}", "'enterprise' is the id of a team of this department"),
        ("people: {ito: {}}", "people: {ito: {weight: 0}}", "a weight of 1 or more of at least one person"),
        ("people: {ito: {}}", "people: {ito: {max_laod: 3}}", "unknown key 'max_laod'"),
        (
            "escalate_to: kato",
            "escalate_to: yamada",
            "unknown team or person of this department 'yamada'; expected one",
        ),
        ("escalate_to: kato", "escalate_to: osaka-branch", "a team cannot escalate to itself"),
        ("escalate_to: hq-corporate", "escalate_to: hq", "unknown team of this department 'hq'"),
        ('to: "16:00"', 'to: "10:00"', "contain no time"),
        ("days: [mon, tue, wed]", "days: []", "contain no time"),
        ("from: 12-29, to: 01-03", "from: 01-04, to: 01-03", "contain no time"),
        ("closed: [2026-11-17]", "closed: [20261117]", "expected a day such as 2026-12-29, or 12-29 for every year"),
        ("closed: [2026-11-17]", "closed: [02-30]", "expected a day such as 2026-12-29, or 12-29 for every year"),
        ("closed: [2026-11-17]", "closed: [{from: 2026-11-17, to: 11-18}]", "both days with a year, or both without"),
        ("closed: [2026-11-17]", "closed: [{from: 2026-11-17, to: 2026-11-16}]", "expected 'from' before 'to'"),
        ("closed: [2026-11-17]", "closed: [{from: 2026-11-17, to: 2028-11-16}]", "a year at most"),
    ],
)
def test_errors_name_the_line_and_what_was_expected(right: str, wrong: str, expected: str) -> None:
    assert FIELD_SALES.count(right) == 1
    before, after = staffed_text().splitlines(), staffed_text(FIELD_SALES.replace(right, wrong)).splitlines()
    line = next(number for number, (a, b) in enumerate(zip(before, after, strict=True), 1) if a != b)
    with pytest.raises(PlaybookError) as caught:
        staffed(FIELD_SALES.replace(right, wrong))
    assert any(p.line == line and expected in p.message for p in caught.value.problems), str(caught.value)


def test_a_capacity_that_the_people_cannot_take_is_refused() -> None:
    changed = FIELD_SALES.replace("        escalate_to: kato\n", "        capacity: 13\n        escalate_to: kato\n")
    with pytest.raises(PlaybookError, match="the people together take 12 at most"):
        staffed(changed)
    assert staffed(changed.replace("capacity: 13", "capacity: 12"))


def test_a_person_in_teams_of_two_departments_is_refused() -> None:
    customer_success = FIELD_SALES + "  support:\n    label: {ja: 支援, en: Support}\n    teams:\n"
    customer_success += "      support: {label: {ja: 支援, en: Support}, people: {ito: {}}}\n"
    with pytest.raises(PlaybookError, match=r"support\.people\.ito: 'ito' is in the team 'enterprise' already"):
        staffed(customer_success)


def test_what_a_person_does_not_say_of_hours_is_the_team_s_and_then_the_department_s() -> None:
    department = staffed().departments["field-sales"]
    tanaka = department.hours_of("osaka-branch", "tanaka")
    assert (tanaka.days, tanaka.start, tanaka.end) == (("mon", "tue", "wed"), "10:00", "16:00")
    assert [days.start for days in tanaka.closed] == ["12-29", date(2026, 11, 17)]
    assert department.hours_of("osaka-branch", "kato") == department.hours_of("osaka-branch")
    assert department.hours_of("hq-corporate") == department.hours


@pytest.mark.parametrize(
    ("day", "is_closed"),
    [("2026-12-28", False), ("2026-12-29", True), ("2027-01-03", True), ("2031-01-01", True), ("2027-01-04", False)],
)
def test_days_without_a_year_are_closed_every_year_and_over_its_end(day: str, is_closed: bool) -> None:
    assert Closed.model_validate({"from": "12-29", "to": "01-03"}).includes(date.fromisoformat(day)) is is_closed


@pytest.mark.parametrize(
    ("change", "noted"),
    [
        (
            ("label: {ja: 本社営業本部法人営業部", "territory: {prefecture: [東京都]}\n        label: {ja: 本社"),
            "goes to the first",
        ),
        (
            ("territory: {company.employees", "territory: {prefecture: [大阪], company.employees"),
            "'osaka-branch' comes first",
        ),
        (("corporate sales}\n", "corporate sales}\n      east: {label: {ja: 東, en: East}}\n"), "gets no leads"),
        (
            ("label: {ja: 本社営業本部法人営業部", "accounts: {names: [アクメ（株）]}\n        label: {ja: 本社"),
            "an account of 'enterprise' already",
        ),
    ],
)
def test_what_may_not_have_been_meant_is_noted(change: tuple[str, str], noted: str) -> None:
    assert remarks(staffed()) == []
    changed = FIELD_SALES.replace(*change)
    assert [noted in message for _, message in remarks(staffed(changed))] == [True]


def test_a_stage_at_which_an_offer_may_wait_for_ever_is_noted() -> None:
    text = staffed_text()
    within = "    respond: [{within: 1 working day}]\n    contact: [{within: 2 working days}]\n"
    assert text.count(within) == 1
    for left in ("", "    respond: [{when: {level_at_least: 4}, within: 1 working day}]\n"):
        ((path, remark),) = remarks(parse_playbook(text.replace(within, left), "changed.yaml"))
        assert path[0] == "stages"
        assert "wait for an answer for ever" in remark


@pytest.mark.parametrize("japan", ["JP", "jp", "JPN", "Japan", "JAPAN", "日本", " ＪＡＰＡＮ "])
def test_japan_in_any_spelling(japan: str) -> None:
    assert country_code(japan) == "JP"


def test_a_country_that_is_not_known_by_name_stays_as_it_was_told() -> None:
    assert (country("Elbonia"), country("U.S.A."), country("ke"), country(81)) == ("Elbonia", "US", "KE", 81)
    assert (country_code("Elbonia"), country_code(""), country_code(None)) == (None, None, None)
