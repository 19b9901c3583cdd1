"""Whose wish it is not to be followed: the part `privacy` of a playbook."""

from __future__ import annotations

from pydantic import Field, field_validator

from shared.playbook.values import Check, Strict


class Privacy(Strict):
    """An event whose context passes all checks (by dotted paths) of one of `withheld` is worth nothing, and nothing in
    it is read: no points, no traits, no names. `despite`: events (by name) that count all the same, as a person who
    writes to us does so on purpose."""

    withheld: list[dict[str, Check]] = Field(default_factory=list)
    despite: list[str] = Field(default_factory=list)

    @field_validator("withheld")
    @classmethod
    def _asks_something(cls, withheld: list[dict[str, Check]]) -> list[dict[str, Check]]:
        if not all(withheld):
            raise ValueError("expected checks on the context, such as {doNotTrack: true}")
        return withheld
