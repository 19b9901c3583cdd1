"""Teams by territory (domain A3): the six Kinki prefectures belong to Osaka branch, in any spelling."""

from __future__ import annotations

import pytest

from services.router.lifecycle.territory import Territories
from shared.playbook import load_playbook

TERRITORIES = Territories(load_playbook())


@pytest.mark.parametrize("kinki", ["大阪府", "大阪", "Osaka", "京都府", "兵庫", "nara", "滋賀県", "和歌山県"])
def test_kinki_is_osaka_branch(kinki: str) -> None:
    assert TERRITORIES.team("field-sales", {"prefecture": kinki}) == "osaka-branch"


@pytest.mark.parametrize("fields", [{}, {"prefecture": "東京都"}, {"prefecture": None}, {"prefecture": ["大阪府"]}])
def test_whatever_no_territory_covers_is_head_office(fields: dict[str, object]) -> None:
    assert TERRITORIES.team("field-sales", fields) == "hq-corporate"


def test_a_department_with_one_team_has_no_choice() -> None:
    assert TERRITORIES.team("inside-sales", {"prefecture": "大阪府"}) == "hq-inside-sales"
