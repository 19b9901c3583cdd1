"""Who is not a person to be scored: the part `not_people` of a playbook."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

from pydantic import Field, field_validator

from shared.playbook.values import Strict


class Internal(Strict):
    """Colleagues and test accounts: by the domain of their address, by user id or anonymous id, and by the network that
    an event comes from (its `context.ip`)."""

    domains: list[str] = Field(default_factory=list)
    ids: list[str] = Field(default_factory=list)
    networks: list[IPv4Network | IPv6Network] = Field(default_factory=list)

    @field_validator("domains")
    @classmethod
    def _plain(cls, domains: list[str]) -> list[str]:
        for domain in domains:
            if "@" in domain or "." not in domain.strip("."):
                raise ValueError(f"'{domain}' is no domain; expected one such as acme.co.jp")
        return domains


class NotPeople(Strict):
    """What they do is kept and shown, and worth nothing. `crawlers`: by the user agent (`context.userAgent`)."""

    crawlers: bool = True
    internal: Internal = Internal()
