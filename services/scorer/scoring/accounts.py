"""Whether a lead's company is one of the named target accounts (domain A4)."""

from __future__ import annotations

from typing import Any

from shared.company import company_name, corporate_domain
from shared.playbook.channels import TargetAccounts


class Accounts:
    """The part `target_accounts` of a playbook, compiled."""

    def __init__(self, part: TargetAccounts) -> None:
        self._names = frozenset(map(company_name, part.names))
        self._domains = frozenset(part.domains)
        self.are_named = bool(self._names or self._domains)
        """Whether there are any."""

    def include(self, told: Any) -> bool:
        """Whether `told`, a company's name or somebody's address, is of one of them."""
        if not isinstance(told, str):
            return False
        domain = corporate_domain(told) if "@" in told else None
        return company_name(told) in self._names if domain is None else domain in self._domains
