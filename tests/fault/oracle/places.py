"""The prefectures of Japan, in the spellings that senders use."""

from __future__ import annotations

import re
import unicodedata

_TABLE = """
北海道 hokkaido 青森県 aomori 岩手県 iwate 宮城県 miyagi 秋田県 akita 山形県 yamagata 福島県 fukushima 茨城県 ibaraki
栃木県 tochigi 群馬県 gunma 埼玉県 saitama 千葉県 chiba 東京都 tokyo 神奈川県 kanagawa 新潟県 niigata 富山県 toyama
石川県 ishikawa 福井県 fukui 山梨県 yamanashi 長野県 nagano 岐阜県 gifu 静岡県 shizuoka 愛知県 aichi 三重県 mie
滋賀県 shiga 京都府 kyoto 大阪府 osaka 兵庫県 hyogo 奈良県 nara 和歌山県 wakayama 鳥取県 tottori 島根県 shimane
岡山県 okayama 広島県 hiroshima 山口県 yamaguchi 徳島県 tokushima 香川県 kagawa 愛媛県 ehime 高知県 kochi
福岡県 fukuoka 佐賀県 saga 長崎県 nagasaki 熊本県 kumamoto 大分県 oita 宮崎県 miyazaki 鹿児島県 kagoshima
沖縄県 okinawa
"""
_NAMES = _TABLE.split()
_SPELLINGS = {roman: kanji for kanji, roman in zip(_NAMES[::2], _NAMES[1::2], strict=True)}
_SPELLINGS |= {kanji: kanji for kanji in _NAMES[::2]} | {
    kanji[:-1]: kanji for kanji in _NAMES[::2] if kanji != "北海道"
}


def prefecture(text: str) -> str | None:
    """The official name, or None: 大阪府, 大阪, Osaka, osaka-fu."""
    plain = unicodedata.normalize("NFKC", text).strip()
    without_marks = "".join(c for c in unicodedata.normalize("NFD", plain) if not unicodedata.combining(c)).casefold()
    stem = re.sub(r"[- ]?(ken|fu|to|prefecture)$", "", without_marks)
    return _SPELLINGS.get(plain) or _SPELLINGS.get(without_marks) or _SPELLINGS.get(stem)
