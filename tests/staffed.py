"""A playbook with people, for tests: the default one, its field sales with three teams."""

from __future__ import annotations

from importlib import resources

from shared.playbook import Playbook
from shared.playbook.loader import parse_playbook

_DEFAULT = resources.files("shared.playbook").joinpath("default.yaml").read_text("utf-8")
_BEGIN, _END = "  field-sales:\n    label", "  customer-success:\n    label"

FIELD_SALES = """\
  field-sales:
    label: {ja: フィールドセールス部, en: Field sales}
    hours: {closed: [{from: 12-29, to: 01-03}]}
    escalate_to: hq-corporate
    teams:
      osaka-branch:
        label: {ja: 大阪支社営業部, en: Osaka branch sales}
        territory: {prefecture: [大阪府, 京都府, 兵庫県, 奈良県, 滋賀県, 和歌山県]}
        people:
          sato: {label: {ja: 佐藤 花子, en: Hanako Sato}, weight: 2, max_load: 6}
          suzuki: {label: 鈴木 一郎, max_load: 3}
          tanaka: {max_load: 3, hours: {days: [mon, tue, wed], to: "16:00"}}
          kato: {label: 加藤 部長, weight: 0}
        hours: {from: "10:00", closed: [2026-11-17]}
        escalate_to: kato
      enterprise:
        label: {ja: 大手営業部, en: Enterprise sales}
        territory: {company.employees: {at_least: 1000}, country: [日本]}
        accounts: {names: [株式会社アクメ], domains: [beta.example]}
        people: {ito: {}}
        capacity: 5
      hq-corporate:
        label: {ja: 本社営業本部法人営業部, en: Head-office corporate sales}
"""


def staffed(field_sales: str = FIELD_SALES) -> Playbook:
    """The default playbook with this part `field-sales`. Raises `PlaybookError`."""
    return parse_playbook(staffed_text(field_sales), "staffed.yaml")


def staffed_text(field_sales: str = FIELD_SALES) -> str:
    start, end = _DEFAULT.index(_BEGIN), _DEFAULT.index(_END)
    return _DEFAULT[:start] + field_sales + _DEFAULT[end:]
