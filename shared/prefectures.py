"""The 47 prefectures of Japan in any spelling: 大阪府, 大阪, Osaka, osaka-fu."""

from __future__ import annotations

import re
import unicodedata

_ROMAJI = {
    "hokkaido": "北海道", "aomori": "青森県", "iwate": "岩手県", "miyagi": "宮城県", "akita": "秋田県",
    "yamagata": "山形県", "fukushima": "福島県", "ibaraki": "茨城県", "tochigi": "栃木県", "gunma": "群馬県",
    "saitama": "埼玉県", "chiba": "千葉県", "tokyo": "東京都", "kanagawa": "神奈川県", "niigata": "新潟県",
    "toyama": "富山県", "ishikawa": "石川県", "fukui": "福井県", "yamanashi": "山梨県", "nagano": "長野県",
    "gifu": "岐阜県", "shizuoka": "静岡県", "aichi": "愛知県", "mie": "三重県", "shiga": "滋賀県",
    "kyoto": "京都府", "osaka": "大阪府", "hyogo": "兵庫県", "nara": "奈良県", "wakayama": "和歌山県",
    "tottori": "鳥取県", "shimane": "島根県", "okayama": "岡山県", "hiroshima": "広島県", "yamaguchi": "山口県",
    "tokushima": "徳島県", "kagawa": "香川県", "ehime": "愛媛県", "kochi": "高知県", "fukuoka": "福岡県",
    "saga": "佐賀県", "nagasaki": "長崎県", "kumamoto": "熊本県", "oita": "大分県", "miyazaki": "宮崎県",
    "kagoshima": "鹿児島県", "okinawa": "沖縄県",
}  # fmt: skip

PREFECTURES = tuple(_ROMAJI.values())
_KANJI = {name: name for name in PREFECTURES} | {name[:-1]: name for name in PREFECTURES if name != "北海道"}


def prefecture(value: object) -> str | None:
    """The official name (`大阪府`), or None when `value` names no prefecture."""
    if not isinstance(value, str):
        return None
    text = unicodedata.normalize("NFKC", value).strip()
    if text in _KANJI:
        return _KANJI[text]
    plain = "".join(
        letter for letter in unicodedata.normalize("NFD", text.casefold()) if letter.isalpha() or letter in "- "
    )
    return _ROMAJI.get(re.sub(r"[- ]?(ken|fu|to|prefecture)$", "", plain).strip()) or _ROMAJI.get(plain)
