"""Which company a lead belongs to: normalised names, corporate mail domains, and the key made of both. Pure.

Key `domain:acme.co.jp` before `name:アクメ`. What brings leads together are certainties only: the same corporate
domain, or the same normalised name where that name has at most one domain (`Grouping`).
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from functools import cache, lru_cache

import idna
from publicsuffixlist import PublicSuffixList

from shared.mail_domains import is_personal

DOMAIN_PREFIX, NAME_PREFIX = "domain:", "name:"

# As they stand in a name without width and case; longer ones first, as 一般社団法人 ends in 社団法人.
_FORMS = (
    "特定非営利活動法人|地方独立行政法人|有限責任監査法人|有限責任事業組合|独立行政法人|国立大学法人|公立大学法人"
    "|一般社団法人|一般財団法人|公益社団法人|公益財団法人|医療法人社団|医療法人財団|社会福祉法人|社会医療法人"
    "|特定医療法人|特定目的会社|司法書士法人|行政書士法人|弁護士法人|税理士法人|社労士法人|npo法人|監査法人|投資法人"
    "|医療法人|学校法人|宗教法人|社団法人|財団法人|株式会社|有限会社|合同会社|合資会社|合名会社|相互会社"
    "|カブシキガイシャ|カブシキカイシャ|ユウゲンガイシャ|ゴウドウガイシャ|ゴウシガイシャ|ゴウメイガイシャ"
)
_SHORT = "株|有|同|資|名|相|社|財|一社|一財|公社|公財|医|医社|医財|学|福|宗|特非|独|監|カ|ユ|ド"  # in brackets
_BANK = "[カユド]"  # as on statements of account: カ)アクメ, アクメ(カ
_LATIN = r"k\.?k|g\.?k|y\.?k"
_FOREIGN = (
    r"incorporated|inc|corporation|corp|company|co|limited|ltd|l\.?l\.?c|l\.?l\.?p|p\.?l\.?c|gmbh|ag|kg|s\.?a"
    r"|s\.?a\.?s|s\.?a\.?r\.?l|s\.?r\.?l|b\.?v|n\.?v|a\.?b|oy|pty|pte|pvt|private|sdn\.?\s*bhd"
    r"|kabushiki\s+(?:kaisha|gaisha)"
)
_BEFORE = re.compile(
    rf"^(?:{_FORMS}|\((?:{_SHORT})\)|{_BANK}\)|(?:{_LATIN})\.?(?=[\s,.])|kabushiki\s+(?:kaisha|gaisha)\s)\s*"
)
_AFTER = re.compile(rf"(?:\s*(?:{_FORMS}|\((?:{_SHORT})\)|\({_BANK})|[\s,.(&]+(?:{_FOREIGN}|{_LATIN})[\s,.)&]*)$")
_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_PLAIN_HOST = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})+")
_KEPT_SIGNS = "&"  # P&G is not PG
_NOBODY = frozenset({
    "なし", "無し", "無", "ナシ", "該当なし", "個人", "個人事業主", "自営業", "自営", "フリーランス", "フリー", "無職",
    "無所属", "学生", "会社", "未定", "不明", "テスト", "ー", "na", "none", "no", "nil", "null", "test", "individual",
    "private", "personal", "self", "selfemployed", "freelance", "freelancer", "student", "unknown",
})  # fmt: skip
"""What people write where a form demands a company."""


@lru_cache(maxsize=65_536)
def normalised_name(name: str) -> str:
    """The name of a company, or of a department, without width, case, spaces, punctuation and legal form.

    A name that would be empty so (株式会社) keeps what would be taken away. Applying it again changes nothing."""
    folded = _folded(name)
    while folded != (again := _folded(_stripped(folded))):
        folded = again
    return folded


def _stripped(text: str) -> str:
    """Without legal forms, as long as something is left, and without spaces and punctuation."""
    rest = text
    while (shorter := _BEFORE.sub("", _AFTER.sub("", rest))) != rest and _plain(shorter):
        rest = shorter
    return _plain(rest) or text


def _plain(text: str) -> str:
    return "".join(sign for sign in text if sign in _KEPT_SIGNS or unicodedata.category(sign)[0] not in "ZCP")


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).strip()


def company_name(name: str) -> str:
    """The normalised name of a company; empty for what names none (`-`, なし, 個人事業主, n/a)."""
    normalised = normalised_name(name)
    return "" if normalised in _NOBODY or not any(sign.isalnum() for sign in normalised) else normalised


def corporate_domain(email: str) -> str | None:
    """The registrable domain of an address as DNS writes it (`xn--…` for 例え.jp).

    None for free and disposable mail, for what is no address, and where the top-level domain does not exist."""
    if not email.isascii():
        email = unicodedata.normalize("NFKC", email)
    mailbox, at, host = email.strip().rpartition("@")
    return _corporate(host) if at and mailbox else None


def registrable_domain(host: str) -> str | None:
    """`acme.co.jp` of `mail.acme.co.jp`, as DNS writes it; None where its top-level domain does not exist."""
    return _registrable(_as_dns_writes(host))


def _registrable(ascii_host: str) -> str | None:
    if ascii_host.endswith(".example"):  # not in the public list, but reserved for samples like ours (RFC 2606)
        return ".".join(ascii_host.split(".")[-2:])
    return _suffixes().privatesuffix(ascii_host) if ascii_host else None


@lru_cache(maxsize=65_536)
def _corporate(host: str) -> str | None:
    ascii_host = _as_dns_writes(host)
    domain = _registrable(ascii_host)
    return None if domain is None or is_personal(domain) or is_personal(ascii_host) else domain


def _as_dns_writes(host: str) -> str:
    """Empty where DNS could not write it."""
    host = host.rstrip(".").casefold()
    if _PLAIN_HOST.fullmatch(host) and "xn--" not in host:
        return host  # most are: asking idna takes 50 µs
    try:
        return idna.encode(host, uts46=True).decode()
    except idna.IDNAError:
        return ""


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList(accept_unknown=False)


class Grouping:
    """Who belongs together. A pure function of the set of (name, domain) pairs: neither order nor repetition matters.

    A lead with a corporate domain belongs to the domain. One that has a name only joins the domain that leads of this
    name have, if that is exactly one; where they have none or several, the name itself is the company. So it does not
    tell two companies of one name apart while only one of them has a domain, nor the companies of a group that share
    a domain; and two domains are two companies, whatever their names.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        """`pairs` of normalised name and corporate domain, empty where not known."""
        domains: defaultdict[str, set[str]] = defaultdict(set)
        for name, domain in pairs:
            if name and domain:
                domains[name].add(domain)
        self._adopted = {name: next(iter(found)) for name, found in domains.items() if len(found) == 1}

    def key(self, name: str, domain: str) -> str | None:
        """The company of a lead; None where neither is known."""
        domain = domain or self._adopted.get(name, "")
        return DOMAIN_PREFIX + domain if domain else NAME_PREFIX + name if name else None
