"""What the ingest service is told by its environment."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from services.ingest.browser.script import Script
from services.ingest.webhooks.loading import load_webhooks
from shared.keys import KeyEntry, KeyKind, KeysFile, read_keys, write_keys_from
from shared.settings import CommonSettings


def _usable_mappings(directory: Path) -> Path:
    load_webhooks(directory, os.environ)
    return directory


def _with_the_script(directory: Path) -> Path:
    try:
        Script(directory)
    except OSError as error:
        raise ValueError(f"{error.filename}: {error.strerror}; `make analytics-js` installs it") from error
    return directory


def _address(value: str) -> str:
    if not re.fullmatch(r"https?://[^/?#\s]+(/[^?#\s]*)?", value):
        raise ValueError(f"{value!r} is no address such as https://events.example.co.jp")
    return value.rstrip("/")


# What is wrong with these is a configuration error, told with the others.
MappingsDirectory = Annotated[Path, AfterValidator(_usable_mappings)]
ScriptDirectory = Annotated[Path, AfterValidator(_with_the_script)]
PublicUrl = Annotated[str, AfterValidator(_address)]


class WebhookSettings(CommonSettings):
    """Of whoever reads what webhooks tell."""

    webhooks: MappingsDirectory | None = Field(default=None, description="directory of mappings for inbound webhooks")


class IngestSettings(WebhookSettings):
    """`TASUKI_…` variables; at least one of `keys_file` and `write_keys` must name a write key."""

    ingest_port: int = Field(default=8080, ge=0, le=65535, description="0 takes a free port")
    keys_file: KeysFile | None = Field(default=None, description="list of keys as `tasuki keys create` writes it")
    write_keys: SecretStr | None = Field(default=None, description="key=source,key2=source2: for development")
    ingest_public_url: PublicUrl | None = Field(
        default=None, description="where browsers and tools see this service; without it, where they asked"
    )
    analytics_js: ScriptDirectory | None = Field(
        default=None, description="directory with analytics.js: dist/umd of the npm package @segment/analytics-next"
    )
    truncate_ip: bool = Field(default=False, description="of context.ip only the network is kept: /24, or /48 of IPv6")
    produce_timeout_seconds: float = Field(
        default=4.5, gt=0, description="not acknowledged by Kafka after this time: 429 (senders wait for 5 s and more)"
    )
    spool_dir: Path | None = Field(
        default=Path("spool"), description="where events wait while Kafka is away; empty for nowhere"
    )
    spool_max_bytes: int = Field(default=1024**3, ge=1024**2, description="more than this in the spool: 429")
    spool_after_seconds: float = Field(
        default=2.0, gt=0, le=4, description="not acknowledged by Kafka after this time: the spool takes over"
    )
    request_seconds: float = Field(
        default=20, gt=0, le=600, description="a request that is not here as a whole by then is ended"
    )
    produce_linger_ms: int = Field(default=5, ge=0, description="how long a record may wait for company")
    max_in_flight_bytes: int = Field(
        default=128 * 1024 * 1024, gt=0, description="more than this of requests in work: 429; a key may have a quarter"
    )

    @field_validator("spool_dir", mode="before")
    @classmethod
    def _nothing_is_no_spool(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("write_keys")
    @classmethod
    def _write_keys_are_readable(cls, value: SecretStr | None) -> SecretStr | None:
        if value:
            write_keys_from(value.get_secret_value())
        return value

    @model_validator(mode="after")
    def _someone_may_send(self) -> IngestSettings:
        entries = self.entries_from_environment()
        if self.keys_file:
            entries += read_keys(self.keys_file)
        if not any(entry.kind is KeyKind.WRITE for entry in entries):
            raise ValueError(
                "no write key, so nobody could send events: set TASUKI_KEYS_FILE to a file written by "
                "`tasuki keys create`, or TASUKI_WRITE_KEYS=key=source for development"
            )
        return self

    def entries_from_environment(self) -> list[KeyEntry]:
        """Write keys given by variable."""
        return write_keys_from(self.write_keys.get_secret_value()) if self.write_keys else []
