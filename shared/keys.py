"""Keys of senders and callers: made once, shown once, kept as digests.

A *write* key lets a website or tool send events; its name is the source. A *token* lets a person or tool call the
router's API, within its scopes. Secrets carry 192 random bits, so plain SHA-256 is enough: there is nothing to
guess that a slow hash would protect. A file holds a YAML (or JSON) list:

    - kind: write
      name: website
      sha256: 9f86d081884c7d65…
      created: 2026-11-21T09:00:00Z
      origins: [https://www.example.co.jp, "https://*.example.co.jp"]   # websites that may use it; none: all
      events_per_second: 100                                           # in the long run; none: no limit
      burst: 1000                                                      # at once, after a pause
"""

from __future__ import annotations

import hashlib
import hmac
import math
import os
import re
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml
from pydantic import AfterValidator

from shared.origins import require_origin
from shared.settings import ConfigurationError


class KeyKind(StrEnum):
    WRITE = "write"
    TOKEN = "token"


SCOPES = frozenset({"read", "write", "erase", "admin"})
"""`admin` includes the others."""
_PREFIXES = {KeyKind.WRITE: "wk_", KeyKind.TOKEN: "tk_"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class KeyEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is kept of a key. `scopes` belong to tokens only, what follows `created` to write keys. The limits are those
    of each process of ingest."""

    kind: KeyKind
    name: str
    sha256: str
    scopes: tuple[str, ...] = ()
    created: datetime | None = None
    origins: tuple[str, ...] = ()
    events_per_second: float | None = None
    burst: int | None = None

    def __post_init__(self) -> None:
        # A name becomes a metric label and part of an event's identity.
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"name {self.name!r} must be 1 to 64 letters, digits, '_', '.' or '-'")
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise ValueError(f"sha256 of {self.name!r} must be 64 hexadecimal digits in lower case")
        unknown = sorted(set(self.scopes) - SCOPES)
        if unknown:
            raise ValueError(f"{self.name!r} has unknown scopes {unknown}: choose among {sorted(SCOPES)}")
        if self.kind is KeyKind.TOKEN and not self.scopes:
            raise ValueError(f"token {self.name!r} has no scopes: choose among {sorted(SCOPES)}")
        if self.kind is KeyKind.WRITE and self.scopes:
            raise ValueError(f"write key {self.name!r} cannot have scopes")
        self._require_limits()

    def _require_limits(self) -> None:
        if self.kind is KeyKind.TOKEN and (
            self.origins or self.events_per_second is not None or self.burst is not None
        ):
            raise ValueError(f"token {self.name!r} cannot have origins, events_per_second or burst")
        for origin in self.origins:
            require_origin(origin)
        if self.events_per_second is not None and not 0 < self.events_per_second < math.inf:
            raise ValueError(f"events_per_second of {self.name!r} must be above 0")
        if self.burst is not None and (self.burst < 1 or self.events_per_second is None):
            raise ValueError(f"burst of {self.name!r} must be at least 1, beside events_per_second")


class KeyRing:
    """Finds a key by its secret."""

    def __init__(self, entries: Iterable[KeyEntry]) -> None:
        self._by_digest = {(entry.kind, entry.sha256): entry for entry in entries}

    def find(self, kind: KeyKind, secret: str) -> KeyEntry | None:
        """None for a secret that nobody was given.

        The look-up is by digest, so how long it takes tells nothing about how much of a guess was right."""
        sha256 = digest(secret)
        entry = self._by_digest.get((kind, sha256))
        return entry if entry and hmac.compare_digest(entry.sha256, sha256) else None

    def __len__(self) -> int:
        return len(self._by_digest)


def digest(secret: str) -> str:
    """What a file keeps of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def create_key(kind: KeyKind, name: str, scopes: Iterable[str] = (), **limits: Any) -> tuple[str, KeyEntry]:
    """A new secret, to be shown once, and the entry to keep. `limits` are those of `KeyEntry`.

    Raises `ValueError` for a bad name, scope or limit."""
    secret = _PREFIXES[kind] + secrets.token_urlsafe(24)
    created = datetime.now(UTC).replace(microsecond=0)
    entry = KeyEntry(kind=kind, name=name, sha256=digest(secret), scopes=tuple(scopes), created=created, **limits)
    return secret, entry


def read_keys(path: Path) -> list[KeyEntry]:
    """Raises `ConfigurationError` naming the file and the entry that is wrong."""
    try:
        return _parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise ConfigurationError(
            f"cannot read the keys file {path}: {error}\n"
            "(`tasuki keys create` writes one; entries have kind, name, sha256)"
        ) from error


def append_key(path: Path, entry: KeyEntry) -> None:
    """Add `entry`; the file is made when missing, readable by its owner only, and replaced as a whole.

    A reader never sees half of it. Comments in a block-style file stay. Raises `ConfigurationError` when what is
    there already is not a keys file (it is then left as it was)."""
    text = ""
    if path.exists():
        entries = read_keys(path)
        text = path.read_text(encoding="utf-8")
        if not text.lstrip().startswith(("-", "#")):  # a JSON list or an empty file: nothing can be appended to it
            text = _dump(entries)
    text = (text.rstrip() + "\n" if text.strip() else "") + _dump([entry])
    _replace(path, text)


def remove_key(path: Path, entry: KeyEntry) -> None:
    """Without `entry`; the file is replaced as a whole, and written anew (comments go). Raises `ConfigurationError`."""
    _replace(path, _dump([kept for kept in read_keys(path) if kept != entry]))


def _replace(path: Path, text: str) -> None:
    _parse(text)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    temporary.replace(path)


def write_keys_from(text: str) -> list[KeyEntry]:
    """`key=source,key2=source2`, for development. Raises `ConfigurationError`; the message names no secret."""
    return [_entry_from(KeyKind.WRITE, item, number) for number, item in _items(text)]


def tokens_from(text: str) -> list[KeyEntry]:
    """`token=name:read+write,…`, for development. Raises `ConfigurationError`; the message names no secret."""
    return [_entry_from(KeyKind.TOKEN, item, number) for number, item in _items(text)]


def _items(text: str) -> list[tuple[int, str]]:
    return [(number, item.strip()) for number, item in enumerate(text.split(","), start=1) if item.strip()]


def _entry_from(kind: KeyKind, item: str, number: int) -> KeyEntry:
    # The secret may itself end in "=" (base64), a name cannot contain it.
    secret, equals, rest = item.rpartition("=")
    name, _, scopes = rest.partition(":")
    if not equals or not secret:
        shape = "key=source" if kind is KeyKind.WRITE else "token=name:scope+scope"
        raise ConfigurationError(f"item {number} is not of the form {shape}")
    try:
        return KeyEntry(kind=kind, name=name, sha256=digest(secret), scopes=tuple(filter(None, scopes.split("+"))))
    except ValueError as error:
        raise ConfigurationError(f"item {number}: {error}") from error


def _parse(text: str) -> list[KeyEntry]:
    return msgspec.convert(yaml.safe_load(text) or [], list[KeyEntry])


def _dump(entries: list[KeyEntry]) -> str:
    return yaml.safe_dump([msgspec.to_builtins(entry) for entry in entries], sort_keys=False)


def _readable(path: Path) -> Path:
    read_keys(path)
    return path


KeysFile = Annotated[Path, AfterValidator(_readable)]
"""A setting that names a keys file: one that cannot be read is a configuration error, told with the others."""
