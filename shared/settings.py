"""Typed settings from the environment (prefix `TASUKI_`), read once at start and passed explicitly."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.topics import Topics


class ConfigurationError(ValueError):
    """Everything wrong with the configuration, all at once; the message says what to do.

    A `ValueError`, so that a settings validator may raise it and be listed with the other problems."""


class CommonSettings(BaseSettings):
    """What every service needs."""

    model_config = SettingsConfigDict(env_prefix="TASUKI_", frozen=True, extra="ignore")

    kafka_bootstrap: str = Field(description="host:port[,host:port] of the Kafka brokers")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: str = "PLAIN"
    kafka_sasl_username: str | None = None
    kafka_sasl_password: SecretStr | None = None
    kafka_ca_file: Path | None = None
    topic_prefix: str = "tasuki."
    playbook: Path | None = Field(default=None, description="playbook file; without it the built-in default")
    host: str = "127.0.0.1"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @property
    def topics(self) -> Topics:
        return Topics(self.topic_prefix)


S = TypeVar("S", bound=BaseSettings)


def load_settings(cls: type[S]) -> S:
    """Read `cls` from the environment.

    Raises `ConfigurationError` naming every missing or wrong variable together, so that one restart mends all.
    """
    try:
        return cls()
    except ValidationError as error:
        prefix = cls.model_config.get("env_prefix", "")
        lines = [
            f"  {_variable(prefix, problem['loc'])}{problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors()
        ]
        raise ConfigurationError(
            "the configuration is incomplete or wrong; set these environment variables\n"
            + "\n".join(lines)
            + "\n(deploy/settings.reference.env describes each one)"
        ) from None


def _variable(prefix: str, location: tuple[int | str, ...]) -> str:
    """Empty where a problem lies between variables and not in one of them."""
    return f"{prefix}{'_'.join(str(part) for part in location)}: ".upper() if location else ""
