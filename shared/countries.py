"""Countries in the spellings that senders use: JP, JPN, Japan, 日本."""

from __future__ import annotations

import unicodedata
from typing import TypeVar

T = TypeVar("T")

_NAMES = {
    "AE": ("ARE", "United Arab Emirates", "UAE", "アラブ首長国連邦"), "AT": ("AUT", "Austria", "オーストリア"),
    "AU": ("AUS", "Australia", "オーストラリア"), "BD": ("BGD", "Bangladesh", "バングラデシュ"),
    "BE": ("BEL", "Belgium", "ベルギー"), "BR": ("BRA", "Brazil", "ブラジル"), "CA": ("CAN", "Canada", "カナダ"),
    "CH": ("CHE", "Switzerland", "スイス"), "CL": ("CHL", "Chile", "チリ"),
    "CN": ("CHN", "China", "People's Republic of China", "PRC", "中国", "中華人民共和国"),
    "CZ": ("CZE", "Czech Republic", "Czechia", "チェコ"), "DE": ("DEU", "Germany", "ドイツ"),
    "DK": ("DNK", "Denmark", "デンマーク"), "EG": ("EGY", "Egypt", "エジプト"), "ES": ("ESP", "Spain", "スペイン"),
    "FI": ("FIN", "Finland", "フィンランド"), "FR": ("FRA", "France", "フランス"),
    "GB": ("GBR", "United Kingdom", "UK", "Great Britain", "England", "英国", "イギリス"),
    "HK": ("HKG", "Hong Kong", "香港"), "HU": ("HUN", "Hungary", "ハンガリー"),
    "ID": ("IDN", "Indonesia", "インドネシア"), "IE": ("IRL", "Ireland", "アイルランド"),
    "IL": ("ISR", "Israel", "イスラエル"), "IN": ("IND", "India", "インド"), "IT": ("ITA", "Italy", "イタリア"),
    "JP": ("JPN", "Japan", "Nippon", "日本", "日本国"), "KH": ("KHM", "Cambodia", "カンボジア"),
    "KR": ("KOR", "South Korea", "Korea", "Republic of Korea", "韓国", "大韓民国"), "LA": ("LAO", "Laos", "ラオス"),
    "LK": ("LKA", "Sri Lanka", "スリランカ"), "MM": ("MMR", "Myanmar", "ミャンマー"),
    "MN": ("MNG", "Mongolia", "モンゴル"), "MX": ("MEX", "Mexico", "メキシコ"),
    "MY": ("MYS", "Malaysia", "マレーシア"), "NL": ("NLD", "Netherlands", "The Netherlands", "Holland", "オランダ"),
    "NO": ("NOR", "Norway", "ノルウェー"), "NZ": ("NZL", "New Zealand", "ニュージーランド"),
    "PH": ("PHL", "Philippines", "The Philippines", "フィリピン"), "PK": ("PAK", "Pakistan", "パキスタン"),
    "PL": ("POL", "Poland", "ポーランド"), "PT": ("PRT", "Portugal", "ポルトガル"),
    "RU": ("RUS", "Russia", "Russian Federation", "ロシア"), "SA": ("SAU", "Saudi Arabia", "サウジアラビア"),
    "SE": ("SWE", "Sweden", "スウェーデン"), "SG": ("SGP", "Singapore", "シンガポール"),
    "TH": ("THA", "Thailand", "タイ"), "TR": ("TUR", "Turkey", "Türkiye", "トルコ"), "TW": ("TWN", "Taiwan", "台湾"),
    "UA": ("UKR", "Ukraine", "ウクライナ"),
    "US": ("USA", "United States", "United States of America", "America", "アメリカ", "アメリカ合衆国", "米国"),
    "VN": ("VNM", "Vietnam", "Viet Nam", "ベトナム"), "ZA": ("ZAF", "South Africa", "南アフリカ"),
}  # fmt: skip
"""By ISO 3166-1 alpha-2: alpha-3, and the names that forms offer. Of other countries the two letters are enough."""


def _plain(text: str) -> str:
    """Without width, case, spaces and punctuation: `U.S.A.` is `usa`."""
    return "".join(sign for sign in unicodedata.normalize("NFKC", text).casefold() if sign.isalnum())


_CODES = {_plain(name): code for code, names in _NAMES.items() for name in names}


def country_code(value: object) -> str | None:
    """The ISO 3166-1 alpha-2 code; None where `value` is neither two letters nor a name that is known."""
    if not isinstance(value, str):
        return None
    plain = _plain(value)
    if plain in _CODES:
        return _CODES[plain]
    return plain.upper() if len(plain) == 2 and plain.isascii() and plain.isalpha() else None


def country(value: T) -> T | str:
    """The code where it is known, else what was told: a name that we do not know is still a country."""
    return country_code(value) or value
