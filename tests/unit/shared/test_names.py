"""Prefectures and routing identities in the spellings that occur."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def test_an_address_in_any_width_is_hashed() -> None:
    address = known_identity("taro@example.jp")
    for spelling in ("taro＠example.jp", "ｔａｒｏ@example.jp", "taro﹫EXAMPLE.jp"):
        assert known_identity(spelling) == routing_identity(spelling, None) == address


def test_an_anonymous_id_that_is_an_address_is_hashed() -> None:
    identity = routing_identity(None, "taro@example.jp") or ""
    assert is_anonymous(identity)
    assert "taro" not in identity
    assert known_identity("anon:taro@example.jp") == known_identity(identity) == identity


def test_nobody_passes_for_another_lead_by_choosing_a_user_id() -> None:
    visitor = routing_identity(None, "xyz")
    assert visitor == "anon:xyz"
    assert routing_identity("anon:xyz", None) == "user:anon:xyz"
    assert routing_identity("email:short", None) == "user:email:short"
    assert routing_identity("user:anon:xyz", None) == "user:user:anon:xyz"
    assert routing_identity("user:7", None) == "user:7"


def test_sales_report_on_a_hashed_lead_by_its_lead_id() -> None:
    lead = known_identity("taro@example.jp")
    assert routing_identity(lead, None) == lead


IDS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    st.lists(st.sampled_from(["user:", "anon:", "email:", "x", "@", " ", "＠"]), min_size=1).map("".join),
)


@given(IDS, IDS)
def test_a_lead_id_is_found_as_it_is_and_belongs_to_one(one: str, other: str) -> None:
    for identity in (routing_identity(one, None), routing_identity(None, one)):
        assert identity is None or known_identity(identity) == identity
    user, visitor = routing_identity(one, None), routing_identity(None, other)
    assert user is None or user != visitor
    if "@" not in unicodedata.normalize("NFKC", one + other) and one.strip() != other.strip():
        assert user is None or user != routing_identity(other, None)
