"""Whose company somebody is of, by its name or by an address."""

from __future__ import annotations

import re
import unicodedata

from tests.fault.oracle.playbook import Accounts

_FORMS = re.compile(r"株式会社|有限会社|\(株\)|\(有\)|[\s,.・-]|co\.,? ?ltd\.?$|inc\.?$")
"""Of the many that there are, those that the tests write."""


def is_of(told: str, accounts: Accounts) -> bool:
    """Whether a company's name, or an address, is of one of the target accounts."""
    text = unicodedata.normalize("NFKC", told).casefold().strip()
    mailbox, _, host = text.rpartition("@")
    if mailbox:
        return any(host == domain or host.endswith("." + domain) for domain in accounts.domains)
    return _plain(text) in [_plain(unicodedata.normalize("NFKC", name).casefold()) for name in accounts.names]


def _plain(name: str) -> str:
    return _FORMS.sub("", name)
