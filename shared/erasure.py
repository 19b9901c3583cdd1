"""Erasure of a person (the right to be forgotten): what the router tells the scorer of it, and the deny-list.

Whoever is erased leaves keyed hashes of their ids and nothing else. What such an id did, or what was received of it, by
`until` is taken by no service any more, whether it comes late or is read again; what it does later begins a new lead.
`until` lies a little after the erasure, so that all parts of the system have heard of it by then: else what is on its
way at that moment could bring half of the person back.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime
from typing import Annotated

import msgspec
from pydantic import AfterValidator, SecretStr

from shared.events import Event, Kind
from shared.settings import ConfigurationError

SOURCE = "tasuki/router"
NAME = "Lead Erased"
LEAST_SECRET = 32  # characters


def _long_enough(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value()) < LEAST_SECRET:
        raise ValueError(f"it must have {LEAST_SECRET} characters at least: make one with `openssl rand -base64 32`")
    return secret


ErasureSecret = Annotated[SecretStr, AfterValidator(_long_enough)]
"""The setting `TASUKI_ERASURE_KEY`."""


class ErasureKeyError(ConfigurationError):
    """Somebody has been erased, and there is no key, or another one, to know them again by."""

    @classmethod
    def missing(cls) -> ErasureKeyError:
        return cls(
            "people have been erased, and without TASUKI_ERASURE_KEY nobody knows whom not to take back: set it to the "
            "same secret for all scorers and routers"
        )


class ErasureKey:
    """Makes hashes that only whoever has the secret can make: of an id one cannot tell whether it is on the list."""

    def __init__(self, secret: str) -> None:
        self._key = hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
        self.check = self.hash("").hex()
        """Tells whether two keys are the same."""

    @classmethod
    def of(cls, secret: SecretStr | None) -> ErasureKey | None:
        """Of the setting."""
        return None if secret is None else cls(secret.get_secret_value())

    def hash(self, lead_id: str) -> bytes:
        """What the deny-list has of an id."""
        digest = hashlib.blake2b(lead_id.encode("utf-8", "surrogatepass"), key=self._key, digest_size=16)
        return digest.digest()

    def refuse_another(self, check: str) -> None:
        """Raises `ErasureKeyError` unless `check` is this key's."""
        if not hmac.compare_digest(self.check, check):
            raise ErasureKeyError(
                "TASUKI_ERASURE_KEY is not the key by which people have been erased: set it to the same secret for all "
                "scorers and routers, and never change it, or nobody knows any more whom not to take back"
            )


class Erasure(msgspec.Struct, frozen=True):
    """Properties of an event of kind `erase`. `until`: what happened or was received by then is erased; `key`: the
    `check` of the key by which hashes are made."""

    until: datetime
    key: str


def erasure_of(event: Event) -> Erasure:
    """Raises `ValueError` where the event tells of none."""
    try:
        told = msgspec.convert(event.properties, Erasure)
    except msgspec.ValidationError as error:
        raise ValueError(f"no erasure: {error}") from error
    if told.until.tzinfo is None:
        raise ValueError("no erasure: until needs a time zone")
    return told


def check(event: Event) -> None:
    """Raises `ValueError` unless the event, of this kind, is the router's own."""
    if event.source != SOURCE or event.traits or event.historical:
        raise ValueError("events of kind erase are the router's own, and never history")
    erasure_of(event)


def erase_event(lead_id: str, id: str, at: datetime, erasure: Erasure) -> Event:
    """The lead is erased at the moment `at`; `id` is the erasure's."""
    return Event(
        kind=Kind.ERASE,
        id=id,
        source=SOURCE,
        key=lead_id,
        time=at,
        received_at=at,
        name=NAME,
        properties=msgspec.to_builtins(erasure),
    )
