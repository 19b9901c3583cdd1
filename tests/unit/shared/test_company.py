"""One company, however its name and its people's addresses are written; and no company where nothing is certain."""

from __future__ import annotations

import pytest

from shared.company import Grouping, company_name, corporate_domain, normalised_name


@pytest.mark.parametrize(
    "written",
    [
        "株式会社アクメ", "(株)アクメ", "㈱アクメ", "（株）アクメ", "アクメ㈱", "アクメ 株式会社", "ｱｸﾒ", "㍿アクメ",
        "アクメ", "　株式会社　アクメ　", "カブシキガイシャ アクメ", "ｶﾌﾞｼｷｶﾞｲｼｬｱｸﾒ", "カ)アクメ", "アクメ(カ",
        "有限会社アクメ", "(有)アクメ", "アクメ合同会社", "(同)アクメ", "一般社団法人アクメ", "(一社)アクメ",
        "医療法人社団アクメ", "アク・メ", "アクメ Co., Ltd.",
    ],
)  # fmt: skip
def test_a_japanese_company(written: str) -> None:
    assert normalised_name(written) == "アクメ"


@pytest.mark.parametrize(
    "written",
    [
        "Acme", "ACME Inc.", "Acme, Inc", "Ａｃｍｅ　Ｃｏｒｐ．", "Acme Co., Ltd.", "Acme K.K.", "KK Acme",
        "Acme株式会社", "Acme Limited", "Acme LLC", "Acme GmbH & Co. KG", "Acme & Co.", "Acme S.A.", "Acme Pte. Ltd.",
        "Acme Sdn. Bhd.", "Kabushiki Kaisha Acme", "acme corporation",
    ],
)  # fmt: skip
def test_a_foreign_company(written: str) -> None:
    assert normalised_name(written) == "acme"


@pytest.mark.parametrize(
    ("written", "normalised"),
    [
        ("株式会社", "株式会社"), ("Inc.", "inc"), ("Zinc", "zinc"), ("SAS Institute", "sasinstitute"), ("P&G", "p&g"),
        ("日本有限責任社", "日本有限責任社"), ("社会医療研究所", "社会医療研究所"),
        ("7-Eleven Japan", "7elevenjapan"), (" ", ""),
    ],
)  # fmt: skip
def test_what_is_no_legal_form_stays(written: str, normalised: str) -> None:
    assert normalised_name(written) == normalised


@pytest.mark.parametrize(
    "written", ["", " ", "-", "ー・", "なし", "（なし）", "ﾅｼ", "個人事業主", "N/A", "Test", "self-employed"]
)
def test_what_names_no_company(written: str) -> None:
    assert company_name(written) == ""
    assert company_name("株式会社アクメ") == "アクメ"


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        ("taro@acme.co.jp", "acme.co.jp"),
        ("taro@Mail.Sales.ACME.co.jp.", "acme.co.jp"),
        ("taro＠ａｃｍｅ．ｃｏ．ｊｐ", "acme.co.jp"),
        ("taro@acme.tokyo", "acme.tokyo"),
        ("somu@city.yokohama.jp", "city.yokohama.jp"),
        ("taro@例え.jp", "xn--r8jz45g.jp"),
        ("taro@xn--r8jz45g.jp", "xn--r8jz45g.jp"),
        ("taro@acme.jpn.com", "acme.jpn.com"),
        ("taro@mail.acme.example", "acme.example"),
    ],
)
def test_a_corporate_domain(address: str, domain: str) -> None:
    assert corporate_domain(address) == domain


@pytest.mark.parametrize(
    "address",
    [
        "taro@gmail.com", "taro@yahoo.co.jp", "taro@docomo.ne.jp", "taro@i.softbank.jp", "taro@jcom.home.ne.jp",
        "taro@nifty.com", "x@mailinator.com", "x@sub.mailinator.com", "acme.co.jp", "@acme.co.jp", "taro@co.jp",
        "taro@localhost", "taro@192.168.1.1", "taro@[192.168.1.1]", "taro@acme.internal", "taro@a..jp", "taro@", "",
        "taro@" + "x" * 251 + ".jp",
    ],
)  # fmt: skip
def test_no_company_has_such_an_address(address: str) -> None:
    assert corporate_domain(address) is None


def test_a_name_with_one_domain_belongs_to_it() -> None:
    grouping = Grouping([("アクメ", "acme.co.jp"), ("アクメ", ""), ("", "acme.co.jp")])
    assert grouping.key("アクメ", "") == grouping.key("アクメ", "acme.co.jp") == "domain:acme.co.jp"
    assert grouping.key("", "acme.co.jp") == "domain:acme.co.jp"
    assert (grouping.key("", ""), grouping.key("別", "")) == (None, "name:別")


def test_a_name_with_two_domains_belongs_to_neither() -> None:
    grouping = Grouping([("山田工業", "yamada.co.jp"), ("山田工業", "yamada-kogyo.jp")])
    assert grouping.key("山田工業", "") == "name:山田工業"
    assert grouping.key("山田工業", "yamada.co.jp") == "domain:yamada.co.jp"
