"""Who is the same person: the part `identity` of a playbook."""

from __future__ import annotations

from pydantic import Field, field_validator

from shared.playbook.values import Strict

ROLE_ADDRESSES = (
    "info", "contact", "inquiry", "sales", "support", "office", "admin", "webmaster", "postmaster", "noreply",
    "no-reply", "hello", "mail", "soumu", "somu", "eigyo", "jinji", "keiri", "saiyo", "toiawase", "otoiawase",
)  # fmt: skip


class Identity(Strict):
    """A visitor becomes a known lead where an event names both, and so does an address or a tool's own id.

    One that would belong to more than `most_leads` known leads is a shared computer, or a shared mailbox, and belongs
    to none. `shared_mailboxes`: what stands before the @ of addresses that several people read in any case."""

    most_leads: int = Field(default=1, ge=1, le=8)
    shared_mailboxes: list[str] = Field(default_factory=lambda: list(ROLE_ADDRESSES))

    @field_validator("shared_mailboxes")
    @classmethod
    def _without_domain(cls, names: list[str]) -> list[str]:
        for name in names:
            if "@" in name or not name.strip():
                raise ValueError(f"'{name}': expected what stands before the @, such as info")
        return names
