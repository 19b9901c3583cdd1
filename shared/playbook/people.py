"""Who is not a person to be scored: the part `not_people` of a playbook."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network

from pydantic import Field, field_validator

from shared.playbook.conditions import EventMatch
from shared.playbook.values import Duration, Strict


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


class Scanners(Strict):
    """Programs that open mails and follow their links before the person does. `acts` are what people do with a mail,
    `sent` tells that one was sent. An act is a scanner's if it says so (`machine`), if it happened less than `within`
    after its mail was sent, or if it is one of clicks on `links_at_once` links of the mail within `at_once`.

    The others are paths of properties: of those of `mail`, which names the mail, and of `link`, the first that is told;
    of `sent_at`, when the mail was sent, and `machine` any."""

    acts: list[EventMatch] = Field(min_length=1)
    sent: list[EventMatch] = Field(default_factory=list)
    mail: list[str] = Field(default_factory=list)
    link: list[str] = Field(default_factory=list)
    sent_at: list[str] = Field(default_factory=list)
    machine: list[str] = Field(default_factory=list)
    within: Duration = timedelta(seconds=5)
    links_at_once: int = Field(default=3, ge=2)
    at_once: Duration = timedelta(seconds=2)


class NotPeople(Strict):
    """What they do is kept and shown, and worth nothing. `crawlers`: by the user agent (`context.userAgent`);
    `scanners`: of mails, None: nobody looks for them."""

    crawlers: bool = True
    internal: Internal = Internal()
    scanners: Scanners | None = None
