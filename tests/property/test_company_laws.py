"""Laws of companies: how a name is written never matters, nor does the order in which leads become known."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from services.router.company import company_points
from shared.company import Grouping, corporate_domain, normalised_name
from shared.points import MICRO

BEFORE = ["株式会社", "(株)", "㈱", "（株）", "㍿", "有限会社", "㈲", "合同会社", "一般社団法人", "カ)", "ｶﾌﾞｼｷｶﾞｲｼｬ"]
AFTER = ["株式会社", " (株)", "㈱", "（有）", "合同会社", " Inc.", ", Ltd.", " Co., Ltd.", " K.K.", "　Ｃｏｒｐ．"]
names = st.text(st.sampled_from("アクメ山田工業ｶﾞﾊﾟ東京Acmeincoｱ 　0９"), min_size=1, max_size=12).filter(str.strip)


@given(st.text(max_size=40))
def test_a_normalised_name_is_normalised(text: str) -> None:
    assert normalised_name(normalised_name(text)) == normalised_name(text)


@given(names, st.sampled_from(BEFORE), st.sampled_from(AFTER))
def test_legal_forms_never_matter(name: str, before: str, after: str) -> None:
    plain = normalised_name(name)
    assert normalised_name(before + name) == normalised_name(name + after) == normalised_name(before + name + after)
    assert normalised_name(before + name) == plain


@given(st.text(max_size=20))
def test_width_case_and_space_never_matter(text: str) -> None:
    wide = "".join(chr(ord(sign) + 0xFEE0) if "!" <= sign <= "~" else sign for sign in text)
    assert normalised_name(wide) == normalised_name(text)
    assert normalised_name(unicodedata.normalize("NFKC", text)) == normalised_name(text)
    assert normalised_name(f"　{text} ") == normalised_name(text)


@given(st.text(max_size=30), st.from_regex(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True))
def test_any_address_has_a_domain_or_none(junk: str, label: str) -> None:
    """Never an error, whatever people type."""
    corporate_domain(junk)
    corporate_domain(f"taro@{junk}")
    assert corporate_domain(f"taro@www.{label}.co.jp") == corporate_domain(f"taro@{label}.co.jp")


pairs = st.lists(st.tuples(st.sampled_from(["", "a", "b", "c"]), st.sampled_from(["", "a.jp", "b.jp"])), max_size=12)


@given(pairs, st.randoms())
def test_groups_depend_on_neither_order_nor_repetition(given_pairs: list[tuple[str, str]], dice: object) -> None:
    shuffled = [*given_pairs, *given_pairs]
    dice.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = Grouping(given_pairs), Grouping(shuffled)
    assert [one.key(*pair) for pair in given_pairs] == [other.key(*pair) for pair in given_pairs]


@given(pairs)
def test_who_has_a_domain_is_grouped_by_it_alone(given_pairs: list[tuple[str, str]]) -> None:
    grouping = Grouping(given_pairs)
    for name, domain in given_pairs:
        key = grouping.key(name, domain)
        if domain:
            assert key == f"domain:{domain}"
        elif key is not None and key.startswith("domain:"):
            assert {other for told, other in given_pairs if told == name and other} == {key.removeprefix("domain:")}


@given(st.lists(st.integers(-50 * MICRO, 200 * MICRO), max_size=8), st.floats(0, 1), st.randoms())
def test_a_company_is_worth_its_highest_lead_or_more(points: list[int], share: float, dice: object) -> None:
    worth = company_points(points, share)
    assert max([*points, 0]) <= worth <= max(sum(value for value in points if value > 0), 0)
    shuffled = list(points)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]
    assert company_points(shuffled, share) == worth
