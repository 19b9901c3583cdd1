"""Teams by named accounts, owners of companies, and territory (domain A3): Kinki belongs to Osaka branch."""

from __future__ import annotations

import pytest

from services.router.contact import canonical
from services.router.lifecycle.territory import NO_COMPANY, CompanyKeys, Found, Owner, Place, Territories
from shared.playbook import load_playbook
from tests.staffed import FIELD_SALES, staffed

TERRITORIES = Territories(load_playbook())
STAFFED = Territories(staffed())
KINKI = {"prefecture": "大阪府"}


@pytest.mark.parametrize("kinki", ["大阪府", "大阪", "Osaka", "京都府", "兵庫", "nara", "滋賀県", "和歌山県"])
def test_kinki_is_osaka_branch(kinki: str) -> None:
    assert TERRITORIES.team("field-sales", {"prefecture": kinki}) == "osaka-branch"


@pytest.mark.parametrize("fields", [{}, {"prefecture": "東京都"}, {"prefecture": None}, {"prefecture": ["大阪府"]}])
def test_whatever_no_territory_covers_is_head_office(fields: dict[str, object]) -> None:
    assert TERRITORIES.team("field-sales", fields) == "hq-corporate"


def test_a_department_with_one_team_has_no_choice() -> None:
    assert TERRITORIES.team("inside-sales", {"prefecture": "大阪府"}) == "hq-inside-sales"


@pytest.mark.parametrize(
    ("fields", "team"),
    [
        ({"company.employees": 1000, "country": "JP"}, "enterprise"),
        ({"company.employees": "1,200", "country": "Japan"}, "enterprise"),
        ({"company.employees": 999, "country": "JP"}, "hq-corporate"),
        ({"company.employees": 1000, "country": "US"}, "hq-corporate"),
        ({"company.employees": 1000}, "hq-corporate"),
        ({"company.employees": 1000, "country": "JP", "prefecture": "大阪"}, "osaka-branch"),
    ],
)
def test_a_lead_is_in_a_territory_if_all_its_conditions_hold_and_the_first_such_team_takes_it(
    fields: dict[str, object], team: str
) -> None:
    found = Found.REST if team == "hq-corporate" else Found.TERRITORY
    assert STAFFED.place("field-sales", fields) == Place(team, None, found)


def test_who_does_not_tell_a_country_is_not_abroad() -> None:
    territories = Territories(staffed(FIELD_SALES.replace("country: [日本]", "country: {not_in: [Japan]}")))
    large = {"company.employees": 1000}
    assert territories.team("field-sales", large | {"country": "Vietnam"}) == "enterprise"
    assert territories.team("field-sales", large | {"country": "日本"}) == "hq-corporate"
    assert territories.team("field-sales", large) == "hq-corporate"
    assert territories.team("field-sales", large | {"country": ""}) == "hq-corporate"


@pytest.mark.parametrize(
    "company",
    [
        CompanyKeys(names=frozenset({canonical("company.name", "アクメ(株)")})),
        CompanyKeys(domains=frozenset({canonical("email", "taro@mail.beta.example")})),
        CompanyKeys(names=frozenset({"ガンマ"}), domains=frozenset({"beta.example"})),
    ],
)
def test_a_named_account_goes_to_its_team_wherever_it_is(company: CompanyKeys) -> None:
    assert STAFFED.place("field-sales", KINKI, company) == Place("enterprise", None, Found.ACCOUNT)
    assert STAFFED.team("inside-sales", KINKI) == "hq-inside-sales"


def test_a_company_without_name_is_nobody_s_account() -> None:
    nameless = CompanyKeys(names=frozenset({""}), domains=frozenset({""}))
    assert STAFFED.place("field-sales", KINKI, nameless).found is Found.TERRITORY


def test_a_colleague_s_owner_comes_before_territory() -> None:
    ito = Owner("enterprise", "ito")
    assert STAFFED.place("field-sales", KINKI, NO_COMPANY, ito) == Place("enterprise", "ito", Found.COMPANY_OWNER)
    team = Owner("hq-corporate")
    assert STAFFED.place("field-sales", KINKI, NO_COMPANY, team) == Place("hq-corporate", None, Found.COMPANY_OWNER)


def test_an_account_comes_before_the_owner_and_keeps_the_person_if_it_is_the_same_team() -> None:
    acme = CompanyKeys(names=frozenset({"アクメ"}))
    assert STAFFED.place("field-sales", {}, acme, Owner("osaka-branch", "sato")) == Place(
        "enterprise", None, Found.ACCOUNT
    )
    assert STAFFED.place("field-sales", {}, acme, Owner("enterprise", "ito")) == Place(
        "enterprise", "ito", Found.ACCOUNT
    )


def test_an_owner_who_is_no_longer_in_the_playbook_is_passed_over() -> None:
    gone = STAFFED.place("field-sales", KINKI, NO_COMPANY, Owner("enterprise", "yamada"))
    assert gone == Place("enterprise", None, Found.COMPANY_OWNER)
    dissolved = STAFFED.place("field-sales", KINKI, NO_COMPANY, Owner("tokyo-branch", "ito"))
    assert dissolved == Place("osaka-branch", None, Found.TERRITORY)


def test_where_every_team_has_a_territory_the_first_takes_the_rest_and_says_so() -> None:
    changed = FIELD_SALES.replace(
        "      hq-corporate:\n", "      hq-corporate:\n        territory: {prefecture: [東京都]}\n"
    )
    assert Territories(staffed(changed)).place("field-sales", {}) == Place("osaka-branch", None, Found.NOBODY)


def test_a_team_that_is_there_for_its_accounts_does_not_take_the_rest() -> None:
    changed = FIELD_SALES.replace("        territory: {company.employees: {at_least: 1000}, country: [日本]}\n", "")
    assert Territories(staffed(changed)).team("field-sales", {}) == "hq-corporate"
