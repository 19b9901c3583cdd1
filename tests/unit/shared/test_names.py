"""Prefectures and routing identities in the spellings that occur."""

import pytest

from shared.identity import is_anonymous, known_identity, routing_identity
from shared.prefectures import PREFECTURES, prefecture


@pytest.mark.parametrize(
    ("spelling", "name"),
    [("大阪", "大阪府"), ("大阪府", "大阪府"), ("Osaka", "大阪府"), ("Ōsaka-fu", "大阪府"), ("kyoto", "京都府"),
     ("Kyōto-fu", "京都府"), ("東京", "東京都"), ("Tokyo", "東京都"), ("tokyo-to", "東京都"), ("熊本", "熊本県"),
     ("kumamoto", "熊本県"), ("Hokkaido", "北海道"), ("北海道", "北海道"), ("Hyogo Prefecture", "兵庫県"),
     ("大坂県", None), (27, None)],
)  # fmt: skip
def test_prefectures(spelling: object, name: str | None) -> None:
    assert prefecture(spelling) == name


def test_every_prefecture_is_itself() -> None:
    assert len(set(PREFECTURES)) == 47
    assert all(prefecture(name) == name for name in PREFECTURES)


def test_the_known_id_comes_before_the_anonymous_one() -> None:
    assert routing_identity("u1", "a1") == "u1"
    assert routing_identity(None, "a1") == "anon:a1"
    assert routing_identity("  ", "") is None
    assert is_anonymous("anon:a1")
    assert not is_anonymous("u1")


def test_an_address_used_as_an_id_never_becomes_a_key() -> None:
    identity = known_identity(" Taro@Example.co.jp ")
    assert "@" not in identity
    assert "taro" not in identity
    assert identity == known_identity("taro@example.co.jp")
    assert known_identity(identity) == identity
